"""The page's own view of programs: who is let in, their keys, made and removed."""

from __future__ import annotations

import pytest

from appliance.basecamp.camp import Camp
from appliance.basecamp.link import Link
from appliance.runtime import Appliance
from tests.web.calling import PORT, Caller


def test_a_key_is_told_once_and_listed_without_it(api: Caller, appliance: Appliance) -> None:
    made = api.json("POST", "programs/keys", {"name": " My editor "}, status=201)
    assert set(made) == {"name", "key"}
    assert made["name"] == "My editor"
    assert appliance.access.keys.owner(made["key"]) == "My editor"
    shown = api("GET", "programs")
    assert made["key"] not in shown.get_data(as_text=True)
    told = shown.get_json()
    assert (told["api"], told["address"], told["queue"]) == ("keys", f"http://127.0.0.1:{PORT}", [])
    assert "need a key" in told["sentence"]
    (key,) = told["keys"]
    assert set(key) == {"name", "made", "used"}
    assert key["used"], "it was used just now"
    assert api.json("POST", "programs/keys", {"name": "My editor"}, status=409)["error"]["code"] == "key_taken"
    api("DELETE", "programs/keys/My%20editor", status=204)
    assert api.json("DELETE", "programs/keys/My%20editor", status=404)["error"]["code"] == "no_such_key"
    assert appliance.access.keys.owner(made["key"]) is None


def test_a_name_that_would_mislead_makes_no_key(api: Caller) -> None:
    for name in ("page", "a/b", "x" * 65, "guest 1"):
        assert api.json("POST", "programs/keys", {"name": name}, status=400)["error"]["code"] == "bad_parameter"
    for body in ({}, {"name": ""}, {"name": 7}, {"name": None}):
        api.json("POST", "programs/keys", body, status=400)
    assert api.json("GET", "programs")["keys"] == []


def test_the_page_says_that_any_program_is_let_in(api: Caller, appliance: Appliance) -> None:
    appliance.access.api = "open"
    try:
        told = api.json("GET", "programs")
    finally:
        appliance.access.api = "keys"
    assert told["api"] == "open"
    assert told["sentence"].startswith("Any program on this machine")


def test_who_waits_at_the_base_camp_is_shown_and_counted(api: Caller, appliance: Appliance, monkeypatch: pytest.MonkeyPatch) -> None:
    link = Link("http://192.168.1.5:8080", "")
    camp = Camp(link, appliance.loaded.generator)
    monkeypatch.setattr(appliance, "camp", camp)
    try:
        before = api.json("GET", "status")["waiting"]
        for number, client in enumerate(("page", "guest 1")):
            camp.writer._turns.join(number, client)
        assert api.json("GET", "programs")["queue"] == [{"client": client, "ahead": ahead} for client, ahead in camp.writer.waiters]
        assert {client for client, _ in camp.writer.waiters} == {"page", "guest 1"}
        assert api.json("GET", "status")["waiting"] == before + 2
    finally:
        link.close()
