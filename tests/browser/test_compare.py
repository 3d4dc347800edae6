"""Side by side in a real browser: two real models, the same evidence, figures, a vote, the table and its exports."""

from __future__ import annotations

import csv
import io
import json

import pytest
from playwright.sync_api import Page, Route, expect

from tests.browser.test_journey import Watch, open_collection
from tests.browser.test_shelf import SECOND, STARTER, at

pytestmark = pytest.mark.browser
QUESTION = "When was the clinic in Goma opened?"


def compare(page: Page, question: str = QUESTION, voters: int = 2) -> None:
    page.fill("#compare-question", question)
    page.click("text=Ask them all")
    expect(page.locator(".column .vote")).to_have_count(voters, timeout=90_000)


def places(page: Page) -> list[dict[str, float]]:
    """Where the columns are, on the page and in pixels."""
    found: list[dict[str, float]] = page.evaluate("[...document.querySelectorAll('.column')].map((one) => one.getBoundingClientRect().toJSON())")
    return found


def test_two_models_answer_beside_each_other_from_the_same_passages(watch: Watch, workshop: str) -> None:
    page = at(watch(), workshop)
    open_collection(page, "field")
    page.click("#open-compare")
    expect(page.locator("#compare-question")).to_be_focused()
    compare(page)
    assert page.locator(".column h4").all_inner_texts() == [STARTER, SECOND]
    expect(page.locator("#compare .evidence .cards")).to_have_count(1)
    expect(page.locator("#compare .quotes .quote").first).to_contain_text("14 March 2011")
    for column in page.locator(".column").all():
        for words in ("Was given", "First word after", "tokens a second", "Found in the documents", "Wh, "):
            expect(column.locator(".facts")).to_contain_text(words)
    first, second = places(page)
    assert first["y"] == second["y"], "beside each other where there is room"

    page.locator("#compare .marker").first.click()
    expect(page.locator("#source-title")).to_have_text("clinic.pdf")
    page.keyboard.press("Escape")
    page.locator(".vote").nth(1).click()
    expect(page.locator(".vote").nth(1)).to_have_attribute("aria-pressed", "true")
    row = page.locator(".all-compared tbody tr", has_text=SECOND)
    expect(row.locator("td").nth(2)).to_have_text("1")

    exported = {}
    for words, suffix in (("CSV", ".csv"), ("Markdown", ".md"), ("JSON", ".json")):
        with page.expect_download() as download:
            page.click(f".all-compared >> text={words}")
        assert download.value.suggested_filename == f"comparisons{suffix}"
        exported[words] = download.value.path().read_text(encoding="utf-8")
    assert QUESTION in [value for line in csv.reader(io.StringIO(exported["CSV"])) for value in line]
    assert SECOND in exported["Markdown"]
    assert json.loads(exported["JSON"])["comparisons"][0]["vote"] == 1

    page.reload()
    open_collection(page, "field")
    page.click("#open-compare")
    page.click(".all-compared summary")
    page.click(f".all-compared .ledger >> text={QUESTION}")  # as it was
    assert page.locator(".column h4").all_inner_texts() == [STARTER, SECOND]
    expect(page.locator("#compare .quotes .quote").first).to_contain_text("14 March 2011")
    expect(page.locator(".column .facts").first).to_contain_text("tokens a second")
    expect(page.locator(".vote").nth(1)).to_have_attribute("aria-pressed", "true")
    page.locator(".all-compared [aria-label^='Delete the comparison']").first.click()
    page.click("dialog >> text=Delete it")
    expect(page.locator(".all-compared")).to_contain_text("None yet.")
    page.keyboard.press("Escape")
    expect(page.locator("#compare")).to_be_hidden()
    expect(page.locator("#talk")).to_be_visible()
    expect(page.locator(".turn")).to_have_count(0)  # nothing of it went into the conversation


def test_one_model_in_three_settings_can_be_compared(watch: Watch, workshop: str) -> None:
    page = at(watch(), workshop)
    open_collection(page, "field")
    page.click("#open-compare")
    page.click("text=Add another")
    for number, preset in ((1, "exact"), (2, "free"), (3, "balanced")):
        page.get_by_label(f"Model {number}", exact=True).select_option(label=STARTER)
        page.get_by_label(f"Settings of model {number}").select_option(preset)
    page.check("#compare-together")

    def blanked(route: Route) -> None:
        """The real stream, with figures in its end of which the third one's say that it had the passages in memory already."""
        stream, name, end = route.fetch(timeout=90_000).text().rpartition("event: compared\ndata: ")
        compared = json.loads(end)
        first, _, third = compared["comparison"]["results"]
        first["figures"].update(first_token_ms=1234.0, joules=36.0)
        third["figures"].update(first_token_ms=None, joules=None)
        route.fulfill(status=200, content_type="text/event-stream", body=f"{stream}{name}{json.dumps(compared)}\n\n")

    page.route("**/compare", blanked)
    compare(page, voters=3)
    page.unroute("**/compare")
    expect(page.locator(".column .facts").first).to_contain_text("1.2 s")
    expect(page.locator(".column .facts").first).to_contain_text("0.01 Wh, ")
    expect(page.locator(".column .facts").nth(2)).to_contain_text("tokens a second")
    for left_out in ("First word after", "Energy"):
        expect(page.locator(".column .facts").nth(2)).not_to_contain_text(left_out)
    assert page.locator(".column > .quiet").all_inner_texts() == ["exact", "free", "balanced"]
    expect(page.locator(".compared [role=status]").first).to_contain_text("one after the other")
    page.get_by_label("Leave out model 3").click()
    expect(page.locator(".contenders li")).to_have_count(2)
    expect(page.get_by_label("Leave out model 1")).to_be_hidden()  # two are the fewest


def test_it_can_be_stopped_and_asked_again(watch: Watch, workshop: str) -> None:
    page = at(watch(), workshop)
    open_collection(page, "field")
    page.click("#open-compare")
    page.fill("#compare-question", "Describe everything that is known of the clinic and its wells.")
    page.press("#compare-question", "Tab")
    page.click("text=Ask them all")
    expect(page.locator(".column").first).to_be_visible()
    page.click("text=Back to the conversation")
    expect(page.locator("#question")).to_be_focused()  # it goes on meanwhile
    page.click("#open-compare")
    page.click("#compare >> text=Stop")
    expect(page.locator("text=Ask them all")).to_be_visible(timeout=15_000)
    expect(page.locator(".column").last).to_contain_text("topped")  # the first may have been done
    compare(page)


def test_an_answer_that_ends_meanwhile_does_not_close_it_and_a_click_on_a_conversation_does(watch: Watch, workshop: str) -> None:
    page = at(watch(), workshop)
    open_collection(page, "field")
    kept = page.locator("#conversations .entry").count()
    held: list[Route] = []
    page.route("**/ask", lambda route: held.append(route))
    page.fill("#question", "Who won the football world cup in Brazil?")
    with page.expect_request("**/ask"):
        page.press("#question", "Enter")
    page.click("#open-compare")
    page.locator("#compare-question").fill("Half a ques")
    held[0].continue_()
    expect(page.locator("#conversations .entry")).to_have_count(kept + 1, timeout=60_000)
    expect(page.locator("#compare-question")).to_be_focused()
    page.keyboard.type("tion")
    expect(page.locator("#compare-question")).to_have_value("Half a question")
    page.locator("#conversations .entry").first.click()
    expect(page.locator("#compare")).to_be_hidden()
    expect(page.locator(".turn .refusal")).to_be_visible()


def test_columns_stack_where_it_is_narrow(watch: Watch, workshop: str) -> None:
    page = at(watch(width=320, height=720), workshop)
    page.click("#menu")
    page.locator("#collections .entry", has_text="field").click()
    page.click("#menu")
    page.click("#open-compare")
    expect(page.locator("#side")).not_to_be_in_viewport()
    compare(page)
    first, second = places(page)
    assert first["x"] == second["x"]
    assert first["y"] + first["height"] <= second["y"]
    assert page.evaluate("document.documentElement.scrollWidth <= innerWidth")
    assert page.evaluate("document.querySelector('#compare').scrollWidth <= document.querySelector('#compare').clientWidth")
