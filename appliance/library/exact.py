"""Search by meaning, exact: cosine against every vector of a collection. The reference that any index is measured by."""

from __future__ import annotations

import threading
from collections.abc import Collection as Group
from dataclasses import dataclass

import numpy
from numpy.typing import NDArray

from appliance.documents import Scored
from appliance.library.reading import Ids, Reader, Vectors


@dataclass(frozen=True, slots=True)
class Matrix:
    """The vectors of a collection at one revision: unit rows of shape (n, dimensions), ids ascending."""

    revision: int
    ids: Ids
    rows: Vectors


_NOTHING = Matrix(-1, numpy.zeros(0, dtype=numpy.int64), numpy.zeros((0, 0), dtype=numpy.float32))


class ExactVectors:
    """Compares with every vector. Keeps them in memory (1.5 KB a chunk at 384 dimensions) and follows the library's changes."""

    def __init__(self, library: Reader) -> None:
        self._library = library
        self._matrices: dict[int, Matrix] = {}
        self._guard = threading.Lock()

    def search(self, collection_id: int, vector: NDArray[numpy.float32], limit: int, documents: Group[int] | None = None) -> list[Scored]:
        """The `limit` nearest chunks by cosine, best first. `documents` keeps to those document ids."""
        matrix = self.matrix(collection_id)
        ids, rows = matrix.ids, matrix.rows
        if len(rows) and rows.shape[1] != len(vector):
            raise self._library.holding(collection_id).database.damaged(f"its vectors have {rows.shape[1]} dimensions, the embedder's {len(vector)}")
        if documents is not None:
            chosen = within(ids, self._library.chunk_ranges(collection_id, documents))
            ids, rows = ids[chosen], rows[chosen]
        return best(ids, rows, vector, limit)

    def matrix(self, collection_id: int) -> Matrix:
        """The collection's vectors as they are now: only what is new since the last call is read."""
        with self._guard:
            revision = self._library.revision(collection_id)
            known = self._matrices.get(collection_id, _NOTHING)
            if known.revision != revision:
                known = self._matrices[collection_id] = self._updated(collection_id, known, revision)
            return known

    def forget(self, collection_id: int) -> None:
        with self._guard:
            self._matrices.pop(collection_id, None)

    def close(self) -> None:
        with self._guard:
            self._matrices.clear()

    def _updated(self, collection_id: int, known: Matrix, revision: int) -> Matrix:
        alive = within(known.ids, self._library.chunk_ranges(collection_id))
        ids, rows = (known.ids, known.rows) if alive.all() else (known.ids[alive], known.rows[alive])
        new_ids, new_rows = self._library.vectors_of(collection_id, newer_than=int(known.ids[-1]) if len(known.ids) else 0)
        if len(new_ids):
            unit(new_rows)
            ids, rows = (numpy.concatenate([ids, new_ids]), numpy.concatenate([rows, new_rows])) if len(ids) else (new_ids, new_rows)
        return Matrix(revision, ids, rows)


def unit(rows: Vectors) -> Vectors:
    """`rows` scaled to length 1, in place; a zero row stays zero."""
    lengths = numpy.sqrt(numpy.einsum("ij,ij->i", rows, rows))
    lengths[lengths == 0] = 1
    rows /= lengths[:, None]
    return rows


def within(ids: Ids, ranges: Ids) -> NDArray[numpy.bool_]:
    """Which of `ids` lie in one of `ranges` (shape (n, 2), ascending, the end not included)."""
    if not len(ranges):
        return numpy.zeros(len(ids), dtype=numpy.bool_)
    place = numpy.searchsorted(ranges[:, 0], ids, side="right") - 1
    inside: NDArray[numpy.bool_] = (place >= 0) & (ids < ranges[numpy.maximum(place, 0), 1])
    return inside


def best(ids: Ids, rows: Vectors, vector: NDArray[numpy.float32], limit: int) -> list[Scored]:
    """The `limit` rows with the greatest cosine to `vector`, best first; of equals the older chunk. `rows` are unit vectors."""
    limit = min(limit, len(ids))
    length = float(numpy.linalg.norm(vector))
    if limit < 1 or length == 0 or not numpy.isfinite(length):
        return []
    scores = rows @ (vector.astype(numpy.float32) / numpy.float32(length))
    top = numpy.argpartition(-scores, limit - 1)[:limit]
    top = top[numpy.lexsort((ids[top], -scores[top]))]
    return [Scored(int(ids[index]), float(scores[index])) for index in top]
