"""The shelf in a real browser: models seen, added, refused, measured, chosen, switched between and removed."""

from __future__ import annotations

import json
import re
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from playwright.sync_api import Locator, Page, Route, expect

from tests.browser.conftest import Watched, serving
from tests.browser.test_journey import Watch, ask, open_collection

pytestmark = pytest.mark.browser
STARTER, SECOND = "SmolLM2 135M Instruct", "SmolLM2 135M Second"
REFUSAL = "The library can't be written to."


@pytest.fixture(scope="module")
def bare(bundle_root: Path, tmp_path_factory: pytest.TempPathFactory) -> Iterator[str]:
    """A library with nothing but the guide and the bundle's own model; its address."""
    with serving({"HAVERSACK_HOME": str(tmp_path_factory.mktemp("bare") / "home"), "HAVERSACK_BUNDLE": str(bundle_root)}) as address:
        yield address


def at(watched: Watched, address: str) -> Page:
    watched.origin = address
    return watched.open()


def card(page: Page, title: str) -> Locator:
    return page.locator("dialog .model", has=page.locator("h4", has_text=title))


def test_a_model_comes_is_measured_used_and_goes(watch: Watch, bare: str, second_gguf: Path) -> None:
    watched = watch()
    page = at(watched, bare)
    expect(page.locator("#answerer")).to_be_hidden()  # with one model there is nothing to choose
    page.click("#open-compare")
    offered = page.get_by_label("Model 1", exact=True).locator("option")
    expect(offered).to_have_count(1)
    page.click("#model")
    expect(page.locator("dialog .model")).to_have_count(1)
    first = card(page, STARTER)
    for words in ("135M parameters", "Q4_1", "2,048 tokens", "Apache-2.0", "may be passed on", "needs about", "trusted"):
        expect(first).to_contain_text(words)
    expect(first).to_contain_text(re.compile("not measured yet|tokens a second"))  # which is done when nobody asks
    expect(first.locator(".tag.good")).to_contain_text("Answering")
    expect(first.locator("[data-act=remove], [data-act=use]")).to_have_count(0)
    first.locator("summary").click()
    expect(first.locator(".code")).to_contain_text("<|im_start|>")

    page.set_input_files("dialog input[type=file]", second_gguf)
    expect(page.locator(".told-here")).to_contain_text("is on the shelf", timeout=60_000)
    expect(offered).to_have_count(2)  # the comparison behind knows it, too
    second = card(page, SECOND)
    expect(second).to_contain_text("Q4_0")
    expect(first.locator(".code")).to_be_visible()  # what was open stays open while the shelf changes
    second.locator("[data-act=measure]").click()
    expect(second).to_contain_text("tokens a second", timeout=60_000)
    with page.expect_download() as download:
        second.locator("[data-act=modelfile]").click()
    assert "FROM" in download.value.path().read_text()
    second.locator("[data-act=use]").click()
    expect(second.locator(".tag.good")).to_contain_text("Answering")
    page.select_option("#purpose-translating", label=STARTER)
    expect(first.locator(".tag.good")).to_have_text("Translating")

    second.locator("[data-act=remove]").click()
    page.click("dialog >> text=Remove it")
    expect(page.locator("dialog .model")).to_have_count(1)
    expect(first.locator(".tag.good")).to_contain_text("Answering")
    expect(offered).to_have_count(1)
    page.keyboard.press("Escape")
    expect(page.locator("#model")).to_be_focused()


def test_what_is_no_model_gets_one_sentence(watch: Watch, bare: str, second_gguf: Path, tmp_path: Path) -> None:
    watched = watch()
    page = at(watched, bare)
    page.click("#open-models")
    expect(page.locator("dialog .model")).to_have_count(1)
    cut = second_gguf.read_bytes()[:200_000]
    watched.drop({"cut.gguf": cut}, on="dialog")
    expect(page.locator(".told-here .bad")).to_contain_text("cut.gguf can't be added")
    watched.drop({"poem.gguf": b"Shall I compare thee to a summer's day?"}, on="dialog")
    expect(page.locator(".told-here .bad")).to_contain_text("poem.gguf can't be added")
    watched.refused(422)
    watched.drop({"one.gguf": b"1", "two.gguf": b"2"}, on="dialog")
    expect(page.locator(".told-here .bad")).to_contain_text("one model at a time")
    page.fill("#model-path", str(tmp_path / "nowhere.gguf"))
    page.press("#model-path", "Enter")
    expect(page.locator(".told-here .bad")).to_contain_text("nowhere.gguf")
    watched.refused(404)
    expect(page.locator("dialog .model")).to_have_count(1)
    page.keyboard.press("Escape")
    expect(page.locator("#progress")).to_be_hidden()  # nothing of it went into the collection behind
    expect(page.locator("#drop")).to_be_hidden()


def test_what_becomes_of_a_model_is_told_where_its_dialog_was_closed_meanwhile(watch: Watch, bare: str, second_gguf: Path) -> None:
    watched = watch()
    page = at(watched, bare)
    held: list[Route] = []
    page.route("**/api/models", lambda route: held.append(route) if route.request.method == "POST" else route.continue_())
    page.click("#open-models")
    expect(page.locator("dialog .model")).to_have_count(1)
    watched.drop({"cut.gguf": second_gguf.read_bytes()[:200_000]}, on="dialog")
    expect(page.locator(".told-here")).to_contain_text("cut.gguf")
    page.keyboard.press("Escape")
    page.click("#open-models")
    expect(page.locator(".told-here progress")).to_be_visible()  # it goes on, and can be stopped
    watched.drop({"other.gguf": b"2"}, on="dialog")
    expect(page.locator("dialog").last).to_contain_text("A model is being added.")
    page.keyboard.press("Escape")
    page.keyboard.press("Escape")
    expect(page.locator("dialog")).to_have_count(0)
    (upload,) = held
    upload.continue_()
    expect(page.locator("dialog")).to_contain_text("cut.gguf can't be added")
    watched.refused(422)
    page.keyboard.press("Escape")
    page.click("#open-models")
    expect(page.locator(".told-here")).to_be_empty()
    expect(page.get_by_role("button", name="Choose a .gguf file")).to_be_enabled()


def test_a_model_is_added_by_its_path(watch: Watch, bare: str, second_gguf: Path, tmp_path: Path) -> None:
    (tmp_path / "Modelfile").write_text(f"FROM {second_gguf}\nPARAMETER temperature 0.7\nSYSTEM Answer like a librarian.\n", encoding="utf-8")
    page = at(watch(), bare)
    page.click("#open-models")
    page.fill("#model-path", str(tmp_path / "Modelfile"))
    page.press("#model-path", "Enter")
    expect(page.locator(".told-here .strong")).to_contain_text("is on the shelf", timeout=60_000)
    added = page.locator("dialog .model").last
    added.locator("[data-act=use]").click()
    expect(added.locator(".tag.good")).to_contain_text("Answering")
    page.keyboard.press("Escape")
    # The panel of parameters shows what holds for the model that answers now, whatever it showed before.
    for temperature, system in (("0.7", "Answer like a librarian."), ("0", "")):
        page.click("#open-parameters")
        expect(page.locator("#parameter-temperature")).to_have_value(temperature)
        expect(page.locator("#parameter-system")).to_have_value(system)
        page.keyboard.press("Escape")
        page.click("#open-models")
        if system:
            card(page, STARTER).locator("[data-act=use]").click()
            expect(card(page, STARTER).locator(".tag.good")).to_contain_text("Answering")
            page.keyboard.press("Escape")
    added.locator("[data-act=remove]").click()
    page.click("dialog >> text=Remove it")
    expect(page.locator("dialog .model")).to_have_count(1)


def test_switching_the_model_goes_on_with_the_conversation(watch: Watch, workshop: str) -> None:
    watched = watch()
    page = at(watched, workshop)
    open_collection(page, "field")
    expect(page.locator("#answerer")).to_be_visible()
    kept = page.locator("#conversations .entry").count()  # of the tests before, on the same appliance
    page.select_option("#answer-with", label=SECOND)
    ask(page, "When was the clinic in Goma opened?")
    expect(page.locator(".turn .foot-row").last).to_contain_text(SECOND)
    page.select_option("#answer-with", label=STARTER)
    ask(page, "How long does the journey to Bukavu take?")
    expect(page.locator(".turn")).to_have_count(2)
    expect(page.locator(".turn .foot-row").last).to_contain_text(STARTER)
    expect(page.locator("#conversations .entry")).to_have_count(kept + 1)
    with page.expect_response(lambda answer: answer.url.endswith("/parameters") and answer.request.method == "PUT"):
        page.select_option("#answer-with", label=SECOND)
    page.reload()
    page.locator("#conversations .entry").first.click()
    expect(page.locator(".turn")).to_have_count(2)
    expect(page.locator("#answer-with option:checked")).to_have_text(SECOND)  # kept with the conversation
    page.click("#new-conversation")
    expect(page.locator("#answer-with option:checked")).to_have_text(STARTER)

    asked: list[str] = []
    page.on("request", lambda request: asked.append(request.url) if request.method == "PUT" else None)
    # What is refused doesn't stay on the screen as if it held, and nothing is kept in the place of what nobody knows.
    page.route("**/api/conversations/*/parameters", lambda route: route.continue_() if route.request.method == "GET" else refuse(route))
    page.route("**/api/purposes/*", refuse)
    page.locator("#conversations .entry").first.click()
    expect(page.locator("#answer-with option:checked")).to_have_text(SECOND)
    page.select_option("#answer-with", label=STARTER)
    expect(page.locator("dialog")).to_contain_text(REFUSAL)
    expect(page.locator("#answer-with option:checked")).to_have_text(SECOND)
    expect(page.locator("#live")).not_to_contain_text(f"{STARTER} answers from here on")
    page.keyboard.press("Escape")
    page.click("#open-models")
    page.select_option("#purpose-translating", label=SECOND)
    expect(page.locator("dialog").last).to_contain_text(REFUSAL)
    expect(page.locator("#purpose-translating")).to_have_value("")
    page.keyboard.press("Escape")
    page.keyboard.press("Escape")
    page.unroute("**/api/conversations/*/parameters")
    page.route("**/api/conversations/*/parameters", refuse)
    asked.clear()
    page.reload()
    with page.expect_response(lambda answer: answer.url.endswith("/parameters")):
        page.locator("#conversations .entry").first.click()
    expect(page.locator(".turn")).to_have_count(2)
    page.select_option("#answer-with", label=STARTER)
    expect(page.locator("dialog")).to_contain_text("nothing was changed")
    assert not [one for one in asked if one.endswith("/parameters")], "no PUT from what could not be read"
    watched.refused(409)


def test_what_is_chosen_holds_for_the_next_question_however_slow_the_page_is_told(watch: Watch, workshop: str) -> None:
    watched = watch()
    held: list[Route] = []
    watched.page.route("**/api/collections/*/parameters", lambda route: held.append(route))
    page = at(watched, workshop)
    open_collection(page, "field")
    expect(page.locator("#answerer")).to_be_visible()
    page.select_option("#answer-with", label=SECOND)
    while held:
        held.pop().continue_()
    page.unroute("**/api/collections/*/parameters")
    with page.expect_response("**/parameters"):
        ask(page, "When was the clinic in Goma opened?")
    expect(page.locator(".turn .foot-row").last).to_contain_text(SECOND)

    page.route("**/api/conversations/*/parameters", lambda route: held.append(route) if route.request.method == "PUT" else route.continue_())
    with page.expect_request(lambda request: request.method == "PUT"):
        page.select_option("#answer-with", label=STARTER)
    page.fill("#question", "How long does the journey to Bukavu take?")
    page.press("#question", "Enter")
    expect(page.locator(".turn")).to_have_count(2)
    held.pop().continue_()
    expect(page.locator(".turn .foot-row")).to_have_count(2)
    expect(page.locator(".turn .foot-row").last).to_contain_text(STARTER)


def refuse(route: Route) -> None:
    """What a library that is read only does."""
    route.fulfill(status=409, content_type="application/json", body=json.dumps({"error": {"code": "library_read_only", "message": REFUSAL}}))


def test_what_wont_fit_and_what_failed_say_so_before_they_are_used(watch: Watch, workshop: str) -> None:
    """A machine too small, and a damaged file, are provoked: everything else is the real answer."""
    watched = watch()
    sentence = "It needs 6.1 GB, and 3.2 GB are free."

    def changed(route: Route) -> None:
        shelf: dict[str, Any] = route.fetch().json()
        first, second = shelf["models"]
        first["state"] = "failed: The file of this model was changed. Add it again."
        second.update(fits=False, sentence=sentence, state="idle")
        route.fulfill(status=200, content_type="application/json", body=json.dumps(shelf))

    watched.page.route("**/api/models", changed)
    page = at(watched, workshop)
    page.click("#open-models")
    expect(card(page, SECOND)).to_contain_text("won't fit")
    expect(card(page, SECOND)).to_contain_text(sentence)
    for act in ("use", "measure"):
        expect(card(page, SECOND).locator(f"[data-act={act}]")).to_be_disabled()
    expect(card(page, STARTER).locator(".bad").last).to_contain_text("was changed. Add it again.")
    page.keyboard.press("Escape")
    expect(page.locator("#answer-with option", has_text=SECOND)).to_be_disabled()
    page.unroute("**/api/models")
