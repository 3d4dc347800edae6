"""The database inside a pack: built from a collection, and read where it lies, on media that can't be written to.

A pack's maker may be anyone, so what its file says about itself is compared with what we would have written before anything is read:
a trigger, a view or another table has no place in it.
"""

from __future__ import annotations

import contextlib
import sqlite3
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path

from appliance.durable import sha256_of
from appliance.errors import HaversackError, LibraryDamaged, NoSuchDocument
from appliance.library import writing
from appliance.library.database import Connection, Connections
from appliance.library.reading import LARGEST_ID, Reader
from appliance.library.schema import DOCUMENT_TABLES, PACK_APPLICATION_ID, PACK_FORMAT, PRAGMAS, create_keywords, keywords_table, seal

COLLECTION = 1
"""The id of the one collection of a pack, within it."""
_PAGE = 16384
"""Bytes. Of 4096, a file system in user space took 4 times as many calls for the vectors."""
_LARGEST_VALUE = 1 << 29
"""Bytes of one text or blob. The vectors of a document with 100,000 passages are 77 MB."""
_READING = (
    "PRAGMA query_only = ON",
    "PRAGMA mmap_size = 0",  # of a stick that was pulled out, mapped memory kills the process
    "PRAGMA cache_size = -16384",
)


class PackDatabase(Connections):
    """Opened immutable: SQLite looks for no journal, takes no lock, and writes nothing.

    `watch` is called before each reading and raises where the file has gone or was changed. `explain` names what SQLite found wrong.
    """

    def __init__(self, path: Path, watch: Callable[[], None], explain: Callable[[object], HaversackError]) -> None:
        super().__init__(path)
        self._watch = watch
        self._explain = explain
        self.failed = False
        """Set by the first error: what is open is not to be trusted any more."""
        with self.errors():
            self._check()

    @contextlib.contextmanager
    def reading(self) -> Iterator[Connection]:
        self._watch()
        with super().reading() as connection:
            yield connection

    def damaged(self, detail: object) -> HaversackError:
        self.failed = True
        return self._explain(detail)

    def _named(self, error: sqlite3.Error) -> HaversackError:
        return self.damaged(error)

    def _connect(self, *, write: bool) -> Connection:
        address = f"{self.path.absolute().as_uri()}?mode=ro&immutable=1"
        connection = sqlite3.connect(address, uri=True, isolation_level=None, check_same_thread=False)
        # No trigger and no attached file has a part in reading; whoever found a way to one finds it shut.
        connection.setlimit(sqlite3.SQLITE_LIMIT_TRIGGER_DEPTH, 0)
        connection.setlimit(sqlite3.SQLITE_LIMIT_ATTACHED, 0)
        connection.setlimit(sqlite3.SQLITE_LIMIT_LENGTH, _LARGEST_VALUE)
        for pragma in (*PRAGMAS, *_READING):
            connection.execute(pragma)
        return connection

    def _check(self) -> None:
        with self.reading() as connection:
            (ours,) = connection.execute("PRAGMA application_id").fetchone()
            (found,) = connection.execute("PRAGMA user_version").fetchone()
            if (ours, found) != (PACK_APPLICATION_ID, PACK_FORMAT):
                raise self.damaged("its database is no pack's")
            if _schema(connection) != _wanted():
                raise self.damaged("its database holds something else than documents")
            if connection.execute("SELECT id FROM collections").fetchall() != [(COLLECTION,)]:
                raise self.damaged("it doesn't hold one collection")
            for table in ("documents", "embeddings"):
                if connection.execute(f"SELECT 1 FROM {table} WHERE collection_id IS NOT ?", (COLLECTION,)).fetchone():
                    raise self.damaged("it holds documents of no collection")
            for table in ("documents", "chunks"):
                (largest,) = connection.execute(f"SELECT ifnull(max(id), 0) FROM {table}").fetchone()
                (smallest,) = connection.execute(f"SELECT ifnull(min(id), 1) FROM {table}").fetchone()
                if not 0 < smallest <= max(largest, 1) < LARGEST_ID:
                    raise self.damaged("its numbers are out of bounds")


@dataclass(frozen=True, slots=True)
class Built:
    """What was put into a pack's database. `originals`: their files by the name under which they are kept, in order."""

    documents: int
    pages: int
    chunks: int
    dimensions: int
    originals: dict[str, Path]
    left_out: tuple[str, ...]
    """Documents whose original was to come along, and is missing or was changed on the disk."""


def build(path: Path, source: Reader, collection_id: int, *, originals: bool, moment: str | None) -> Built:
    """Make the database of a pack in the new file `path`, from a collection; texts and vectors are compared with their seals on the way.

    The same documents in the same order give the same bytes. `moment` stands in the place of the times at which documents were added.
    """
    counts = [0, 0, 0, 0]
    kept: dict[str, Path] = {}
    left_out: list[str] = []
    with contextlib.closing(sqlite3.connect(path, isolation_level=None)) as connection:
        for pragma in (f"page_size = {_PAGE}", "journal_mode = OFF", "synchronous = OFF", "foreign_keys = ON", "trusted_schema = OFF"):
            connection.execute(f"PRAGMA {pragma}")
        connection.executescript(f"BEGIN; {DOCUMENT_TABLES}")
        connection.execute("INSERT INTO settings VALUES ('embedder', ?)", (source.holding(collection_id).embedder(),))
        name = next(one.name for one in source.collections() if one.id == collection_id)
        connection.execute("INSERT INTO collections (id, name, seal) VALUES (?, ?, ?)", (COLLECTION, name, seal(name)))
        connection.execute(create_keywords(COLLECTION))
        for document in source.documents(collection_id):
            try:
                conversion, passages = source.conversion(document.id), source.passages(document.id)
                _, vectors = source.vectors_of(collection_id, documents=[document.id])
                original = source.original_name(document.id) if originals else None
                file = source.original(document.id) if original else None
            except NoSuchDocument:
                continue  # removed by the writer while we read beside it
            if len(passages) != len(vectors):
                raise LibraryDamaged(path=source.database.path, detail=f"the vectors of {document.name} don't fit its passages")
            if original and (file is None or sha256_of(file) != document.sha256):
                left_out.append(document.name)
                original = None
            elif original and file:
                kept[original] = file
            entry = (document.name, document.sha256, document.size, original)
            made = writing.insert_document(connection, COLLECTION, entry, conversion, len(passages), moment or document.added)
            writing.insert_pages(connection, made, conversion)
            writing.insert_chunks(connection, (COLLECTION, made, document.name), conversion, passages, vectors)
            counts = [counts[0] + 1, counts[1] + len(conversion.pages), counts[2] + len(passages), vectors.shape[1] or counts[3]]
        for failed, (reason, when) in source.failures(collection_id).items():
            connection.execute("INSERT INTO failures VALUES (?, ?, '', 0, ?, ?)", (COLLECTION, failed, reason, moment or when))
        table = keywords_table(COLLECTION)
        connection.execute(f"INSERT INTO {table}({table}) VALUES ('optimize')")
        connection.execute(f"PRAGMA application_id = {PACK_APPLICATION_ID}")
        connection.execute(f"PRAGMA user_version = {PACK_FORMAT}")
        connection.execute("COMMIT")
        connection.execute("VACUUM")
    return Built(counts[0], counts[1], counts[2], counts[3], dict(sorted(kept.items())), tuple(left_out))


def _schema(connection: Connection) -> list[tuple[object, ...]]:
    return sorted(connection.execute("SELECT type, name, tbl_name, ifnull(sql, '') FROM sqlite_master").fetchall(), key=repr)


def _wanted() -> list[tuple[object, ...]]:
    with contextlib.closing(sqlite3.connect(":memory:", isolation_level=None)) as connection:
        connection.executescript(DOCUMENT_TABLES)
        connection.execute(create_keywords(COLLECTION))
        return _schema(connection)
