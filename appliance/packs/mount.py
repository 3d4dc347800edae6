"""A pack that is open: read where it lies, by the library's own code, after all that is read was compared with the signature."""

from __future__ import annotations

import contextlib
import os
import re
import threading
from collections.abc import Collection as Group
from pathlib import Path

import numpy

from appliance.documents import Collection
from appliance.durable import storage_error
from appliance.errors import HaversackError, PackAltered, PackGone
from appliance.library.pack_database import COLLECTION, PackDatabase
from appliance.library.reading import Ids, Reader, Vectors
from appliance.packs.file import PackFile, check_database, extract, read_pack

SHIFT = 32
"""Bits: a pack's documents and chunks are numbered from its collection's id here, times 2^32."""
SHOWN = r"[0-9a-f]{2}-[0-9a-f]{64}(\.[0-9a-z]{1,10})?(\.part)?"
"""What an original is called while it is shown."""
_SHOWN = 8
"""Originals that are kept while they are shown; of a page, the picture and its boxes come from one file."""


def check(pack: PackFile) -> None:
    """Compare a pack's database with what was signed, and look whether it is one of ours. Raises PackGone, PackAltered."""
    mount = Mount(pack, 0, pack.title, pack.path.parent)
    try:
        _ = mount.database
    finally:
        mount.close()


class Mount(Reader):
    """The collection of a pack under an id of this library. Its database is compared with the signature and opened on first use.

    Safe from many threads. Raises PackGone where the file isn't there (any more), PackAltered where it isn't what was signed.
    """

    def __init__(self, pack: PackFile, collection_id: int, name: str, shown: Path) -> None:
        self.pack = pack
        self.name = name
        self.collection_id = collection_id
        self.offset = collection_id << SHIFT
        self.shift = collection_id - COLLECTION
        self._shown = shown
        self._guard = threading.RLock()
        self._opened: PackDatabase | None = None
        self._state: tuple[int, int] = (0, 0)

    @property
    def database(self) -> PackDatabase:
        with self._guard:
            if self._opened is not None and self._opened.failed:
                self._opened.close()
                self._opened = None
            if self._opened is None:
                self._opened = self._open()
            return self._opened

    def collections(self) -> tuple[Collection, ...]:
        """The one, as the signed contents have it: that takes no look into the database."""
        return (Collection(self.collection_id, self.name, self.pack.documents, self.pack.chunks, pack=True),)

    def vectors_of(self, collection_id: int, newer_than: int = 0, documents: Group[int] | None = None) -> tuple[Ids, Vectors]:
        ids, rows = super().vectors_of(collection_id, newer_than, documents)
        if not numpy.isfinite(rows).all():  # else the order of what is found would be nobody's, and JSON has no word for it
            raise self.database.damaged("its vectors hold what is no number")
        return ids, rows

    def has_original(self, document_id: int) -> bool:
        return self.original_name(document_id) in self.pack.originals

    def original(self, document_id: int) -> Path | None:
        """The document as it was put in, taken out of the pack into the home while it is shown, its sha256 compared.

        Raises NoSuchDocument, PackGone, PackAltered, DiskFull, LibraryReadOnly.
        """
        name = self.original_name(document_id)
        if name is None or name not in self.pack.originals:
            return None
        target = self._shown / name.replace("/", "-")
        with self._guard:
            if not target.is_file():
                try:
                    self._shown.mkdir(parents=True, exist_ok=True, mode=0o700)
                    self._make_room()
                    extract(self.pack, name, target)
                except OSError as error:
                    self._watch()
                    raise storage_error(error, self._shown) from error
            return target

    def close(self) -> None:
        with self._guard:
            if self._opened is not None:
                self._opened.close()
                self._opened = None

    def _open(self) -> PackDatabase:
        """Contents again, then every byte of the database, then SQLite."""
        self._state = self._stat()
        try:
            if read_pack(self.pack.path).identity != self.pack.identity:
                raise PackAltered(path=self.pack.path, detail="another file lies there now")
            check_database(self.pack)
        except OSError as error:
            raise self._explain(error.strerror or error) from error
        database = PackDatabase(self.pack.path, self._watch, self._explain)
        with database.reading() as connection:
            counts = connection.execute("SELECT count(*), ifnull(sum(chunks), 0), ifnull(sum(pages), 0) FROM documents").fetchone()
        if counts != (self.pack.documents, self.pack.chunks, self.pack.pages):
            database.close()
            raise PackAltered(path=self.pack.path, detail="its counts don't fit")
        return database

    def _watch(self) -> None:
        """Before each reading: the file is there, and is the one that was compared. A stick may be pulled out at any time."""
        if self._stat() != self._state:
            if self._opened is not None:
                self._opened.failed = True
            raise PackAltered(path=self.pack.path, detail="it was changed while it was open")

    def _stat(self) -> tuple[int, int]:
        try:
            found = os.stat(self.pack.path)
        except OSError as error:
            if self._opened is not None:
                self._opened.failed = True
            raise PackGone(name=self.name, path=self.pack.path) from error
        return found.st_size, found.st_mtime_ns

    def _explain(self, detail: object) -> HaversackError:
        """What SQLite, or the system, found wrong: the stick has gone, or its bytes are not what was signed."""
        try:
            with open(self.pack.path, "rb") as file:
                file.read(1)
        except OSError:
            return PackGone(name=self.name, path=self.pack.path)
        return PackAltered(path=self.pack.path, detail=detail)

    def _make_room(self) -> None:
        kept = sorted(
            (path for path in self._shown.iterdir() if re.fullmatch(SHOWN, path.name) and path.is_file()), key=lambda path: path.stat().st_mtime_ns
        )
        for path in kept[: max(0, len(kept) - _SHOWN + 1)]:
            with contextlib.suppress(OSError):
                path.unlink()
