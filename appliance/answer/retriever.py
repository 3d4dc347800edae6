"""Question → evidence: keywords and vectors, fused, weighed against the threshold."""

from __future__ import annotations

import threading
import time
from collections.abc import Callable, Collection
from dataclasses import dataclass
from typing import Protocol

import numpy
from numpy.typing import NDArray

from appliance.answer import question as questions
from appliance.answer.evidence import gather
from appliance.answer.fusion import Ranked, fuse
from appliance.answer.question import Question
from appliance.answer.relevance import is_relevant
from appliance.answer.similarity import Scale, measure
from appliance.documents import Evidence, Scored
from appliance.library import keywords
from appliance.library.reading import Reader
from appliance.models.embeds import Embeds

POOL, POOL_FOR_EACH = 20, 3
"""Chunks taken from each of the two searches: three for each piece of evidence wanted, since neighbours become one piece, and at least
twenty. With 60, hit@1 and hit@5 on squad dev are the same, in three times the time."""


class SearchesVectors(Protocol):
    def search(self, collection_id: int, vector: NDArray[numpy.float32], limit: int, documents: Collection[int] | None = None) -> list[Scored]: ...


@dataclass(frozen=True, slots=True)
class Found:
    """What retrieval knows about a question."""

    question: Question
    ranked: tuple[Ranked, ...]
    """The chunks that either search found, best first."""
    evidence: tuple[Evidence, ...]
    relevant: bool
    """False: nothing passed the threshold, and `evidence` is only the nearest."""
    vector: NDArray[numpy.float32]
    """Of the question, shape (dimensions,)."""
    scale: Scale
    milliseconds: float


class Retriever:
    """Safe from many threads, as its parts are."""

    def __init__(self, library: Reader, vectors: SearchesVectors, embedder: Callable[[], Embeds]) -> None:
        self._library = library
        self._vectors = vectors
        self._embedder = embedder
        self._scales: dict[str, Scale] = {}
        self._guard = threading.Lock()

    def prepare(self) -> None:
        """Load the embedder and measure its scale, so that the first question need not wait."""
        self._scale(self._embedder())

    def find(self, text: str, collection_id: int, limit: int, documents: Collection[int] | None = None) -> Found:
        """The `limit` best pieces of evidence for `text`. Raises EmbedderFailed, LibraryDamaged."""
        started = time.perf_counter()
        embedder = self._embedder()
        scale = self._scale(embedder)
        vector = embedder.embed_query(text)
        pool = max(POOL, POOL_FOR_EACH * limit)
        by_word = keywords.search(self._library, collection_id, text, pool, documents)
        by_meaning = self._vectors.search(collection_id, vector, pool, documents)
        question = self._read(text, collection_id, documents)
        chunks = self._library.chunks(one.chunk_id for one in (*by_word, *by_meaning))
        ranked = fuse(question, list(chunks.values()), by_word, by_meaning, scale)
        evidence = gather(ranked, limit, lambda document_id, position: self._library.page(document_id, position).text)
        return Found(question, tuple(ranked), evidence, is_relevant(question, ranked), vector, scale, 1000 * (time.perf_counter() - started))

    def _read(self, text: str, collection_id: int, documents: Collection[int] | None) -> Question:
        ranges = self._library.chunk_ranges(collection_id, documents)
        chunks = int((ranges[:, 1] - ranges[:, 0]).sum())
        frequencies = keywords.document_frequency(self._library, collection_id, questions.asked_words(text))
        return questions.read(text, frequencies, chunks)

    def _scale(self, embedder: Embeds) -> Scale:
        with self._guard:
            if embedder.fingerprint not in self._scales:
                self._scales[embedder.fingerprint] = measure(embedder)
            return self._scales[embedder.fingerprint]
