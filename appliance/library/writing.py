"""The rows that a change of the library writes and removes, inside the caller's transaction."""

from __future__ import annotations

import json
from collections.abc import Sequence
from datetime import UTC, datetime
from zlib import crc32

import numpy
from numpy.typing import NDArray

from appliance.documents import Conversion, Passage
from appliance.library import indexing
from appliance.library.database import Connection, has_table
from appliance.library.schema import seal

FORGOTTEN = "This answer quoted a document that was deleted from the library, and was deleted with it."


def now() -> str:
    """UTC, ISO 8601, whole seconds."""
    return datetime.now(UTC).replace(microsecond=0).isoformat().replace("+00:00", "Z")


def clean(text: str) -> str:
    """Lone surrogates (an undecodable file name) can't be stored as text: each becomes "?", so that offsets stay."""
    try:
        text.encode()
    except UnicodeEncodeError:
        return text.encode("utf-8", "replace").decode()
    return text


def touch(connection: Connection, collection_id: int) -> None:
    connection.execute("UPDATE collections SET revision = revision + 1 WHERE id = ?", (collection_id,))


def insert_document(
    connection: Connection, collection_id: int, file: tuple[str, str, int, str | None], conversion: Conversion, chunks: int, added: str
) -> int:
    """`file`: its name, sha256, size in bytes, and the name of the original that is kept. Returns the document's id."""
    name, sha256, size, original = file
    pages = conversion.pages
    status = "partial" if any(page.reason for page in pages) else "indexed"
    headings = json.dumps([[heading.position, heading.start, clean(heading.title), heading.level] for heading in conversion.headings])
    metadata = json.dumps({clean(key): clean(value) for key, value in conversion.metadata.items()})
    texts = (conversion.kind, clean(conversion.title), size, len(pages), chunks, status, added, clean(conversion.reader))
    row = (collection_id, name, sha256, *texts, original, headings, metadata)
    columns = "collection_id, name, sha256, kind, title, size, pages, chunks, status, added, reader, original, headings, metadata, seal"
    marks = ", ".join("?" * (len(row) + 1))
    return int(connection.execute(f"INSERT INTO documents ({columns}) VALUES ({marks})", (*row, seal(*row))).lastrowid or 0)


def insert_pages(connection: Connection, document_id: int, conversion: Conversion) -> None:
    rows = []
    for position, page in enumerate(conversion.pages):
        label = None if page.label is None else clean(page.label)
        reason = None if page.reason is None else clean(page.reason)
        row = (page.number, clean(page.text), label, reason, position)
        rows.append((document_id, *row, seal(*row)))
    connection.executemany("INSERT INTO pages (document_id, number, text, label, reason, position, seal) VALUES (?, ?, ?, ?, ?, ?, ?)", rows)


def insert_chunks(
    connection: Connection, document: tuple[int, int, str], conversion: Conversion, passages: Sequence[Passage], vectors: NDArray[numpy.float32]
) -> None:
    """`document`: its collection's id, its id, its name. Raises ValueError where a passage is not the text of its page."""
    collection_id, document_id, name = document
    found = connection.execute("SELECT seq FROM sqlite_sequence WHERE name = 'chunks'").fetchone()
    first = int(found[0]) + 1 if found else 1
    rows, words = [], []
    for chunk_id, passage in enumerate(passages, first):
        page = conversion.pages[passage.position]
        if page.text[passage.start : passage.end] != passage.text or page.number != passage.page:
            raise ValueError(f"passage {chunk_id - first} of {name!r} is not the text at {passage.start}:{passage.end} of page {passage.page}")
        text, heading = clean(passage.text), [clean(title) for title in passage.heading]
        row = (document_id, passage.position, passage.page, passage.start, passage.end, text, json.dumps(heading))
        rows.append((chunk_id, *row, seal(*row)))
        words.append(indexing.keyword_row(chunk_id, text, name, clean(conversion.title), heading))
    connection.executemany("INSERT INTO chunks VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?)", rows)
    indexing.insert(connection, collection_id, words)
    data = numpy.ascontiguousarray(vectors, dtype="<f2").tobytes()
    dimensions = int(vectors.shape[1]) if len(passages) else 0
    held = (collection_id, first, len(rows), dimensions)
    connection.execute("INSERT INTO embeddings VALUES (?, ?, ?, ?, ?, ?, ?)", (document_id, *held, data, seal(*held, crc32(data))))


def remove(connection: Connection, collection_id: int, document_id: int) -> None:
    """Delete the document, its pages, chunks, vectors and words, also where bits of it were flipped on the disk."""
    intact = indexing.is_intact(connection, document_id)
    if intact:
        indexing.delete(connection, collection_id, document_id)
    connection.execute("DELETE FROM documents WHERE id = ?", (document_id,))
    if not intact:
        indexing.rebuild(connection, collection_id)


def forget_in_conversations(connection: Connection, collection_id: int, document_id: int, name: str) -> None:
    """Empty the answers that quote the document, older versions of it included: its text must not live on in them."""
    query = """
      SELECT DISTINCT t.id, t.question, t.searched_for FROM turns t
      JOIN turn_documents s ON s.turn_id = t.id JOIN conversations c ON c.id = t.conversation_id
      WHERE s.document_id = ? OR (s.document = ? AND c.collection_id = ?)"""
    for turn_id, question, searched_for in connection.execute(query, (document_id, name, collection_id)).fetchall():
        row = (question, searched_for, FORGOTTEN, "")
        connection.execute("UPDATE turns SET answer = ?, data = '', seal = ? WHERE id = ?", (FORGOTTEN, seal(*row), turn_id))
        connection.execute("DELETE FROM turn_documents WHERE turn_id = ?", (turn_id,))


def forget_in_comparisons(connection: Connection, collection_id: int, document_id: int, name: str) -> None:
    """As in the conversations: the answers go, the figures stay. They are the models', and hold nothing of the text."""
    if not has_table(connection, "comparisons"):
        return
    query = """
      SELECT DISTINCT c.id, c.question, c.data, c.vote FROM comparisons c JOIN comparison_documents s ON s.comparison_id = c.id
      WHERE s.document_id = ? OR (s.document = ? AND c.collection_id = ?)"""
    for comparison_id, question, data, vote in connection.execute(query, (document_id, name, collection_id)).fetchall():
        try:
            kept = json.loads(data)
            for result in kept["results"]:
                result["answer"] = None
            row = (question, json.dumps({**kept, "note": FORGOTTEN}), vote)
        except (ValueError, KeyError, TypeError):  # changed on the disk: nothing of it can be kept
            connection.execute("DELETE FROM comparisons WHERE id = ?", (comparison_id,))
            continue
        connection.execute("UPDATE comparisons SET data = ?, seal = ? WHERE id = ?", (row[1], seal(*row), comparison_id))
        connection.execute("DELETE FROM comparison_documents WHERE comparison_id = ?", (comparison_id,))
