"""Our own code as one small archive for every platform, and the launchers: so that an update of ours is small."""

from __future__ import annotations

import hashlib
import shutil
from pathlib import Path

from bundle.runtime.archive import pack
from bundle.runtime.bytecode import compile_folder

ROOT = Path(__file__).resolve().parents[2]
LAUNCHERS = ROOT / "scripts" / "launchers"
_STARTS = {"start-linux.sh": "start.sh", "START-macOS.command": "start.sh", "START-Windows.cmd": "start.cmd"}


def code_files() -> tuple[tuple[str, Path], ...]:
    """Every file of the archive: its name there, and where it lies here."""
    own = sorted(path for path in (ROOT / "appliance").rglob("*") if path.is_file() and "__pycache__" not in path.parts)
    return ("haversack.py", LAUNCHERS / "haversack.py"), *((path.relative_to(ROOT).as_posix(), path) for path in own)


def launcher_files() -> tuple[tuple[str, Path], ...]:
    return tuple((name, LAUNCHERS / file) for name, file in sorted(_STARTS.items()))


def code_digest() -> str:
    """A hash of all that these archives and launchers are made of."""
    digest = hashlib.sha256()
    for name, path in (*code_files(), *launcher_files()):
        content = path.read_bytes()
        digest.update(f"{name}\0{len(content)}\0".encode() + content)
    return digest.hexdigest()


def pack_code(archive: Path, scratch: Path) -> None:
    """Write the code's archive. `scratch`: an empty folder."""
    for name, path in code_files():
        target = scratch / name
        target.parent.mkdir(parents=True, exist_ok=True)
        shutil.copyfile(path, target)
    compile_folder(scratch)
    pack(scratch, archive)


def copy_launchers(root: Path) -> None:
    for name, path in launcher_files():
        shutil.copyfile(path, root / name)
