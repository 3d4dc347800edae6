"""Malformed, oversized and odd requests: one clear sentence, the right status, nothing changed."""

from __future__ import annotations

import io
from typing import Any

import pytest

from appliance.runtime import Appliance
from appliance.web.requests import JSON_LIMIT
from tests.web.calling import Caller

BIG = 2**63


def error(api: Caller, method: str, path: str, status: int, **options: Any) -> dict[str, str]:
    answer = api(method, path, status=status, **options).get_json()
    assert set(answer) == {"error"}
    assert set(answer["error"]) == {"code", "message"}
    message: str = answer["error"]["message"]
    assert message[0].isupper() or message[0] in '"<'
    assert message.endswith(".")
    assert "Traceback" not in message
    found: dict[str, str] = answer["error"]
    return found


@pytest.mark.parametrize(
    ("content", "kind", "status"),
    [
        (b"", "application/json", 400),
        (b"{", "application/json", 400),
        (b"[]", "application/json", 400),
        (b'"text"', "application/json", 400),
        (b"null", "application/json", 400),
        (b"\xff\xfe\x00", "application/json", 400),
        (b"[" * 200_000, "application/json", 400),
        (b'{"name": NaN}', "application/json", 400),
        (b'{"name": ["x"]}', "application/json", 400),
        (b'{"name": ""}', "application/json", 400),
        (b'{"name": "  "}', "application/json", 400),
        (b'{"name": "\\u0000"}', "application/json", 400),
        (b'{"name": "a\\nb\\u202e"}', "application/json", 400),
        (b'{"name": "%s"}' % (b"x" * 300), "application/json", 400),
        (b'{"name": "x"}', "text/plain", 415),
        (b'{"name": "x"}', "application/x-www-form-urlencoded", 415),
        (b'{"name": "%s"}' % (b"x" * JSON_LIMIT), "application/json", 413),
    ],
)
def test_a_body_that_is_not_what_is_wanted_is_refused(api: Caller, content: bytes, kind: str, status: int) -> None:
    before = api.json("GET", "collections")
    error(api, "POST", "collections", status, data=content, headers={"Content-Type": kind})
    assert api.json("GET", "collections") == before


@pytest.mark.parametrize("path", ["collections", "documents", "jobs", "answers"])
def test_what_is_not_there_is_404_whatever_the_id(api: Caller, path: str) -> None:
    for value in (
        "0",
        "99999999",
        str(BIG),
        "9" * 400,
        "-1",
        "x",
        "%00",
        "..%2f..%2fetc%2fpasswd",
        "1/pages/99",
        "1/pages/" + "9" * 30,
        "1/pages/1/picture",
    ):
        answer = api.client.get(f"/api/{path}/{value}", base_url="http://127.0.0.1:8765", headers={"X-Haversack": "1"})
        assert answer.status_code in (404, 405), (path, value, answer.status_code)
        assert answer.get_json()["error"]["code"]


@pytest.mark.usefixtures("field")
@pytest.mark.parametrize("query", ["start=-1", "start=x", "end=1e3", "start=" + "9" * 40, "start=٣", "start="])
def test_odd_offsets_are_refused(api: Caller, field: Any, query: str) -> None:
    document = api.json("GET", f"collections/{field['id']}/documents")["documents"][0]
    error(api, "GET", f"documents/{document['id']}/pages/0?{query}", 400)


def test_offsets_beyond_the_page_are_held_to_it(api: Caller, field: Any) -> None:
    document = next(one for one in api.json("GET", f"collections/{field['id']}/documents")["documents"] if one["name"] == "notes.md")
    page = api.json("GET", f"documents/{document['id']}/pages/0?start=5&end=1000000")
    assert page["before"] + page["passage"] + page["after"] == page["before"] + page["passage"]
    assert len(page["before"]) == 5
    page = api.json("GET", f"documents/{document['id']}/pages/0?start=9&end=3")
    assert page["passage"] == ""


@pytest.mark.parametrize(
    "body",
    [
        {},
        {"question": ""},
        {"question": 7},
        {"question": "x", "documents": []},
        {"question": "x", "documents": ["1"]},
        {"question": "x", "documents": [True]},
        {"question": "x", "documents": [BIG]},
        {"question": "x", "documents": 1},
        {"question": "x", "conversation": "1"},
        {"question": "x", "conversation": -1},
        {"question": "x", "conversation": 1.5},
    ],
)
def test_a_question_that_is_none_is_refused_before_the_stream_begins(api: Caller, field: Any, body: dict[str, Any]) -> None:
    error(api, "POST", f"collections/{field['id']}/ask", 400, json=body)


def test_a_question_of_a_hundred_thousand_characters_is_too_long(api: Caller, field: Any) -> None:
    assert error(api, "POST", f"collections/{field['id']}/ask", 413, json={"question": "why " * 25_000})["code"] == "text_too_long"


def test_a_conversation_that_is_not_there_or_about_something_else_is_refused(api: Caller, field: Any, appliance: Appliance) -> None:
    ask = f"collections/{field['id']}/ask"
    assert error(api, "POST", ask, 404, json={"question": "x", "conversation": 10**9})["code"] == "no_such_conversation"
    other = appliance.library.ensure_collection("another")
    elsewhere = appliance.conversations.start(other.id, "elsewhere")
    error(api, "POST", ask, 400, json={"question": "x", "conversation": elsewhere.id})
    appliance.library.remove_collection("another")


@pytest.mark.parametrize("limit", [0, 101, -1, "5", 2.5, True, BIG])
def test_search_takes_a_limit_in_its_range(api: Caller, field: Any, limit: object) -> None:
    error(api, "POST", f"collections/{field['id']}/search", 400, json={"query": "clinic", "limit": limit})


@pytest.mark.parametrize(
    ("form", "status"),
    [
        ({}, 400),
        ({"names": "[]"}, 400),
        ({"names": "{", "files": [(io.BytesIO(b"x"), "f")]}, 400),
        ({"names": "[1]", "files": [(io.BytesIO(b"x"), "f")]}, 400),
        ({"names": '["a", "b"]', "files": [(io.BytesIO(b"x"), "f")]}, 400),
        ({"names": "[" * 100_000, "files": [(io.BytesIO(b"x"), "f")]}, 400),
        ({"names": "[]", "files": [(io.BytesIO(b""), "f") for _ in range(1200)]}, 413),
    ],
)
def test_a_malformed_upload_is_refused_and_leaves_nothing(api: Caller, field: Any, appliance: Appliance, form: dict[str, Any], status: int) -> None:
    before = len(api.json("GET", "jobs")["jobs"])
    error(api, "POST", f"collections/{field['id']}/uploads", status, data=form, content_type="multipart/form-data")
    assert len(api.json("GET", "jobs")["jobs"]) == before
    assert not list((appliance.settings.home / "spool").glob("*"))


@pytest.mark.parametrize(
    "content", [b"", b"--x", b"--x\r\n\r\n", b"--x\r\nContent-Disposition: form-data; name=files; filename=\r\n\r\nabc", b"\x00" * 5000]
)
def test_a_torn_form_is_refused(api: Caller, field: Any, content: bytes) -> None:
    error(api, "POST", f"collections/{field['id']}/uploads", 400, data=content, headers={"Content-Type": "multipart/form-data; boundary=x"})


def test_an_upload_larger_than_any_file_is_refused_by_its_length(api: Caller, field: Any) -> None:
    claim = {"CONTENT_LENGTH": str(1 << 40), "CONTENT_TYPE": "multipart/form-data; boundary=x"}
    error(api, "POST", f"collections/{field['id']}/uploads", 413, environ_overrides=claim)


@pytest.mark.parametrize("path", ["status", "collections", "jobs"])
def test_a_method_that_an_address_does_not_take_is_405(api: Caller, path: str) -> None:
    for method in ("PUT", "OPTIONS", "TRACE"):
        error(api, method, path, 405)


def test_an_unforeseen_error_is_one_sentence_without_a_traceback(api: Caller, appliance: Appliance, monkeypatch: pytest.MonkeyPatch) -> None:
    def broken() -> None:
        raise ZeroDivisionError("secret detail")

    monkeypatch.setattr(appliance, "status", broken)
    found = error(api, "GET", "status", 500)
    assert found["code"] == "unexpected"
    assert "secret" not in found["message"]
