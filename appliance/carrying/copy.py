"""One file onto a stick: hashed while it is copied, on the disk before it is believed, and read back past the cache."""

from __future__ import annotations

import hashlib
import mmap
import os
from collections.abc import Callable
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path
from typing import IO, Literal

from appliance.carrying.meter import Add
from appliance.durable import sync
from appliance.errors import BundleAltered, StickFailing, TargetRefused
from appliance.manifest import SUCCESSOR, BundleFile

BLOCK = 1 << 20
PARTIAL = "lists.part"
"""Where a list is written before it gets its name."""
Reading = Literal["direct", "dropped", "cached"]
"""How a file was read back: past the cache (O_DIRECT), after the cache was told to forget it, or as the system gave it."""


@dataclass(frozen=True, slots=True)
class Found:
    sha256: str
    reading: Reading


def copy(open_source: Callable[[], IO[bytes]], file: BundleFile, root: Path, add: Add) -> Reading:
    """Bring `file` to `root`/PATH.new, checked; what an interrupted copy left there is gone on with, not begun anew.

    `add` hears of every byte twice: written, and read back. Raises BundleAltered where the source isn't what its manifest says,
    StickFailing, TargetRefused (a link in the way), OSError.
    """
    target = plain(root, file.path + SUCCESSOR)
    target.parent.mkdir(parents=True, exist_ok=True)
    there = target.stat().st_size if target.is_file() else 0
    digest = _gone_on(open_source, file, target, there, add) if 0 < there <= file.size else ""
    if digest != file.sha256:
        target.unlink(missing_ok=True)
        digest = _write(open_source, file, target, 0, add)
    if digest != file.sha256:
        target.unlink()
        raise BundleAltered(path=file.path, state="altered")
    found = read_back(target, add)
    if found.sha256 != file.sha256:
        target.unlink()
        raise StickFailing(name=file.path, path=root)
    return found.reading


def _gone_on(open_source: Callable[[], IO[bytes]], file: BundleFile, target: Path, begun: int, add: Add) -> str:
    """Go on after the first `begun` bytes. "" or another hash where they are what a power cut made of them: it is written from the start then."""
    came = 0

    def counted(count: int) -> None:
        nonlocal came
        came += count
        add(count)

    try:
        digest = _write(open_source, file, target, begun, counted)
    except OSError:  # a chain of clusters that ends nowhere can't be written on; a full stick will say so again
        digest = ""
    if digest != file.sha256:
        add(-came)
    return digest


def _write(open_source: Callable[[], IO[bytes]], file: BundleFile, target: Path, begun: int, add: Add) -> str:
    """Write the file's bytes from `begun` on; the sha256 of all that is now there."""
    digest = hashlib.sha256()
    with open_source() as source, target.open("r+b" if begun else "wb") as stream:
        left = begun
        while left and (block := stream.read(min(BLOCK, left))):
            digest.update(block)
            left -= len(block)
            add(len(block))
        source.seek(begun)
        stream.seek(begun)
        while block := source.read(BLOCK):
            stream.write(block)
            digest.update(block)
            add(len(block))
        stream.flush()
        sync(stream.fileno())
    return digest.hexdigest()


def read_back(path: Path, add: Add) -> Found:
    """The sha256 of what the disk itself holds, as far as the system lets it be asked."""
    with suppress(OSError, AttributeError):
        return Found(_read_directly(path, add), "direct")
    digest = hashlib.sha256()
    with path.open("rb", buffering=0) as stream:
        dropped = _drop_cache(stream.fileno())
        while block := stream.read(BLOCK):
            digest.update(block)
            add(len(block))
    return Found(digest.hexdigest(), "dropped" if dropped else "cached")


def _read_directly(path: Path, add: Add) -> str:
    """Raises OSError where the file system has no O_DIRECT, before anything is reported; AttributeError where the system has none."""
    handle = os.open(path, os.O_RDONLY | os.O_DIRECT)
    try:
        _drop_cache(handle)
        size, done = os.fstat(handle).st_size, 0
        digest = hashlib.sha256()
        with mmap.mmap(-1, BLOCK) as buffer:  # a map lies on a page's edge, as O_DIRECT wants it
            while done < size:
                count = os.readv(handle, [buffer])
                if not count:
                    break
                digest.update(memoryview(buffer)[:count])
                add(count)
                done += count
        return digest.hexdigest()
    finally:
        os.close(handle)


def _drop_cache(handle: int) -> bool:
    try:
        os.posix_fadvise(handle, 0, 0, os.POSIX_FADV_DONTNEED)
    except (OSError, AttributeError):
        return False
    return True


def put(root: Path, name: str, content: bytes) -> None:
    """A small file in one step: there as a whole, or what was there before."""
    partial = plain(root, PARTIAL)
    with partial.open("wb") as stream:
        stream.write(content)
        stream.flush()
        sync(stream.fileno())
    os.replace(partial, plain(root, name))


def replace(root: Path, name: str) -> None:
    """NAME.new becomes NAME in one step. The folder is the caller's to sync."""
    os.replace(plain(root, name + SUCCESSOR), plain(root, name))


def plain(root: Path, name: str) -> Path:
    """`root`/`name`, and no link on the way to it: a bundle holds none, and one would lead out of it. Raises TargetRefused."""
    path = root
    for part in name.split("/"):
        path = path / part
        if path.is_symlink():
            raise TargetRefused(path=root, detail=f"{path.relative_to(root).as_posix()} in it is a link; remove it")
    return path
