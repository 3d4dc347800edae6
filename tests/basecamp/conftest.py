"""A base camp on loopback: the real engine and the real Chroma server, each in a process of its own, and one that misbehaves."""

from __future__ import annotations

import contextlib
import json
import os
import subprocess
import sys
import time
import urllib.error
import urllib.request
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest

from appliance.basecamp.exchange import Limits
from appliance.basecamp.link import Link
from appliance.library.store import Library
from appliance.library.vectors_remote import Asks
from appliance.manifest import Manifest
from appliance.models.catalogue import generator_settings
from tests.basecamp.misbehaving import Misbehaving
from tests.library.making import Maker
from tests.ports import free_port

SHORT = Limits(connect=1.0, first=1.5, idle=1.0, whole=4.0, short=1.5)
HERE = Path(__file__).resolve().parent


@contextlib.contextmanager
def running(command: list[str], url: str, log: Path) -> Iterator[None]:
    with open(log, "wb") as output:
        process = subprocess.Popen(command, stdin=subprocess.DEVNULL, stdout=output, stderr=subprocess.STDOUT)
    try:
        until = time.monotonic() + 180
        while True:
            try:
                with urllib.request.urlopen(url, timeout=5):
                    break
            except (urllib.error.URLError, OSError):
                assert process.poll() is None, log.read_text()
                assert time.monotonic() < until, log.read_text()
                time.sleep(0.1)
        yield
    finally:
        process.kill()
        process.wait()


@pytest.fixture(scope="session")
def engine(manifest: Manifest, tmp_path_factory: pytest.TempPathFactory) -> Iterator[str]:
    """The address of a real llama_cpp.server with the starter's model."""
    model = manifest.model("generator")
    file, port = manifest.folder(model) / generator_settings(model).file, free_port()
    told = ["--model", str(file), "--model_alias", "smollm2", "--port", str(port), "--n_ctx", "2048", "--n_threads", "2"]
    command = [sys.executable, str(HERE / "llama_server.py"), *told]
    with running(command, f"http://127.0.0.1:{port}/v1/models", tmp_path_factory.mktemp("engine") / "log"):
        yield f"http://127.0.0.1:{port}/v1"


class Chroma:
    """A real `chroma run` that can be stopped and started again, and keeps its data."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        self.port = free_port()
        self.running = False
        self._stack = contextlib.ExitStack()

    @property
    def url(self) -> str:
        return f"http://127.0.0.1:{self.port}"

    @property
    def collections(self) -> str:
        return f"{self.url}/api/v2/tenants/default_tenant/databases/default_database/collections"

    def held(self) -> dict[str, list[str]]:
        """Every collection and its ids, by plain HTTP."""
        while True:
            with contextlib.suppress(urllib.error.HTTPError):  # one was deleted since it was listed
                listed = self._request("GET", "")
                return {one["name"]: self._request("POST", f"/{one['id']}/get", {"include": []})["ids"] for one in listed}

    def clear(self) -> None:
        for name in self.held():
            self._request("DELETE", f"/{name}")

    def _request(self, method: str, path: str, body: object = None) -> Any:
        sent = None if body is None else json.dumps(body).encode()
        request = urllib.request.Request(self.collections + path, sent, {"Content-Type": "application/json"}, method=method)
        with urllib.request.urlopen(request, timeout=10) as response:
            return json.loads(response.read() or b"null")

    def start(self) -> None:
        self.running = True
        program = Path(sys.executable).with_name("chroma")
        command = [str(program), "run", "--path", str(self.folder / "data"), "--host", "127.0.0.1", "--port", str(self.port)]
        self._stack.enter_context(running(command, f"{self.url}/api/v2/heartbeat", self.folder / "log"))

    def stop(self) -> None:
        self.running = False
        self._stack.close()


@pytest.fixture(scope="session")
def one_chroma(tmp_path_factory: pytest.TempPathFactory) -> Iterator[tuple[Chroma, Link]]:
    made = Chroma(tmp_path_factory.mktemp("chroma"))
    made.start()
    link = Link("", made.url, environment=dict(os.environ))
    yield made, link
    link.close()
    made.stop()


@pytest.fixture
def chroma(one_chroma: tuple[Chroma, Link]) -> Chroma:
    """The one server, running and empty."""
    made = one_chroma[0]
    if not made.running:
        made.start()
    made.clear()
    return made


@pytest.fixture
def ask(one_chroma: tuple[Chroma, Link]) -> Asks:
    """The way to it through a broker."""
    return one_chroma[1].vector_call


@pytest.fixture
def rogue() -> Iterator[Misbehaving]:
    made = Misbehaving()
    yield made
    made.close()


@pytest.fixture
def link() -> Iterator[Callable[..., Link]]:
    """Makes a link with short limits."""
    made: list[Link] = []

    def make(llm: str = "", vectors: str = "", limits: Limits = SHORT, **environment: str) -> Link:
        made.append(Link(llm, vectors, limits=limits, environment=dict(environment)))
        return made[-1]

    yield make
    for one in made:
        one.close()


@pytest.fixture
def make(tmp_path: Path) -> Maker:
    return Maker(tmp_path / "incoming")


@pytest.fixture
def library(home: Path) -> Iterator[Library]:
    with Library.open(home, write=True, purpose="test", fingerprint="test-model") as opened:
        yield opened
