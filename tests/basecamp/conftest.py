"""A base camp on loopback: the real engine and the real Chroma server, each in a process of its own, and one that misbehaves."""

from __future__ import annotations

import contextlib
import socket
import subprocess
import sys
import time
import urllib.error
import urllib.request
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from appliance.basecamp.exchange import Limits
from appliance.basecamp.link import Link
from appliance.library.store import Library
from appliance.manifest import Manifest
from appliance.models.catalogue import generator_settings
from tests.basecamp.misbehaving import Misbehaving
from tests.library.making import Maker

SHORT = Limits(connect=1.0, first=1.5, idle=1.0, whole=4.0, short=1.5)
HERE = Path(__file__).resolve().parent


def free_port() -> int:
    with socket.create_server(("127.0.0.1", 0)) as made:
        return int(made.getsockname()[1])


@contextlib.contextmanager
def running(command: list[str], url: str, log: Path) -> Iterator[None]:
    with open(log, "wb") as output:
        process = subprocess.Popen(command, stdin=subprocess.DEVNULL, stdout=output, stderr=subprocess.STDOUT)
    try:
        until = time.monotonic() + 60
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
        self._stack = contextlib.ExitStack()

    @property
    def url(self) -> str:
        return f"http://127.0.0.1:{self.port}"

    def start(self) -> None:
        program = Path(sys.executable).with_name("chroma")
        command = [str(program), "run", "--path", str(self.folder / "data"), "--host", "127.0.0.1", "--port", str(self.port)]
        self._stack.enter_context(running(command, f"{self.url}/api/v2/heartbeat", self.folder / "log"))

    def stop(self) -> None:
        self._stack.close()


@pytest.fixture
def chroma(tmp_path: Path) -> Iterator[Chroma]:
    made = Chroma(tmp_path)
    made.start()
    yield made
    made.stop()


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
