"""Search by meaning in a Chroma server at a base camp; exact search here for what it doesn't hold, and whenever anything is wrong with it.

Only ids and vectors go there. A collection's name holds this library's identity, so two libraries on one server don't mix; what it holds is
compared id by id with the library, and its answers with exact search, before it is used and each minute that it is.
"""

from __future__ import annotations

import base64
import queue
import secrets
import threading
import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from collections.abc import Collection as Group
from dataclasses import dataclass
from functools import partial
from typing import Any, Literal
from zlib import crc32

import numpy
from numpy.typing import NDArray

from appliance.documents import Scored
from appliance.errors import BaseCampFailed, HaversackError
from appliance.library.exact import ExactVectors, Matrix, best, unit, within
from appliance.library.reading import Ids
from appliance.library.reading import Vectors as Rows
from appliance.library.store import Library

State = Literal["chroma", "exact", "building"]
Asks = Callable[[Mapping[str, Any], float], Any]
"""(request of `vectors_server.Server.call`, seconds) → its result. Raises BaseCampFailed."""
_PREFIX = "haversack"
_BATCH = 500
_PAGE = 5000
_PROBES, _NEIGHBOURS, _LEAST_RECALL, _ROUNDING = 32, 10, 0.95, 1e-3
_SEARCH_SECONDS, _SHORT_SECONDS, _BATCH_SECONDS = 1.5, 8.0, 30.0
"""A search that takes longer is made here, where it takes 15 to 45 ms at 100,000 chunks."""
_PAUSE = 60.0
"""Seconds until a server that failed is tried again, and until one that works is looked at again."""


class Unfit(Exception):
    """The server holds or answers something else than it should. The text ends the sentence "The base camp at … "."""


@dataclass(frozen=True, slots=True)
class Opened:
    """A collection of the server that holds what it should: chunk ids, ascending, and the checksum of each one's vector."""

    name: str
    ids: Ids
    marks: NDArray[numpy.uint32]
    revision: int
    alive: Ids
    tail: Matrix
    dead: int
    looked: float


class RemoteVectors:
    """The interface of `vectors.Vectors`. Safe from many threads; one background thread brings the server up to date, `close` ends it."""

    def __init__(self, library: Library, ask: Asks, shown: str, *, pause: float = _PAUSE, patience: float = 3.0) -> None:
        """`shown`: the server as people name it. `pause`, `patience`: seconds between two looks, and until the first one."""
        self._library = library
        self._send = ask
        self._shown = shown
        self._pause = pause
        self._patience = patience
        self._exact = ExactVectors(library)
        self._opened: dict[int, Opened] = {}
        self._waiting: set[int] = set()
        self._sent: dict[int, tuple[Ids, NDArray[numpy.uint32]]] = {}
        """Chunk ids and checksums that were last sent to a collection, or are being sent: more than `_opened` says until that is done."""
        self._behind: set[int] = set()
        """Collections that have lost documents whose vectors may still be on the server."""
        self._failure: tuple[float, str] | None = None
        self._tidied = False
        self._writer = secrets.token_hex(8)
        self._guard = threading.RLock()
        self._work: queue.SimpleQueue[int] = queue.SimpleQueue()
        self._closing = threading.Event()
        self._thread = threading.Thread(target=self._run, name="vectors", daemon=True)
        library.before_removal.append(self.drop)
        self._thread.start()

    def search(self, collection_id: int, vector: NDArray[numpy.float32], limit: int, documents: Group[int] | None = None) -> list[Scored]:
        """The `limit` nearest chunks by cosine, best first. `documents` keeps to those document ids (searched exactly, here)."""
        opened = self._current(collection_id)
        if opened is None or time.monotonic() > opened.looked + self._pause:
            self.refresh(collection_id)
        if opened is None or documents is not None or self._away:
            return self._exact.search(collection_id, vector, limit, documents)
        if limit < 1 or not vector.any():
            return []
        try:
            found = self._query(opened.name, vector.reshape(1, -1), limit + min(opened.dead, 1000), _SEARCH_SECONDS)[0]
            found = [hit for hit in found if not self._in_tail(collection_id, opened, *hit[:2])]
            hits = [hit for hit, alive in zip(found, self._are_alive(opened, found), strict=True) if alive]
        except (BaseCampFailed, Unfit) as error:
            self._failed(error)
            return self._exact.search(collection_id, vector, limit)
        every = [Scored(chunk, score) for chunk, _, score in hits] + best(opened.tail.ids, opened.tail.rows, vector, limit)
        return sorted(every, key=lambda hit: (-hit.score, hit.chunk_id))[:limit]

    def refresh(self, collection_id: int) -> None:
        """Say that the collection has changed, or should be looked at: the server is brought up to date in the background."""
        with self._guard:
            if collection_id in self._waiting or self._closing.is_set() or self._away:
                return
            if not self._library.writable or self._library.holding(collection_id) is not self._library:
                return  # a pack's: searched here
            self._waiting.add(collection_id)
        self._work.put(collection_id)

    def drop(self, collection_id: int) -> None:
        """Documents are about to be removed: their vectors are deleted on the server as soon as it can be reached."""
        with self._guard:
            self._behind.add(collection_id)
        self.refresh(collection_id)

    def state(self, collection_id: int) -> State:
        with self._guard:
            if collection_id in self._opened and not self._away:
                return "chroma"
            return "building" if collection_id in self._waiting else "exact"

    @property
    def sentence(self) -> str:
        """How it is with the server, for the page."""
        failure, behind = self._failure, bool(self._behind)
        rest = " Vectors of removed passages are still there until then." if behind else ""
        if failure is not None:
            return f"{failure[1]} Passages are found by exact search here; the server is tried again in a while.{rest}"
        if behind:
            return f"Vectors of removed passages are being deleted at {self._shown}."
        return f"Passages are found by their vectors at {self._shown}."

    def close(self) -> None:
        self._closing.set()
        self._work.put(0)
        self._thread.join(_SHORT_SECONDS)
        if self.drop in self._library.before_removal:
            self._library.before_removal.remove(self.drop)
        with self._guard:
            self._opened.clear()
        self._exact.close()

    # Searching

    @property
    def _away(self) -> bool:
        failure = self._failure
        return failure is not None and time.monotonic() < failure[0] + self._pause

    def _failed(self, error: Exception) -> None:
        said = str(error) if isinstance(error, HaversackError) else str(BaseCampFailed(address=self._shown, detail=str(error)))
        with self._guard:
            self._failure = (time.monotonic(), said)
            self._opened.clear()  # compared anew when it is there again

    def _current(self, collection_id: int) -> Opened | None:
        with self._guard:
            opened = self._opened.get(collection_id)
            if opened and opened.revision != self._library.revision(collection_id):
                opened = self._opened[collection_id] = self._followed(collection_id, opened.name, opened.ids, opened.marks, opened.looked)
            return opened

    def _followed(self, collection_id: int, name: str, ids: Ids, marks: NDArray[numpy.uint32], looked: float) -> Opened:
        """The tail is what the server doesn't hold yet: ids are never used twice, so it is what is newer."""
        revision, alive = self._library.revision(collection_id), self._library.chunk_ranges(collection_id)
        newer, rows = self._library.vectors_of(collection_id, newer_than=int(ids[-1]) if len(ids) else 0)
        return Opened(name, ids, marks, revision, alive, Matrix(revision, newer, unit(rows)), int((~within(ids, alive)).sum()), looked)

    def _query(self, name: str, vectors: Rows, limit: int, seconds: float) -> list[list[tuple[int, int, float]]]:
        """For each vector: chunk id, checksum and cosine of what the server found. Raises BaseCampFailed, Unfit."""
        found = self._ask("query", seconds, name=name, rows=len(vectors), vectors=_packed(vectors), limit=limit)
        try:
            hits = [[(*_read(one), float(score)) for one, score in row] for row in found]
        except (TypeError, ValueError) as error:
            raise Unfit("found something that was never put there") from error
        if len(hits) != len(vectors) or any(not -1.01 <= score <= 1.01 for row in hits for *_, score in row):
            raise Unfit("found something that can't be right")
        return hits

    def _in_tail(self, collection_id: int, opened: Opened, chunk: int, mark: int) -> bool:
        """Whether it was sent since `opened` was read: it is searched for here, and says nothing against the server."""
        ids, marks = self._sent.get(collection_id, (opened.ids, opened.marks))
        row = int(numpy.searchsorted(ids, chunk))
        newer = not len(opened.ids) or chunk > opened.ids[-1]
        return bool(newer and row < len(ids) and ids[row] == chunk and marks[row] == mark)

    def _are_alive(self, opened: Opened, found: Sequence[tuple[int, int, float]]) -> list[bool]:
        """Which of them the library has. Raises Unfit where one was never put there: another library's, or another text's."""
        chunks = numpy.array([chunk for chunk, _, _ in found], dtype=numpy.int64)
        rows = numpy.minimum(numpy.searchsorted(opened.ids, chunks), max(len(opened.ids) - 1, 0))
        for row, (chunk, mark, _) in zip(rows, found, strict=True):
            if not len(opened.ids) or opened.ids[row] != chunk or opened.marks[row] != mark:
                raise Unfit("found something that was never put there")
        return [bool(alive) for alive in within(chunks, opened.alive)]

    # Bringing the server up to date

    def _run(self) -> None:
        self._closing.wait(self._patience)
        while not self._closing.is_set():
            if not self._tidied and not self._away and self._library.writable:
                self._attempt(self._tidy)
            try:
                collection_id = self._work.get(timeout=self._pause)
            except queue.Empty:
                for one in list(self._behind):
                    self.refresh(one)
                continue
            with self._guard:
                self._waiting.discard(collection_id)
            if collection_id and not self._closing.is_set():
                self._attempt(partial(self._bring_up, collection_id))

    def _attempt(self, work: Callable[[], None]) -> None:
        try:
            work()
        except (BaseCampFailed, Unfit) as error:
            self._failed(error)
        except Exception as error:  # the library closed meanwhile, or is damaged: whoever searches it is told so
            if not self._closing.is_set():
                self._failed(Unfit(f"could not be compared with the library ({type(error).__name__})"))

    def _tidy(self) -> None:
        """Delete what belongs to collections that are gone; compare the rest: documents may have gone while the server was away."""
        here = {one.id for one in self._library.collections()}
        for name in self._names(""):
            number = name.split("-")[2] if name.count("-") == 3 else ""
            if number.isdigit() and int(number) in here:
                self.refresh(int(number))
            else:
                self._ask("remove", name=name)
        self._tidied = True

    def _bring_up(self, collection_id: int) -> None:
        with self._library.database.turn:  # after any removal that is under way
            with self._guard:
                behind = collection_id in self._behind
                self._behind.discard(collection_id)
            matrix = self._exact.matrix(collection_id)
            gone = collection_id not in {one.id for one in self._library.collections()}
        try:
            self._compare(collection_id, matrix, gone)
        except BaseException:
            with self._guard:
                self._behind |= {collection_id} if behind else set()
            raise
        with self._guard:
            self._failure = None
            if gone or not len(matrix.ids):
                self._opened.pop(collection_id, None)
                self._sent.pop(collection_id, None)

    def _compare(self, collection_id: int, matrix: Matrix, gone: bool) -> None:
        names = self._names(f"{collection_id}-")
        opened = self._opened.get(collection_id)
        if opened and opened.name in names and self._ask("look", name=opened.name)["writer"] != self._writer:
            # Another process with this library's identity writes there: a copy of the library. This one takes a name of its own.
            self._identity(anew=True)
            names, opened = [], None
        empty = gone or not len(matrix.ids)
        for name in names if empty else names[1:]:
            self._ask("remove", name=name)
        if not empty:
            self._fill(collection_id, matrix, names[0] if names else "")

    def _fill(self, collection_id: int, matrix: Matrix, name: str) -> None:
        """Make the server's collection hold exactly the library's vectors, and let known ones look for themselves."""
        real = matrix.rows.any(axis=1)  # a zero vector has no direction: exact search gives it 0, Chroma NaN
        ids, rows = matrix.ids[real], matrix.rows[real]
        marks = numpy.fromiter((crc32(row.tobytes()) for row in rows.astype(numpy.float16)), dtype=numpy.uint32, count=len(rows))
        wanted = {f"{chunk}-{mark:08x}": row for row, (chunk, mark) in enumerate(zip(ids.tolist(), marks.tolist(), strict=True))}
        if not name:
            name = f"{_PREFIX}-{self._identity()}-{collection_id}-{secrets.token_hex(4)}"
            self._ask("make", name=name)
        self._ask("claim", name=name, writer=self._writer)
        there = set(self._ids(name))
        self._sent[collection_id] = (ids, marks)
        for batch in _batches(sorted(there - wanted.keys())):
            self._ask("delete", _BATCH_SECONDS, name=name, ids=batch)
        for batch in _batches([one for one in wanted if one not in there]):
            chosen = rows[[wanted[one] for one in batch]]
            self._ask("add", _BATCH_SECONDS, name=name, ids=batch, rows=len(batch), vectors=_packed(chosen))
        held = self._ask("look", name=name)["count"]
        if held != len(wanted) or self._agreement(name, ids, rows) < _LEAST_RECALL:
            self._ask("remove", name=name)  # and made anew another time
            raise Unfit("doesn't find again what was put there")
        opened = self._followed(collection_id, name, ids, marks, time.monotonic())
        with self._guard:
            if not self._closing.is_set():
                self._opened[collection_id] = opened
        self._exact.forget(collection_id)

    def _agreement(self, name: str, ids: Ids, rows: Rows) -> float:
        """Which part of the nearest ten of up to 32 stored vectors the server finds; equally near ones count as found."""
        probes = numpy.unique(numpy.linspace(0, len(ids) - 1, _PROBES, dtype=numpy.int64)) if len(ids) else ids
        if not len(probes):
            return 1.0
        shares = []
        for probe, found in zip(probes, self._query(name, rows[probes], min(_NEIGHBOURS, len(ids)), _SHORT_SECONDS), strict=True):
            wanted = best(ids, rows, rows[probe], _NEIGHBOURS)
            chunks = numpy.array(sorted({chunk for chunk, _, _ in found}), dtype=numpy.int64)
            known = numpy.flatnonzero(numpy.isin(ids, chunks))
            near = rows[known] @ rows[probe] >= wanted[-1].score - _ROUNDING  # the score that it has here counts
            shares.append(int(near.sum()) / len(wanted))
        return float(numpy.mean(shares))

    def _names(self, collection: str) -> list[str]:
        found = self._ask("names", prefix=f"{_PREFIX}-{self._identity()}-{collection}")
        if not isinstance(found, list) or not all(isinstance(one, str) for one in found):
            raise Unfit("answers what no Chroma server answers")
        return found

    def _ids(self, name: str) -> Iterator[str]:
        offset = 0
        while page := self._ask("ids", name=name, offset=offset):
            yield from map(str, page)
            offset += len(page)
            if len(page) < _PAGE:
                return

    def _identity(self, *, anew: bool = False) -> str:
        """This library's own, made with the first use of a server and kept in it."""
        with self._library.database.reading() as connection:
            row = connection.execute("SELECT value FROM settings WHERE name = 'identity'").fetchone()
        if row and not anew:
            return str(row[0])
        made = secrets.token_hex(8)
        with self._library.database.writing() as connection:
            connection.execute("INSERT OR REPLACE INTO settings VALUES ('identity', ?)", (made,))
        return made

    def _ask(self, call: str, seconds: float = _SHORT_SECONDS, **values: Any) -> Any:
        if self._closing.is_set():
            raise Unfit("is not asked any more: Haversack is closing")
        return self._send({"call": call, **values}, seconds)


def _packed(rows: Rows) -> str:
    return base64.b64encode(rows.astype("<f4").tobytes()).decode("ascii")


def _read(one: str) -> tuple[int, int]:
    """Chunk id and checksum. Raises ValueError."""
    chunk, _, mark = one.partition("-")
    return int(chunk), int(mark, 16)


def _batches(names: list[str]) -> Iterator[list[str]]:
    for start in range(0, len(names), _BATCH):
        yield names[start : start + _BATCH]
