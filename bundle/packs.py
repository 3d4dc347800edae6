"""Folders of documents → packs, by the product itself: `haversack ingest` into a home of its own, then `haversack pack create`."""

from __future__ import annotations

import os
import subprocess
import sys
import tempfile
from collections.abc import Iterable
from pathlib import Path

from bundle.assemble import Packer
from bundle.errors import PackFailed
from bundle.progress import Progress
from bundle.sign import key_file

ROOT = Path(__file__).resolve().parents[1]


def make_packs(folders: Iterable[Path], progress: Progress) -> Packer:
    """What makes the packs of these folders, with the models of the bundle that it is given; each named like its folder, and signed
    with the bundle's own key."""
    folders = tuple(folders)

    def pack(bundle: Path, into: Path) -> None:
        into.mkdir(exist_ok=True)
        for folder in folders:
            progress.say(f"Reading {folder.name} into a pack")
            with tempfile.TemporaryDirectory(dir=bundle.parent) as home:
                _haversack(folder, bundle, Path(home), "ingest", str(folder), "--collection", folder.name)
                file = into / f"{folder.name}.haversack"
                _haversack(folder, bundle, Path(home), "pack", "create", folder.name, str(file), "--key", str(key_file()))

    return pack


def _haversack(folder: Path, bundle: Path, home: Path, *command: str) -> None:
    """Raises PackFailed with the last line that it said."""
    environment = {**os.environ, "PYTHONPATH": str(ROOT), "HAVERSACK_HOME": str(home), "HAVERSACK_BUNDLE": str(bundle)}
    done = subprocess.run([sys.executable, "-P", "-m", "appliance.cli", *command], capture_output=True, text=True, env=environment, check=False)
    if done.returncode:
        raise PackFailed(path=folder, detail=next(reversed(done.stderr.strip().splitlines()), f"exit code {done.returncode}"))
