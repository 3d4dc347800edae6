"""Keywords and vectors, fused: a convex combination of six features, each 0 to 1, with weights fitted once.

Fitted on squad/*.dev.jsonl (1,000 questions, listwise softmax; `python -m scripts.evaluate.fit`), looked at nothing else:

    cross-validated on dev     hit@1  hit@5          cross-validated on dev            hit@1  hit@5
    keywords                   0.803  0.945          BM25 + cosine                     0.825  0.964
    vectors (int8)             0.622  0.873          + sentence coverage               0.854  0.974
    reciprocal ranks, k=10     0.768  0.965          all six                           0.872  0.978
"""

from __future__ import annotations

import re
from collections.abc import Sequence
from dataclasses import dataclass
from functools import lru_cache

from appliance.answer.question import Question
from appliance.answer.similarity import Scale
from appliance.answer.words import terms
from appliance.documents import Chunk, Evidence, Scored

KEYWORD_WEIGHT = 3.1
"""BM25, as a share of the best BM25 of this question."""
COSINE_WEIGHT = 8.5
"""On the embedder's own scale (`similarity.py`)."""
COVERAGE_WEIGHT = 2.1
"""The question's words, by rarity, that are in the passage or its title, name and headings."""
SENTENCE_WEIGHT = 4.2
"""… in the best single sentence or the title, name and headings."""
NEIGHBOURS_WEIGHT = 2.1
"""… in the best two sentences that follow each other."""
PAIRS_WEIGHT = 4.0
"""The question's pairs of neighbouring words that are neighbours in the passage too: names, phrases."""
TOTAL = KEYWORD_WEIGHT + COSINE_WEIGHT + COVERAGE_WEIGHT + SENTENCE_WEIGHT + NEIGHBOURS_WEIGHT + PAIRS_WEIGHT

_SENTENCE_END = re.compile(r"(?<=[.!?])\s+|(?<=[。！？।؟])|\n\s*\n")
"""Coarse on purpose: for ranking, 20 times as fast as `sentences`, which the quotes are cut with."""
_NAME_SIGNS = re.compile(r"\.[A-Za-z0-9]{1,5}$|[_/\\.-]+")


@dataclass(frozen=True, slots=True)
class Features:
    """What is known of one chunk for one question. All but `cosine` are 0 to 1; that is on the embedder's own scale."""

    keyword: float
    cosine: float
    coverage: float
    sentence: float
    neighbours: float
    pairs: float

    @property
    def score(self) -> float:
        """0 to about 1; times `TOTAL` it is in log odds."""
        return (
            KEYWORD_WEIGHT * self.keyword
            + COSINE_WEIGHT * self.cosine
            + COVERAGE_WEIGHT * self.coverage
            + SENTENCE_WEIGHT * self.sentence
            + NEIGHBOURS_WEIGHT * self.neighbours
            + PAIRS_WEIGHT * self.pairs
        ) / TOTAL


@dataclass(frozen=True, slots=True)
class Ranked:
    chunk: Chunk
    score: float
    features: Features


@dataclass(frozen=True, slots=True)
class _Words:
    sequence: list[str]
    all: frozenset[str]
    sentences: tuple[frozenset[str], ...]


def fuse(question: Question, chunks: Sequence[Chunk], keywords: Sequence[Scored], vectors: Sequence[Scored], scale: Scale) -> list[Ranked]:
    """All `chunks`, best first. One that keyword search did not find has no keyword score, one that vector search did not find
    the least cosine that it found."""
    bm25 = {one.chunk_id: one.score for one in keywords}
    best = max(bm25.values(), default=0.0) or 1.0
    cosines = {one.chunk_id: scale(one.score) for one in vectors}
    farthest = min(cosines.values(), default=0.0)
    features = [(chunk, _features(question, chunk, bm25.get(chunk.id, 0.0) / best, cosines.get(chunk.id, farthest))) for chunk in chunks]
    ranked = [Ranked(chunk, found.score, found) for chunk, found in features]
    return sorted(ranked, key=lambda one: (-one.score, one.chunk.id))


def _features(question: Question, chunk: Chunk, keyword: float, cosine: float) -> Features:
    words = _words(chunk.text)
    above = context_terms(chunk)
    return Features(
        keyword=keyword,
        cosine=cosine,
        coverage=question.coverage(words.all, above),
        sentence=max((question.coverage(one, above) for one in words.sentences), default=0.0),
        neighbours=max((question.coverage(*two) for two in zip(words.sentences, (*words.sentences[1:], frozenset()), strict=True)), default=0.0),
        pairs=question.pair_coverage(words.sequence),
    )


def context_terms(chunk: Chunk | Evidence) -> frozenset[str]:
    """The words that stand above a passage: its document's title and name, its headings."""
    return _context(chunk.title, chunk.document, chunk.heading)


@lru_cache(maxsize=4096)
def _context(title: str, name: str, heading: tuple[str, ...]) -> frozenset[str]:
    return frozenset(terms(" . ".join((title, _NAME_SIGNS.sub(" ", name), *heading))))


@lru_cache(maxsize=4096)
def _words(text: str) -> _Words:
    sentences = [terms(sentence) for sentence in _SENTENCE_END.split(text) if sentence]
    sequence = [term for sentence in sentences for term in sentence]
    return _Words(sequence, frozenset(sequence), tuple(frozenset(sentence) for sentence in sentences))
