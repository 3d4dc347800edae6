"""Who writes: one process at a time, held by the operating system, so that a lock of a killed process is gone with it."""

from __future__ import annotations

import json
import os
import sys
import time
from dataclasses import dataclass
from pathlib import Path

from appliance.errors import LibraryBusy

_FILE = "writer.lock"
_NOTE_BYTES = 512
_PLAIN = getattr(os, "O_BINARY", 0) | getattr(os, "O_NOFOLLOW", 0)
"""Of a stick whose lock is a link, the file that it leads to would get the note."""
_PATIENCE = 1.0
"""Seconds to wait for the lock: long enough for someone who only looked, short enough to refuse promptly."""


@dataclass(frozen=True, slots=True)
class Holder:
    """A live process that writes to a library. `url` is where it serves, "" where it doesn't."""

    pid: int
    purpose: str
    url: str


class WriterLock:
    """Held from construction to `release`. Raises LibraryBusy with who holds it, OSError where the file can't be made."""

    def __init__(self, home: Path, purpose: str) -> None:
        self._purpose = purpose
        self._descriptor = os.open(home / _FILE, os.O_RDWR | os.O_CREAT | _PLAIN, 0o600)
        end = time.monotonic() + _PATIENCE
        while not _take(self._descriptor, shared=False):
            if time.monotonic() > end:
                other = _read(self._descriptor)
                os.close(self._descriptor)
                raise LibraryBusy(pid=other.pid, where=f", serving at {other.url}" if other.url else f", {other.purpose}" if other.purpose else "")
            time.sleep(0.02)
        try:
            self.announce("")
        except OSError:  # a full disk: the lock holds all the same, only its note is missing
            os.ftruncate(self._descriptor, 0)

    def announce(self, url: str) -> None:
        """Write down who we are, for the sentence that a second writer gets."""
        # Always of one length: nothing of a longer note stays, and no file system is asked to cut a file (one of FAT's refuses).
        note = json.dumps({"pid": os.getpid(), "purpose": self._purpose, "url": url}).encode().ljust(_NOTE_BYTES)
        os.lseek(self._descriptor, 0, os.SEEK_SET)
        os.write(self._descriptor, note)

    def release(self) -> None:
        if self._descriptor >= 0:
            os.close(self._descriptor)
            self._descriptor = -1


def holder(home: Path) -> Holder | None:
    """The live writer of the library at `home`, None where nobody writes. Changes nothing."""
    try:
        descriptor = os.open(home / _FILE, os.O_RDONLY | _PLAIN)
    except OSError:
        return None
    try:
        return None if _take(descriptor, shared=True) else _read(descriptor)
    finally:
        os.close(descriptor)


def _read(descriptor: int) -> Holder:
    try:
        os.lseek(descriptor, 0, os.SEEK_SET)
        note = json.loads(os.read(descriptor, 4096))
        return Holder(int(note["pid"]), str(note["purpose"]), str(note["url"]))
    except (OSError, ValueError, KeyError, TypeError):
        return Holder(0, "", "")


if sys.platform == "win32":
    import msvcrt

    _FAR = 1 << 30  # Windows forbids others to read locked bytes; the note stands before this one

    def _take(descriptor: int, *, shared: bool) -> bool:
        os.lseek(descriptor, _FAR, os.SEEK_SET)
        try:
            msvcrt.locking(descriptor, msvcrt.LK_NBLCK, 1)
        except OSError:
            return False
        return True
else:
    import fcntl

    def _take(descriptor: int, *, shared: bool) -> bool:
        try:
            fcntl.flock(descriptor, (fcntl.LOCK_SH if shared else fcntl.LOCK_EX) | fcntl.LOCK_NB)
        except OSError:
            return False
        return True
