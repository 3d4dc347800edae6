"""The page's API on a real appliance: real bundle, real library, real converters, real models."""

from __future__ import annotations

import importlib
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from flask import Flask

from appliance.config import Settings
from appliance.offline.seal import Seal
from appliance.runtime import Appliance, open_appliance
from appliance.web.app import create_app
from tests.clinic import NOTES, PAGES_WITH_A_SCAN, make_pdf
from tests.web.calling import PORT, Caller


@pytest.fixture(scope="session")
def appliance(bundle_root: Path, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Appliance]:
    settings = Settings(home=tmp_path_factory.mktemp("web") / "home", bundle=bundle_root, port=PORT)
    # Imported here, or the index would import it in its own thread: CPython 3.11 can't make syntax trees in two threads at once, and Chroma's
    # import makes some while a test of this process makes others ("AST constructor recursion depth mismatch").
    importlib.import_module("chromadb")
    # A test process can't be sealed: what is shut stays shut for all tests after it.
    opened = open_appliance(settings, write=True, purpose="serve", seal=Seal.without_counting(), serving=True)
    yield opened
    opened.close()


@pytest.fixture(scope="session")
def app(appliance: Appliance) -> Flask:
    return create_app(appliance)


@pytest.fixture(scope="session")
def api(app: Flask) -> Caller:
    return Caller(app)


@pytest.fixture(scope="session")
def field(api: Caller) -> Any:
    """A collection with a PDF of three pages, the last one empty, and a note."""
    collection = api.json("POST", "collections", {"name": "field"}, status=201)
    job = api.upload(collection["id"], {"reports/clinic.pdf": make_pdf(PAGES_WITH_A_SCAN), "notes.md": NOTES.encode()})
    assert [line["status"] for line in job["lines"]] == ["partial", "indexed"]
    return collection
