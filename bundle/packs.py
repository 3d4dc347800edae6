"""Folders of documents → packs, by the product itself: `haversack ingest` into a home of its own, then `haversack pack create`."""

from __future__ import annotations

import json
import os
import subprocess
import sys
import tempfile
from collections.abc import Iterable, Mapping
from datetime import datetime
from pathlib import Path

from bundle.assemble import Packer
from bundle.errors import PackFailed
from bundle.progress import Progress
from bundle.sign import key_file

ROOT = Path(__file__).resolve().parents[1]


def make_packs(folders: Iterable[Path], created: str, progress: Progress) -> Packer:
    """What makes the packs of these folders, with the models of the bundle that it is given; each named like its folder, signed with the
    bundle's own key, and of the bundle's own date (`created`, ISO 8601), so that it can be made again.

    A document that can't be read is said, and the others travel.
    """
    folders, date = tuple(folders), {"SOURCE_DATE_EPOCH": str(int(datetime.fromisoformat(created).timestamp()))}

    def pack(bundle: Path, into: Path) -> None:
        into.mkdir(exist_ok=True)
        for folder in folders:
            progress.say(f"Reading {folder.name} into a pack")
            with tempfile.TemporaryDirectory(dir=bundle.parent) as home:
                own = {"HAVERSACK_HOME": home, "HAVERSACK_BUNDLE": str(bundle)}
                read = _haversack(own, "ingest", str(folder), "--collection", folder.name, "--json")
                for line in read.stdout.splitlines():
                    document = json.loads(line)
                    if document["status"] == "failed":
                        progress.say(f"  not read: {document['document']}: {document['reason']}")
                made = read
                if read.returncode in (0, 1):  # 1: some of them were not read
                    file = into / f"{folder.name}.haversack"
                    made = _haversack(own | date, "pack", "create", folder.name, str(file), "--key", str(key_file()))
                if made.returncode:
                    said = [line for line in made.stderr.splitlines() if line.strip()]
                    raise PackFailed(path=folder, detail=said[-1] if said else f"exit code {made.returncode}.")

    return pack


def _haversack(environment: Mapping[str, str], *command: str) -> subprocess.CompletedProcess[str]:
    variables = {**os.environ, "PYTHONPATH": str(ROOT), **environment}
    return subprocess.run([sys.executable, "-P", "-m", "appliance.cli", *command], capture_output=True, text=True, env=variables, check=False)
