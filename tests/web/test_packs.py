"""Packs in the page's API: opened while it is served, read like a collection, not changed, closed, and gone without harm."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from appliance.errors import PackGone
from appliance.packs.creating import create, pack_key
from appliance.packs.file import PackFile
from appliance.runtime import Appliance
from tests.clinic import make_pdf
from tests.web.calling import Caller


@pytest.fixture(scope="module")
def pack(appliance: Appliance, field: Any, tmp_path_factory: pytest.TempPathFactory) -> PackFile:
    """Of the collection `field`, as its maker at the office has it."""
    target = tmp_path_factory.mktemp("stick") / "field.haversack"
    return create(appliance.library, appliance.library.collection(field["name"]), target, pack_key(appliance.settings.home)).pack


@pytest.fixture
def opened(api: Caller, pack: PackFile) -> Iterator[Any]:
    listed = api.json("POST", "packs", {"file": str(pack.path)}, status=201)
    yield listed
    api("DELETE", f"packs/{listed['collection_id']}", status=204)


def test_it_stands_beside_the_collections_while_it_is_open(api: Caller, pack: PackFile, opened: Any) -> None:
    assert (opened["collection"], opened["state"], opened["signer"]) == ("field (2)", "open", pack.signer.fingerprint)
    by_name = {one["name"]: one for one in api.json("GET", "collections")["collections"]}
    assert (by_name["field (2)"]["pack"], by_name["field (2)"]["documents"]) == (True, 2)
    assert by_name["field"]["pack"] is False
    assert [one["collection"] for one in api.json("GET", "packs")["packs"] if one["state"] == "open"] == ["field (2)"]
    assert "field (2)" in {one["name"] for one in api.json("GET", "status")["collections"]}


def test_a_passage_leads_to_the_picture_of_its_page_with_its_box(api: Caller, opened: Any) -> None:
    found = api.json("POST", f"collections/{opened['collection_id']}/search", {"query": "When was the clinic opened?", "limit": 1})["evidence"][0]
    assert found["document"] == "reports/clinic.pdf"
    place = f"documents/{found['document_id']}/pages/{found['position']}"
    page = api.json("GET", f"{place}?start={found['start']}&end={found['end']}")
    assert page["picture"] is True
    assert page["passage"] == found["text"]
    assert api("GET", f"{place}/picture?width=400").data.startswith(b"\x89PNG")
    boxes = api.json("GET", f"{place}/boxes?start={found['start']}&end={found['end']}")["boxes"]
    assert boxes
    assert all(0 <= one <= 1 for box in boxes for one in box)
    original = api("GET", f"documents/{found['document_id']}/original")
    assert original.data.startswith(b"%PDF")


def test_what_would_change_it_is_refused_in_one_sentence(api: Caller, opened: Any) -> None:
    number = opened["collection_id"]
    document = api.json("GET", f"collections/{number}/documents")["documents"][0]["id"]
    for method, path in (("DELETE", f"documents/{document}"), ("DELETE", f"collections/{number}")):
        error = api.json(method, path, status=409)["error"]
        assert error["code"] == "pack_read_only"
        assert error["message"].startswith("'field (2)' is a pack, and packs are not changed.")
    form = {"names": '["x.pdf"]', "files": []}
    assert api("POST", f"collections/{number}/uploads", status=409, data=form).get_json()["error"]["code"] == "pack_read_only"
    assert api.json("POST", "collections", {"name": "field (2)"}, status=409)["error"]["code"] == "name_taken"


def test_renamed_and_closed_here_the_file_stays_as_it_was(api: Caller, pack: PackFile) -> None:
    before = pack.path.read_bytes()
    number = api.json("POST", "packs", {"file": str(pack.path)}, status=201)["collection_id"]
    assert api.json("PATCH", f"collections/{number}", {"name": "Office"})["name"] == "Office"
    assert api.json("POST", "packs", {"file": str(pack.path)}, status=201)["collection"] == "Office"
    api.json("PATCH", f"collections/{number}", {"name": "field (2)"})
    api("DELETE", f"packs/{number}", status=204)
    assert number not in {one["id"] for one in api.json("GET", "collections")["collections"]}
    api("GET", f"documents/{(number << 32) + 1}", status=404)
    assert pack.path.read_bytes() == before


def test_a_stick_pulled_out_costs_a_sentence_and_the_rest_goes_on(api: Caller, pack: PackFile, opened: Any, field: Any) -> None:
    number = opened["collection_id"]
    document = api.json("GET", f"collections/{number}/documents")["documents"][0]["id"]
    away = pack.path.rename(pack.path.with_suffix(".away"))
    try:
        for path in (f"collections/{number}/documents", f"collections/{number}/ledger", f"documents/{document}", f"documents/{document}/pages/0"):
            error = api.json("GET", path, status=409)["error"]
            assert error["message"] == str(PackGone(name="field (2)", path=pack.path))
        assert api.json("POST", f"collections/{number}/search", {"query": "beds"}, status=409)["error"]["code"] == "pack_gone"
        assert api.json("POST", f"collections/{field['id']}/search", {"query": "beds"})["evidence"]
    finally:
        away.rename(pack.path)
    assert len(api.json("GET", f"collections/{number}/documents")["documents"]) == 2


def test_what_is_no_pack_is_not_opened(api: Caller, tmp_path: Path) -> None:
    (tmp_path / "letter.pdf").write_bytes(make_pdf())
    assert api.json("POST", "packs", {"file": str(tmp_path / "letter.pdf")}, status=400)["error"]["code"] == "not_a_pack"
    for name in ("field.haversack", "~root/x", "\0", str(tmp_path), "/" + "x" * 5000):
        assert api.json("POST", "packs", {"file": name}, status=404)["error"]["code"] == "no_such_path"
    assert api.json("POST", "packs", {"file": 5}, status=400)
