"""Whether the library is whole: every promise of the store, looked at again on the disk."""

from __future__ import annotations

import contextlib
import sqlite3
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from typing import Literal

from appliance.durable import sha256_of
from appliance.errors import LibraryError
from appliance.library import generation, indexing
from appliance.library.reading import Reader
from appliance.library.schema import create_keywords, keywords_table

_RESTORE = "Bring back a backup with `haversack restore FILE`, or remove the document and ingest it again."

REBUILD = "Run `haversack check --repair`: it is made again from the texts, which are whole."


@dataclass(frozen=True, slots=True)
class Finding:
    """Something that is not as it should be: `sentence` says what, `advice` what to do."""

    severity: Literal["warning", "error"]
    sentence: str
    advice: str


def check(library: Reader, *, full: bool = True) -> tuple[Finding, ...]:
    """What is wrong with the library, nothing where all is well. Changes nothing.

    Not `full`: without reading every text, every original and every word of the index, in about a second a gigabyte.
    """
    found: list[Finding] = []
    for step in (_database, _documents, _vectors, _originals, _keywords, _index):
        try:
            found += step(library, full)
        except LibraryError as error:
            finding = Finding("error", str(error), _RESTORE)
            if finding not in found:
                found.append(finding)
    return tuple(found)


def _database(library: Reader, full: bool) -> Iterator[Finding]:
    with library.database.reading() as connection:
        for (verdict,) in connection.execute("PRAGMA integrity_check(10)" if full else "PRAGMA quick_check(10)").fetchall():
            if verdict != "ok":
                yield Finding("error", f"The database is damaged: {verdict}.", _RESTORE)
        for table, *_ in connection.execute("PRAGMA foreign_key_check").fetchall():
            yield Finding("error", f"The database is damaged: an entry of {table} belongs to nothing.", _RESTORE)


def _documents(library: Reader, full: bool) -> Iterator[Finding]:
    """Every entry, and where `full` every text, against its checksum; every passage against its page."""
    for collection in library.collections():
        for document in library.documents(collection.id):
            if not full:
                continue
            pages, chunks = library.pages(document.id), library.chunks_of(document.id)
            fits = len(pages) == document.pages and len(chunks) == document.chunks
            if not fits or any(pages[chunk.position].text[chunk.start : chunk.end] != chunk.text for chunk in chunks):
                yield Finding("error", f"The passages of {document.name} don't fit its pages.", _RESTORE)


def _vectors(library: Reader, full: bool) -> Iterator[Finding]:
    for collection in library.collections():
        with library.database.reading() as connection:
            query = """
              SELECT d.name FROM documents d LEFT JOIN embeddings e ON e.document_id = d.id WHERE d.collection_id = ? AND (
                e.count IS NOT d.chunks OR e.collection_id IS NOT d.collection_id OR length(e.data) != 2 * e.count * e.dimensions
                OR d.chunks != (SELECT count(*) FROM chunks c WHERE c.document_id = d.id AND c.id >= e.first AND c.id < e.first + e.count))"""
            for (name,) in connection.execute(query, (collection.id,)).fetchall():
                yield Finding("error", f"The vectors of {name} don't fit its passages.", _RESTORE)
        if full:
            library.vectors_of(collection.id)


def _originals(library: Reader, full: bool) -> Iterator[Finding]:
    for name in sorted(library.original_names()):
        path = library.home / "originals" / name
        with contextlib.suppress(OSError):
            if path.is_file() and (not full or sha256_of(path) == path.name.split(".")[0]):
                continue
        state = "was changed" if path.is_file() else "is missing"
        with library.database.reading() as connection:
            names = [row[0] for row in connection.execute("SELECT name FROM documents WHERE original = ?", (name,)).fetchall()]
        yield Finding("warning", f"The original of {', '.join(names)} {state}; its text is whole.", "Ingest the file again to keep a copy.")


def _keywords(library: Reader, full: bool) -> Iterator[Finding]:
    """The words in the index against those of the chunks: made again in memory where `full`, else only counted."""
    for collection in library.collections():
        table = keywords_table(collection.id)
        with library.database.reading() as connection:
            (count,) = connection.execute(f"SELECT count(*) FROM {table}").fetchone()
            if count == collection.chunks and (not full or _same_words(connection, collection.id)):
                continue
        yield Finding("error", f"The keyword index of {collection.name} is damaged.", REBUILD)


def _same_words(connection: sqlite3.Connection, collection_id: int) -> bool:
    table = keywords_table(collection_id)
    # The copy lies in the reader's own temporary schema, which is in memory; its name must differ for the vocabulary tables.
    create = create_keywords(collection_id).replace(f"VIRTUAL TABLE {table} ", f"VIRTUAL TABLE temp.expected_{table} ")
    names = (f"temp.expected_{table}", f"temp.found_words_{table}", f"temp.expected_words_{table}")
    streams: list[sqlite3.Cursor] = []
    connection.execute(create)
    try:
        for (document_id,) in connection.execute("SELECT id FROM documents WHERE collection_id = ? ORDER BY id", (collection_id,)).fetchall():
            rows = indexing.rows_of(connection, document_id)
            connection.executemany(f"INSERT INTO {names[0]}(rowid, text, title, heading) VALUES (?, ?, ?, ?)", rows)
        connection.execute(f"CREATE VIRTUAL TABLE {names[1]} USING fts5vocab(main, {table}, instance)")
        connection.execute(f"CREATE VIRTUAL TABLE {names[2]} USING fts5vocab(temp, expected_{table}, instance)")
        streams = [connection.execute(f"SELECT term, doc, col, offset FROM {name}") for name in names[1:]]
        return all(one == other for one, other in _pairs(streams[0].fetchone, streams[1].fetchone))
    finally:
        for stream in streams:
            stream.close()  # a table that is being read can't be dropped
        for name in reversed(names):
            connection.execute(f"DROP TABLE IF EXISTS {name}")


def _pairs(one: Callable[[], object], other: Callable[[], object]) -> Iterator[tuple[object, object]]:
    while True:
        pair = (one(), other())
        if pair == (None, None):
            return
        yield pair


def _index(library: Reader, full: bool) -> Iterator[Finding]:
    for folder in sorted((library.home / "index").glob("*")):
        if folder.is_dir() and any(folder.iterdir()) and generation.newest_generation(folder) is None:
            advice = "Nothing to do: it is made again by itself; searches are exact until then."
            yield Finding("warning", f"The vector index {folder.name} is not whole.", advice)
