"""A library with two small collections, made by `haversack ingest`, and `haversack mcp` as another program starts it."""

from __future__ import annotations

import json
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

COMMAND = [sys.executable, "-m", "appliance.cli"]
WELL = """# The well at Kidatu

The pump of the well at Kidatu was repaired on 14 March 2021 by Amina Salum. The repair cost 340 dollars and took two days.
"""
SCHOOL = """# The school at Mikumi

The school at Mikumi has 212 pupils and nine teachers. Its roof was damaged by the storm of 9 November 2020.
"""


@pytest.fixture(scope="session")
def mcp_home(tmp_path_factory: pytest.TempPathFactory, bundle_root: Path) -> Path:
    folder = tmp_path_factory.mktemp("mcp")
    for collection, name, text in (("wells", "well.md", WELL), ("schools", "school.md", SCHOOL)):
        file = folder / name
        file.write_text(text, encoding="utf-8")
        subprocess.run([*COMMAND, "ingest", str(file), "--collection", collection, "--home", str(folder / "home")], check=True, timeout=120)
    return folder / "home"


class Program:
    """Another program that has started `haversack mcp`: writes lines to it and reads lines of it."""

    def __init__(self, home: Path, *arguments: str) -> None:
        command = [*COMMAND, "mcp", "--home", str(home), *arguments]
        self.process = subprocess.Popen(command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, stderr=subprocess.PIPE)
        self._number = 0

    def send(self, line: bytes) -> None:
        assert self.process.stdin
        self.process.stdin.write(line + b"\n")
        self.process.stdin.flush()

    def read(self) -> dict[str, Any]:
        assert self.process.stdout
        line = self.process.stdout.readline()
        assert line, "it ended"
        message: dict[str, Any] = json.loads(line)
        assert message["jsonrpc"] == "2.0"
        return message

    def notify(self, method: str, **params: Any) -> None:
        self.send(json.dumps({"jsonrpc": "2.0", "method": method, "params": params}).encode())

    def begin(self, method: str, **params: Any) -> int:
        self._number += 1
        self.send(json.dumps({"jsonrpc": "2.0", "id": self._number, "method": method, "params": params}).encode())
        return self._number

    def ask(self, method: str, **params: Any) -> dict[str, Any]:
        """The answer to one request; what comes before it is passed over."""
        number = self.begin(method, **params)
        while (message := self.read()).get("id") != number:
            pass
        return message

    def initialise(self, version: str = "2025-06-18") -> dict[str, Any]:
        result: dict[str, Any] = self.ask("initialize", protocolVersion=version, capabilities={}, clientInfo={"name": "a test", "version": "1"})[
            "result"
        ]
        self.notify("notifications/initialized")
        return result

    def call(self, tool: str, **arguments: Any) -> dict[str, Any]:
        result: dict[str, Any] = self.ask("tools/call", name=tool, arguments=arguments)["result"]
        return result

    def close(self) -> tuple[int, str, bytes]:
        """Exit code, stderr, and what was left on stdout, after its input has ended."""
        rest, errors = self.process.communicate(timeout=20)
        return self.process.returncode, errors.decode(), rest


@pytest.fixture
def program(mcp_home: Path) -> Iterator[Program]:
    started = Program(mcp_home)
    try:
        yield started
    finally:
        started.process.kill()
        started.process.communicate()
