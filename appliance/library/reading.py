"""What can be read from the library: documents, pages, chunks, vectors. Every text and vector is compared with its checksum first."""

from __future__ import annotations

import json
from collections.abc import Collection as Group
from collections.abc import Iterable, Iterator, Sequence
from pathlib import Path
from types import NoneType
from typing import Any
from zlib import crc32

import numpy
from numpy.typing import NDArray

from appliance.documents import Chunk, Collection, Conversion, Document, Heading, Page, Passage, UnreadPage
from appliance.errors import NoSuchCollection, NoSuchDocument
from appliance.library.database import Connection, Connections
from appliance.library.schema import seal

Ids = NDArray[numpy.int64]
Vectors = NDArray[numpy.float32]
Row = Sequence[Any]
"""Of SQLite: a value is what its column says once the row's checksum was compared."""

DOCUMENT = "id, collection_id, name, sha256, kind, title, size, pages, chunks, status, added, reader, original, headings, metadata, seal"
_CHUNK = "id, document_id, position, page, start, end, text, heading, seal"
LARGEST_ID = 1 << 32
"""Ids of documents and chunks stay below, in the library and in each pack: what is above tells whose they are (`offset`)."""
_MAYBE_INT, _MAYBE_STR = (int, NoneType), (str, NoneType)
_DOCUMENT_KINDS = (int, int, str, str, str, str, int, int, int, str, str, str, _MAYBE_STR, str, str, int)
_CHUNK_KINDS = (int, int, int, _MAYBE_INT, int, int, str, str, int)
_PAGE_KINDS = (_MAYBE_INT, str, _MAYBE_STR, _MAYBE_STR, int, int)
"""What SQLite gives: its columns keep what was put in, and a pack's maker may have put in anything."""


class Reader:
    """The reading half of the library. Safe from many threads. Raises LibraryDamaged rather than show a changed text.

    A pack is read by the same code: its own ids are shifted by `offset` (documents and chunks) and `shift` (its collection), so that
    no two things that are open have one id. Both are 0 for the library itself.
    """

    offset = 0
    shift = 0

    def __init__(self, home: Path, database: Connections) -> None:
        self.home = home
        self._connections = database

    @property
    def database(self) -> Connections:
        return self._connections

    def holding(self, collection_id: int) -> Reader:
        """The reader whose database holds that collection's rows: this one, unless packs are open (`packs.holdings`)."""
        return self

    def inner(self, collection_id: int) -> int:
        """The collection's id within the database."""
        return collection_id - self.shift

    def embedder(self) -> str:
        """Which embedder made the vectors, "" where none did yet."""
        with self.database.reading() as connection:
            row = connection.execute("SELECT value FROM settings WHERE name = 'embedder'").fetchone()
        return str(row[0]) if row else ""

    def collections(self) -> tuple[Collection, ...]:
        """By name."""
        with self.database.reading() as connection:
            rows = connection.execute(_COLLECTIONS).fetchall()
        for row in rows:
            if seal(row[1]) != row[4]:
                raise self.database.damaged(f"the name of collection {row[0]} was changed on the disk")
            self._expect(row[3], row[5], "vectors")
        return tuple(Collection(row[0] + self.shift, *row[1:4]) for row in rows)

    def collection(self, name: str) -> Collection:
        """Raises NoSuchCollection."""
        for collection in self.collections():
            if collection.name == name:
                return collection
        raise NoSuchCollection(name=name)

    def revision(self, collection_id: int) -> int:
        """Grows with every change of the collection; 0 where there is none."""
        with self.database.reading() as connection:
            row = connection.execute("SELECT revision FROM collections WHERE id = ?", (self.inner(collection_id),)).fetchone()
        return int(row[0]) if row else 0

    def documents(self, collection_id: int) -> tuple[Document, ...]:
        """By name. Files that could not be read are not among them: `ledger` has those."""
        query = f"SELECT {DOCUMENT} FROM documents WHERE collection_id = ? ORDER BY name"
        with self.database.reading() as connection:
            rows = connection.execute(query, (self.inner(collection_id),)).fetchall()
        return tuple(self._document(row) for row in rows)

    def document(self, document_id: int) -> Document:
        """Raises NoSuchDocument."""
        return self._document(self._row(document_id))

    def find_document(self, collection_id: int, *, name: str | None = None, sha256: str | None = None) -> Document | None:
        """The document of that name, that content, or both; None where there is none."""
        wanted = [(column, value) for column, value in (("name", name), ("sha256", sha256)) if value is not None]
        where = "".join(f" AND {column} = ?" for column, _ in wanted)
        values = (self.inner(collection_id), *(value for _, value in wanted))
        with self.database.reading() as connection:
            row = connection.execute(f"SELECT {DOCUMENT} FROM documents WHERE collection_id = ?{where} ORDER BY id", values).fetchone()
        return self._document(row) if row else None

    def page(self, document_id: int, position: int) -> Page:
        """The page at `position` (from 0). Raises NoSuchDocument where there is no such page."""
        for page in self._pages(document_id, "AND position = ?", position):
            return page
        raise NoSuchDocument(name=f"{document_id}, page {position + 1}")

    def pages(self, document_id: int) -> tuple[Page, ...]:
        """All pages in order, the unread ones too. Raises NoSuchDocument."""
        pages = tuple(self._pages(document_id, ""))
        self._expect(self.document(document_id).pages, len(pages), "pages")
        return pages

    def unread(self, document_id: int) -> tuple[UnreadPage, ...]:
        """The pages whose text is missing or incomplete, and why."""
        return tuple(UnreadPage(page.number, page.reason) for page in self._pages(document_id, "AND reason IS NOT NULL") if page.reason is not None)

    def headings(self, document_id: int) -> tuple[Heading, ...]:
        """The document's outline in reading order. Raises NoSuchDocument."""
        fields = self._parsed(self._row(document_id)[13], list)
        if not all(isinstance(one, list) and list(map(type, one)) == [int, int, str, int] for one in fields):
            raise self.database.damaged(f"the headings of document {document_id} are none")
        return tuple(Heading(*one) for one in fields)

    def metadata(self, document_id: int) -> dict[str, str]:
        """What the file says of itself (author, language, …). Raises NoSuchDocument."""
        return {str(name): str(value) for name, value in self._parsed(self._row(document_id)[14], dict).items()}

    def conversion(self, document_id: int) -> Conversion:
        """What the converter read of it, for another library. Raises NoSuchDocument."""
        document = self.document(document_id)
        shared = (self.pages(document_id), document.title, self.headings(document_id), self.metadata(document_id))
        return Conversion(document.kind, *shared, reader=document.reader)

    def passages(self, document_id: int) -> tuple[Passage, ...]:
        """Its chunks as they were before they were stored."""
        return tuple(Passage(chunk.position, chunk.page, chunk.start, chunk.end, chunk.text, chunk.heading) for chunk in self.chunks_of(document_id))

    def original_name(self, document_id: int) -> str | None:
        """Under which name the file is kept, None where it was not. Raises NoSuchDocument."""
        name = self._row(document_id)[12]
        return str(name) if name else None

    def has_original(self, document_id: int) -> bool:
        """Whether `original` has the file. Raises NoSuchDocument."""
        name = self.original_name(document_id)
        return name is not None and (self.home / "originals" / name).is_file()

    def original(self, document_id: int) -> Path | None:
        """The file as it was put in, None where it isn't kept (or is gone). Raises NoSuchDocument."""
        name = self.original_name(document_id)
        path = self.home / "originals" / name if name else None
        return path if path is not None and path.is_file() else None

    def failures(self, collection_id: int) -> dict[str, tuple[str, str]]:
        """The files that could not be read, by name: why, and when."""
        query = "SELECT name, reason, added FROM failures WHERE collection_id = ? ORDER BY name"
        with self.database.reading() as connection:
            rows = connection.execute(query, (self.inner(collection_id),)).fetchall()
        return {name: (reason, added) for name, reason, added in rows}

    def documents_ever(self) -> int:
        """How many documents were ever stored, those removed since included."""
        with self.database.reading() as connection:
            row = connection.execute("SELECT seq FROM sqlite_sequence WHERE name = 'documents'").fetchone()
        return int(row[0]) if row else 0

    def original_names(self) -> set[str]:
        """Every kept original, as its path below `originals/`."""
        with self.database.reading() as connection:
            return {name for (name,) in connection.execute("SELECT original FROM documents WHERE original IS NOT NULL").fetchall()}

    def chunks(self, ids: Iterable[int]) -> dict[int, Chunk]:
        """The chunks of these ids; ids that are not (or no longer) there are left out."""
        wanted = list(dict.fromkeys(int(one) - self.offset for one in ids))
        rows: list[Row] = []
        with self.database.reading() as connection:
            for start in range(0, len(wanted), 500):
                some = wanted[start : start + 500]
                marks = ",".join("?" * len(some))
                rows += connection.execute(f"SELECT {_CHUNK} FROM chunks WHERE id IN ({marks})", some).fetchall()
            found = self._chunks(connection, rows)
            for lost in set(wanted) - {chunk.id - self.offset for chunk in found}:
                query = "SELECT count(*) FROM embeddings WHERE first <= ? AND first + count > ?"
                self._expect(0, connection.execute(query, (lost, lost)).fetchone()[0], "vectors of a passage that is not there")
        by_id = {chunk.id: chunk for chunk in found}
        return {one + self.offset: by_id[one + self.offset] for one in wanted if one + self.offset in by_id}

    def chunks_of(self, document_id: int) -> tuple[Chunk, ...]:
        """All chunks of a document in reading order."""
        with self.database.reading() as connection:
            within = (document_id - self.offset,)
            rows = connection.execute(f"SELECT {_CHUNK} FROM chunks WHERE document_id = ? ORDER BY id", within).fetchall()
            chunks = self._chunks(connection, rows)
            owner = connection.execute(f"SELECT {DOCUMENT} FROM documents WHERE id = ?", within).fetchone()
        self._expect(self._document(owner).chunks if owner else 0, len(chunks), "passages")
        return chunks

    def chunk_ranges(self, collection_id: int, documents: Group[int] | None = None) -> Ids:
        """Which chunk ids are there: int64 of shape (documents, 2), the first id and the one after the last, ascending."""
        query = "SELECT first, first + count, document_id FROM embeddings INDEXED BY embeddings_by_collection WHERE collection_id = ? ORDER BY first"
        with self.database.reading() as connection:
            rows = connection.execute(query, (self.inner(collection_id),)).fetchall()
            (total,) = connection.execute(CHUNKS_IN, (self.inner(collection_id),)).fetchone()
        self._expect(total, sum(after - first for first, after, _ in rows), "passages")
        if any(not 0 < first <= after <= LARGEST_ID for first, after, _ in rows):
            raise self.database.damaged("its numbers are out of bounds")
        chosen = None if documents is None else {one - self.offset for one in documents}
        pairs = [(first, after) for first, after, document in rows if chosen is None or document in chosen]
        return numpy.array(pairs, dtype=numpy.int64).reshape(-1, 2) + self.offset

    def vectors_of(self, collection_id: int, newer_than: int = 0, documents: Group[int] | None = None) -> tuple[Ids, Vectors]:
        """Chunk ids, ascending, shape (n,), and their vectors, float32 of shape (n, dimensions): those with ids above `newer_than`.

        `documents` keeps to those document ids.
        """
        query = "SELECT first, count, dimensions, data, seal FROM embeddings WHERE collection_id = ? AND first > ? AND count > 0"
        within = self.inner(collection_id)
        values: list[object] = [within, newer_than - self.offset if newer_than else 0]
        if documents is not None:
            query += " AND document_id IN (SELECT value FROM json_each(?))"
            values.append(json.dumps([int(one) - self.offset for one in documents]))
        ids: list[Ids] = []
        parts: list[NDArray[numpy.float16]] = []
        with self.database.reading() as connection:
            for first, count, dimensions, data, checksum in connection.execute(query + " ORDER BY first", values):
                if (
                    seal(within, first, count, dimensions, crc32(data)) != checksum
                    or not 0 < first < first + count <= LARGEST_ID
                    or dimensions < 1
                    or len(data) != 2 * count * dimensions
                    or (parts and dimensions != parts[0].shape[1])
                ):
                    raise self.database.damaged("vectors were changed on the disk")
                ids.append(numpy.arange(first, first + count, dtype=numpy.int64) + self.offset)
                parts.append(numpy.frombuffer(data, dtype="<f2").reshape(count, dimensions))
            (total,) = connection.execute(CHUNKS_IN, (within,)).fetchone()
        if newer_than == 0 and documents is None:
            self._expect(total, sum(map(len, ids)), "vectors")
        if not parts:
            return numpy.zeros(0, dtype=numpy.int64), numpy.zeros((0, 0), dtype=numpy.float32)
        return numpy.concatenate(ids), numpy.concatenate(parts).astype(numpy.float32)

    def _expect(self, expected: int, found: int, what: str) -> None:
        """A flipped bit in SQLite's own structure hides rows without a word: their number tells."""
        if expected != found:
            raise self.database.damaged(f"{found} {what} instead of {expected}")

    def _parsed(self, text: str, kind: type[Any]) -> Any:
        """JSON that we wrote. Raises LibraryDamaged (or what a pack says instead) where we can't have."""
        try:
            value = json.loads(text)
        except (ValueError, RecursionError):
            value = None
        if not isinstance(value, kind):
            raise self.database.damaged("an entry can't be read")
        return value

    def _row(self, document_id: int) -> Row:
        with self.database.reading() as connection:
            row: Row | None = connection.execute(f"SELECT {DOCUMENT} FROM documents WHERE id = ?", (document_id - self.offset,)).fetchone()
        if row is None:
            raise NoSuchDocument(name=document_id)
        self._document(row)
        return row

    def _document(self, row: Row) -> Document:
        if seal(*row[1:-1]) != row[-1] or not _are(row, _DOCUMENT_KINDS):
            raise self.database.damaged(f"the entry of document {row[0]} was changed on the disk")
        return Document(row[0] + self.offset, row[1] + self.shift, *row[2:12])

    def _pages(self, document_id: int, condition: str, *values: object) -> Iterator[Page]:
        query = f"SELECT number, text, label, reason, position, seal FROM pages WHERE document_id = ? {condition} ORDER BY position"
        with self.database.reading() as connection:
            rows = connection.execute(query, (document_id - self.offset, *values)).fetchall()
        for number, text, label, reason, position, checksum in rows:
            if seal(number, text, label, reason, position) != checksum or not _are((number, text, label, reason, position, checksum), _PAGE_KINDS):
                raise self.database.damaged(f"page {position} of document {document_id} was changed on the disk")
            yield Page(number, text, label, reason)

    def _chunks(self, connection: Connection, rows: Sequence[Row]) -> tuple[Chunk, ...]:
        owners: dict[object, Document] = {}
        chunks = []
        for row in rows:
            identity, owner, position, page, start, end, text, heading, checksum = row
            if seal(*row[1:-1]) != checksum or not _are(row, _CHUNK_KINDS):
                raise self.database.damaged(f"passage {identity} was changed on the disk")
            if owner not in owners:
                found = connection.execute(f"SELECT {DOCUMENT} FROM documents WHERE id = ?", (owner,)).fetchone()
                if found is None:
                    raise self.database.damaged(f"passage {identity} belongs to no document")
                owners[owner] = self._document(found)
            document = owners[owner]
            headings = tuple(map(str, self._parsed(heading, list)))
            chunks.append(Chunk(identity + self.offset, document.id, document.name, position, page, start, end, text, headings, document.title))
        return tuple(chunks)


def _are(row: Row, kinds: Sequence[type | tuple[type, ...]]) -> bool:
    return all(isinstance(value, kind) for value, kind in zip(row, kinds, strict=True))


_COLLECTIONS = """
  SELECT c.id, c.name, count(d.id), ifnull(sum(d.chunks), 0), c.seal,
    (SELECT ifnull(sum(count), 0) FROM embeddings WHERE collection_id = c.id)
  FROM collections c LEFT JOIN documents d ON d.collection_id = c.id
  GROUP BY c.id ORDER BY c.name"""
CHUNKS_IN = "SELECT ifnull(sum(chunks), 0) FROM documents WHERE collection_id = ?"
