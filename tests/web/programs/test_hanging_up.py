"""The real server: clients that hang up, wait their turn, and models that go away while they answer."""

from __future__ import annotations

import http.client
import json
import os
import signal
import socket
import tempfile
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import suppress
from dataclasses import replace
from typing import Any

import psutil
import pytest
from waitress.server import create_server

from appliance.runtime import Appliance
from appliance.web import server
from appliance.web.app import create_app
from tests.ports import free_port
from tests.web.programs.conftest import EMBEDDER, SMALL, Program, put_on_shelf

LONG = {"model": SMALL, "messages": [{"role": "user", "content": "Tell a very long story."}], "temperature": 1.5, "seed": 7, "max_tokens": 1900}
READING = {"model": SMALL, "messages": [{"role": "user", "content": "one two three four five " * 360}], "max_tokens": 1}


@pytest.fixture
def port(appliance: Appliance, program: Program, monkeypatch: pytest.MonkeyPatch) -> Iterator[int]:
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
    while OPEN:
        OPEN.pop().hang_up()
    made[0].close()
    thread.join(10)
    assert not thread.is_alive()


class Asked:
    """A request that was sent, and the socket that it went out by."""

    def __init__(self, port: int, path: str, body: dict[str, Any], **headers: str) -> None:
        self._connection = http.client.HTTPConnection("127.0.0.1", port, timeout=60)
        self._connection.connect()
        self._socket = self._connection.sock
        self._answer: http.client.HTTPResponse | None = None
        OPEN.append(self)
        self._connection.request("POST", path, json.dumps(body), {"Content-Type": "application/json", **headers})

    def getresponse(self) -> http.client.HTTPResponse:
        self._answer = self._connection.getresponse()
        return self._answer

    def hang_up(self) -> None:
        """At once, as a program that is killed."""
        with suppress(OSError):
            self._socket.shutdown(socket.SHUT_RDWR)
        if self._answer:
            self._answer.close()
        self._connection.close()


OPEN: list[Asked] = []


def ask(port: int, path: str, body: dict[str, Any], **headers: str) -> Asked:
    return Asked(port, path, body, **headers)


def hang_up(asked: Asked) -> None:
    asked.hang_up()


def until(true: Callable[[], bool], seconds: float) -> None:
    end = time.monotonic() + seconds
    while not true():
        assert time.monotonic() < end
        time.sleep(0.01)


def worked(appliance: Appliance) -> float:
    """Seconds that the model's process has worked, all threads together: what a busy machine does to a clock on the wall isn't in it."""
    pid = appliance.loaded.generator(SMALL).pid
    assert pid is not None
    return sum(psutil.Process(pid).cpu_times()[:2])


def busy(appliance: Appliance, name: str = SMALL) -> bool:
    return appliance.loaded.states()[name].state == "busy"


@pytest.mark.parametrize("path", ["/v1/chat/completions", "/api/chat"])
@pytest.mark.parametrize("stream", [True, False], ids=["streaming", "whole"])
@pytest.mark.parametrize("body", [LONG, READING], ids=["writing", "reading the prompt"])
def test_a_program_that_hangs_up_frees_the_processor_within_a_second(
    port: int, appliance: Appliance, path: str, stream: bool, body: dict[str, Any]
) -> None:
    appliance.loaded.generator(SMALL).start()  # what is read ahead pushes the long prompt of the last case out of the memory
    options = {"options": {"temperature": 1.5, "seed": 7, "num_predict": body["max_tokens"]}} if path.startswith("/api") else {}
    connection = ask(port, path, {**body, **options, "stream": stream})
    until(lambda: busy(appliance), 20)
    time.sleep(0.3)
    assert busy(appliance), "it was over before anybody could hang up"
    before = worked(appliance)
    hang_up(connection)
    until(lambda: not busy(appliance), 10)
    assert worked(appliance) - before < 2.0, "two threads, a second each: what is left of either body takes five and more"


@pytest.mark.parametrize(("path", "empty"), [("/api/chat", {"messages": []}), ("/api/generate", {"prompt": ""})])
def test_who_only_has_a_model_loaded_waits_by_name_and_may_leave(port: int, appliance: Appliance, path: str, empty: dict[str, Any]) -> None:
    key = appliance.access.keys.add("loader")
    first = ask(port, "/v1/chat/completions", {**LONG, "stream": True})
    try:
        until(lambda: busy(appliance), 20)
        second = ask(port, path, {"model": SMALL, **empty}, Authorization=f"Bearer {key}")
        until(lambda: bool(appliance.loaded.queue()), 20)
        assert appliance.loaded.queue() == (("loader", 1),)
        hang_up(second)
        until(lambda: not appliance.loaded.queue(), 5)
        assert busy(appliance), "it was over before anybody could hang up"
    finally:
        appliance.access.keys.remove("loader")
        hang_up(first)
    until(lambda: not busy(appliance), 10)
    assert json.loads(ask(port, path, {"model": SMALL, **empty}).getresponse().read())["done_reason"] == "load"


def test_embeddings_stop_too(port: int, appliance: Appliance, monkeypatch: pytest.MonkeyPatch) -> None:
    embedder = appliance.embedder()
    done: list[int] = []
    real = embedder.embed_documents
    monkeypatch.setattr(embedder, "embed_documents", lambda texts: done.append(len(texts)) or real(texts))
    connection = ask(port, "/v1/embeddings", {"model": EMBEDDER, "input": ["The clinic has beds. " * 40] * 2048})
    until(lambda: bool(done), 10)
    hang_up(connection)
    end, before = time.monotonic() + 15, -1
    while len(done) != before:
        assert time.monotonic() < end
        before = len(done)
        time.sleep(1.0)
    assert before < 2048 / 16


def test_who_waits_is_told_how_many_are_before_and_may_leave(port: int, appliance: Appliance) -> None:
    first = ask(port, "/v1/chat/completions", {**LONG, "stream": True})
    until(lambda: busy(appliance), 20)
    second = ask(port, "/v1/chat/completions", {**LONG, "stream": True})
    assert second.getresponse().readline() == b": 1 before you\n"
    third = ask(port, "/api/chat", {"model": SMALL, "messages": LONG["messages"]})
    line = json.loads(third.getresponse().readline())
    assert line["ahead"] == 2
    assert (line["message"]["content"], line["done"]) == ("", False)
    assert appliance.loaded.states()[SMALL].waiting == 3
    hang_up(second)
    until(lambda: appliance.loaded.states()[SMALL].waiting == 2, 10)
    for one in (first, third):
        hang_up(one)
    until(lambda: not busy(appliance), 10)


def test_a_model_that_is_taken_off_the_shelf_while_it_answers_ends_the_stream_with_a_sentence(port: int, appliance: Appliance) -> None:
    for path in ("/v1/chat/completions", "/v1/responses", "/api/chat"):
        put_on_shelf(appliance, appliance.shelf.find(SMALL).file, "goner")
        body = {**LONG, "model": "goner", "stream": True, "input": "Tell a very long story.", "options": {"temperature": 1.5, "seed": 7}}
        answer = ask(port, path, body).getresponse()
        assert answer.status == 200
        until(lambda: busy(appliance, "goner"), 20)
        for _ in range(20):
            answer.readline()
        appliance.loaded.remove("goner")
        rest = answer.read().decode()
        assert "taken off the shelf" in rest, rest[-500:]
        if path == "/v1/chat/completions":
            assert json.loads(rest.strip().splitlines()[-1][6:])["error"]["type"] == "server_error"
            assert "[DONE]" not in rest
        elif path == "/v1/responses":
            assert "event: response.failed" in rest
        else:
            assert list(json.loads(rest.strip().splitlines()[-1])) == ["error"]
        gone = ask(port, path, body).getresponse()
        assert gone.status == 404


def test_a_model_that_crashes_costs_one_answer(port: int, appliance: Appliance) -> None:
    answer = ask(port, "/v1/chat/completions", {**LONG, "stream": True}).getresponse()
    until(lambda: busy(appliance), 20)
    answer.readline()
    pid = appliance.loaded.generator(SMALL).pid
    assert pid is not None
    os.kill(pid, signal.SIGKILL)
    last = json.loads(answer.read().decode().strip().splitlines()[-1][6:])
    assert "stopped" in last["error"]["message"]
    whole = {"model": SMALL, "messages": LONG["messages"], "max_tokens": 3}
    assert ask(port, "/v1/chat/completions", whole).getresponse().status == 200


def test_ten_megabytes_over_the_socket_are_refused(port: int) -> None:
    answer = ask(port, "/v1/chat/completions", {"model": SMALL, "messages": [{"role": "user", "content": "x" * (10 << 20)}]}).getresponse()
    assert answer.status == 413
    assert json.loads(answer.read())["error"]["type"] == "invalid_request_error"


def test_a_model_that_doesn_t_fit_says_so_with_the_figures(program: Program, appliance: Appliance) -> None:
    put_on_shelf(appliance, appliance.shelf.find(SMALL).file, "giant", kv_width=1 << 30)  # 4 TB of context
    body = {"model": "giant", "messages": LONG["messages"]}
    try:
        answer = program("POST", "/v1/chat/completions", status=507, json=body)
        assert answer.headers["x-should-retry"] == "false"
        assert "of memory" in answer.get_json()["error"]["message"]
        assert "of memory" in program.post("/api/chat", body, status=507)["error"]
    finally:
        appliance.loaded.remove("giant")
