"""The official client, unmodified, from its own environment."""

from __future__ import annotations

import json
import subprocess
from pathlib import Path

import pytest

from tests.conftest import ROOT
from tests.mcp.conftest import COMMAND

PYTHON = ROOT / ".clients" / "clients" / "bin" / "python"


@pytest.mark.parametrize(("mode", "version"), [("legacy", "2025-11-25"), ("auto", "2026-07-28")])
def test_the_official_client_lists_and_calls_every_tool(mcp_home: Path, mode: str, version: str) -> None:
    assert PYTHON.exists(), "the clients are not there: run `make test`"
    command = [str(PYTHON), str(Path(__file__).with_name("with_client.py")), mode, *COMMAND, "mcp", "--home", str(mcp_home)]
    run = subprocess.run(command, capture_output=True, text=True, timeout=180, cwd=ROOT)
    assert run.returncode == 0, run.stderr
    said = json.loads(run.stdout)
    assert (said["version"], said["server"]) == (version, "haversack")
    assert said["tools"] == ["list_collections", "search", "ask", "read_page"]
    assert said["found"]["results"][0]["document"] == "well.md"
    assert "Amina Salum" in said["answer"]["answer"]
    assert said["answer"]["citations"][0]["quote"] in said["page"]["text"]
    assert [one["name"] for one in said["collections"]["collections"]] == ["schools", "wells"]
    assert said["wrong"][0] is True
    assert "There is no collection named 'lakes'" in said["wrong"][1]
    assert said["told"]
