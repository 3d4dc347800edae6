"""Collections, documents, uploads and conversations through the API, on real files."""

from __future__ import annotations

import io
import time
from typing import Any

import pytest
from PIL import Image

from appliance.runtime import Appliance
from tests.clinic import NOTES, make_pdf
from tests.web.calling import Caller

HOSTILE = "<script>alert(1)</script>\n\u202egpj.\u2066\"';=.md"


def document(api: Caller, collection: Any, name: str) -> Any:
    return next(one for one in api.json("GET", f"collections/{collection['id']}/documents")["documents"] if one["name"] == name)


def test_the_status_shows_the_key_of_the_first_bundle(api: Caller, appliance: Appliance) -> None:
    assert appliance.manifest.signer is not None
    told = api.json("GET", "status")["trust"]
    assert told["notices"] == [told["sentence"]]
    assert appliance.manifest.signer.fingerprint in told["sentence"]


def test_the_status_says_what_is_wrong_with_the_machine_once_it_was_looked_at(api: Caller, appliance: Appliance) -> None:
    before = api.json("GET", "status")["machine"]
    assert before is None or isinstance(before, list)
    appliance.warm_up()
    deadline = time.monotonic() + 60
    while appliance.machine is None or appliance.machine.machine.library.speed is None:
        assert time.monotonic() < deadline
        time.sleep(0.05)
    found = api.json("GET", "status")["machine"]
    assert [one["sentence"] for one in found] == [one.sentence for one in appliance.machine.findings]
    assert all(set(one) == {"severity", "sentence", "advice"} for one in found)


def test_collections_are_made_renamed_and_removed(api: Caller) -> None:
    made = api.json("POST", "collections", {"name": "  Kivu   2012 "}, status=201)
    assert made["name"] == "Kivu 2012"
    assert api.json("POST", "collections", {"name": "Kivu 2012"}, status=409)["error"]["code"] == "name_taken"
    assert api.json("PATCH", f"collections/{made['id']}", {"name": "Kivu"})["name"] == "Kivu"
    api("DELETE", f"collections/{made['id']}", status=204)
    assert api.json("PATCH", f"collections/{made['id']}", {"name": "x"}, status=404)["error"]["code"] == "no_such_collection"


def test_the_ledger_says_which_pages_were_not_read(api: Caller, field: Any) -> None:
    entries = {one["document"]: one for one in api.json("GET", f"collections/{field['id']}/ledger")["entries"]}
    assert entries["reports/clinic.pdf"]["status"] == "partial"
    assert entries["reports/clinic.pdf"]["unread"] == [{"page": 3, "reason": "no text: probably a scan"}]
    assert entries["notes.md"]["status"] == "indexed"


def test_a_page_comes_in_three_pieces_cut_at_code_points(api: Caller, appliance: Appliance) -> None:
    collection = api.json("POST", "collections", {"name": "scripts"}, status=201)
    text = "A 🧭 points 𝒩orth. Здесь вода. آب اینجاست."
    api.upload(collection["id"], {"compass.txt": text.encode()})
    found = document(api, collection, "compass.txt")
    page = api.json("GET", f"documents/{found['id']}/pages/0?start=2&end=17")
    assert (page["before"], page["passage"], page["after"]) == (text[:2], text[2:17], text[17:])
    assert page["passage"] == "🧭 points 𝒩orth."
    assert page["picture"] is False
    assert api.json("GET", f"documents/{found['id']}/pages/0/picture", status=404)["error"]["message"].startswith("This kind of document")
    appliance.library.remove_collection("scripts")


def test_a_pdf_page_is_drawn_with_boxes_on_the_passage(api: Caller, field: Any) -> None:
    found = document(api, field, "reports/clinic.pdf")
    page = api.json("GET", f"documents/{found['id']}/pages/1?start=0&end=20")
    assert page["picture"]
    assert page["number"] == 2
    drawn = api("GET", f"documents/{found['id']}/pages/1/picture?width=400")
    assert drawn.mimetype == "image/png"
    image = Image.open(io.BytesIO(drawn.data))
    assert image.width == 400
    boxes = api.json("GET", f"documents/{found['id']}/pages/1/boxes?start=0&end=20")["boxes"]
    assert boxes
    left, top, right, bottom = boxes[0]
    assert 0 <= left < right <= 1
    assert 0 <= top < bottom < 0.3
    inside = image.convert("L").crop((int(left * image.width), int(top * image.height), int(right * image.width), int(bottom * image.height)))
    assert inside.getextrema()[0] < 128, "there is no ink where the passage is boxed"
    assert api.json("GET", f"documents/{found['id']}/pages/1/boxes")["boxes"] == []


def test_an_original_comes_back_as_it_was_and_only_as_a_download(api: Caller, field: Any) -> None:
    answer = api("GET", f"documents/{document(api, field, 'notes.md')['id']}/original")
    assert answer.data == NOTES.encode()
    assert answer.mimetype == "application/octet-stream"
    assert answer.headers["Content-Disposition"].startswith('attachment; filename="notes.md"')


def test_hostile_names_and_texts_stay_data(api: Caller, appliance: Appliance) -> None:
    collection = api.json("POST", "collections", {"name": '"><img src=x onerror=alert(1)>'}, status=201)
    text = "<img src=x onerror=alert(1)> The <b>clinic</b> of Goma was opened in 2011.</script><script>alert(2)</script>"
    api.upload(collection["id"], {HOSTILE: text.encode()})
    found = api.json("GET", f"collections/{collection['id']}/documents")["documents"][0]
    page = api("GET", f"documents/{found['id']}/pages/0")
    assert page.mimetype == "application/json"
    assert "onerror=alert(1)> The <b>" in page.get_json()["before"] + page.get_json()["after"]
    header = api("GET", f"documents/{found['id']}/original").headers["Content-Disposition"]
    assert "\n" not in header
    assert "<" not in header.split("filename*")[0]
    assert "\u202e" not in header
    assert "onerror" not in api.client.get("/", base_url="http://127.0.0.1:8765").get_data(as_text=True)
    appliance.library.remove_collection(collection["name"])


def test_an_encrypted_file_is_read_with_its_password_and_shown_as_text(api: Caller, appliance: Appliance) -> None:
    collection = api.json("POST", "collections", {"name": "locked"}, status=201)
    locked = make_pdf(("The code word of the depot is marigold, and it changes every month.",), password="open sesame")
    job = api.upload(collection["id"], {"locked.pdf": locked})
    assert job["lines"][0]["status"] == "failed"
    assert "encrypted" in job["lines"][0]["reason"]
    job = api.upload(collection["id"], {"locked.pdf": locked}, password="open sesame")
    assert job["lines"][0]["status"] == "indexed"
    found = document(api, collection, "locked.pdf")
    assert "marigold" in api.json("GET", f"documents/{found['id']}/pages/0")["after"]
    api("GET", f"documents/{found['id']}/pages/0/picture", status=204)
    assert api.json("GET", f"documents/{found['id']}/pages/0/boxes?start=0&end=5") == {"boxes": []}
    appliance.library.remove_collection("locked")


def test_a_removed_document_is_gone_from_the_api(api: Caller, field: Any) -> None:
    api.upload(field["id"], {"short-lived.txt": b"The depot at Masisi holds four hundred blankets."})
    found = document(api, field, "short-lived.txt")
    api("DELETE", f"documents/{found['id']}", status=204)
    for path in ("", "/pages/0", "/original"):
        assert api.json("GET", f"documents/{found['id']}{path}", status=404)["error"]["code"] == "no_such_document"


def test_a_job_can_be_cancelled_and_is_remembered(api: Caller, field: Any) -> None:
    job = api.upload(field["id"], {"notes.md": NOTES.encode()})
    assert [line["status"] for line in job["lines"]] == ["unchanged"]
    assert api.json("DELETE", f"jobs/{job['id']}")["status"] == "done"
    assert api.json("POST", f"jobs/{job['id']}/resume")["status"] == "done"
    listed = next(one for one in api.json("GET", "jobs")["jobs"] if one["id"] == job["id"])
    assert listed["counts"] == {"unchanged": 1}
    assert "lines" not in listed


def test_search_gives_passages_without_a_model(api: Caller, field: Any) -> None:
    found = api.json("POST", f"collections/{field['id']}/search", {"query": "cholera wells", "limit": 3})
    assert found["evidence"][0]["document"] == "reports/clinic.pdf"
    assert found["evidence"][0]["page"] == 2
    assert found["milliseconds"] > 0


def test_status_says_what_the_page_shows(api: Caller) -> None:
    status = api.json("GET", "status")
    assert status["model"]["name"] == "SmolLM2 135M Instruct"
    assert "trusted" in status["model"]["advice"]
    assert status["seal"]["sentence"]
    assert set(status["readiness"]) == {"embedder", "generator"}
    assert status["home"]


@pytest.mark.parametrize("wanted", ["pdf", "", "../x"])
def test_an_unknown_format_of_export_is_refused(api: Caller, field: Any, appliance: Appliance, wanted: str) -> None:
    conversation = appliance.conversations.start(field["id"], "about formats")
    assert api.json("GET", f"conversations/{conversation.id}/export?format={wanted}", status=400)["error"]["code"] == "bad_request"
    appliance.conversations.remove(conversation.id)
