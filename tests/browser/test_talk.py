"""The conversation where things go otherwise: one that is gone, an answer that breaks off or is cut off, a translation that is stopped."""

from __future__ import annotations

import json

import pytest
from playwright.sync_api import Page, Route, expect

from tests.browser.test_journey import Watch, ask, open_collection

pytestmark = pytest.mark.browser
NOT_THERE = "Who won the football world cup in Brazil?"
_BREAK_OFF = """() => {
  const real = window.fetch;
  const shown = async () => { while (!document.querySelector(".streaming")) await new Promise(requestAnimationFrame); };
  window.fetch = async (path, options) => {
    if (!String(path).endsWith("/ask")) return real(path, options);
    const events = ['event: started\\ndata: {"key": "one"}\\n\\n', 'event: delta\\ndata: {"text": "The clinic was"}\\n\\n'];
    return new Response(new ReadableStream({
      pull(controller) {
        if (events.length) controller.enqueue(new TextEncoder().encode(events.shift()));
        else return shown().then(() => controller.error(new TypeError("network error")));
      },
    }));
  };
}"""


def delete_first(page: Page) -> None:
    """The latest conversation is deleted, as from another tab."""
    page.evaluate("""async () => {
      const headers = { "X-Haversack": "1" };
      const { conversations } = await (await fetch("/api/conversations", { headers })).json();
      await fetch(`/api/conversations/${conversations[0].id}`, { method: "DELETE", headers });
    }""")


def test_a_conversation_that_is_gone_says_so_and_leaves_the_list(watch: Watch) -> None:
    watched = watch()
    page = watched.open()
    open_collection(page, "field")
    before = page.locator("#conversations .entry").count()
    ask(page, NOT_THERE)
    expect(page.locator("#conversations .entry")).to_have_count(before + 1)
    page.click("#new-conversation")
    delete_first(page)
    page.locator("#conversations .entry").first.click()
    expect(page.locator("dialog")).to_contain_text("It could not be opened")
    watched.refused(404)
    page.keyboard.press("Escape")
    expect(page.locator(".beginning")).to_be_visible()
    expect(page.locator("#conversations .entry")).to_have_count(before)
    ask(page, NOT_THERE)  # a new conversation, not the one that is gone
    expect(page.locator("#conversations .entry")).to_have_count(before + 1)


def test_an_answer_that_breaks_off_says_what_to_do_and_is_not_shown_as_being_written(watch: Watch) -> None:
    page = watch().open()
    open_collection(page, "field")
    page.evaluate(_BREAK_OFF)
    page.fill("#question", "When was the clinic in Goma opened?")
    page.press("#question", "Enter")
    expect(page.locator(".turn .notice.bad")).to_contain_text("Look whether Haversack still runs")
    expect(page.locator(".turn .prose")).to_contain_text("The clinic was")
    expect(page.locator(".streaming")).to_have_count(0)


def test_an_answer_that_is_cut_off_by_opening_another_conversation_is_told_of(watch: Watch) -> None:
    page = watch().open()
    open_collection(page, "field")
    kept = page.locator("#conversations .entry").count()
    held: list[Route] = []
    page.route("**/ask", lambda route: held.append(route))
    page.fill("#question", NOT_THERE)
    with page.expect_request("**/ask"):
        page.press("#question", "Enter")
    expect(page.locator("#stop")).to_be_visible()
    page.click("#new-conversation")
    expect(page.locator("#talk > .notice")).to_contain_text("was stopped")
    expect(page.locator("#talk > .notice")).to_be_in_viewport()
    held[0].continue_()
    expect(page.locator("#conversations .entry")).to_have_count(kept + 1, timeout=60_000)


def test_a_question_stays_in_its_box_where_there_is_nothing_to_ask(watch: Watch) -> None:
    watched = watch()
    watched.page.route("**/api/collections", lambda route: route.fulfill(json={"collections": []}))
    page = watched.open()
    page.fill("#question", "When was the clinic opened?")
    page.press("#question", "Enter")
    expect(page.locator("dialog")).to_contain_text("Add documents first")
    page.keyboard.press("Escape")
    expect(page.locator("#question")).to_have_value("When was the clinic opened?")
    page.click("#open-compare")
    expect(page.get_by_role("button", name="Ask them all")).to_be_disabled()


def test_a_translation_is_stopped_by_hand_and_when_its_answer_leaves_the_page(watch: Watch) -> None:
    page = watch().open()
    open_collection(page, "field")
    ask(page, "When was the clinic in Goma opened?")
    # In place of the answer a text that takes minutes.
    long = {"text": "The clinic in Goma was opened on 14 March 2011. " * 300, "language": "French"}
    page.route("**/translate", lambda route: route.continue_(post_data=json.dumps(long)))
    page.click(".turn .foot-row >> text=Translate")
    page.get_by_label("Into").fill("French")
    page.click("text=Translate it")
    expect(page.locator(".translated")).to_contain_text("sentence")
    page.click(".translation >> text=Stop")
    expect(page.locator(".translated")).to_contain_text("Stopped.")
    page.click("text=Translate it")
    expect(page.locator(".translated")).to_contain_text("sentence")
    with page.expect_event("requestfailed", lambda request: request.url.endswith("/translate")):
        page.click("#new-conversation")
