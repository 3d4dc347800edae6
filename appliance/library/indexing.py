"""Keeps a collection's keyword table in step with its chunks, inside the caller's transaction."""

from __future__ import annotations

import json
import os
from collections.abc import Iterable, Sequence

from appliance.library.database import Connection
from appliance.library.reading import DOCUMENT
from appliance.library.schema import create_keywords, keywords_table, seal
from appliance.library.words import prepare

Row = tuple[int, str, str, str]


def keyword_row(chunk_id: int, text: str, name: str, title: str, heading: Sequence[str]) -> Row:
    """What the index holds of a chunk: its words, those of the document's title and file name, those of the headings above it."""
    return chunk_id, prepare(text), prepare(f"{title} {os.path.splitext(name)[0]}"), prepare(" ".join(heading))


def insert(connection: Connection, collection_id: int, rows: Iterable[Row]) -> None:
    connection.executemany(f"INSERT INTO {keywords_table(collection_id)}(rowid, text, title, heading) VALUES (?, ?, ?, ?)", rows)


def delete(connection: Connection, collection_id: int, document_id: int) -> None:
    """Take the document's words out for good. A contentless table needs the exact values that went in: they are made again."""
    table = keywords_table(collection_id)
    rows = list(rows_of(connection, document_id))
    connection.executemany(f"INSERT INTO {table}({table}, rowid, text, title, heading) VALUES ('delete', ?, ?, ?, ?)", rows)
    # Until segments merge, a deleted word stays readable beside its delete marker (FTS5's own 'secure-delete' came with SQLite 3.42).
    connection.execute(f"INSERT INTO {table}({table}) VALUES ('optimize')")


def is_intact(connection: Connection, document_id: int) -> bool:
    """Whether the texts that went into the index are what they were: else their words can't be named to take them out."""
    query = "SELECT document_id, position, page, start, end, text, heading, seal FROM chunks WHERE document_id = ?"
    texts = connection.execute(query, (document_id,)).fetchall()
    entries = connection.execute(f"SELECT {DOCUMENT} FROM documents WHERE id = ?", (document_id,)).fetchall()
    return all(seal(*row[:-1]) == row[-1] for row in texts) and all(seal(*row[1:-1]) == row[-1] and row[8] == len(texts) for row in entries)


def rows_of(connection: Connection, document_id: int) -> Iterable[Row]:
    query = "SELECT c.id, c.text, d.name, d.title, c.heading FROM chunks c JOIN documents d ON d.id = c.document_id WHERE d.id = ? ORDER BY c.id"
    for chunk_id, text, name, title, heading in connection.execute(query, (document_id,)).fetchall():
        yield keyword_row(chunk_id, text, name, title, json.loads(heading))


def rebuild(connection: Connection, collection_id: int) -> None:
    """Make the table anew from the chunks: the words are prepared otherwise now, or the table is damaged."""
    connection.execute(f"DROP TABLE IF EXISTS {keywords_table(collection_id)}")
    connection.execute(create_keywords(collection_id))
    for (document_id,) in connection.execute("SELECT id FROM documents WHERE collection_id = ? ORDER BY id", (collection_id,)).fetchall():
        insert(connection, collection_id, rows_of(connection, document_id))
