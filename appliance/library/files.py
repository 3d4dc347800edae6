"""The files beside the database: originals, kept by their hash; and removing what is ours and nothing else, through no link."""

from __future__ import annotations

import contextlib
import hashlib
import os
import re
import stat
from pathlib import Path
from typing import BinaryIO

from appliance.durable import sha256_of, storage_error, writing_durably
from appliance.errors import FileUnreadable

PIECE = 1 << 20
ORIGINAL = re.compile(r"[0-9a-f]{2}/([0-9a-f]{64})(\.[0-9a-z]{1,10})?")
"""The name of an original, with its sha256."""
_JUNCTION = 0xA0000003


def original_name(sha256: str, name: str) -> str:
    """Where the original of a document lies, relative to `originals/`. The suffix is kept for viewers, hostile ones are not."""
    suffix = os.path.splitext(name)[1].lower()
    harmless = suffix[1:].isalnum() and suffix.isascii() and len(suffix) <= 10
    return f"{sha256[:2]}/{sha256}{suffix if harmless else ''}"


def keep_original(source: Path, target: Path, sha256: str) -> None:
    """Copy `source` to `target` unless it is there. Raises FileUnreadable where `source` is not (or no longer) what was hashed."""
    with contextlib.suppress(OSError):
        if target.stat().st_size == source.stat().st_size and sha256_of(target) == sha256:
            return
    digest = hashlib.sha256()
    try:
        with _opened(source) as incoming, writing_durably(target) as copy:
            while piece := incoming.read(PIECE):
                digest.update(piece)
                copy.write(piece)
            if digest.hexdigest() != sha256:
                raise FileUnreadable(detail="The file changed while it was being read. Ingest it again.")
    except OSError as error:
        raise storage_error(error, target.parent.parent) from error


def _opened(source: Path) -> BinaryIO:
    try:
        return open(source, "rb")
    except OSError as error:
        raise FileUnreadable(detail=f"The file can't be read ({error.strerror}). Check that it is still there.") from error


def discard(path: Path) -> None:
    """Remove a file and its folder where that is empty now. One that is gone already is fine."""
    with contextlib.suppress(FileNotFoundError):
        path.unlink()
    with contextlib.suppress(OSError):
        path.parent.rmdir()


def is_link(path: Path) -> bool:
    """Whether `path` leads elsewhere: a symbolic link, or a junction of Windows."""
    try:
        found = os.lstat(path)
    except OSError:
        return False
    return stat.S_ISLNK(found.st_mode) or getattr(found, "st_reparse_tag", 0) == _JUNCTION


def clear(folder: Path, ours: str) -> None:
    """Remove the files below `folder` whose path from there `ours` matches, a regular expression, and the folders that are empty then.

    All else stays, and what a link leads to. What can't be removed now is removed another time.
    """
    if not is_link(folder):
        with contextlib.suppress(OSError):
            _clear(folder, re.compile(ours), "")


def _clear(folder: Path, ours: re.Pattern[str], prefix: str) -> None:
    for path in list(folder.iterdir()):
        if path.is_dir() and not is_link(path):
            _clear(path, ours, f"{prefix}{path.name}/")
        elif ours.fullmatch(prefix + path.name):
            with contextlib.suppress(OSError):
                path.unlink()  # a link of such a name goes too: the link, not what it leads to
    with contextlib.suppress(OSError):
        folder.rmdir()


def sweep(originals: Path, wanted: set[str]) -> int:
    """Remove the originals that no document refers to: the rest of a killed ingest or removal. Returns how many files.

    Only what bears an original's name: whatever else lies there was never put there by us.
    """
    stray = []
    for folder in originals.iterdir() if originals.is_dir() and not is_link(originals) else ():
        if folder.is_dir() and not is_link(folder):
            names = (f"{folder.name}/{path.name}" for path in folder.iterdir() if path.is_file() and not is_link(path))
            stray += [name for name in names if name not in wanted and ORIGINAL.fullmatch(name.removesuffix(".part"))]
    for name in stray:
        discard(originals / name)
    return len(stray)
