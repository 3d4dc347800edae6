"""The server for programs on a real appliance: real models, one whose template takes tools among them, a real collection."""

from __future__ import annotations

import json
import shutil
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
from flask import Flask
from werkzeug.test import TestResponse

from appliance.config import Settings
from appliance.durable import sha256_of
from appliance.manifest import Manifest
from appliance.offline.seal import Seal
from appliance.runtime import Appliance, open_appliance
from appliance.shelf.entries import ModelPart, Prepared, ShelfModel
from appliance.web.app import create_app
from tests.clinic import NOTES, PAGES_WITH_A_SCAN, make_pdf
from tests.second_model import TOOLS_TEMPLATE, model_with_tools
from tests.web.calling import PORT, Caller

SMALL, TOOLS, EMBEDDER = "smollm2-135m-instruct", "with-tools", "all-minilm-l6-v2"
FIELD = f"{SMALL}@field-notes"


class Program:
    """Calls the server as a program does: no cookie, no header of the page."""

    def __init__(self, app: Flask) -> None:
        self.client = app.test_client()

    def __call__(self, method: str, path: str, *, status: int = 200, **options: Any) -> TestResponse:
        answer = self.client.open(path, method=method, base_url=f"http://127.0.0.1:{PORT}", buffered=True, **options)
        assert answer.status_code == status, f"{method} {path}: {answer.status_code} {answer.get_data(as_text=True)[:500]}"
        return answer

    def get(self, path: str, *, status: int = 200) -> Any:
        return self("GET", path, status=status).get_json()

    def post(self, path: str, body: Any, *, status: int = 200) -> Any:
        return self("POST", path, status=status, json=body).get_json()

    def events(self, path: str, body: Any) -> list[Any]:
        """What a stream of server-sent events says, `[DONE]` as text."""
        answer = self("POST", path, json=body)
        assert answer.content_type.startswith("text/event-stream")
        lines = [line[6:] for line in answer.get_data(as_text=True).splitlines() if line.startswith("data: ")]
        return [line if line == "[DONE]" else json.loads(line) for line in lines]

    def lines(self, path: str, body: Any) -> list[Any]:
        """What a stream of lines of JSON says."""
        answer = self("POST", path, json=body)
        assert answer.content_type == "application/x-ndjson"
        return [json.loads(line) for line in answer.get_data(as_text=True).splitlines()]


def put_on_shelf(appliance: Appliance, file: Path, name: str, **changed: Any) -> ShelfModel:
    """An added model, as `haversack models add` leaves it, but for the trial in a process of its own."""
    own = appliance.shelf.all()[0]
    folder = appliance.shelf.folder / f".{name}"
    folder.mkdir(parents=True)
    shutil.copy(file, folder / "model.gguf")
    part = ModelPart(folder / "model.gguf", file.stat().st_size, sha256_of(file))
    told = {"origin": "added", "title": name, "added": "2026-11-24T16:00:00Z"}
    model = replace(own, name=name, files=(part,), settings=replace(own.settings, file="model.gguf"), **(told | changed))
    return appliance.shelf.add(Prepared(model, folder))


@pytest.fixture(scope="session")
def appliance(bundle_root: Path, manifest: Manifest, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Appliance]:
    settings = Settings(home=tmp_path_factory.mktemp("programs") / "home", bundle=bundle_root, port=PORT, api="open")
    opened = open_appliance(settings, write=True, purpose="serve", seal=Seal.without_counting(), serving=True)
    tools = model_with_tools(manifest, tmp_path_factory.mktemp("tools"))
    put_on_shelf(opened, tools, TOOLS, can_call_tools=True, template=TOOLS_TEMPLATE.read_text(encoding="utf-8"))
    yield opened
    opened.close()


@pytest.fixture(scope="session")
def app(appliance: Appliance) -> Flask:
    return create_app(appliance)


@pytest.fixture(scope="session")
def program(app: Flask, appliance: Appliance) -> Program:
    """With a collection "Field notes" to ask: a PDF of three pages, the last one empty, and a note."""
    caller = Caller(app)
    collection = caller.json("POST", "collections", {"name": "Field notes"}, status=201)
    job = caller.upload(collection["id"], {"reports/clinic.pdf": make_pdf(PAGES_WITH_A_SCAN), "notes.md": NOTES.encode()})
    assert [line["status"] for line in job["lines"]] == ["partial", "indexed"]
    return Program(app)
