"""The shelf in the page's API: real models that come by upload and by path, answer, are measured, chosen, and go while they answer."""

from __future__ import annotations

import shutil
import socket
import threading
import time
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import closing
from pathlib import Path
from typing import Any

import pytest
from flask import Flask

from appliance.runtime import Appliance
from appliance.web.requests import MODEL_LIMIT, UPLOAD_LIMIT
from appliance.web.server import prepare
from tests.web.calling import PORT, Caller

STARTER = "smollm2-135m-instruct"


@pytest.fixture
def second(api: Caller, second_gguf: Path) -> Iterator[Any]:
    """The second model, added by its path."""
    model = api.json("POST", "models/import", {"file": str(second_gguf), "name": "second"}, status=201)
    yield model
    if any(one["name"] == "second" for one in api.json("GET", "models")["models"]):
        api("DELETE", "models/second", status=204)


def send(api: Caller, content: bytes, name: str, status: int) -> Any:
    """The form as a browser sends it. (Flask's client would keep a large one in a file that it leaves open.)"""
    head = (
        f'--x\r\nContent-Disposition: form-data; name="name"\r\n\r\n\r\n--x\r\nContent-Disposition: form-data; name="file"; filename="{name}"\r\n\r\n'
    )
    form = head.encode() + content + b"\r\n--x--\r\n"
    return api("POST", "models", status=status, data=form, headers={"Content-Type": "multipart/form-data; boundary=x"}).get_json()


def listed(api: Caller) -> dict[str, Any]:
    return {one["name"]: one for one in api.json("GET", "models")["models"]}


def test_the_shelf_tells_what_each_model_is_and_needs(api: Caller, second: Any) -> None:
    shelf = api.json("GET", "models")
    names = [one["name"] for one in shelf["models"]]
    assert names == [STARTER, "second"]
    assert shelf["memory"]["total"] >= shelf["memory"]["available"] > 0
    assert shelf["purposes"] == {"answering": STARTER, "summarising": STARTER, "rewriting": "", "translating": STARTER}
    assert shelf["chosen"] == {}
    starter, added = shelf["models"]
    assert (starter["origin"], added["origin"], added["quantisation"]) == ("bundle", "added", "Q4_0")
    assert (starter["licence"], starter["may_be_carried"]) == ("Apache-2.0", True)
    assert added["title"] == "SmolLM2 135M Second"
    assert added["memory_bytes"] > added["size"] > 90_000_000
    assert (added["fits"], added["sentence"], added["state"]) == (True, "", "idle")
    assert "im_start" in added["template"]
    assert api.json("GET", "models/second:latest") == added


def test_a_file_that_is_sent_comes_onto_the_shelf_and_leaves_nothing_in_the_spool(api: Caller, appliance: Appliance, second_gguf: Path) -> None:
    model = send(api, second_gguf.read_bytes(), "My models/Sent here (Q4).gguf", 201)
    try:
        assert model["name"] == "sent-here-q4"
        assert model["sha256"] != ""
        assert (appliance.shelf.find("sent-here-q4").file.read_bytes()) == second_gguf.read_bytes()
        assert list((appliance.settings.home / "spool").iterdir()) == []
    finally:
        api("DELETE", f"models/{model['name']}", status=204)
    assert list(appliance.shelf.folder.iterdir()) == []


@pytest.mark.parametrize("name", ["x.gguf", "../../etc/passwd", "", "letter.txt"])
def test_what_is_no_model_costs_one_sentence_and_leaves_nothing(api: Caller, appliance: Appliance, name: str) -> None:
    error = send(api, b"Dear Sir, " * 5000, name, 422 if name else 400)["error"]
    assert error["message"].count(". ") <= 2
    assert error["code"] == ("not_a_model" if name else "bad_request")
    assert list(appliance.shelf.folder.glob("*")) == []
    assert list((appliance.settings.home / "spool").glob("*")) == []


def test_a_torn_upload_is_refused_before_anything_loads_it(api: Caller, appliance: Appliance, second_gguf: Path) -> None:
    content = second_gguf.read_bytes()[:30_000_000]
    error = send(api, content, "torn.gguf", 422)["error"]
    assert error["code"] == "not_a_model"
    assert error["message"].startswith("torn.gguf can't be added: ")
    assert list(listed(api)) == [STARTER]


@pytest.mark.parametrize(
    ("data", "status", "code"),
    [
        ({}, 400, "bad_request"),
        ({"file": 5}, 400, "bad_request"),
        ({"file": "model.gguf"}, 404, "no_such_path"),
        ({"file": "/nowhere/model.gguf"}, 404, "no_such_path"),
        ({"file": "/\0"}, 404, "no_such_path"),
        ({"file": "/" + "x" * 5000}, 404, "no_such_path"),
        ({"file": "/etc/passwd"}, 422, "not_a_model"),
        ({"file": "/"}, 422, "not_a_model"),
    ],
)
def test_a_path_that_leads_to_no_model_is_one_sentence(api: Caller, data: Any, status: int, code: str) -> None:
    assert api.json("POST", "models/import", data, status=status)["error"]["code"] == code


def test_a_name_is_checked_and_taken_once(api: Caller, second: Any, second_gguf: Path) -> None:
    for name, status in (("second", 409), (STARTER, 409), ("Up", 400), ("../x", 400), ("a@b", 400)):
        api.json("POST", "models/import", {"file": str(second_gguf), "name": name}, status=status)
    assert list(listed(api)) == [STARTER, "second"]


def test_a_purpose_is_given_a_model_and_taken_back(api: Caller, second: Any) -> None:
    told = api.json("PUT", "purposes/translating", {"model": "second"})
    assert told["purposes"]["translating"] == "second"
    assert api.json("GET", "models")["chosen"] == {"translating": "second"}
    assert api.json("PUT", "purposes/translating", {"model": ""})["purposes"]["translating"] == STARTER
    api.json("PUT", "purposes/dancing", {"model": "second"}, status=400)
    api.json("PUT", "purposes/answering", {"model": "third"}, status=404)
    api.json("PUT", "purposes/answering", {"model": 5}, status=400)


def test_the_chosen_model_answers_and_the_conversation_goes_on(api: Caller, second: Any, field: Any) -> None:
    ask = f"collections/{field['id']}/ask"
    first = dict(api.stream(ask, {"question": "When was the clinic opened?"}))["kept"]
    api.json("PUT", "purposes/answering", {"model": "second"})
    try:
        follow = {"question": "When did the Goma clinic open, and who opened it?", "conversation": first["conversation"]["id"]}
        other = dict(api.stream(ask, follow))["kept"]
        assert other["answer"]["model"] == "SmolLM2 135M Second"
        assert other["conversation"]["id"] == first["conversation"]["id"]
        assert first["answer"]["model"] == "SmolLM2 135M Instruct"
    finally:
        api.json("PUT", "purposes/answering", {"model": ""})


def test_speed_is_measured_on_demand_and_kept(api: Caller, appliance: Appliance, second: Any) -> None:
    speed = api.json("POST", "models/second/measure")["speed"]
    assert speed["reading"] > speed["writing"] > 0
    assert listed(api)["second"]["speed"] == speed
    assert listed(api)["second"]["state"] == "ready"
    assert listed(api)["second"]["resident_bytes"] > 50_000_000
    api.json("POST", "models/third/measure", status=404)


def test_a_modelfile_is_told_as_text(api: Caller, second: Any) -> None:
    answer = api("GET", "models/second/modelfile")
    assert answer.mimetype == "text/plain"
    assert answer.get_data(as_text=True).splitlines()[1].startswith("FROM ")
    api("GET", "models/third/modelfile", status=404)


def test_the_bundles_model_stays_and_an_added_one_goes(api: Caller, appliance: Appliance, second: Any) -> None:
    error = api.json("DELETE", f"models/{STARTER}", status=409)["error"]
    assert error["message"] == f"{STARTER} can't be removed: it belongs to the bundle, and a bundle is not changed."
    api("DELETE", "models/second", status=204)
    assert list(listed(api)) == [STARTER]
    assert not (appliance.shelf.folder / "second").exists()
    api.json("DELETE", "models/second", status=404)


def test_a_model_that_is_removed_while_it_answers_leaves_quotes_and_one_sentence(api: Caller, app: Flask, second: Any, field: Any) -> None:
    body = {"question": "When was the clinic opened?", "model": "second"}
    gone = threading.Event()

    def remove() -> None:
        deadline = time.monotonic() + 30
        while listed(Caller(app)).get("second", {}).get("state") != "busy" and time.monotonic() < deadline:
            time.sleep(0.01)
        Caller(app)("DELETE", "models/second", status=204)
        gone.set()

    with ThreadPoolExecutor(1) as pool:
        removing = pool.submit(remove)
        events = api.stream(f"collections/{field['id']}/ask", body)
        removing.result(60)
    assert gone.is_set()
    answer = dict(events)["kept"]["answer"]
    assert answer["citations"]
    assert "taken off the shelf" in answer["note"] or not answer["note"]
    api.stream(f"collections/{field['id']}/ask", {"question": "When was the clinic opened?"})
    api.json("POST", f"collections/{field['id']}/ask", body, status=404)


def test_an_altered_file_is_listed_with_its_sentence(api: Caller, appliance: Appliance, second: Any) -> None:
    file = appliance.shelf.find("second").file
    content = file.read_bytes()
    file.write_bytes(content[:-1])
    one = listed(api)["second"]
    assert one["fits"] is False
    assert one["sentence"].startswith("second is not as it was added (second.gguf is altered).")
    file.write_bytes(content)
    assert listed(api)["second"]["fits"] is True


def test_an_entry_that_can_not_be_read_is_told(api: Caller, appliance: Appliance, second: Any) -> None:
    (appliance.shelf.folder / "second" / "entry.json").write_text("{}")
    shelf = api.json("GET", "models")
    assert [one["name"] for one in shelf["models"]] == [STARTER]
    assert shelf["unreadable"][0]["name"] == "second"
    api("DELETE", "models/second", status=204)
    assert api.json("GET", "models")["unreadable"] == []


def test_a_model_may_be_larger_than_any_other_request(app: Flask, api: Caller) -> None:
    """On a real server: what is too large is refused when its head has come, so nothing has to be sent here."""
    listener = socket.socket()
    listener.bind(("127.0.0.1", 0))
    listener.listen()
    port = listener.getsockname()[1]
    cookie = api.client.get_cookie(f"haversack_{PORT}", domain="127.0.0.1")
    assert cookie is not None
    serve = prepare(app, listener)
    threading.Thread(target=serve, daemon=True).start()

    def refused(path: str, length: int) -> bool:
        with closing(socket.create_connection(("127.0.0.1", port), timeout=5)) as client:
            head = (
                f"POST {path} HTTP/1.1\r\nHost: 127.0.0.1:{PORT}\r\nCookie: {cookie.key}={cookie.value}\r\nX-Haversack: 1\r\n"
                f"Content-Type: multipart/form-data; boundary=x\r\nContent-Length: {length}\r\n\r\n"
            )
            client.sendall(head.encode())
            client.settimeout(1.0 if length == 6_000_000_000 else 10)
            try:
                return b" 413 " in client.recv(100)
            except TimeoutError:
                return False

    assert refused("/api/collections/1/uploads", UPLOAD_LIMIT + 1)
    assert refused("/api/models/import", UPLOAD_LIMIT + 1)
    assert not refused("/api/models", 6_000_000_000)
    assert refused("/api/models", MODEL_LIMIT + 1)


def test_a_full_disk_is_told_before_the_form_is_read(api: Caller, appliance: Appliance, monkeypatch: pytest.MonkeyPatch) -> None:
    usage = shutil.disk_usage(appliance.settings.home)
    monkeypatch.setattr(shutil, "disk_usage", lambda _: usage._replace(free=1000))
    error = send(api, b"GGUF" + b"\0" * 5000, "x.gguf", 507)["error"]
    assert error["code"] == "disk_full"
