"""An embedder with a smaller window and other dimensions: what a pack made with another one meets."""

from __future__ import annotations

import re
from collections.abc import Sequence

import numpy

from appliance.models.embeds import Vectors


class OtherEmbedder:
    """Words are tokens; a text's vector is the sum of its words', each from a generator seeded with it."""

    dimensions = 16
    max_tokens = 48
    fingerprint = "other"

    def __init__(self) -> None:
        self.embedded: list[str] = []

    def embed_documents(self, texts: Sequence[str]) -> Vectors:
        assert all(len(self.token_starts(text)) <= self.max_tokens for text in texts)
        self.embedded += texts
        return numpy.array([self.embed_query(text) for text in texts], dtype=numpy.float32).reshape(-1, self.dimensions)

    def embed_query(self, text: str) -> Vectors:
        rows = [numpy.random.default_rng(list(word.encode())).standard_normal(self.dimensions) for word in text.lower().split()]
        return numpy.sum([numpy.zeros(self.dimensions), *rows], axis=0).astype(numpy.float32)

    def token_starts(self, text: str) -> list[int]:
        return [match.start() for match in re.finditer(r"\S+", text)]
