"""Asking through the API, on the real models: the order of the events, what is kept, stopping, and a browser that goes away."""

from __future__ import annotations

import http.client
import json
import socket
import tempfile
import threading
from collections.abc import Iterator
from dataclasses import replace
from typing import Any

import pytest
from waitress.server import create_server

from appliance.config import Settings
from appliance.documents import Answer, AnswerEvent, Finished, Progress, Timings
from appliance.errors import GeneratorFailed, PortTaken
from appliance.library.conversations import Conversation
from appliance.runtime import Appliance
from appliance.web import server
from appliance.web.answering import Answering
from appliance.web.app import create_app
from tests.ports import free_port
from tests.web.calling import Caller


def test_evidence_comes_first_then_quotes_then_prose_and_the_answer_is_kept(api: Caller, field: Any) -> None:
    told = api.stream(f"collections/{field['id']}/ask", {"question": "When was the clinic in Goma opened?"})
    names = [name for name, _ in told]
    assert names[0] == "started"
    assert names[-1] == "kept"
    assert names.index("evidence_ready") < names.index("quotes_ready") < names.index("delta") < names.index("sentence_checked")
    kept = told[-1][1]
    answer = kept["answer"]
    assert "14 March 2011" in answer["answer"]
    assert answer["citations"][0]["document"] == "reports/clinic.pdf"
    assert answer["citations"][0]["page"] == 1
    streamed = "".join(value["text"] for name, value in told if name == "delta")
    assert streamed.split() == answer["answer"].split()[-len(streamed.split()) :], "what is kept is what was streamed"

    again = api.json("GET", f"conversations/{kept['conversation']['id']}")
    assert again["answers"] == [answer]
    api.json("PATCH", f"conversations/{kept['conversation']['id']}", {"title": "The opening"})
    assert [one["title"] for one in api.json("GET", "conversations?query=opening+clinic")["conversations"]] == ["The opening"]
    for format_, name in (("markdown", "The opening.md"), ("html", "The opening.html")):
        export = api("GET", f"conversations/{kept['conversation']['id']}/export?format={format_}")
        assert f'filename="{name}"' in export.headers["Content-Disposition"]
        assert "14 March 2011" in export.get_data(as_text=True)
    api("DELETE", f"conversations/{kept['conversation']['id']}", status=204)
    api("GET", f"conversations/{kept['conversation']['id']}", status=404)


def test_a_follow_up_question_goes_on_in_its_conversation(api: Caller, field: Any) -> None:
    ask = f"collections/{field['id']}/ask"
    first = api.stream(ask, {"question": "When was the clinic in Goma opened?"})[-1][1]["conversation"]
    second = api.stream(ask, {"question": "And how many beds does it have?", "conversation": first["id"]})[-1][1]
    assert second["conversation"]["id"] == first["id"]
    assert second["answer"]["question"] == "And how many beds does it have?"
    assert second["answer"]["searched_for"] != "And how many beds does it have?"
    assert len(api.json("GET", f"conversations/{first['id']}")["answers"]) == 2


def test_only_the_chosen_documents_are_asked(api: Caller, field: Any) -> None:
    notes = next(one for one in api.json("GET", f"collections/{field['id']}/documents")["documents"] if one["name"] == "notes.md")
    told = dict(api.stream(f"collections/{field['id']}/ask", {"question": "When was the clinic opened?", "documents": [notes["id"]]}))
    assert {one["document"] for one in told["evidence_ready"]["evidence"]} <= {"notes.md"}


def test_overview_and_summary_stream_the_same_way(api: Caller, field: Any) -> None:
    pdf = next(one for one in api.json("GET", f"collections/{field['id']}/documents")["documents"] if one["name"].endswith(".pdf"))
    for path in (f"collections/{field['id']}/overview", f"documents/{pdf['id']}/summary"):
        told = api.stream(path, {})
        assert told[-1][0] == "kept"
        assert told[-1][1]["answer"]["citations"]


def answer_of(question: str, *, stopped: bool) -> Answer:
    return Answer(question, question, "", "", (), (), (), refused=False, model="", timings=Timings(0.0, None, 1.0), stopped=stopped)


class Slow:
    """Stands in for a long prompt being read: silent until it is cancelled, as llama.cpp is."""

    def __init__(self) -> None:
        self.began, self.cancelled = threading.Event(), threading.Event()

    def ask(self, question: str, *_: object, cancel: threading.Event, **__: object) -> Iterator[AnswerEvent]:
        yield Progress("reading", 1, 900)
        self.began.set()
        if cancel.wait(30):
            self.cancelled.set()
        yield Finished(answer_of(question, stopped=True))


@pytest.fixture
def slow(appliance: Appliance, monkeypatch: pytest.MonkeyPatch) -> Slow:
    slow = Slow()
    monkeypatch.setattr(appliance.asker, "ask", slow.ask)
    return slow


@pytest.fixture
def port(appliance: Appliance, monkeypatch: pytest.MonkeyPatch) -> Iterator[int]:
    """The real server on a port of its own."""
    port = free_port()
    made: list[Any] = []
    monkeypatch.setattr(server, "create_server", lambda *given, **options: made.append(create_server(*given, **options)) or made[-1])
    monkeypatch.setattr(tempfile, "tempdir", tempfile.tempdir)
    monkeypatch.setattr(appliance, "settings", replace(appliance.settings, port=port))
    run = server.prepare(create_app(appliance), server.listen(appliance.settings))
    thread = threading.Thread(target=run)
    thread.start()
    yield port
    made[0].close()
    thread.join(10)
    assert not thread.is_alive()


def connect(port: int) -> tuple[http.client.HTTPConnection, dict[str, str]]:
    connection = http.client.HTTPConnection("127.0.0.1", port, timeout=20)
    connection.request("GET", "/")
    page = connection.getresponse()
    page.read()
    return connection, {"Cookie": page.headers["Set-Cookie"].split(";")[0], "X-Haversack": "1", "Content-Type": "application/json"}


def test_a_browser_that_goes_away_stops_the_model_though_nothing_is_being_written(slow: Slow, field: Any, port: int) -> None:
    connection, headers = connect(port)
    connection.request("POST", f"/api/collections/{field['id']}/ask", json.dumps({"question": "Is anybody there?"}), headers)
    answer = connection.getresponse()
    assert answer.headers["Content-Type"].startswith("text/event-stream")
    assert answer.readline() == b"event: started\n"
    assert slow.began.wait(10)
    assert not slow.cancelled.is_set()
    answer.close()
    connection.close()
    assert slow.cancelled.wait(10)


def test_stop_ends_the_answer_and_keeps_what_was_written(slow: Slow, field: Any, port: int) -> None:
    connection, headers = connect(port)
    connection.request("POST", f"/api/collections/{field['id']}/ask", json.dumps({"question": "Will this ever end?"}), headers)
    answer = connection.getresponse()
    answer.readline()
    key = json.loads(answer.readline()[len("data: ") :])["key"]
    assert slow.began.wait(10)
    other, others_headers = connect(port)
    other.request("DELETE", f"/api/answers/{key}", headers=others_headers)
    assert json.loads(other.getresponse().read()) == {"stopped": True}
    rest = answer.read().decode()
    assert rest.rstrip().splitlines()[-2] == "event: kept"
    assert '"stopped":true' in rest
    other.request("DELETE", f"/api/answers/{key}", headers=others_headers)
    assert json.loads(other.getresponse().read()) == {"stopped": False}
    connection.close()
    other.close()


def test_an_error_after_the_stream_began_is_its_last_event(api: Caller, field: Any, appliance: Appliance, monkeypatch: pytest.MonkeyPatch) -> None:
    def fail(*_: object, **__: object) -> Iterator[AnswerEvent]:
        yield Progress("reading", 1, 2)
        raise GeneratorFailed(detail="it crashed")

    monkeypatch.setattr(appliance.asker, "ask", fail)
    before = len(appliance.conversations.all())
    told = api.stream(f"collections/{field['id']}/ask", {"question": "What now?"})
    assert [name for name, _ in told] == ["started", "progress", "error"]
    assert told[-1][1]["code"] == "generator_failed"
    assert "ask again" in told[-1][1]["message"]
    assert len(appliance.conversations.all()) == before


def test_silence_is_filled_with_comments(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("appliance.web.answering._GLANCE", 0.001)
    slow = Slow()
    conversation = Conversation(1, 1, "", "", "")
    stream = Answering().stream(lambda cancel: slow.ask("x", cancel=cancel), lambda _: conversation, lambda error: {}, lambda: False)
    assert b": still here\n\n" in (next(stream) for _ in range(10))
    stream.close()
    assert slow.cancelled.wait(10)


def test_a_port_in_use_is_said(appliance: Appliance, port: int) -> None:
    def at(port: int) -> Settings:
        return Settings(home=appliance.settings.home, bundle=appliance.settings.bundle, port=port)

    with pytest.raises(PortTaken, match=f"^Port {port}, the page's, is in use"):
        server.listen(at(port))
    with socket.create_server(("0.0.0.0", port + 1)), pytest.raises(PortTaken, match=f"^Port {port + 1}, for guests and so one more than the page's"):
        server.listen_for_guests(at(port))


def test_only_loopback_is_listened_on(tmp_path: Any, bundle_root: Any) -> None:
    settings = Settings(home=tmp_path, bundle=bundle_root, port=free_port())
    with server.listen(settings) as listener:
        assert listener.getsockname() == ("127.0.0.1", settings.port)
