"""Many at once, on a real server: all are answered in turn and told their place, the page is not kept waiting, and too many are told so."""

from __future__ import annotations

import http.client
import json
import threading
import time
from collections.abc import Callable, Iterable
from pathlib import Path
from typing import Any

import pytest

from appliance.access.keys import Keys
from appliance.web.server import GUEST_THREADS, GUESTS, ONE_GUEST, ONE_PROGRAM, PROGRAMS
from appliance.web.turnstile import FULL, Turnstile
from tests.web.serving import Server, serving

CLIENTS = 12


def ask(server: Server, key: str, said: list[str], tokens: int = 24) -> None:
    body = {"model": "smollm2-135m-instruct", "stream": True, "max_tokens": tokens, "messages": [{"role": "user", "content": "Count to twenty."}]}
    headers = {"Authorization": f"Bearer {key}", "Content-Type": "application/json"}
    connection = http.client.HTTPConnection("127.0.0.1", server.port, timeout=300)
    connection.request("POST", "/v1/chat/completions", json.dumps(body), headers)
    answer = connection.getresponse()
    said.append(f"{answer.status}")
    said.extend(line.decode().strip() for line in answer)
    connection.close()


def test_twelve_programs_are_answered_in_turn_while_the_page_is_used(home: Path, bundle_root: Path) -> None:
    keys = [Keys(home).add(f"program {number}") for number in range(CLIENTS)]
    with serving(home, bundle_root) as server:
        page = {"Cookie": server.fetch("GET", "/").headers["set-cookie"].partition(";")[0], "X_Haversack": "1"}
        said: list[list[str]] = [[] for _ in keys]
        asking = [threading.Thread(target=ask, args=(server, key, lines)) for key, lines in zip(keys, said, strict=True)]
        for thread in asking:
            thread.start()
        seen: set[str] = set()
        looked = 0
        while any(thread.is_alive() for thread in asking):
            shown = server.fetch("GET", "/api/programs", **page)
            assert shown.status == 200
            seen |= {one["client"] for one in json.loads(shown.text)["queue"]}
            looked += 1
            time.sleep(0.05)
        for lines in said:
            assert lines[0] == "200"
            assert lines[-1] == "" or "[DONE]" in lines[-2:], lines[-3:]
            assert "data: [DONE]" in lines
            assert any('"content"' in line for line in lines)
        told = [next((int(line.split()[1]) for line in lines if line.endswith("before you")), 0) for lines in said]
        assert max(told) >= CLIENTS // 2, "somebody was told that many are before him"
        assert seen >= {"program 1"} or len(seen) >= CLIENTS // 2
        assert looked > 5
        used = json.loads(server.fetch("GET", "/api/programs", **page).text)["keys"]
        assert all(key["used"] for key in used)
        server.stop()
    assert all(key.used for key in Keys(home).all()), "written down when the server stops"


def test_a_key_that_is_removed_while_a_page_serves_lets_in_no_more(home: Path, bundle_root: Path) -> None:
    key = Keys(home).add("one")
    with serving(home, bundle_root) as server:
        assert server.fetch("GET", "/v1/models", Authorization=f"Bearer {key}").status == 200
        Keys(home).remove("one")
        assert server.fetch("GET", "/v1/models", Authorization=f"Bearer {key}").status == 401
        server.stop()


def test_the_page_and_the_guests_keep_threads_for_themselves() -> None:
    assert ONE_PROGRAM < PROGRAMS
    assert ONE_GUEST < GUESTS < GUEST_THREADS


class Door:
    """An application that answers when it is told to, behind a turnstile for 3, 2 of one name."""

    def __init__(self) -> None:
        self.full: list[int | None] = []
        self.closed = 0
        self.turnstile = Turnstile(self.app, lambda environ: environ.get("who"), most=3, each=2)

    def app(self, environ: dict[str, Any], start_response: Callable[..., Any]) -> Iterable[bytes]:
        self.full.append(environ.get(FULL))
        if environ.get("fails"):
            raise ValueError("broken")
        door = self

        class Body:
            def __iter__(self) -> Any:
                return iter([b"x"])

            def close(self) -> None:
                door.closed += 1

        return Body()

    def enter(self, who: str | None, **environ: Any) -> Any:
        return self.turnstile({"who": who, **environ}, lambda *_: None)


def test_a_turnstile_counts_those_under_way_until_their_answers_are_closed() -> None:
    door = Door()
    first, second = door.enter("a"), door.enter("a")
    assert door.full == [None, None]
    door.enter("a").close()
    assert door.full[-1] == 2, "two of one name are under way"
    third = door.enter("b")
    assert door.full[-1] is None
    door.enter("c").close()
    assert door.full[-1] == 3, "three are under way"
    door.enter(None).close()
    assert door.full[-1] is None, "this kind isn't counted"
    for one in (first, second, third):
        assert list(one) == [b"x"]
        one.close()
    assert door.closed == 6
    for who in "aab":
        door.enter(who)
    assert door.full[-3:] == [None] * 3, "all three places are free again"


def test_a_turnstile_lets_go_of_one_that_failed() -> None:
    door = Door()
    for _ in range(5):
        with pytest.raises(ValueError, match="broken"):
            door.enter("a", fails=True)
    assert door.full == [None] * 5
