"""Shelves with real models: the starter's, and a second one that was requantised from it."""

from __future__ import annotations

import shutil
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from appliance.durable import sha256_of
from appliance.manifest import Manifest
from appliance.models.catalogue import GeneratorSettings
from appliance.models.gguf import read_gguf
from appliance.shelf.entries import ModelPart, Prepared, ShelfModel
from appliance.shelf.loaded import Loaded
from appliance.shelf.shelf import ModelShelf

STARTER = "smollm2-135m-instruct"
Add = Callable[..., ShelfModel]


@pytest.fixture
def shelf(home: Path, manifest: Manifest) -> ModelShelf:
    return ModelShelf(home, manifest)


@pytest.fixture
def loaded(shelf: ModelShelf) -> Iterator[Loaded]:
    opened = Loaded(shelf, threads=2)
    yield opened
    opened.close()


@pytest.fixture
def add(shelf: ModelShelf, second_gguf: Path) -> Add:
    """Puts the second model on the shelf, under the name that is asked for: `add(name="second")`."""

    def put(name: str = "second", source: Path = second_gguf) -> ShelfModel:
        return shelf.add(prepared(shelf, source, name))

    return put


def prepared(shelf: ModelShelf, source: Path, name: str) -> Prepared:
    """`source` as a checked model on its way to the shelf."""
    folder = shelf.folder / f".adding-{name}"
    folder.mkdir(parents=True)
    file = folder / "model.gguf"
    shutil.copy(source, file)  # not linked: tests change it
    header = read_gguf(file)
    settings = GeneratorSettings("model.gguf", header.family, header.parameters_text, header.quantisation, 2048, 1, 400, 0.0, 160, "")
    model = ShelfModel(
        name=name,
        title=header.name,
        origin="added",
        files=(ModelPart(file, file.stat().st_size, sha256_of(file)),),
        settings=settings,
        licence="Apache-2.0",
        architecture=header.architecture,
        trained_context=header.context,
        kv_width=header.kv_width,
        template=header.template,
        added="2026-11-24T16:00:00Z",
    )
    return Prepared(model, folder)
