"""What a cosine means depends on the embedder: unrelated texts stand at 0.04 for MiniLM, and above 0.7 for the E5 family.

A dozen fixed pairs of question and passage say where unrelated and related texts stand for the embedder at hand; every cosine is
put on that scale (0 unrelated, 1 related), so that the weights of `fusion.py` and the threshold of `relevance.py` hold for all.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy
from numpy.typing import NDArray

from appliance.models.embeds import Embeds

_PAIRS = (
    ("When was the bridge over the river opened?", "The bridge across the river was opened to traffic in May 1932 by the mayor."),
    ("How many people live in the northern district?", "The northern district has a population of about 48,000, most of them farmers."),
    ("Who wrote the report on water quality?", "The report on the quality of the water was written by Anna Lindqvist of the health office."),
    ("What medicine is given against malaria?", "Patients with malaria are treated with artemisinin, combined with a second medicine."),
    ("Where does the company keep its records?", "All records of the company are kept in the archive at its office in Rotterdam."),
    ("Why did the court reject the appeal?", "The appeal was rejected because the court found that it had been filed too late."),
    ("How is the engine cooled?", "Air drawn in by a fan cools the engine; a second circuit uses oil."),
    ("What do the birds eat in winter?", "In the cold months the birds feed on seeds and berries."),
)


@dataclass(frozen=True, slots=True)
class Scale:
    """The mean cosine of unrelated and of related pairs under one embedder."""

    unrelated: float
    related: float

    def __call__(self, cosine: float) -> float:
        """0 where the texts have nothing to do with each other, 1 where one answers the other; not clipped."""
        return (cosine - self.unrelated) / (self.related - self.unrelated)


def measure(embedder: Embeds) -> Scale:
    """Embed the fixed pairs (about 20 ms with MiniLM on 2 cores) and see where they stand."""
    questions = numpy.stack([embedder.embed_query(question) for question, _ in _PAIRS])
    passages = embedder.embed_documents([passage for _, passage in _PAIRS])
    return scale_of(questions @ passages.T)


def scale_of(cosines: NDArray[numpy.float32]) -> Scale:
    """From a square matrix of cosines whose diagonal holds the related pairs."""
    same = numpy.eye(len(cosines), dtype=bool)
    unrelated, related = float(cosines[~same].mean()), float(cosines[same].mean())
    # An embedder that tells nothing apart must not blow every difference up.
    return Scale(unrelated, max(related, unrelated + 0.05))


def cosines(vector: NDArray[numpy.float32], rows: NDArray[numpy.float32]) -> Sequence[float]:
    """The cosine of `vector`, shape (d,), with each of `rows`, shape (n, d)."""
    lengths = numpy.linalg.norm(rows, axis=1) * float(numpy.linalg.norm(vector))
    return [float(value) for value in rows @ vector / numpy.maximum(lengths, 1e-9)]
