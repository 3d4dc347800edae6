"""The description is compared with the code, and schemathesis with the running server."""

from __future__ import annotations

import json
import re
import subprocess
import urllib.request

import pytest

from appliance.web import paths
from tests.clients.conftest import CLIENTS, PROGRAMS, Server
from tests.conftest import ROOT


def described(server: Server) -> dict[str, dict[str, object]]:
    request = urllib.request.Request(f"{server.url}/v1/openapi.json", headers={"Authorization": f"Bearer {server.key}"})
    with urllib.request.urlopen(request, timeout=30) as answer:
        found: dict[str, dict[str, object]] = json.load(answer)
    return found


def in_code() -> set[str]:
    """`get /v1/models` and its like, as the modules of both servers register them."""
    found = set()
    for path in [*(ROOT / "appliance" / "web" / "programs").glob("*.py"), ROOT / "appliance" / "web" / "openapi.py"]:
        for method, rule in re.findall(r"@blueprint\.(get|post|put|delete|route)\(\"([^\"]+)\"", path.read_text(encoding="utf-8")):
            prefix = "/api" if path.name.startswith("ollama") else "/v1"
            named = re.sub(r"<(?:[a-z]+:)?([a-z_]+)>", r"{\1}", rule)
            found.add(f"{method} {prefix}{named}")
    return found


def test_every_route_for_programs_is_described_and_every_description_has_a_route(server: Server) -> None:
    routes = {f"{method} {path}" for path, operations in described(server)["paths"].items() for method in operations}
    assert routes == in_code()
    assert len(routes) >= 14
    assert all(paths.shape(route.split(" ")[1]) for route in routes), "the guard doesn't know one of them as a program's"


def test_every_reference_in_the_description_leads_somewhere(server: Server) -> None:
    document = described(server)
    names = set(re.findall(r'"#/components/schemas/(\w+)"', json.dumps(document)))
    assert names == set(document["components"]["schemas"])


@pytest.mark.slow
def test_schemathesis_finds_no_failure_of_the_server(server: Server) -> None:
    """Answers have a status and a form that are described, too. The seed is fixed, so the same requests are made each time."""
    run = subprocess.run(
        [
            *(str(CLIENTS / "clients" / "bin" / "schemathesis"), "run", f"{server.url}/v1/openapi.json"),
            *("--header", f"Authorization: Bearer {server.key}"),
            *("--checks", "not_a_server_error,status_code_conformance,content_type_conformance,response_schema_conformance"),
            *("--phases", "fuzzing", "--max-examples", "12", "--seed", "20261124", "--generation-deterministic", "--no-color"),
            *("--request-timeout", "30", "--suppress-health-check", "all"),
        ],
        capture_output=True,
        text=True,
        timeout=400,
        cwd=server.home,
        env=server.environment() | {"SCHEMATHESIS_HOOKS": "hooks", "PYTHONPATH": str(PROGRAMS)},
    )
    assert run.returncode == 0, run.stdout[-6000:] + run.stderr[-2000:]
