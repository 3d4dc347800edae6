"""Keyword search: FTS5's BM25 over the words of the chunks, the titles and names of their documents, and the headings above them."""

from __future__ import annotations

import json
import math
from collections.abc import Collection as Group
from collections.abc import Iterable

from appliance.documents import Scored
from appliance.library.database import Connection
from appliance.library.reading import CHUNKS_IN, LARGEST_ID, Reader
from appliance.library.schema import keywords_table
from appliance.library.words import quoted, terms

TITLE_WEIGHT = 0.5
HEADING_WEIGHT = 0.5
"""Against 1 for the text: every chunk of a document repeats its title, so a word in it says less than one in the chunk."""

_SMALL = 1000
"""Chunks: below, every word may be scored, it takes less than asking how common it is."""


def search(library: Reader, collection_id: int, query: str, limit: int, documents: Group[int] | None = None) -> list[Scored]:
    """The `limit` best chunks that hold any of the query's words, best first; scores are BM25, larger is better.

    `documents` keeps to those document ids. An empty list where no word of the query is a word, or none occurs.
    """
    words = terms(query)
    if not words or limit < 1:
        return []
    reader = library.holding(collection_id)
    within = reader.inner(collection_id)
    table = keywords_table(within)
    values: list[object] = []
    condition = ""
    if documents is not None:
        # The plus keeps FTS5 from being asked once for each id: the ids are one lookup table for the chunks that matched.
        condition = " AND +rowid IN (SELECT id FROM chunks WHERE document_id IN (SELECT value FROM json_each(?)))"
        values.append(json.dumps([int(one) - reader.offset for one in documents]))
    score = f"bm25({table}, 1.0, {TITLE_WEIGHT}, {HEADING_WEIGHT})"
    statement = f"SELECT rowid, -{score} AS score FROM {table} WHERE {table} MATCH ?{condition} ORDER BY score DESC, rowid LIMIT ?"
    with reader.database.reading() as connection:
        if not _exists(connection, table):
            return []
        chosen = " OR ".join(map(quoted, _telling(connection, within, words)))
        rows = connection.execute(statement, (chosen, *values, limit)).fetchall()
    # An index that we didn't write (a pack's) can name chunks of others.
    if not all(0 < chunk_id < LARGEST_ID and score is not None and math.isfinite(score) for chunk_id, score in rows):
        raise reader.database.damaged("its keyword index can't be right")
    return [Scored(int(chunk_id) + reader.offset, float(score)) for chunk_id, score in rows]


def document_frequency(library: Reader, collection_id: int, words: Iterable[str]) -> dict[str, int]:
    """In how many chunks of the collection each word occurs (with its English inflections), titles and headings included."""
    reader = library.holding(collection_id)
    table = keywords_table(reader.inner(collection_id))
    counts = {}
    with reader.database.reading() as connection:
        known = _exists(connection, table)
        for word in words:
            parts = terms(word, stopwords=False)
            counts[word] = _count(connection, table, parts) if known and parts else 0
    return counts


def _telling(connection: Connection, collection_id: int, words: list[str]) -> list[str]:
    """The words that tell chunks apart: without those that more than half of them hold, where any other is left.

    FTS5 gives such a word a weight of 0.000001, whatever its language, and most of the time: at 20,000 chunks a query with the commonest
    words took 41 ms, one of rare words 1 ms.
    """
    (total,) = connection.execute(CHUNKS_IN, (collection_id,)).fetchone()
    if len(words) < 2 or total < _SMALL:
        return words
    return [word for word in words if 2 * _count(connection, keywords_table(collection_id), [word]) <= total] or words


def _count(connection: Connection, table: str, words: list[str]) -> int:
    query = f"SELECT count(*) FROM {table} WHERE {table} MATCH ?"
    return int(connection.execute(query, (" AND ".join(map(quoted, words)),)).fetchone()[0])


def _exists(connection: Connection, table: str) -> bool:
    return connection.execute("SELECT 1 FROM sqlite_master WHERE name = ?", (table,)).fetchone() is not None
