"""Files of the cache by what is in them: whole under their hash, or growing beside it, so that a broken transfer goes on where it stopped.

```
<sha256>            the whole file; its hash was compared before it got this name
<sha256>.part       what has come of it
<sha256>.part.json  what the server called it then (ETag), and the size and hash that were promised
.locks/             held by whoever brings it, so that two builds on one cache don't write into each other's file
```
"""

from __future__ import annotations

import hashlib
import json
import os
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from threading import Event
from typing import BinaryIO

from filelock import FileLock, Timeout

from bundle.sources import Stopped

_BLOCK = 4 << 20
_LOOK_SECONDS = 0.3


@dataclass(frozen=True, slots=True)
class Slot:
    """The place of one file in the cache."""

    folder: Path
    digest: str
    """Its sha256 in hexadecimal, or `git:` and git's hash of it."""
    size: int

    @property
    def path(self) -> Path:
        return self.folder / self.digest.replace(":", "-")

    @property
    def part(self) -> Path:
        return self.path.with_name(self.path.name + ".part")

    @property
    def note(self) -> Path:
        return self.path.with_name(self.path.name + ".part.json")

    def whole(self) -> bool:
        """Whether it is here; its size is enough, since it was compared when it came, and is again when it is handed on."""
        return self.path.is_file() and self.path.stat().st_size == self.size

    def have(self) -> int:
        """Bytes of it that are here and count."""
        if self.whole():
            return self.size
        noted = self._noted()
        if (noted.get("size"), noted.get("digest")) != (self.size, self.digest) or not self.part.is_file():
            return 0
        size = self.part.stat().st_size
        return size if size <= self.size else 0

    def etag(self) -> str:
        """The strong ETag under which the part came; empty where the server gave none."""
        return str(self._noted().get("etag", ""))

    def begin(self, etag: str) -> None:
        """From the first byte on. The part is emptied before its note is renewed, so that a kill leaves no bytes under another's ETag."""
        self.folder.mkdir(parents=True, exist_ok=True)
        self.part.open("wb").close()
        draft = self.note.with_name(self.note.name + ".new")
        draft.write_text(json.dumps({"etag": etag, "size": self.size, "digest": self.digest}), encoding="utf-8")
        draft.replace(self.note)

    def discard(self) -> None:
        self.part.unlink(missing_ok=True)
        self.note.unlink(missing_ok=True)

    def right(self) -> bool:
        """Whether the part is, byte by byte, what was promised."""
        return self.part.is_file() and _hashed(self.part, self.digest) == self.digest

    def keep(self) -> None:
        """The part gets its final name, once it is on the disk."""
        with self.part.open("r+b") as stream:  # Windows syncs only what is open for writing
            os.fsync(stream.fileno())
        self.part.replace(self.path)
        self.note.unlink(missing_ok=True)

    def _noted(self) -> dict[str, object]:
        try:
            noted = json.loads(self.note.read_bytes())
        except (OSError, ValueError):
            return {}
        return noted if isinstance(noted, dict) else {}


def copy_compared(source: Path, target: Path, digest: str) -> bool:
    """Copy, and say whether what was copied is what was promised."""
    target.parent.mkdir(parents=True, exist_ok=True)
    with target.open("wb") as writing:
        return _hashed(source, digest, writing) == digest


@contextmanager
def held(folder: Path, name: str, stop: Event, waiting: Callable[[], None]) -> Iterator[None]:
    """The only one who brings `name` into `folder`, among threads and processes; `waiting` is called now and then until it is so. Raises Stopped."""
    (folder / ".locks").mkdir(parents=True, exist_ok=True)
    lock = FileLock(folder / ".locks" / f"{name}.lock", thread_local=False)
    while True:
        if stop.is_set():
            raise Stopped
        try:
            lock.acquire(timeout=_LOOK_SECONDS)
            break
        except Timeout:
            waiting()
    try:
        yield
    finally:
        lock.release()


def _hashed(path: Path, like: str, copy: BinaryIO | None = None) -> str:
    git = like.startswith("git:")
    hashing = hashlib.sha1(b"blob %d\0" % path.stat().st_size, usedforsecurity=False) if git else hashlib.sha256()
    with path.open("rb") as stream:
        while block := stream.read(_BLOCK):
            hashing.update(block)
            if copy is not None:
                copy.write(block)
    return "git:" * git + hashing.hexdigest()
