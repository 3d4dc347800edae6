"""The child process that makes a vector index and opens it first: a crash of Chroma's costs only the child.

    python -m appliance.library.index_builder HOME COLLECTION FOLDER

It reads the collection's vectors from the library (read-only), makes an index in FOLDER, closes it, opens it again from its files, lets
known vectors look for themselves, and compares with exact search. Prints one JSON line; exits 0 when all is well.
"""

from __future__ import annotations

import json
import os
import sys
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Protocol

import numpy
from numpy.typing import NDArray

from appliance.documents import Scored
from appliance.library.exact import best, unit
from appliance.library.generation import runs, write_contents
from appliance.library.reading import Ids, Vectors
from appliance.library.store import Library

_PROBES = 64
_NEIGHBOURS = 10
_LEAST_RECALL = 0.95
_ROUNDING = 1e-3


class Searches(Protocol):
    """A vector index as the probes use it."""

    def query(self, vector: NDArray[numpy.float32], limit: int) -> list[Scored]: ...


def main(arguments: list[str]) -> int:
    home, collection, folder = arguments
    if hasattr(os, "nice"):
        os.nice(10)
    with Library.open(Path(home), write=False) as library:
        ids, rows = library.vectors_of(int(collection))
    contents = runs(ids)
    real = rows.any(axis=1)  # a zero vector has no direction: exact search gives it 0, Chroma NaN
    ids, rows = ids[real], unit(rows[real])
    from appliance.library import vectors_chroma  # a second and 47 MB: only here, after the library was read

    vectors_chroma.build(Path(folder), ids, rows)
    write_contents(Path(folder), contents)
    index = vectors_chroma.Index(Path(folder))
    recall = agreement(index, ids, rows)
    index.close()
    print(json.dumps({"recall": round(recall, 4), "chunks": index.count}))
    return 0 if recall >= _LEAST_RECALL and index.count == len(ids) else 1


def agreement(index: Searches, ids: Ids, rows: Vectors) -> float:
    """Which part of the nearest ten of up to 64 stored vectors the index finds; equally near ones count as found."""
    shares = []
    for probe in numpy.unique(numpy.linspace(0, len(ids) - 1, _PROBES, dtype=numpy.int64)):
        wanted = best(ids, rows, rows[probe], _NEIGHBOURS)
        least = wanted[-1].score - _ROUNDING
        real = {int(one): float(rows[row] @ rows[probe]) for row, one in _rows_of(ids, index.query(rows[probe], len(wanted)))}
        shares.append(sum(score >= least for score in real.values()) / len(wanted))
    return float(numpy.mean(shares)) if shares else 0.0


def _rows_of(ids: Ids, hits: Sequence[Scored]) -> Iterator[tuple[int, int]]:
    """Row and id of each hit that is in the library; the score it has there counts, not the one the index claims."""
    for hit in hits:
        row = int(numpy.searchsorted(ids, hit.chunk_id))
        if row < len(ids) and ids[row] == hit.chunk_id:
            yield row, hit.chunk_id


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
