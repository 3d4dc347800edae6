"""How well the right passage is found: nDCG@10 on judged sets, hit@k on SQuAD, for each search and for the fusion of both."""

from __future__ import annotations

import math
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass

from appliance.answer.pipeline import Asker
from appliance.documents import Chunk, Evidence, Scored
from appliance.library import keywords
from appliance.library.store import Library
from appliance.library.vectors import ExactVectors
from scripts.evaluate.corpora import Asked, Judged, Remembering

DEPTH = 10
Place = tuple[str, int, int, int]
"""Document, position of the page, start, end."""
Search = Callable[[str], list[Place]]


@dataclass(frozen=True, slots=True)
class Hits:
    at1: float
    at5: float
    ndcg: float


class Searches:
    """The four ways to search one collection that are compared."""

    def __init__(self, library: Library, embedder: Remembering, asker: Asker, collection_id: int) -> None:
        self._library = library
        self._embedder = embedder
        self._vectors = ExactVectors(library)
        self._asker = asker
        self._collection = collection_id

    @property
    def ways(self) -> dict[str, Search]:
        return {"keywords": self.keywords, "vectors": self.vectors, "plain fusion (RRF, k=10)": self.ranks, "fused": self.fused}

    def keywords(self, query: str) -> list[Place]:
        return self._places([one.chunk_id for one in self._by_word(query)])

    def vectors(self, query: str) -> list[Place]:
        return self._places([one.chunk_id for one in self._by_meaning(query)])

    def ranks(self, query: str) -> list[Place]:
        scores: dict[int, float] = {}
        for found in (self._by_word(query), self._by_meaning(query)):
            for rank, one in enumerate(found):
                scores[one.chunk_id] = scores.get(one.chunk_id, 0.0) + 1 / (10 + rank + 1)
        return self._places(sorted(scores, key=lambda one: -scores[one]))

    def fused(self, query: str) -> list[Place]:
        return [_place(one) for one in self._asker.search(query, self._collection, limit=DEPTH).evidence]

    def _by_word(self, query: str) -> list[Scored]:
        return keywords.search(self._library, self._collection, query, 100)

    def _by_meaning(self, query: str) -> list[Scored]:
        return self._vectors.search(self._collection, self._embedder.embed_query(query), 100)

    def _places(self, ids: Sequence[int]) -> list[Place]:
        return [_place(chunk) for chunk in self._library.chunks(ids[:DEPTH]).values()]


def _place(passage: Chunk | Evidence) -> Place:
    return passage.document, passage.position, passage.start, passage.end


def judge(searches: Searches, of: Judged) -> dict[str, float]:
    """nDCG@10 of each way."""
    ids = [document_id for document_id, _, _ in of.documents]
    found: dict[str, float] = {}
    for name, search in searches.ways.items():
        total = 0.0
        for query_id, query in of.queries:
            pages = dict.fromkeys(place[1] for place in search(query))
            total += ndcg([ids[page] for page in pages], of.relevant[query_id])
        found[name] = total / len(of.queries)
    return found


def hits(searches: Searches, questions: Sequence[Asked], gold: Mapping[tuple[str, int], tuple[int, int]]) -> dict[str, Hits]:
    """hit@1, hit@5 and nDCG@10 of each way; `gold`: (article, paragraph) → where it is in the page's text."""
    found: dict[str, Hits] = {}
    for name, search in searches.ways.items():
        at1 = at5 = total = 0.0
        for asked in questions:
            start, end = gold[asked.article, asked.paragraph]
            right = [place[0] == f"{asked.article}.txt" and place[2] < end and start < place[3] for place in search(asked.question)]
            at1 += any(right[:1])
            at5 += any(right[:5])
            total += next((1 / math.log2(rank + 2) for rank, one in enumerate(right[:10]) if one), 0.0)
        found[name] = Hits(at1 / len(questions), at5 / len(questions), total / len(questions))
    return found


def ndcg(ranking: Sequence[str], relevant: Mapping[str, int], depth: int = 10) -> float:
    """As trec_eval has it: linear gains, the ideal ranking cut at `depth` too."""
    gained = sum(relevant.get(document, 0) / math.log2(rank + 2) for rank, document in enumerate(ranking[:depth]))
    ideal = sum(grade / math.log2(rank + 2) for rank, grade in enumerate(sorted(relevant.values(), reverse=True)[:depth]))
    return gained / ideal if ideal else 0.0
