"""What the rest of the appliance needs of an embedder, apart from the one that it gets: importing that takes 0.1 s, before the page answers."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Protocol

import numpy
from numpy.typing import NDArray

Vectors = NDArray[numpy.float32]


class Embeds(Protocol):
    """Text → vectors. `appliance.models.embedder.Embedder` is the real one; a test may bring its own."""

    @property
    def dimensions(self) -> int: ...
    @property
    def max_tokens(self) -> int: ...
    @property
    def fingerprint(self) -> str: ...
    def embed_documents(self, texts: Sequence[str]) -> Vectors: ...
    def embed_query(self, text: str) -> Vectors: ...
    def token_starts(self, text: str) -> list[int]: ...
