"""The reading room of reading_room.py, with and without the language model."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest

from appliance.library.store import Library
from appliance.manifest import Manifest
from appliance.models.embedder import Embedder
from appliance.models.generator import Generator
from tests.answer.reading_room import LEASE, WELLS, ReadingRoom


@pytest.fixture
def room(home: Path, embedder: Embedder) -> Iterator[ReadingRoom]:
    """An empty collection; a question that reaches the model fails the test."""
    with Library.open(home, write=True, purpose="test") as library:
        yield ReadingRoom(library, embedder)


@pytest.fixture(scope="session")
def generator(manifest: Manifest) -> Iterator[Generator]:
    model = manifest.model("generator")
    generator = Generator.carried(manifest.folder(model), model, threads=2)
    yield generator
    generator.close()


@pytest.fixture(scope="session")
def asked_room(tmp_path_factory: pytest.TempPathFactory, embedder: Embedder, generator: Generator) -> Iterator[ReadingRoom]:
    """Two documents and the real language model; nothing in it changes."""
    with Library.open(tmp_path_factory.mktemp("room") / "home", write=True, purpose="test") as library:
        room = ReadingRoom(library, embedder, generator)
        room.add("lease.pdf", *LEASE, title="Lease of the house in Alder Street")
        room.add("wells/survey 2021.pdf", *WELLS, title="Survey of wells in the northern district")
        yield room
