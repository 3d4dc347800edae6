"""`python -m scripts.evaluate.fit --data DIR`: fit the weights of fusion, quotes and refusal anew, on squad's dev files only.

It prints them; nothing is written. They go by hand, rounded, into appliance/answer/fusion.py, quotes.py and relevance.py.
"""

from __future__ import annotations

import argparse
import math
import random
import tempfile
from collections.abc import Sequence
from pathlib import Path

import numpy
from numpy.typing import NDArray

from appliance.answer import question as questions
from appliance.answer.fusion import Features, fuse
from appliance.answer.quotes import PASSAGES, sentence_features, shares
from appliance.answer.retriever import POOL, Retriever
from appliance.answer.similarity import cosines, measure
from appliance.documents import Chunk
from appliance.library import keywords
from appliance.library.store import Library
from appliance.library.vectors import ExactVectors
from appliance.manifest import read_manifest
from appliance.models.embedder import Embedder
from scripts.evaluate.corpora import Asked, Remembering, gold_places, ingest_squad, squad, squad_paragraphs
from scripts.evaluate.end_to_end import holds

ROOT = Path(__file__).resolve().parent.parent.parent
Matrix = NDArray[numpy.float64]
Group = tuple[Matrix, NDArray[numpy.bool_]]
"""The candidates of one question: features of shape (candidates, features), and which of them are right."""
FUSION = ("keyword", "cosine", "coverage", "sentence", "neighbours", "pairs")
QUOTES = ("passage", "coverage", "pairs", "kind", "cosine")
RELEVANCE = ("bias", "cosine", "coverage", "neighbours", "log chunks")


def listwise(groups: Sequence[Group], penalty: float = 1e-4, rounds: int = 400) -> Matrix:
    """Weights that make the right candidates of each question likely, by softmax: gradient ascent with Adam's steps."""
    groups = [group for group in groups if group[1].any()]
    width = groups[0][0].shape[1]
    weights, first, second = (numpy.zeros(width) for _ in range(3))
    for step in range(1, rounds + 1):
        slope = -2 * penalty * weights
        for features, right in groups:
            odds = features @ weights
            all_of_them = numpy.exp(odds - odds.max())
            among_right = numpy.where(right, all_of_them, 0.0)
            slope += features.T @ (among_right / among_right.sum() - all_of_them / all_of_them.sum()) / len(groups)
        first, second = 0.9 * first + 0.1 * slope, 0.99 * second + 0.01 * slope**2
        weights = weights + 0.2 * (first / (1 - 0.9**step)) / (numpy.sqrt(second / (1 - 0.99**step)) + 1e-9)
    return weights


def logistic(features: Matrix, right: NDArray[numpy.bool_], importance: Matrix) -> Matrix:
    """Logistic regression by Newton's method, a small ridge on it."""
    weights = numpy.zeros(features.shape[1])
    for _ in range(50):
        likely = 1 / (1 + numpy.exp(-numpy.clip(features @ weights, -30, 30)))
        slope = features.T @ (importance * (right - likely)) - 1e-2 * weights
        curve = (features * (importance * likely * (1 - likely))[:, None]).T @ features + 1e-2 * numpy.eye(len(weights))
        weights = weights + numpy.linalg.solve(curve, slope)
    return weights


class Fit:
    def __init__(self, data: Path, library: Library, embedder: Remembering, collection_id: int) -> None:
        self.library, self.embedder, self.collection_id = library, embedder, collection_id
        self.vectors = ExactVectors(library)
        self.scale = measure(embedder)
        self.gold = gold_places(library, collection_id, squad_paragraphs(data))
        self.retriever = Retriever(library, self.vectors, lambda: embedder)
        self.documents = {document.name.removesuffix(".txt"): document.id for document in library.documents(collection_id)}

    def candidates(self, asked: Asked) -> Group:
        by_word = keywords.search(self.library, self.collection_id, asked.question, POOL)
        by_meaning = self.vectors.search(self.collection_id, self.embedder.embed_query(asked.question), POOL)
        chunks = list(self.library.chunks(one.chunk_id for one in (*by_word, *by_meaning)).values())
        total = int(sum(after - start for start, after in self.library.chunk_ranges(self.collection_id)))
        frequencies = keywords.document_frequency(self.library, self.collection_id, questions.asked_words(asked.question))
        ranked = fuse(questions.read(asked.question, frequencies, total), chunks, by_word, by_meaning, self.scale)
        return numpy.array([_row(one.features) for one in ranked]), numpy.array([self._is_gold(asked, one.chunk) for one in ranked])

    def sentences(self, asked: Asked) -> Group:
        found = self.retriever.find(asked.question, self.collection_id, PASSAGES)
        rows, right, texts = [], [], []
        for evidence, share in zip(found.evidence, shares([one.score for one in found.evidence]), strict=True):
            start, end = self.gold[asked.article, asked.paragraph]
            inside = evidence.document == f"{asked.article}.txt" and evidence.start < end and start < evidence.end
            for left, after, features in sentence_features(found, evidence, share):
                texts.append(evidence.text[left:after])
                rows.append(features)
                right.append(inside and holds(texts[-1], asked.answers))
        meanings = [found.scale(cosine) for cosine in cosines(found.vector, self.embedder.embed_documents(texts))]
        return numpy.column_stack([numpy.array(rows), meanings]), numpy.array(right)

    def relevance(self, asked: Asked, article: str | None) -> list[float]:
        """The features of the threshold, for the whole collection or for one article of it."""
        found = self.retriever.find(asked.question, self.collection_id, 1, None if article is None else [self.documents[article]])
        first = found.ranked[0].features
        nearest = max(one.features.cosine for one in found.ranked)
        return [1.0, nearest, first.coverage, first.neighbours, math.log(found.question.chunks)]

    def _is_gold(self, asked: Asked, chunk: Chunk) -> bool:
        start, end = self.gold[asked.article, asked.paragraph]
        return chunk.document == f"{asked.article}.txt" and chunk.start < end and start < chunk.end


def _row(features: Features) -> list[float]:
    return [features.keyword, features.cosine, features.coverage, features.sentence, features.neighbours, features.pairs]


def main() -> None:
    parser = argparse.ArgumentParser(prog="python -m scripts.evaluate.fit", description=__doc__)
    parser.add_argument("--data", type=Path, required=True)
    parser.add_argument("--bundle", type=Path, default=ROOT / "dist" / "starter")
    parser.add_argument("--cache", type=Path, default=Path(tempfile.gettempdir()) / "haversack-evaluate")
    given = parser.parse_args()
    manifest = read_manifest(given.bundle)
    model = manifest.model("embedder")
    embedder = Remembering(Embedder(manifest.folder(model), model, 2), given.cache)
    with tempfile.TemporaryDirectory() as folder, Library.open(Path(folder) / "home", write=True) as library:
        fit = Fit(given.data, library, embedder, ingest_squad(given.data, library, embedder))
        dev = squad(given.data, "dev")
        answerable = [one for one in dev if one.kind == "answerable"]
        strangers = [one for one in dev if one.kind == "other-article"]
        print("fusion", _named(FUSION, listwise([fit.candidates(one) for one in answerable])))
        print("quotes", _named(QUOTES, listwise([fit.sentences(one) for one in answerable])))
        rng, articles = random.Random(1), sorted(fit.documents)
        sets = [
            (True, [fit.relevance(one, None) for one in answerable]),
            (True, [fit.relevance(one, one.article) for one in answerable[:400]]),
            (False, [fit.relevance(one, None) for one in strangers]),
            (False, [fit.relevance(one, rng.choice(articles)) for one in strangers]),
            (False, [fit.relevance(one, rng.choice([name for name in articles if name != one.article])) for one in answerable[:400]]),
        ]
        features = numpy.array([row for _, rows in sets for row in rows])
        right = numpy.array([kind for kind, rows in sets for _ in rows])
        importance = numpy.array([100 / len(rows) for _, rows in sets for _ in rows])
        print("relevance", _named(RELEVANCE, logistic(features, right, importance)))


def _named(names: Sequence[str], weights: Matrix) -> dict[str, float]:
    return {name: round(float(weight), 2) for name, weight in zip(names, weights, strict=True)}


if __name__ == "__main__":
    main()
