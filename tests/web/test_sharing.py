"""Guests: in by the password alone, shown what they may ask and read, and nothing else; the page tells who is there."""

from __future__ import annotations

import errno
import re
from collections.abc import Iterator
from typing import Any

import pytest
from flask import Flask
from werkzeug.test import TestResponse

from appliance.access.password import Password
from appliance.access.sharing import Sharing
from appliance.basecamp.link import Link
from appliance.documents import AnswerEvent, Progress
from appliance.errors import DiskFull, LibraryDamaged, LibraryReadOnly, ModelMissing
from appliance.runtime import Appliance
from appliance.web.guests import ALLOWED, DOOR
from appliance.web.turnstile import FULL
from tests.web.calling import PORT, Caller, events
from tests.web.test_security import METHODS, paths

ADDRESS, GUEST = "192.168.1.7", "192.168.1.20"
HERE = f"{ADDRESS}:{PORT + 1}"
RIGHT = "snow on the pass"


class Visitor:
    """Comes by the guests' door."""

    def __init__(self, app: Flask, address: str = GUEST) -> None:
        self.client = app.test_client()
        self.environ = {DOOR: True, "REMOTE_ADDR": address}

    def __call__(self, method: str, path: str, *, headers: Any = None, **options: Any) -> TestResponse:
        environ = {**self.environ, **options.pop("environ", {})}
        headers = {"Host": HERE, "X-Haversack": "1", **(headers or {})}
        return self.client.open(path, method=method, base_url=f"http://{HERE}", headers=headers, environ_overrides=environ, buffered=True, **options)

    def enter(self, password: str = RIGHT) -> TestResponse:
        return self("POST", "/login", data={"password": password})


@pytest.fixture
def sharing(appliance: Appliance) -> Iterator[Sharing]:
    appliance.access.sharing = Sharing(Password(RIGHT), [ADDRESS], PORT + 1, lambda: 1000.0)
    yield appliance.access.sharing
    appliance.access.sharing = None


@pytest.fixture
def guest(app: Flask, sharing: Sharing) -> Visitor:
    visitor = Visitor(app)
    assert visitor.enter().status_code == 303
    return visitor


def test_where_nothing_is_shared_the_page_says_how_and_nobody_comes_in(api: Caller, app: Flask) -> None:
    told = api.json("GET", "sharing")
    assert (told["on"], told["guests"], told["address"]) == (False, [], "")
    assert "--share" in told["sentence"]
    api("GET", "sharing/qr.svg", status=404)
    assert Visitor(app)("GET", "/").status_code == 403
    assert Visitor(app).enter().status_code == 403


@pytest.mark.usefixtures("sharing")
def test_who_has_not_given_the_password_gets_the_page_that_asks_for_it_and_nothing_else(app: Flask) -> None:
    visitor = Visitor(app)
    page = visitor("GET", "/")
    assert page.status_code == 200
    assert 'type="password"' in page.get_data(as_text=True)
    assert "unencrypted" in page.get_data(as_text=True)
    assert "Set-Cookie" not in page.headers
    policy = page.headers["Content-Security-Policy"]
    assert "form-action 'self'" in policy
    assert "default-src 'none'" in policy
    assert page.headers["Referrer-Policy"] == "same-origin"
    assert "<script" not in page.get_data(as_text=True)
    assert visitor("GET", "/static/login.css").status_code == 200
    asked = 0
    for path in {*paths(app), "/nothing", "/v1/nothing"}:
        for method in METHODS:
            if method == "GET" and (path == "/" or path.startswith("/static/")):
                continue
            for headers in ({}, {"Authorization": "Bearer x"}, {"Cookie": f"haversack_guest_{PORT + 1}=x"}):
                answer = visitor(method, path, headers=headers)
                assert answer.status_code == 401, f"{method} {path}"
                asked += 1
    assert asked > 500


def test_the_pages_cookie_and_a_programs_key_are_nothing_at_the_guests_door(app: Flask, appliance: Appliance, api: Caller, guest: Visitor) -> None:
    own = api.client.get_cookie(f"haversack_{PORT}", domain="127.0.0.1")
    assert own is not None
    key = appliance.access.keys.add("one")
    try:
        for headers in ({"Cookie": f"{own.key}={own.value}"}, {"Authorization": f"Bearer {key}"}):
            assert Visitor(app)("GET", "/api/status", headers=headers).status_code == 401
        for path in ("/v1/models", "/api/tags"):
            assert guest("GET", path, headers={"Authorization": f"Bearer {key}"}).status_code == 403
    finally:
        appliance.access.keys.remove("one")
    page = guest("GET", "/")
    assert page.status_code == 200
    assert "Set-Cookie" not in page.headers, "the owner's cookie is not a guest's"


def test_a_guests_cookie_is_nothing_at_the_pages_door(app: Flask, guest: Visitor) -> None:
    cookie = guest.client.get_cookie(f"haversack_guest_{PORT + 1}", domain=ADDRESS)
    assert cookie is not None
    assert cookie.http_only
    assert cookie.same_site == "Strict"
    stranger = app.test_client(use_cookies=False)
    headers = {"Host": f"127.0.0.1:{PORT}", "X-Haversack": "1", "Cookie": f"{cookie.key}={cookie.value}; haversack_{PORT}={cookie.value}"}
    assert stranger.get("/api/status", headers=headers).status_code == 401


def test_every_allowed_path_is_one_that_exists_and_no_other_is_open_to_guests(app: Flask, guest: Visitor) -> None:
    there = {(method, rule.rule) for rule in app.url_map.iter_rules() for method in rule.methods or ()}
    assert there >= ALLOWED
    refused = 0
    with app.test_request_context():
        adapter = app.url_map.bind(HERE)
    for rule in app.url_map.iter_rules():
        path = re.sub(r"<[^>]+>", "1", rule.rule)
        for method in METHODS:
            if (method, rule.rule) in ALLOWED or rule.rule.startswith("/static/") or (method == "GET" and path in ("/api/packs", "/api/jobs")):
                continue
            answer = guest(method, path, json={} if method in ("POST", "PUT", "PATCH") else None)
            assert answer.status_code == 403, f"{method} {path}: {answer.status_code}"
            refused += 1
    assert refused > 200
    assert adapter is not None


@pytest.mark.parametrize("path", ["/api/keys", "/api/models", "/api/programs", "/api/sharing", "/api/sharing/qr.svg", "/api/energy", "/api/nothing"])
def test_guests_see_no_keys_models_guests_or_what_is_not_there(guest: Visitor, path: str) -> None:
    answer = guest("GET", path)
    assert answer.status_code == 403
    assert answer.get_json()["error"]["code"] == "not_for_guests"


def test_no_host_but_the_machines_own_and_no_foreign_origin_or_address(app: Flask, guest: Visitor) -> None:
    for headers in (
        *(
            {"Host": host}
            for host in (f"127.0.0.1:{PORT + 1}", f"127.0.0.1:{PORT}", f"localhost:{PORT + 1}", ADDRESS, f"evil.example:{PORT + 1}", "")
        ),
        *({"Origin": origin} for origin in ("null", "", "http://evil.example", f"http://{ADDRESS}", f"https://{HERE}")),
        {"Sec-Fetch-Site": "cross-site"},
    ):
        assert guest("GET", "/api/status", headers=headers).status_code == 403, headers
        assert guest("POST", "/login", headers=headers, data={"password": RIGHT}).status_code == 403, headers
    for address in ("8.8.8.8", "127.0.0.1", "", "::1"):
        assert guest("GET", "/api/status", environ={"REMOTE_ADDR": address}).status_code == 403, address
    assert guest("GET", "/api/status", environ={"REMOTE_ADDR": "192.168.1.21"}).status_code == 401, "the cookie of another address"
    assert guest("GET", "/api/status", headers={"X-Haversack": "0"}).status_code == 401


@pytest.mark.usefixtures("sharing")
def test_a_wrong_password_is_one_sentence_and_many_are_slowed_down(app: Flask) -> None:
    visitor = Visitor(app, "192.168.1.66")
    for _ in range(5):
        answer = visitor.enter("guess")
        assert answer.status_code == 401
        assert "That is not the password" in answer.get_data(as_text=True)
        assert "Set-Cookie" not in answer.headers
    answer = visitor.enter()
    assert answer.status_code == 401
    assert "Try again in" in answer.get_data(as_text=True)
    assert Visitor(app).enter().status_code == 303
    for body in (b"password=" + b"x" * 100_000, b"", b"\xff" * 50, b"password=a&" * 500):
        answer = Visitor(app, "192.168.1.67")("POST", "/login", data=body, content_type="application/x-www-form-urlencoded")
        assert answer.status_code in (401, 413)


def test_guests_are_told_no_paths_and_the_page_tells_who_is_there(
    guest: Visitor, api: Caller, appliance: Appliance, sharing: Sharing, monkeypatch: pytest.MonkeyPatch
) -> None:
    answer = guest("GET", "/api/status")
    told = answer.get_json()
    assert answer.status_code == 200
    assert told["guest"] is True
    for path in (appliance.settings.home, appliance.settings.bundle):
        assert str(path) not in answer.get_data(as_text=True)
    assert told["writer"] is None
    assert told["machine"] is None
    assert told["models"] == []
    assert told["model"] == {"name": appliance.answering.title}
    assert told["basecamp"] is None
    monkeypatch.setattr(appliance, "readiness", lambda: {"embedder": "ready", "generator": "failed: /media/stick/models/m.gguf is altered."})
    failed = guest("GET", "/api/status").get_json()["readiness"]
    assert failed["embedder"] == "ready"
    assert failed["generator"].startswith("failed: ")
    assert "/media" not in failed["generator"]
    assert guest("GET", "/api/packs").get_json() == {"packs": []}
    assert guest("GET", "/api/jobs").get_json() == {"jobs": []}
    page = guest("GET", "/").get_data(as_text=True)
    offers = re.search(r'data-offers="([^"]*)"', page)
    assert offers
    assert offers[1].split() == ["answers", "collections", "conversations", "documents", "status"]
    assert " data-guest" in page
    shown = api.json("GET", "sharing")
    assert shown["on"] is True
    assert shown["address"] == sharing.urls[0] == f"http://{HERE}"
    assert [one["address"] for one in shown["guests"]] == [GUEST]
    picture = api("GET", "sharing/qr.svg")
    assert picture.mimetype == "image/svg+xml"
    assert picture.get_data(as_text=True).startswith("<svg")


def test_guests_are_told_that_there_is_a_base_camp_and_not_where(
    guest: Visitor, api: Caller, appliance: Appliance, monkeypatch: pytest.MonkeyPatch
) -> None:
    link = Link("http://192.168.1.5:8080", "")
    monkeypatch.setattr(appliance, "link", link)
    assert api.json("GET", "status")["basecamp"]["hosts"] == ["192.168.1.5:8080"]
    answer = guest("GET", "/api/status")
    assert answer.get_json()["basecamp"]["hosts"] == []
    assert "go there too" in answer.get_json()["basecamp"]["sentence"]
    assert "192.168.1.5" not in answer.get_data(as_text=True)
    link.close()


def test_what_goes_wrong_is_told_to_guests_without_paths_and_to_the_page_with_them(
    guest: Visitor, api: Caller, appliance: Appliance, field: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    home, bundle = appliance.settings.home, appliance.settings.bundle
    damaged = LibraryDamaged(path=home / "library.db", detail=f"{home / 'library.db'} is malformed")
    for error, sentence in (
        (damaged, "The library is damaged (the library is malformed). It was left as it is; bring back a backup with `haversack restore FILE`."),
        (DiskFull(path=home), "The disk that holds the library is full. Nothing was lost; free some space and try again."),
        (ModelMissing(path=bundle, role="generator"), "The bundle holds no generator model. Build it anew with `make bundle`."),
        (
            OSError(errno.ENOSPC, "No space left on device", str(home)),
            "The disk that holds the library is full. Nothing was lost; free some space and try again.",
        ),
    ):

        def fail(*_: object, _error: Exception = error, **__: object) -> Iterator[AnswerEvent]:
            yield Progress("reading", 1, 2)
            raise _error

        monkeypatch.setattr(appliance.asker, "ask", fail)
        path = f"/api/collections/{field['id']}/ask"
        told = events(guest("POST", path, json={"question": "What now?"}).get_data(as_text=True))
        assert told[-1][0] == "error"
        assert told[-1][1]["message"] == sentence
        page = api.stream(path.removeprefix("/api/"), {"question": "What now?"})
        place = str(bundle if isinstance(error, ModelMissing) else home)
        assert place in page[-1][1]["message"], "whoever sits here can do something about it"


def test_an_error_before_any_stream_has_no_path_for_guests_either(
    guest: Visitor, api: Caller, appliance: Appliance, field: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    def fail(*_: object, **__: object) -> None:
        raise LibraryReadOnly(path=appliance.settings.home, detail="it was opened for reading")

    monkeypatch.setattr(appliance.library, "documents", fail)
    path = f"collections/{field['id']}/documents"
    told = guest("GET", f"/api/{path}")
    assert told.status_code == 409
    assert told.get_json()["error"]["message"].startswith("The library can't be written to (it was opened for reading).")
    assert str(appliance.settings.home) in api("GET", path, status=409).get_json()["error"]["message"]


def test_a_guest_asks_and_reads_and_sees_his_own_conversations_alone(guest: Visitor, app: Flask, api: Caller, field: Any) -> None:
    question = {"question": "Which wells were tested?", "documents": None, "conversation": None, "model": "", "parameters": {}}
    owners = dict(api.stream(f"collections/{field['id']}/ask", question))["kept"]["conversation"]["id"]
    answer = guest("POST", f"/api/collections/{field['id']}/ask", json=question)
    assert answer.status_code == 200
    own = dict(events(answer.get_data(as_text=True)))["kept"]["conversation"]["id"]
    assert [one["id"] for one in guest("GET", "/api/conversations").get_json()["conversations"]] == [own]
    assert guest("GET", f"/api/conversations/{own}").status_code == 200
    assert {own, owners} <= {one["id"] for one in api.json("GET", "conversations")["conversations"]}
    for method, path in (("GET", ""), ("GET", "/export"), ("PATCH", ""), ("DELETE", "")):
        answer = guest(method, f"/api/conversations/{owners}{path}", json={"title": "mine"} if method == "PATCH" else None)
        assert answer.status_code == 404, method
    for path in (f"collections/{field['id']}/ask", f"collections/{field['id']}/overview"):
        assert guest("POST", f"/api/{path}", json={**question, "conversation": owners}).status_code == 404
    other = Visitor(app, "192.168.1.21")
    other.enter()
    assert other("GET", f"/api/conversations/{own}").status_code == 404
    (document, *_) = guest("GET", f"/api/collections/{field['id']}/documents").get_json()["documents"]
    assert guest("GET", f"/api/documents/{document['id']}/pages/0").status_code == 200
    assert guest("POST", f"/api/collections/{field['id']}/search", json={"query": "wells"}).status_code == 200
    for wrong in ({"conversation": [1]}, {"conversation": "1"}, {"conversation": True}, {"conversation": {"a": 1}}):
        assert guest("POST", f"/api/collections/{field['id']}/ask", json={**question, **wrong}).status_code in (400, 404)
    assert guest("POST", f"/api/collections/{field['id']}/ask", data=b"[" * 100_000, content_type="application/json").status_code in (400, 413)
    assert guest("DELETE", f"/api/conversations/{own}").status_code == 204
    api("GET", f"conversations/{owners}")


def test_guests_choose_no_model_and_no_parameters(guest: Visitor, field: Any) -> None:
    for chosen in ({"model": "smollm2-135m-instruct"}, {"parameters": {"temperature": 1.0}}):
        answer = guest("POST", f"/api/collections/{field['id']}/ask", json={"question": "Which wells?", **chosen})
        assert answer.status_code == 403


def test_a_guest_too_many_is_told_to_try_again(guest: Visitor, field: Any) -> None:
    answer = guest("POST", f"/api/collections/{field['id']}/ask", json={"question": "Which wells?"}, environ={FULL: 12})
    assert answer.status_code == 429
    assert answer.headers["Retry-After"].isdigit()
