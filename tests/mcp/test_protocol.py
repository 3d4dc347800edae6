"""The protocol on the wire: versions, errors, cancellation, and that nothing but messages is ever on stdout."""

from __future__ import annotations

import json
import time
from pathlib import Path
from typing import Any

import psutil
import pytest

from appliance.mcp.wire import LONGEST
from tests.mcp.conftest import Program

META = {"io.modelcontextprotocol/protocolVersion": "2026-07-28", "io.modelcontextprotocol/clientCapabilities": {}}


@pytest.mark.parametrize(
    ("wanted", "agreed"),
    [("2024-11-05", "2024-11-05"), ("2025-06-18", "2025-06-18"), ("2025-11-25", "2025-11-25"), ("1999-01-01", "2025-11-25"), ("zzz", "2025-11-25")],
)
def test_a_version_that_both_know_is_agreed_on(program: Program, wanted: str, agreed: str) -> None:
    result = program.initialise(wanted)
    assert result["protocolVersion"] == agreed
    assert result["serverInfo"]["name"] == "haversack"
    assert "tools" in result["capabilities"]


def test_a_request_that_names_its_own_version_needs_no_handshake(program: Program) -> None:
    discovered = program.ask("server/discover", _meta=META)["result"]
    assert discovered["supportedVersions"] == ["2026-07-28"]
    listed = program.ask("tools/list", _meta=META)["result"]
    assert listed["resultType"] == "complete"
    assert listed["ttlMs"] == 0
    assert len(listed["tools"]) == 4
    refused = program.ask("tools/list", _meta=META | {"io.modelcontextprotocol/protocolVersion": "2031-01-01"})["error"]
    assert refused["code"] == -32022
    assert refused["data"] == {"supported": ["2026-07-28"], "requested": "2031-01-01"}


def test_nothing_but_ping_is_answered_before_the_handshake(program: Program) -> None:
    assert program.ask("ping")["result"] == {}
    assert program.ask("tools/list")["error"]["code"] == -32600
    assert program.ask("server/discover")["error"]["code"] == -32602
    program.initialise()
    assert "result" in program.ask("tools/list")


MALFORMED: list[tuple[bytes, int, Any]] = [
    (b"not json", -32700, None),
    (b"\xff\xfe{}", -32700, None),
    (b'{"jsonrpc":"2.0","id":1,"method":', -32700, None),
    (b'{"jsonrpc":"2.0","id":NaN,"method":"ping"}', -32700, None),
    (b"[" * 200_000, -32700, None),
    (b"3", -32600, None),
    (b"null", -32600, None),
    (b'[{"jsonrpc":"2.0","id":1,"method":"ping"}]', -32600, None),
    (b'{"id":1,"method":"ping"}', -32600, None),
    (b'{"jsonrpc":"1.0","id":1,"method":"ping"}', -32600, None),
    (b'{"jsonrpc":"2.0","id":null,"method":"ping"}', -32600, None),
    (b'{"jsonrpc":"2.0","id":1.5,"method":"ping"}', -32600, None),
    (b'{"jsonrpc":"2.0","id":true,"method":"ping"}', -32600, None),
    (b'{"jsonrpc":"2.0","id":{},"method":"ping"}', -32600, None),
    (b'{"jsonrpc":"2.0","id":7}', -32600, 7),
    (b'{"jsonrpc":"2.0","id":"a","method":5}', -32600, "a"),
    (b'{"jsonrpc":"2.0","id":8,"method":"ping","params":[]}', -32602, 8),
    (b'{"jsonrpc":"2.0","id":9,"method":"initialize","params":{}}', -32602, 9),
    (b'{"jsonrpc":"2.0","id":10,"method":"initialize","params":{"protocolVersion":{}}}', -32602, 10),
    (b'{"jsonrpc":"2.0","id":1,"method":"ping","x":"' + b"a" * LONGEST + b'"}', -32600, None),
]


def test_malformed_lines_get_an_error_each_and_the_next_one_an_answer(program: Program) -> None:
    for line, code, id in MALFORMED:
        program.send(line)
        message = program.read()
        assert (message["error"]["code"], message["id"]) == (code, id), line[:80]
        assert message["error"]["message"].endswith(".")
    for passed_over in (b"", b"   ", b'{"jsonrpc":"2.0","id":4,"result":{}}', b'{"jsonrpc":"2.0","method":"notifications/no-such-thing"}'):
        program.send(passed_over)
    assert program.ask("ping")["result"] == {}


@pytest.mark.parametrize(
    ("method", "params", "code"),
    [
        ("resources/list", {}, -32601),
        ("no such method " * 50, {}, -32601),
        ("tools/call", {"name": "delete_everything", "arguments": {}}, -32602),
        ("tools/call", {"arguments": {}}, -32602),
        ("tools/call", {"name": "search", "arguments": [1]}, -32602),
    ],
)
def test_a_request_that_makes_no_sense_is_refused(program: Program, method: str, params: dict[str, Any], code: int) -> None:
    program.initialise()
    error = program.ask(method, **params)["error"]
    assert error["code"] == code
    assert len(error["message"]) < 300


def test_what_is_cancelled_is_not_answered(program: Program) -> None:
    program.initialise()
    program.call("ask", question="How many pupils has the school at Mikumi?", collection="schools")  # the model is loaded now
    number = program.begin(
        "tools/call", name="ask", arguments={"question": "Who repaired the pump?", "collection": "wells"}, _meta={"progressToken": 1}
    )
    assert program.read()["method"] == "notifications/progress"
    program.notify("notifications/cancelled", requestId=number, reason="enough")
    ping = program.begin("ping")
    while (message := program.read()).get("id") != ping:
        assert message.get("id") != number
    program.notify("notifications/cancelled", requestId="never seen")
    program.notify("notifications/cancelled", requestId=[])
    program.notify("notifications/cancelled")
    assert program.ask("ping")["result"] == {}


def test_an_id_in_use_is_refused(program: Program) -> None:
    program.initialise()
    line = {
        "jsonrpc": "2.0",
        "id": "same",
        "method": "tools/call",
        "params": {"name": "ask", "arguments": {"question": "Why?", "collection": "wells"}},
    }
    program.send(json.dumps(line).encode())
    program.send(json.dumps(line).encode())
    first, second = program.read(), program.read()
    assert [first["id"], second["id"]] == ["same", "same"]
    assert first["error"]["code"] == -32600
    assert "result" in second


def test_it_ends_when_the_other_side_does_even_while_it_answers(program: Program) -> None:
    program.initialise()
    program.begin("tools/call", name="ask", arguments={"question": "Who repaired the pump at Kidatu?", "collection": "wells"})
    children = psutil.Process(program.process.pid).children(recursive=True)
    started = time.monotonic()
    code, errors, rest = program.close()
    assert code == 0, errors
    assert time.monotonic() - started < 15
    assert all(json.loads(line)["jsonrpc"] == "2.0" for line in rest.splitlines())
    assert not [child for child in children if child.is_running() and child.status() != psutil.STATUS_ZOMBIE]


def test_a_collection_that_is_not_there_is_said_at_the_start_and_not_on_stdout(mcp_home: Path) -> None:
    code, errors, output = Program(mcp_home, "--collection", "lakes").close()
    assert code == 1
    assert errors.strip().splitlines()[-1] == "There is no collection named 'lakes'. `haversack collections list` shows those there are."
    assert output == b""
