"""The library: what is kept of the user's documents, in one SQLite file, with the originals beside it by their hash.

One transaction a document: it is wholly in or wholly out. Deleting takes its text, words, vectors and original from the disk.
"""

from __future__ import annotations

import contextlib
from collections.abc import Callable, Iterator, Sequence
from pathlib import Path
from types import TracebackType
from typing import Self

import numpy
from numpy.typing import NDArray

from appliance.documents import Collection, Conversion, Document, Passage
from appliance.durable import storage_error
from appliance.errors import BadRequest, EmbedderChanged, NameTaken, NoSuchCollection, NoSuchDocument
from appliance.library import generation, indexing, writing
from appliance.library.database import Connection, Database
from appliance.library.files import clear, discard, keep_original, original_name, sweep
from appliance.library.lock import WriterLock, holder
from appliance.library.place import STAGED, STAGING, check_database, check_place
from appliance.library.reading import DOCUMENT, Reader
from appliance.library.schema import keywords_table, seal
from appliance.library.writing import clean, now, touch

WORDS = "1"
"""Counts changes of `words.prepare`: a library indexed with another number gets its keywords made again when it is opened for writing."""
LONGEST_NAME = 200


class Library(Reader):
    """The library of one home. Open it with `Library.open`; safe from many threads."""

    def __init__(self, home: Path, database: Database, lock: WriterLock | None) -> None:
        super().__init__(home, database)
        self._database = database
        self._lock = lock
        self.before_removal: list[Callable[[int], None]] = []
        """Called with the collection's id before documents are removed: whoever has its index open closes it."""

    @property
    def database(self) -> Database:
        return self._database

    @classmethod
    def open(cls, home: Path, *, write: bool, purpose: str = "", fingerprint: str | None = None) -> Self:
        """Open the library at `home`: to write (making it where there is none), or to read beside a writer, changing nothing.

        `fingerprint` names the embedder: the first writer's is kept. Raises LibraryBusy, LibraryDamaged, LibraryTooNew,
        LibraryReadOnly, EmbedderChanged, DiskFull; to write, NotALibrary.
        """
        if write:
            check_place(home)
            check_database(home)
        lock = take_lock(home, purpose) if write else None
        database = None
        try:
            database = Database(home, write=write)
            library = cls(home, database, lock)
            library._check_fingerprint(fingerprint)
            if write:
                library._tidy()
        except BaseException:
            if database:
                database.close()
            if lock:
                lock.release()
            raise
        return library

    holder = staticmethod(holder)

    def __enter__(self) -> Self:
        return self

    def __exit__(self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None) -> None:
        self.close()

    def close(self) -> None:
        self.database.close()
        if self._lock:
            self._lock.release()

    @property
    def writable(self) -> bool:
        return self._lock is not None

    def announce(self, url: str) -> None:
        """Tell other processes where this writer serves."""
        if self._lock:
            self._lock.announce(url)

    def ensure_collection(self, name: str) -> Collection:
        """The collection of that name, made where there is none. Raises BadRequest where the name can't be one."""
        name = collection_name(name)
        found = next((one for one in self.collections() if one.name == name), None)
        if found:
            self._changes(found.id)
            return found
        with self.database.writing() as connection:
            if not connection.execute("SELECT 1 FROM collections WHERE name = ?", (name,)).fetchone():
                made = connection.execute("INSERT INTO collections (name, seal) VALUES (?, ?)", (name, seal(name))).lastrowid
                indexing.rebuild(connection, int(made or 0))
        return self.collection(name)

    def rename_collection(self, name: str, new: str) -> None:
        """Raises NoSuchCollection, NameTaken, BadRequest."""
        new = collection_name(new)
        collection = self.collection(name)
        with self.database.writing() as connection:
            if connection.execute("SELECT 1 FROM collections WHERE name = ? AND id != ?", (new, collection.id)).fetchone():
                raise NameTaken(name=new)
            connection.execute("UPDATE collections SET name = ?, seal = ? WHERE id = ?", (new, seal(new), collection.id))

    def remove_collection(self, name: str) -> None:
        """Remove it with its documents and what was asked about it. Raises NoSuchCollection."""
        collection = self.collection(name)
        self._changes(collection.id)
        with self._changing() as (connection, released):
            self._drop_index(collection.id)
            released |= _originals(connection, "WHERE collection_id = ?", collection.id)
            connection.execute("DELETE FROM collections WHERE id = ?", (collection.id,))
            connection.execute(f"DROP TABLE IF EXISTS {keywords_table(collection.id)}")

    def add_document(
        self,
        collection_id: int,
        *,
        name: str,
        sha256: str,
        size: int,
        original: Path | None,
        conversion: Conversion,
        passages: Sequence[Passage],
        vectors: NDArray[numpy.float32],
    ) -> Document:
        """Store a document durably, in the place of an older one of that name. `vectors` has the shape (passages, dimensions).

        Raises NoSuchCollection, DiskFull, LibraryReadOnly, FileUnreadable (the file changed meanwhile); ValueError where passages
        and pages don't agree, which is a mistake of the program.
        """
        self._changes(collection_id)
        if len(passages) != len(vectors):
            raise ValueError(f"{len(passages)} passages and {len(vectors)} vectors")
        name, kept = clean(name), original_name(sha256, name) if original else None
        with self.database.turn:
            if original and kept:
                keep_original(original, self.home / "originals" / kept, sha256)
            with self._changing() as (connection, released):
                if not connection.execute("SELECT 1 FROM collections WHERE id = ?", (collection_id,)).fetchone():
                    raise NoSuchCollection(name=collection_id)
                older = connection.execute("SELECT id FROM documents WHERE collection_id = ? AND name = ?", (collection_id, name)).fetchone()
                if older:
                    released |= _originals(connection, "WHERE id = ?", older[0])
                    writing.remove(connection, collection_id, older[0])
                connection.execute("DELETE FROM failures WHERE collection_id = ? AND name = ?", (collection_id, name))
                document_id = writing.insert_document(connection, collection_id, (name, sha256, size, kept), conversion, len(passages), now())
                writing.insert_pages(connection, document_id, conversion)
                writing.insert_chunks(connection, (collection_id, document_id, name), conversion, passages, vectors)
                touch(connection, collection_id)
        return self.document(document_id)

    def record_failure(self, collection_id: int, *, name: str, sha256: str, size: int, reason: str) -> None:
        """Note in the ledger that a file could not be read. An older version that could be stays; a later success takes the note away."""
        self._changes(collection_id)
        with self.database.writing() as connection:
            values = (collection_id, clean(name), sha256, size, clean(reason), now())
            connection.execute("INSERT OR REPLACE INTO failures VALUES (?, ?, ?, ?, ?, ?)", values)
            touch(connection, collection_id)

    def remove_document(self, document_id: int) -> None:
        """Delete a document's text, words, vectors and original from the disk, and its quotes from what was answered. Raises NoSuchDocument."""
        with self._changing() as (connection, released):
            # Not through `document`, which refuses an entry that was changed on the disk: removing it is the way out.
            entry = connection.execute("SELECT collection_id, name FROM documents WHERE id = ?", (document_id,)).fetchone()
            if entry is None:
                raise NoSuchDocument(name=document_id)
            collection_id, name = entry
            self._drop_index(collection_id)
            released |= _originals(connection, "WHERE id = ?", document_id)
            writing.forget_in_conversations(connection, collection_id, document_id, name)
            writing.forget_in_comparisons(connection, collection_id, document_id, name)
            writing.remove(connection, collection_id, document_id)
            connection.execute("DELETE FROM failures WHERE collection_id = ? AND name = ?", (collection_id, name))
            touch(connection, collection_id)

    def rename_document(self, document_id: int, name: str) -> Document:
        """The same content under another name: a file that moved. An older document of that name is replaced. Raises NoSuchDocument."""
        document, name = self.document(document_id), clean(name)
        with self._changing() as (connection, released):
            other = connection.execute(
                "SELECT id FROM documents WHERE collection_id = ? AND name = ? AND id != ?", (document.collection_id, name, document_id)
            ).fetchone()
            if other:
                released |= _originals(connection, "WHERE id = ?", other[0])
                writing.remove(connection, document.collection_id, other[0])
            indexing.delete(connection, document.collection_id, document_id)
            row = list(connection.execute(f"SELECT {DOCUMENT} FROM documents WHERE id = ?", (document_id,)).fetchone())
            row[2] = name
            connection.execute("UPDATE documents SET name = ?, seal = ? WHERE id = ?", (name, seal(*row[1:-1]), document_id))
            indexing.insert(connection, document.collection_id, indexing.rows_of(connection, document_id))
            connection.execute("DELETE FROM failures WHERE collection_id = ? AND name = ?", (document.collection_id, name))
            touch(connection, document.collection_id)
        return self.document(document_id)

    def rebuild_keywords(self) -> None:
        """Make every keyword index anew from the texts."""
        with self.database.writing() as connection:
            for (collection_id,) in connection.execute("SELECT id FROM collections").fetchall():
                indexing.rebuild(connection, collection_id)
                touch(connection, collection_id)
            connection.execute("INSERT OR REPLACE INTO settings VALUES ('words', ?)", (WORDS,))

    def _changes(self, collection_id: int) -> None:
        """Raises PackReadOnly where that collection lies in a pack (`packs.holdings`)."""

    @contextlib.contextmanager
    def _changing(self) -> Iterator[tuple[Connection, set[str]]]:
        """One transaction. The originals that it puts into the set are deleted after its commit, unless another document has them."""
        released: set[str] = set()
        with self.database.turn:
            with self.database.writing() as connection:
                yield connection, released
                gone = [name for name in released if not connection.execute("SELECT 1 FROM documents WHERE original = ?", (name,)).fetchone()]
            for name in gone:
                discard(self.home / "originals" / name)

    def _drop_index(self, collection_id: int) -> None:
        """The vector index knows what is being removed, in files that can't be edited: it is deleted whole and built again."""
        for close in list(self.before_removal):
            close(collection_id)
        generation.discard_others(self.home / "index" / str(collection_id), None)

    def _check_fingerprint(self, fingerprint: str | None) -> None:
        if fingerprint is None:
            return
        with self.database.reading() as connection:
            row = connection.execute("SELECT value FROM settings WHERE name = 'embedder'").fetchone()
            used = connection.execute("SELECT 1 FROM embeddings WHERE count > 0 LIMIT 1").fetchone()
        if row and row[0] != fingerprint and used:
            raise EmbedderChanged(found=row[0], wanted=fingerprint)
        if self.writable and (not row or row[0] != fingerprint):
            with self.database.writing() as connection:
                connection.execute("INSERT OR REPLACE INTO settings VALUES ('embedder', ?)", (fingerprint,))

    def _tidy(self) -> None:
        """What a killed writer may have left: originals that no document refers to; and keywords prepared in an older way."""
        wanted = self.original_names()
        with self.database.reading() as connection:
            row = connection.execute("SELECT value FROM settings WHERE name = 'words'").fetchone()
        try:
            clear(self.home / STAGING, STAGED)
            sweep(self.home / "originals", wanted)
            for folder in generation.indexes(self.home / "index"):
                generation.discard_stale(folder, self.chunk_ranges(int(folder.name)))
        except OSError as error:
            raise storage_error(error, self.home) from error
        if not row or row[0] != WORDS:
            self.rebuild_keywords()


def _originals(connection: Connection, where: str = "", *values: object) -> set[str]:
    return {name for (name,) in connection.execute(f"SELECT original FROM documents {where}", values).fetchall() if name}


def take_lock(home: Path, purpose: str) -> WriterLock:
    """The right to write at `home`, which is made where it isn't there. Raises LibraryBusy, LibraryReadOnly, DiskFull."""
    try:
        home.mkdir(parents=True, exist_ok=True, mode=0o700)
        return WriterLock(home, purpose)
    except OSError as error:
        raise storage_error(error, home) from error


def collection_name(name: str) -> str:
    """Raises BadRequest where `name` can't be a collection's."""
    name = " ".join(clean(name).split())
    if not name or len(name) > LONGEST_NAME or not name.isprintable():
        raise BadRequest(detail=f"A collection's name has 1 to {LONGEST_NAME} visible characters. Choose another name.")
    return name
