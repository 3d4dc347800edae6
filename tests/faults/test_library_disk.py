"""A full disk, a file-size limit, a write-protected stick: refused in one sentence, and everything that was there still answers."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from pathlib import Path

import pytest

from appliance.errors import LibraryReadOnly
from appliance.library.store import Library
from tests.library.making import Maker

ROOT = Path(__file__).resolve().parents[2]
PYTHON = [sys.executable, "-m", "tests.library.cramped"]


def can_mount() -> bool:
    """Whether a private mount can be made here: as root, or where user namespaces are open to all."""
    try:
        return subprocess.run(["unshare", "-rm", "mount", "-t", "tmpfs", "none", "/mnt"], capture_output=True, check=False).returncode == 0
    except FileNotFoundError:
        return False


def steps(command: list[str]) -> dict[str, dict[str, object]]:
    done = subprocess.run(command, cwd=ROOT, capture_output=True, text=True, check=False, timeout=120)
    assert done.returncode == 0, done.stderr
    return {line["step"]: line for line in map(json.loads, done.stdout.splitlines())}


def mounted(mount: str, command: list[str], place: Path) -> list[str]:
    return ["unshare", "-rm", "sh", "-c", f'{mount} && exec "$@"', "sh", *(part.replace("PLACE", str(place)) for part in command)]


@pytest.mark.parametrize("kind", ["tmpfs", "limit"])
def test_a_full_disk_refuses_in_one_sentence_and_loses_nothing(tmp_path: Path, kind: str) -> None:
    place = tmp_path / "stick"
    place.mkdir()
    if kind == "tmpfs" and can_mount():
        mount = f"mount -t tmpfs -o size=3m none '{place}'"
        seen = steps(mounted(mount, [*PYTHON, "fill", "PLACE/home", str(tmp_path / "incoming")], place))
        assert seen["refused"]["error"] == seen["backup"]["error"] == "disk_full"
    else:
        seen = steps([*PYTHON, "limited", str(place / "home"), str(tmp_path / "incoming")])
        assert seen["refused"]["error"] in ("disk_full", "library_read_only")
        assert "error" in seen["backup"]
    added = seen["refused"]["added"]
    assert isinstance(added, int)
    assert added > 5
    assert seen["find"] == {"step": "find", "documents": added, "found": added, "findings": []}
    assert seen["again"] == {"step": "again", "result": 1}


def test_a_write_protected_library_answers_and_is_not_written_to(home: Path, tmp_path: Path) -> None:
    make = Maker(tmp_path / "incoming")
    from tests.library.cramped import text

    with Library.open(home, write=True) as library:
        collection = library.ensure_collection("a")
        for number in range(4):
            make(library, collection.id, f"{number}.txt", text(number))
    if can_mount():
        mount = f"mount --bind '{home}' '{home}' && mount -o remount,bind,ro '{home}'"
        seen = steps(mounted(mount, [*PYTHON, "read", "PLACE"], home))
        assert seen["write"]["error"] == "library_read_only"
        assert seen["find"] == {"step": "find", "documents": 4, "found": 4, "findings": []}
    elif os.geteuid() != 0:
        for path in [home, *home.rglob("*")]:
            path.chmod(path.stat().st_mode & 0o555)
        with pytest.raises(LibraryReadOnly):
            Library.open(home, write=True)
        with Library.open(home, write=False) as library:
            assert len(library.documents(collection.id)) == 4
