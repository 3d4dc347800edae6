"""Search by meaning through Chroma: sealed generations built from the library, exact search for whatever they don't hold.

A generation is built and first opened in a child process, compared with exact search, sealed, and renamed into use; it is never
written to again. Until one is open, and whenever anything is wrong with it, the answers come from exact search: right, only slower.
"""

from __future__ import annotations

import os
import queue
import shutil
import subprocess
import sys
import threading
from collections.abc import Collection as Group
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Literal

import numpy
from numpy.typing import NDArray

from appliance.documents import Scored
from appliance.library import generation
from appliance.library.exact import ExactVectors, Matrix, best, unit, within
from appliance.library.generation import Generation
from appliance.library.reading import Ids
from appliance.library.store import Library

if TYPE_CHECKING:
    from appliance.library.vectors_chroma import Index

__all__ = ["ExactVectors", "Vectors"]

State = Literal["chroma", "exact", "building"]
_TAIL_SHARE = 0.1
_TAIL_CHUNKS = 1000
"""Past either, the chunks that only exact search knows are worth a new generation."""
_FEWEST = 2
"""Of one vector Chroma makes no whole HNSW files: it writes them again at every opening."""
_FEW_DOCUMENTS = 20
"""So many are read from the library for one search; for more the whole matrix is kept in memory (60 ms against 12 at 10,000 chunks)."""
_TRIES = 2
"""Builds that may fail for one state of a collection before it stays with exact search."""
_BUILD_SECONDS = 3600


@dataclass(frozen=True, slots=True)
class Opened:
    """A generation in use, and what it doesn't hold of the collection as of `revision`: the tail; `dead` of its chunks are gone."""

    generation: Generation
    index: Index
    revision: int
    alive: Ids
    tail: Matrix
    dead: int


class Vectors:
    """Chroma for every collection of a library that this process writes. Safe from many threads.

    `folder` is `home/index`. One background thread opens and builds; `close` ends it. A read-only library is searched exactly:
    Chroma can't open what it can't write to. `patience`: seconds after the first search before Chroma is imported, which takes
    a second of one core that the first answer needs more.
    """

    def __init__(self, library: Library, folder: Path, *, patience: float = 3.0) -> None:
        self._library = library
        self._folder = folder
        self._patience = patience
        self._exact = ExactVectors(library)
        self._opened: dict[int, Opened] = {}
        self._waiting: set[int] = set()
        self._failed: dict[int, tuple[int, int]] = {}
        self._guard = threading.RLock()
        """Taken after `library.database.turn` where both are needed, never before it."""
        self._work: queue.SimpleQueue[int | None] = queue.SimpleQueue()
        self._closing = threading.Event()
        self._child: subprocess.Popen[str] | None = None
        self._thread: threading.Thread | None = None
        library.before_removal.append(self.drop)

    def search(self, collection_id: int, vector: NDArray[numpy.float32], limit: int, documents: Group[int] | None = None) -> list[Scored]:
        """The `limit` nearest chunks by cosine, best first. `documents` keeps to those document ids (searched exactly)."""
        opened = self._current(collection_id)
        if opened is None:
            self._ask(collection_id)
        if opened is None or (documents is not None and len(documents) > _FEW_DOCUMENTS):
            return self._exact.search(collection_id, vector, limit, documents)
        if documents is not None:
            ids, rows = self._library.vectors_of(collection_id, documents=documents)
            return best(ids, unit(rows), vector, limit)
        if limit < 1 or not vector.any():
            return []
        try:
            found = opened.index.query(vector.astype(numpy.float32), limit + min(opened.dead, _TAIL_CHUNKS))
        except Exception:  # Chroma's errors are of no one kind, and the exact answer is at hand
            with self._guard:
                if (now := self._opened.get(collection_id)) and now.index is opened.index:
                    self.drop(collection_id)
            return self._exact.search(collection_id, vector, limit)
        alive = within(numpy.array([hit.chunk_id for hit in found], dtype=numpy.int64), opened.alive)
        hits = [hit for hit, lives in zip(found, alive, strict=True) if lives] + best(opened.tail.ids, opened.tail.rows, vector, limit)
        return sorted(hits, key=lambda hit: (-hit.score, hit.chunk_id))[:limit]

    def refresh(self, collection_id: int) -> None:
        """Say that the collection has changed (an ingest ended): in the background a new generation is built where it is worth one."""
        self._ask(collection_id)

    def state(self, collection_id: int) -> State:
        with self._guard:
            if collection_id in self._waiting:
                return "building"
            return "chroma" if collection_id in self._opened else "exact"

    def drop(self, collection_id: int) -> None:
        """Close the collection's index and delete it from the disk, at once. It is built again in the background."""
        with self._guard:
            opened = self._opened.pop(collection_id, None)
            if opened:
                opened.index.close()
            generation.discard_others(self._folder / str(collection_id), None)
        if opened:
            self._ask(collection_id)

    def close(self) -> None:
        """End the background thread and its child, and release Chroma's files."""
        self._closing.set()
        with self._guard:
            if self._child:
                self._child.kill()
            thread, self._thread = self._thread, None
        if thread:
            self._work.put(None)
            thread.join()
        with self._guard:
            for opened in self._opened.values():
                opened.index.close()
            self._opened.clear()
        if self.drop in self._library.before_removal:
            self._library.before_removal.remove(self.drop)
        self._exact.close()

    def _current(self, collection_id: int) -> Opened | None:
        with self._guard:
            opened = self._opened.get(collection_id)
            if opened and opened.revision != self._library.revision(collection_id):
                opened = self._opened[collection_id] = self._followed(opened.generation, opened.index, collection_id)
            return opened

    def _followed(self, sealed: Generation, index: Index, collection_id: int) -> Opened:
        revision = self._library.revision(collection_id)
        alive = self._library.chunk_ranges(collection_id)
        ids, rows = self._library.vectors_of(collection_id, newer_than=sealed.newest)
        return Opened(sealed, index, revision, alive, Matrix(revision, ids, unit(rows)), sealed.missing_from(alive))

    def _ask(self, collection_id: int) -> None:
        """Queue the collection for the background thread, which is started by the first."""
        with self._guard:
            if collection_id in self._waiting or self._closing.is_set() or not self._library.writable or self._gave_up(collection_id):
                return
            if self._library.holding(collection_id) is not self._library:
                return  # a pack's: 100,000 chunks take 15 to 45 ms exactly (docs/decisions/0011-packs.md)
            self._waiting.add(collection_id)
            self._work.put(collection_id)
            if self._thread is None:
                self._thread = threading.Thread(target=self._run, name="vectors", daemon=True)
                self._thread.start()

    def _run(self) -> None:
        self._closing.wait(self._patience)
        while (collection_id := self._work.get()) is not None and not self._closing.is_set():
            try:
                self._bring_up(collection_id)
            except Exception:  # whatever it was, exact search goes on; tried again, but not for ever
                self._note_failure(collection_id)
            with self._guard:
                self._waiting.discard(collection_id)

    def _bring_up(self, collection_id: int) -> None:
        """Have the best generation open: the sealed one where it still fits the collection, else a new one."""
        folder = self._folder / str(collection_id)
        with self._library.database.turn:  # after any removal that is under way
            alive = self._library.chunk_ranges(collection_id)
        opened = self._current(collection_id)
        sealed = opened.generation if opened else generation.newest_generation(folder)
        if sealed is None or _worth_another(sealed, alive):
            if int((alive[:, 1] - alive[:, 0]).sum()) < _FEWEST:
                return self.drop(collection_id)
            sealed = self._build(collection_id, folder)
        if sealed and (opened is None or opened.generation.folder != sealed.folder):
            self._open(collection_id, sealed)
        return None

    def _build(self, collection_id: int, folder: Path) -> Generation | None:
        """A new generation, made and tried in child processes. None where the collection lost documents meanwhile (it is queued again)."""
        building = folder / (generation.next_name(folder) + generation.BUILDING)
        if not self._in_child(collection_id, building):
            raise RuntimeError(f"no usable index of collection {collection_id} could be built")
        with self._library.database.turn:
            # No removal can come between this look and the renaming.
            if Generation(building, generation.read_contents(building)).missing_from(self._library.chunk_ranges(collection_id)):
                shutil.rmtree(building)
                self._work.put(collection_id)
                return None
            return generation.seal(building)

    def _open(self, collection_id: int, sealed: Generation) -> None:
        """Take a sealed generation into use, in the place of the one before, which is deleted."""
        from appliance.library.vectors_chroma import Index  # a second and 47 MB: never before the first answer

        index = Index(sealed.folder)
        opened = self._followed(sealed, index, collection_id)
        with self._guard:
            former = self._opened.get(collection_id)
            if self._closing.is_set() or not sealed.folder.is_dir():
                index.close()
                return
            self._opened[collection_id] = opened
            if former:
                former.index.close()
            generation.discard_others(sealed.folder.parent, sealed.folder)
        self._exact.forget(collection_id)

    def _in_child(self, collection_id: int, folder: Path) -> bool:
        command = [sys.executable, "-m", "appliance.library.index_builder", str(self._library.home), str(collection_id), str(folder)]
        paths = [str(Path(__file__).resolve().parents[2]), *filter(None, [os.environ.get("PYTHONPATH")])]
        with self._guard:
            if self._closing.is_set():
                return False
            environment = {**os.environ, "PYTHONPATH": os.pathsep.join(paths)}
            null = subprocess.DEVNULL
            self._child = child = subprocess.Popen(command, env=environment, stdin=null, stdout=null, stderr=null, text=True)
        try:
            return child.wait(_BUILD_SECONDS) == 0
        finally:
            child.kill()
            child.wait()
            with self._guard:
                self._child = None

    def _note_failure(self, collection_id: int) -> None:
        self.drop(collection_id)
        revision = self._library.revision(collection_id)
        with self._guard:
            known, tries = self._failed.get(collection_id, (revision, 0))
            self._failed[collection_id] = (revision, tries + 1 if known == revision else 1)

    def _gave_up(self, collection_id: int) -> bool:
        revision, tries = self._failed.get(collection_id, (0, 0))
        return tries >= _TRIES and revision == self._library.revision(collection_id)


def _worth_another(sealed: Generation, alive: Ids) -> bool:
    """Whether the collection has left its generation too far behind, or has lost chunks that must leave the disk."""
    total = int((alive[:, 1] - alive[:, 0]).sum())
    newer = total - sealed.chunks
    return newer > min(_TAIL_CHUNKS, _TAIL_SHARE * total) or sealed.missing_from(alive) > 0
