"""A base camp as a user has it: `serve` and `ask` with its addresses, a real engine and a real vector server, and both of them going away."""

from __future__ import annotations

import json
import os
import subprocess
import sys
import time
from pathlib import Path
from typing import Any

import pytest

from scripts.benchmark.client import Client
from tests.basecamp.conftest import Chroma
from tests.clinic import make_pdf
from tests.web.serving import serving

QUESTION = "Who opened the Goma clinic?"


@pytest.fixture(scope="module")
def folder(bundle_root: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    made = tmp_path_factory.mktemp("journey")
    (made / "clinic.pdf").write_bytes(make_pdf())
    haversack(made, bundle_root, "ingest", str(made / "clinic.pdf"), "--collection", "field")
    return made


def haversack(folder: Path, bundle: Path, *words: str) -> subprocess.CompletedProcess[str]:
    environment = {**os.environ, "HAVERSACK_HOME": str(folder / "home"), "HAVERSACK_BUNDLE": str(bundle)}
    command = [sys.executable, "-m", "appliance.cli", *words]
    return subprocess.run(command, env=environment, stdin=subprocess.DEVNULL, capture_output=True, text=True, check=True, timeout=180)


def asked(client: Client, collection: int) -> dict[str, Any]:
    events = {name: value for name, value, _ in client.ask(collection, QUESTION)}
    assert list(events)[-1] == "kept", events
    answer: dict[str, Any] = events["kept"]["answer"]
    assert not answer["refused"]
    return answer


def test_ask_takes_a_base_camp_by_a_flag_and_says_what_goes_there(folder: Path, bundle_root: Path, engine: str) -> None:
    done = haversack(folder, bundle_root, "ask", QUESTION, "--collection", "field", "--llm", engine, "--json")
    assert json.loads(done.stdout)["model"].startswith("smollm2 at 127.0.0.1:")
    assert f"Questions and passages go to {engine.split('//')[1].split('/')[0]}; nothing else leaves." in done.stderr


def test_ask_is_answered_from_here_where_it_is_away(folder: Path, bundle_root: Path) -> None:
    answer = json.loads(haversack(folder, bundle_root, "ask", QUESTION, "--collection", "field", "--llm", "http://127.0.0.1:9/v1", "--json").stdout)
    assert answer["model"] == "SmolLM2 135M Instruct"
    assert answer["note"].startswith("The base camp at 127.0.0.1:9 can't be reached (connection refused).")


def test_a_page_writes_and_searches_there_and_goes_on_without(folder: Path, bundle_root: Path, engine: str, chroma: Chroma) -> None:
    with serving(folder / "home", bundle_root, "--llm", engine, "--vectors", chroma.url) as server:
        client = Client(server.port)
        field = client.collection("page")
        assert client.upload(field, [folder / "clinic.pdf"])["status"] == "done"
        first = asked(client, field)
        assert first["model"].startswith("smollm2 at 127.0.0.1:")
        status = client.get("/api/status")
        assert len(status["basecamp"]["hosts"]) == 2
        end = time.monotonic() + 60
        while not any(chroma.held().values()):
            assert time.monotonic() < end, "no vectors came to the server"
            time.sleep(0.1)
        chroma.stop()
        assert asked(client, field)["citations"] == first["citations"], "searched here, exactly"
