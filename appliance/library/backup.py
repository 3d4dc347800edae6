"""The whole library as one file, and back: database and originals, each with its sha256. The vector index is not in it: it is made again.

Restoring verifies everything before it changes anything. The originals come first, by their hash, beside those that are there; then one
rename of the database is the moment of change. Killed before it, the old library stands; after it, the restored one.
"""

from __future__ import annotations

import contextlib
import hashlib
import json
import re
import zipfile
import zlib
from pathlib import Path
from typing import IO

from appliance.durable import storage_error, sync_folder, writing_durably
from appliance.errors import LibraryDamaged, LibraryError, NotABackup
from appliance.library.database import FILE, Database
from appliance.library.files import ORIGINAL, PIECE, clear
from appliance.library.generation import discard_others, indexes
from appliance.library.place import STAGED, STAGING, check_place
from appliance.library.store import Library, take_lock
from appliance.library.writing import now

_NOTE = "haversack-backup.json"
_KIND = "haversack library backup"
_SAFE = re.compile(rf"library\.sqlite3|originals/{ORIGINAL.pattern}")


def backup(library: Library, file: Path) -> None:
    """Write the library to `file`, whole or not at all, while it is in use. Raises DiskFull, LibraryReadOnly, LibraryDamaged."""
    copy = file.with_name(file.name + ".sqlite3")
    try:
        with library.database.turn, writing_durably(file) as target, zipfile.ZipFile(target, "w", zipfile.ZIP_STORED, strict_timestamps=False) as bag:
            library.database.copy_to(copy)
            files = {FILE: _put(bag, copy, FILE)}
            for name in sorted(library.original_names()):
                with contextlib.suppress(FileNotFoundError):  # removed by the writer while we read beside it
                    files[f"originals/{name}"] = _put(bag, library.home / "originals" / name, f"originals/{name}")
            bag.writestr(_NOTE, json.dumps({"kind": _KIND, "made": now(), "files": files}, indent=1))
    except OSError as error:
        raise storage_error(error, file.parent) from error
    finally:
        with contextlib.suppress(OSError):
            copy.unlink()


def restore(home: Path, file: Path) -> None:
    """Put the library of a backup in the place of the one at `home`. Raises NotABackup, LibraryBusy, DiskFull, LibraryReadOnly, NotALibrary."""
    check_place(home)
    lock = take_lock(home, "restoring a backup")
    staging = home / STAGING
    try:
        clear(staging, STAGED)
        _unpack(file, staging)
        _try(file, staging)
        _swap(home, staging)
    except OSError as error:
        raise storage_error(error, home) from error
    finally:
        clear(staging, STAGED)
        lock.release()


def _put(bag: zipfile.ZipFile, source: Path, name: str) -> list[object]:
    digest = hashlib.sha256()
    size = 0
    with open(source, "rb") as incoming, bag.open(zipfile.ZipInfo(name), "w", force_zip64=True) as entry:
        while piece := incoming.read(PIECE):
            digest.update(piece)
            size += len(piece)
            entry.write(piece)
    return [size, digest.hexdigest()]


def _unpack(file: Path, staging: Path) -> None:
    """Take out every file, compared with the note's sha256. Raises NotABackup, OSError where it can't be written."""
    try:
        with zipfile.ZipFile(file) as bag:
            note = json.loads(bag.read(_NOTE))
            files = dict(note["files"])
            if note["kind"] != _KIND or sorted(bag.namelist()) != sorted([*files, _NOTE]) or FILE not in files:
                raise NotABackup(path=file, detail="its list of files doesn't fit what is inside")
            for name, (size, sha256) in files.items():
                if not _SAFE.fullmatch(name):
                    raise NotABackup(path=file, detail="it holds a file that no backup holds")
                with bag.open(name) as entry, writing_durably(staging / name) as target:
                    if _copy(entry, target, int(size)) != sha256:
                        raise NotABackup(path=file, detail=f"{name} in it is damaged")
    # zipfile raises NotImplementedError for a compression that it doesn't know.
    except (zipfile.BadZipFile, zlib.error, KeyError, ValueError, TypeError, EOFError, NotImplementedError, RuntimeError) as error:
        raise NotABackup(path=file, detail=error) from error
    except FileNotFoundError as error:
        raise NotABackup(path=file, detail="it is not there") from error


def _copy(entry: IO[bytes], target: IO[bytes], size: int) -> str:
    """The sha256 of what was copied, "" where the entry is longer than it should be."""
    digest = hashlib.sha256()
    while piece := entry.read(PIECE):
        size -= len(piece)
        if size < 0:
            return ""
        digest.update(piece)
        target.write(piece)
    return digest.hexdigest()


def _try(file: Path, staging: Path) -> None:
    """Open the restored database before it replaces anything. Raises NotABackup, LibraryTooNew."""
    try:
        database = Database(staging, write=False)
        try:
            with database.reading() as connection:
                (verdict,) = connection.execute("PRAGMA quick_check(1)").fetchone()
        finally:
            database.close()
        if verdict != "ok":
            raise NotABackup(path=file, detail=verdict)
    except LibraryDamaged as error:
        raise NotABackup(path=file, detail="the database in it is damaged") from error


def _swap(home: Path, staging: Path) -> None:
    for path in sorted((staging / "originals").glob("*/*")):
        target = home / path.relative_to(staging)
        target.parent.mkdir(parents=True, exist_ok=True)
        path.replace(target)
        sync_folder(target.parent)
    for folder in indexes(home / "index"):
        discard_others(folder, None)  # its chunk ids would mean other chunks
    with contextlib.suppress(LibraryError):
        Database(home, write=True).close()  # rolls back what a killed writer left
    (home / (FILE + "-journal")).unlink(missing_ok=True)  # of a damaged library: SQLite would roll it into the restored one
    sync_folder(home)
    (staging / FILE).replace(home / FILE)
    sync_folder(home)
