from __future__ import annotations

from collections.abc import Iterator

import pytest

from appliance.manifest import Manifest
from appliance.models.generator import Generator


@pytest.fixture(scope="session")
def shared_generator(manifest: Manifest) -> Iterator[Generator]:
    """The real SmolLM2, for tests that leave it running."""
    model = manifest.model("generator")
    generator = Generator.carried(manifest.folder(model), model, threads=2)
    yield generator
    generator.close()


@pytest.fixture
def own_generator(manifest: Manifest) -> Iterator[Generator]:
    """Another one, for tests that break it or need it fresh."""
    model = manifest.model("generator")
    generator = Generator.carried(manifest.folder(model), model, threads=2)
    yield generator
    generator.close()
