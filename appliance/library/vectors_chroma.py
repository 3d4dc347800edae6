"""Chroma, and nothing else of the program imports it. An index holds chunk ids and vectors: no text, no metadata, no embedding function.

Chroma 1.5.9 rewrites `chroma.sqlite3` on every opening, and only that file as long as nothing is added. So a finished index keeps a
vacuumed copy of it under another name, and each opening starts from that copy: the files that were sealed are never written to.
"""

from __future__ import annotations

import contextlib
import shutil
import sqlite3
import threading
from pathlib import Path

import numpy
from chromadb.api.client import Client
from chromadb.api.collection_configuration import CreateCollectionConfiguration, CreateHNSWConfiguration
from chromadb.config import Settings
from numpy.typing import NDArray

from appliance.documents import Scored
from appliance.library.generation import OPENED_CATALOGUE, SEALED_CATALOGUE
from appliance.library.reading import Ids, Vectors

_NAME = "chunks"
_BATCH = 1000
_NEIGHBOURS = 32
_EFFORT = 200
"""For building and searching: recall@10 with ef_search = 100 was 0.60 on random unit vectors (research/packaging.md §7), the worst case."""


def build(folder: Path, ids: Ids, rows: Vectors) -> None:
    """Make an index of `rows` (unit vectors, shape (n, dimensions), n > 0) in an empty `folder`. Raises what Chroma raises."""
    folder.mkdir(parents=True)
    client = _client(folder)
    try:
        # Below `sync_threshold` nothing is written into the HNSW files; exactly there, all of it is, once.
        whole = max(2, len(ids))
        hnsw = CreateHNSWConfiguration(
            space="cosine",
            max_neighbors=_NEIGHBOURS,
            ef_construction=_EFFORT,
            ef_search=_EFFORT,
            sync_threshold=whole,
            batch_size=min(100, whole),
        )
        collection = client.create_collection(_NAME, embedding_function=None, configuration=CreateCollectionConfiguration(hnsw=hnsw))
        for start in range(0, len(ids), _BATCH):
            batch = slice(start, start + _BATCH)
            collection.add(ids=[str(one) for one in ids[batch]], embeddings=rows[batch])
    finally:
        client.close()
    # Vectors that went into the HNSW files still lie in free pages here: of 11 MB, 0.5 MB stay.
    with contextlib.closing(sqlite3.connect(folder / OPENED_CATALOGUE, isolation_level=None)) as connection:
        connection.execute("PRAGMA journal_mode = DELETE")
        connection.execute("VACUUM")
    (folder / OPENED_CATALOGUE).replace(folder / SEALED_CATALOGUE)


class Index:
    """A finished index, opened for reading. Safe from many threads. Raises what Chroma raises."""

    def __init__(self, folder: Path) -> None:
        for ending in ("", "-journal", "-wal", "-shm"):
            (folder / (OPENED_CATALOGUE + ending)).unlink(missing_ok=True)
        shutil.copyfile(folder / SEALED_CATALOGUE, folder / OPENED_CATALOGUE)
        self._guard = threading.Lock()
        self._client = _client(folder)
        try:
            self._collection = self._client.get_collection(_NAME, embedding_function=None)
            self.count = self._collection.count()
        except BaseException:
            self._client.close()
            raise

    def query(self, vector: NDArray[numpy.float32], limit: int) -> list[Scored]:
        """The `limit` nearest chunks by cosine, best first, as far as HNSW finds them."""
        with self._guard:
            found = self._collection.query(query_embeddings=vector.reshape(1, -1), n_results=min(limit, self.count), include=["distances"])
        distances = found["distances"] or [[]]
        return [Scored(int(one), 1.0 - float(distance)) for one, distance in zip(found["ids"][0], distances[0], strict=True)]

    def close(self) -> None:
        """Release the files, which the client's own reference count does (`chromadb.api.shared_system_client`)."""
        with self._guard:
            self._client.close()


def _client(folder: Path) -> Client:
    # What `chromadb.PersistentClient` does; that one's type hides `close`.
    return Client(settings=Settings(is_persistent=True, persist_directory=str(folder), anonymized_telemetry=False))
