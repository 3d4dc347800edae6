"""A library to write to, and a maker of documents for it: real SQLite, real files."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest

from appliance.library.store import Library
from tests.library.making import Maker


@pytest.fixture
def make(tmp_path: Path) -> Maker:
    return Maker(tmp_path / "incoming")


@pytest.fixture
def library(home: Path) -> Iterator[Library]:
    with Library.open(home, write=True, purpose="test", fingerprint="test-model") as opened:
        yield opened
