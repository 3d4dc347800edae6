"""The child process that makes a vector index, and the one that opens it first: a crash of Chroma's costs only the child.

    python -m appliance.library.index_builder build|check HOME COLLECTION FOLDER

`build` reads the collection's vectors from the library (read-only) and makes an index in FOLDER; `check` opens it in a process of
its own, lets known vectors look for themselves, and compares with exact search. Both print one JSON line and exit 0 when all is well.
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
from appliance.library.exact import best, unit, within
from appliance.library.generation import read_contents, runs, write_contents
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
    action, home, collection, folder = arguments
    if hasattr(os, "nice"):
        os.nice(10)
    with Library.open(Path(home), write=False) as library:
        ids, rows = library.vectors_of(int(collection))
    rows = unit(rows)
    from appliance.library import vectors_chroma  # a second and 47 MB: only here, after the library was read

    if action == "build":
        real = rows.any(axis=1)  # a zero vector has no direction: exact search gives it 0, Chroma NaN
        vectors_chroma.build(Path(folder), ids[real], rows[real])
        write_contents(Path(folder), runs(ids))
        print(json.dumps({"chunks": len(ids)}))
        return 0
    known = within(ids, read_contents(Path(folder)))
    index = vectors_chroma.Index(Path(folder))
    recall = agreement(index, ids[known], rows[known])
    index.close()
    print(json.dumps({"recall": round(recall, 4), "chunks": index.count}))
    return 0 if recall >= _LEAST_RECALL else 1


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
