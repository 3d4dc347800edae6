"""Keys for programs: each is shown once and kept as a digest; who has one is let in by the running server at once, and no longer once it is removed.

`keys.json` is read at each question, so that `haversack keys` and the page need not tell each other anything: it is some hundred bytes.
When a key was last used is in a file of its own, which only the process that serves writes: losing it costs nothing.
"""

from __future__ import annotations

import contextlib
import hashlib
import hmac
import json
import os
import re
import secrets
import sys
import threading
import time
from collections.abc import Iterator
from dataclasses import dataclass, replace
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

from appliance.durable import storage_error, writing_durably
from appliance.errors import BadParameter, KeysDamaged, KeyTaken, NoSuchKey

FILE, USED, LOCK = "keys.json", "keys-used.json", "keys.lock"
_FORMAT = 1
_NAME = re.compile(r"[^\W_][\w .@+-]{0,63}")
_ALLOWED = 'it must be 1 to 64 letters, digits, spaces, or any of "._@+-", and begin with a letter or digit'
_TAKEN = re.compile(r"page|probe|program|command line|any program|guest.*", re.IGNORECASE)
"""What the queue calls those who have no key."""
MOST = 1000
_WRITE_AFTER = 600.0
"""Seconds between two writes of when keys were used: a stick wears out by writing."""
_PLAIN = getattr(os, "O_BINARY", 0) | getattr(os, "O_NOFOLLOW", 0)


@dataclass(frozen=True, slots=True)
class Key:
    """A key as people see it. `made` and `used` are UTC, ISO 8601; `used` is None before its first use."""

    name: str
    made: str
    used: str | None
    digest: str
    """SHA-256, in hexadecimal digits. The key has 256 random bits: no slow hash is needed to keep it from being guessed."""


class Keys:
    """The keys of one library. Safe to use from many threads, and while another process does."""

    def __init__(self, home: Path) -> None:
        self._file, self._used_file, self._lock_file = home / FILE, home / USED, home / LOCK
        self._guard = threading.Lock()
        self._used: dict[str, str] = {}
        self._written = time.monotonic()

    def all(self) -> tuple[Key, ...]:
        """In the order in which they were made. Raises KeysDamaged."""
        used = {**self._read_used(), **self._used}
        return tuple(replace(key, used=used.get(_short(key.digest))) for key in self._read())

    def add(self, name: str) -> str:
        """Make a key and return it: this is the only time that it can be seen. Raises BadParameter, KeyTaken, KeysDamaged, LibraryReadOnly."""
        name = checked_name(name)
        key = "hv-" + secrets.token_urlsafe(32)
        with self._held():
            there = self._read()
            if any(one.name.casefold() == name.casefold() for one in there):
                raise KeyTaken(name=name)
            if len(there) >= MOST:
                raise BadParameter(name="The number of keys", value=len(there) + 1, allowed=f"there are {MOST} already, so remove some first")
            self._write((*there, Key(name, _now(), None, _digest(key))))
        return key

    def remove(self, name: str) -> None:
        """Its program is let in no more, from its next request on. Raises NoSuchKey, KeysDamaged, LibraryReadOnly."""
        with self._held():
            there = self._read()
            left = tuple(one for one in there if one.name != name)
            if len(left) == len(there):
                raise NoSuchKey(name=name)
            self._write(left)

    def owner(self, given: str) -> str | None:
        """The name of the key that was given; None for one that isn't known. Takes as long whichever it is. Raises KeysDamaged."""
        digest = _digest(given)
        found = None
        for key in self._read():
            if hmac.compare_digest(key.digest, digest):
                found = key
        if found is None:
            return None
        self._note(found)
        return found.name

    def close(self) -> None:
        """Write down when keys were last used."""
        with self._guard:
            self._write_used()

    def _note(self, key: Key) -> None:
        with self._guard:
            self._used[_short(key.digest)] = _now()
            if time.monotonic() - self._written > _WRITE_AFTER:
                self._write_used()

    def _read(self) -> tuple[Key, ...]:
        try:
            data = json.loads(self._file.read_bytes())
            if data["format"] != _FORMAT:
                raise ValueError("it was made by a newer Haversack")
            return tuple(_key(one) for one in data["keys"])
        except FileNotFoundError:
            return ()
        except OSError as error:
            raise KeysDamaged(path=self._file, detail=error.strerror or error) from error
        except (ValueError, KeyError, TypeError, RecursionError) as error:
            detail = str(error) if str(error).startswith("it was") else "it is not as Haversack wrote it"
            raise KeysDamaged(path=self._file, detail=detail) from error

    def _write(self, keys: tuple[Key, ...]) -> None:
        content = {"format": _FORMAT, "keys": [{"name": key.name, "made": key.made, "sha256": key.digest} for key in keys]}
        _write_private(self._file, content)

    def _read_used(self) -> dict[str, str]:
        try:
            data = json.loads(self._used_file.read_bytes())
            return {str(name): str(when) for name, when in data.items()}
        except (OSError, ValueError, AttributeError, RecursionError):
            return {}

    def _write_used(self) -> None:
        if not self._used:
            return
        self._written = time.monotonic()
        with contextlib.suppress(Exception):  # a full disk, a stick that is gone: nothing depends on it
            known = {_short(key.digest) for key in self._read()}
            _write_private(self._used_file, {name: when for name, when in {**self._read_used(), **self._used}.items() if name in known})

    @contextlib.contextmanager
    def _held(self) -> Iterator[None]:
        """Only one process changes the file at a time; the system lets go of a killed one's lock."""
        try:
            self._lock_file.parent.mkdir(parents=True, exist_ok=True)
            descriptor = os.open(self._lock_file, os.O_RDWR | os.O_CREAT | _PLAIN, 0o600)
        except OSError as error:
            raise storage_error(error, self._lock_file.parent) from error
        try:
            _take(descriptor)
            yield
        except OSError as error:
            raise storage_error(error, self._lock_file.parent) from error
        finally:
            os.close(descriptor)


def checked_name(name: str) -> str:
    """A name that a key can have. Raises BadParameter."""
    name = name.strip()
    if not _NAME.fullmatch(name) or not name.isprintable():
        raise BadParameter(name="A key's name", value=repr(name[:80]), allowed=_ALLOWED)
    if _TAKEN.fullmatch(name):
        raise BadParameter(name="A key's name", value=repr(name), allowed="Haversack calls others so; choose another name")
    return name


def _key(data: dict[str, Any]) -> Key:
    name, made, digest = data["name"], data["made"], data["sha256"]
    if not (isinstance(name, str) and isinstance(made, str) and isinstance(digest, str) and re.fullmatch("[0-9a-f]{64}", digest)):
        raise ValueError("a key is incomplete")
    return Key(name, made, None, digest)


def _write_private(path: Path, content: dict[str, Any]) -> None:
    with writing_durably(path) as file:
        with contextlib.suppress(OSError):  # FAT has no permissions
            os.chmod(file.name, 0o600)
        file.write(json.dumps(content, indent=1, ensure_ascii=False).encode())


def _digest(key: str) -> str:
    return hashlib.sha256(key.encode("utf-8", "surrogatepass")).hexdigest()


def _short(digest: str) -> str:
    return digest[:16]


def _now() -> str:
    return datetime.now(UTC).isoformat(timespec="seconds")


if sys.platform == "win32":
    import msvcrt

    def _take(descriptor: int) -> None:
        msvcrt.locking(descriptor, msvcrt.LK_LOCK, 1)
else:
    import fcntl

    def _take(descriptor: int) -> None:
        fcntl.flock(descriptor, fcntl.LOCK_EX)
