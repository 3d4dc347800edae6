"""What the tools give: document, page and quote; and one sentence where they can't."""

from __future__ import annotations

import json
import subprocess
import time
import urllib.request
from pathlib import Path
from typing import Any

import pytest

from tests.mcp.conftest import COMMAND, Program
from tests.ports import free_port


@pytest.fixture
def ready(program: Program) -> Program:
    program.initialise()
    return program


def test_collections_and_their_documents_are_listed(ready: Program) -> None:
    result = ready.call("list_collections")["structuredContent"]
    assert result["collections"] == [
        {"name": "schools", "passages": 1, "documents": ["school.md"]},
        {"name": "wells", "passages": 1, "documents": ["well.md"]},
    ]


def test_a_search_names_document_page_and_quote(ready: Program) -> None:
    result = ready.call("search", query="repair of the pump", collection="wells", limit=1)
    (found,) = result["structuredContent"]["results"]
    assert (found["document"], found["page"]) == ("well.md", None)
    assert "repaired on 14 March 2021" in found["quote"]
    assert json.loads(result["content"][0]["text"]) == result["structuredContent"]


def test_an_answer_cites_and_reports_how_far_it_is(ready: Program) -> None:
    number = ready.begin(
        "tools/call", name="ask", arguments={"question": "Who repaired the pump at Kidatu?", "collection": "wells"}, _meta={"progressToken": "t"}
    )
    told = []
    while (message := ready.read()).get("id") != number:
        told.append(message["params"])
    assert [one["progress"] for one in told] == list(range(1, len(told) + 1))
    assert told[0]["progressToken"] == "t"
    assert told[0]["message"].startswith("reading")
    answer = message["result"]["structuredContent"]
    assert not answer["refused"]
    assert "Amina Salum" in answer["answer"]
    assert answer["citations"][0]["document"] == "well.md"
    assert "Amina Salum" in answer["citations"][0]["quote"]


def test_what_the_documents_do_not_hold_is_refused_with_the_nearest(ready: Program) -> None:
    answer = ready.call("ask", question="Which composer wrote the opera Fidelio?", collection="wells")["structuredContent"]
    assert answer["refused"]
    assert answer["citations"] == []
    assert answer["nearest"][0]["document"] == "well.md"


def test_a_page_is_read_whole(ready: Program) -> None:
    page = ready.call("read_page", document="well.md", collection="wells")["structuredContent"]
    assert page["text"].startswith("# The well at Kidatu")
    assert (page["page"], page["pages"], page["unread"]) == (None, 1, "")
    assert (page["start"], page["total"], page["next"]) == (0, len(page["text"]), None)


def test_a_long_page_is_read_in_parts_and_a_passage_with_what_is_around_it(ready: Program) -> None:
    whole = ready.call("read_page", document="well.md", collection="wells")["structuredContent"]["text"]
    text, start = "", 0
    while start is not None:
        part = ready.call("read_page", document="well.md", collection="wells", start=start, length=50)["structuredContent"]
        assert len(part["text"]) <= 50
        text, start = text + part["text"], part["next"]
    assert text == whole
    (found,) = ready.call("search", query="repair of the pump", collection="wells")["structuredContent"]["results"]
    around = ready.call("read_page", document="well.md", collection="wells", start=found["start"], length=len(found["quote"]))
    assert around["structuredContent"]["text"] == found["quote"]
    cited = ready.call("ask", question="Who repaired the pump at Kidatu?", collection="wells")["structuredContent"]["citations"][0]
    assert whole[cited["start"] :].startswith(cited["quote"])


@pytest.mark.parametrize(
    ("tool", "arguments", "sentence"),
    [
        ("search", {}, "`search` needs `query`."),
        ("search", {"query": "   ", "collection": "wells"}, "`query` must be text."),
        ("search", {"query": 5, "collection": "wells"}, "`query` must be text."),
        ("search", {"query": "pump", "collection": "wells", "limit": 0}, "`limit` must be at least 1."),
        ("search", {"query": "pump", "collection": "wells", "limit": 10**9}, "`limit` must be at most 20."),
        ("search", {"query": "pump", "collection": "wells", "limit": True}, "`limit` must be a whole number."),
        (
            "search",
            {"query": "pump", "collection": "wells", "colour": 1},
            "`search` takes no `colour`; it takes query, collection, documents, limit.",
        ),
        ("search", {"query": "pump"}, "Say which collection: schools, wells."),
        ("search", {"query": "pump", "collection": "lakes"}, "There is no collection named 'lakes'."),
        ("search", {"query": "p" * 100_000, "collection": "wells"}, "characters; at most"),
        ("ask", {"question": "Why?", "collection": "wells", "documents": ["no.pdf"]}, "There is no document 'no.pdf'"),
        ("ask", {"question": "Why?", "collection": "wells", "documents": "well.md"}, "`documents` must be a list of texts."),
        ("read_page", {"document": "well.md", "page": 7, "collection": "wells"}, "well.md has no page 7; it has no numbered pages"),
        ("read_page", {"document": "well.md", "start": 10**6, "collection": "wells"}, "`start` must be at most that."),
        ("read_page", {"document": "well.md", "length": 20_001, "collection": "wells"}, "`length` must be at most 20000."),
        ("read_page", {"document": "../../etc/passwd", "collection": "wells"}, "There is no document '../../etc/passwd'"),
        ("list_collections", {"all": True}, "`list_collections` takes no `all`; it takes nothing."),
    ],
)
def test_what_can_not_be_done_is_told_the_model_in_one_sentence(ready: Program, tool: str, arguments: dict[str, Any], sentence: str) -> None:
    result = ready.call(tool, **arguments)
    assert result["isError"]
    assert sentence in result["content"][0]["text"]
    assert "Traceback" not in result["content"][0]["text"]


def test_one_collection_alone_is_all_that_is_seen(mcp_home: Path) -> None:
    program = Program(mcp_home, "--collection", "wells")
    try:
        program.initialise()
        assert all("collection" not in tool["inputSchema"]["properties"] for tool in program.ask("tools/list")["result"]["tools"])
        assert [one["name"] for one in program.call("list_collections")["structuredContent"]["collections"]] == ["wells"]
        assert program.call("search", query="school")["structuredContent"]["collection"] == "wells"
        assert program.call("search", query="school", collection="schools")["isError"]
        assert program.call("read_page", document="school.md")["isError"]
    finally:
        program.close()


def test_beside_a_serving_page_it_reads_and_changes_nothing(mcp_home: Path) -> None:
    port = free_port()
    page = subprocess.Popen([*COMMAND, "serve", "--home", str(mcp_home), "--port", str(port)], stderr=subprocess.DEVNULL)
    program = Program(mcp_home)
    try:
        _wait_for(f"http://127.0.0.1:{port}/")
        program.initialise()
        assert program.call("search", query="pump", collection="wells")["structuredContent"]["results"]
        with urllib.request.urlopen(f"http://127.0.0.1:{port}/", timeout=10) as answer:
            assert answer.status == 200
        assert program.close()[0] == 0
        assert page.poll() is None
    finally:
        program.process.kill()
        page.terminate()
        page.wait(30)


def test_the_network_is_shut_to_it(mcp_home: Path) -> None:
    program = Program(mcp_home)
    try:
        program.initialise()
        # What the kernel says of the process: 2 is a seccomp filter.
        status = Path(f"/proc/{program.process.pid}/status").read_text()
        assert "Seccomp:\t2" in status
    finally:
        program.close()


def _wait_for(url: str) -> None:
    for _ in range(300):
        try:
            urllib.request.urlopen(url, timeout=5).close()
            return
        except OSError:
            time.sleep(0.1)
    raise AssertionError(f"nothing answers at {url}")
