"""A library with a collection that is made into a pack: real SQLite, real files, real signatures; vectors from a seeded generator."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest

from appliance.library.store import Library
from appliance.packs.creating import create, pack_key
from appliance.packs.file import PackFile
from tests.library.making import Maker

MODEL = "test-model"
PAGES = {
    "wells.txt": ("The well of Goma is twelve metres deep.\n\nIts water was tested in June.", "The pump was made in Kampala."),
    "roads.txt": ("The road to Bukavu is closed in the rainy season.",),
    "notes/fuel.txt": ("Fuel is bought in Kigali.\n\nA drum costs ninety dollars.", "The generator runs six hours a day.", "It needs oil in May."),
}


@pytest.fixture
def make(tmp_path: Path) -> Maker:
    return Maker(tmp_path / "incoming")


@pytest.fixture
def office(tmp_path: Path, make: Maker) -> Iterator[Library]:
    """The library of the one who makes packs: a collection `field` with three documents, and a file that could not be read."""
    with Library.open(tmp_path / "office", write=True, fingerprint=MODEL) as library:
        field = library.ensure_collection("field")
        make(library, library.ensure_collection("other").id, "secret.txt", "This is nobody's business.")
        for name, pages in PAGES.items():
            make(library, field.id, name, *pages, title=name.upper(), heading=("Report", "Part"))
        library.record_failure(field.id, name="broken.pdf", sha256="", size=7, reason="It is cut off.")
        yield library


@pytest.fixture
def pack(office: Library, tmp_path: Path) -> PackFile:
    return create(office, office.collection("field"), tmp_path / "field.haversack", pack_key(office.home)).pack
