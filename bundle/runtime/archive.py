"""A folder as one .tar.gz that is the same for the same files: sorted, without owners, times and links."""

from __future__ import annotations

import gzip
import tarfile
from pathlib import Path

from appliance.durable import sha256_of

_LEVEL = 6  # level 9 took three times as long for 1 % less


def pack(folder: Path, target: Path) -> None:
    """Write `folder`'s files to `target`, durably named only when whole. Links are written as the files they lead to."""
    unfinished = target.with_name(target.name + ".part")
    target.parent.mkdir(parents=True, exist_ok=True)
    with (
        unfinished.open("wb") as raw,
        gzip.GzipFile("", "wb", _LEVEL, raw, mtime=0) as packed,
        tarfile.open(fileobj=packed, mode="w", format=tarfile.USTAR_FORMAT, dereference=True) as archive,
    ):
        for path in sorted(folder.rglob("*"), key=lambda path: path.relative_to(folder).as_posix()):
            entry = archive.gettarinfo(path, path.relative_to(folder).as_posix())
            entry.mtime = entry.uid = entry.gid = 0
            entry.uname = entry.gname = ""
            entry.mode = 0o755 if path.is_dir() or entry.mode & 0o100 else 0o644
            if path.is_dir():
                archive.addfile(entry)
            elif path.is_file():
                # Hard-linked twins would be written as links.
                entry.type, entry.linkname, entry.size = tarfile.REGTYPE, "", path.stat().st_size
                with path.open("rb") as content:
                    archive.addfile(entry, content)
    unfinished.replace(target)


def named_by_content(archive: Path, stem: str) -> str:
    """`linux-x64-1a2b3c4d.tar.gz`: a changed archive is another file, and so the one before stays usable during an update."""
    return f"{stem}-{sha256_of(archive)[:8]}.tar.gz"


def folder_size(folder: Path) -> int:
    """Bytes of the files in it, in whole blocks of 4 KiB, as a local disk keeps them."""
    return sum(-(-path.stat().st_size // 4096) * 4096 for path in folder.rglob("*") if path.is_file())
