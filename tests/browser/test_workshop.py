"""Models, parameters, comparison, programs and energy for everybody: axe in both themes, a phone's width, the keyboard alone."""

from __future__ import annotations

from collections.abc import Iterator

import pytest
from axe_playwright_python.sync_playwright import Axe
from playwright.sync_api import Page, expect

from tests.browser.test_access import _EVERYTHING, Watch, focused, tab_to
from tests.browser.test_shelf import at

pytestmark = pytest.mark.browser


def states(page: Page, *, narrow: bool) -> Iterator[str]:
    def open_tool(selector: str) -> None:
        if narrow:
            page.click("#menu")
        page.click(selector)

    if narrow:
        page.click("#menu")
        yield "menu"
    page.locator("#collections .entry", has_text="field").click()
    open_tool("#open-models")
    page.wait_for_selector("dialog .model >> nth=1")
    yield "models"
    for summary in page.locator("dialog summary").all():
        summary.click()
    yield "models, all open"
    page.keyboard.press("Escape")
    open_tool("#open-parameters")
    page.fill("#parameter-temperature", "0.5")
    page.press("#parameter-temperature", "Tab")
    page.fill("#parameter-top_p", "9")
    page.press("#parameter-top_p", "Tab")
    page.wait_for_selector(".parameter > .bad:not(:empty)")
    yield "parameters, one changed, one refused"
    page.click("dialog .dialog-foot >> text=Reset")
    page.keyboard.press("Escape")
    open_tool("#open-keys")
    page.fill("#key-name", "axe")
    page.press("#key-name", "Enter")
    page.wait_for_selector("dialog .secret")
    for summary in page.locator("dialog summary").all():
        summary.click()
    yield "programs, a key made"
    page.locator("dialog [aria-label^='Remove the key axe']").first.click()
    page.click("dialog >> text=Remove it")
    page.wait_for_selector("dialog .keys-list:has-text('No key yet')")
    page.keyboard.press("Escape")
    open_tool("#energy")
    page.wait_for_selector("dialog #saver-off")
    yield "energy"
    page.keyboard.press("Escape")
    open_tool("#open-compare")
    page.fill("#compare-question", "When was the clinic in Goma opened?")
    yield "comparison, before"
    page.click("text=Ask them all")
    page.wait_for_selector(".column .vote >> nth=1", timeout=90_000)
    page.locator(".vote").first.click()
    page.wait_for_selector(".vote[aria-pressed=true]")
    page.wait_for_selector(".all-compared tbody tr")
    yield "comparison, after"
    page.click("text=Back to the conversation")
    page.fill("#question", "When was the clinic in Goma opened?")
    page.press("#question", "Enter")
    page.click(".turn .foot-row >> text=Translate", timeout=60_000)
    yield "an answer to be translated"


@pytest.mark.parametrize(("theme", "width"), [("light", 1280), ("dark", 1280), ("dark", 320), ("light", 320)])
def test_axe_finds_nothing_and_nothing_sticks_out(watch: Watch, workshop: str, theme: str, width: int) -> None:
    page = at(watch(theme, width, 720 if width < 500 else 860), workshop)
    for state in states(page, narrow=width < 500):
        found = Axe().run(page, options=_EVERYTHING).response["violations"]
        assert not found, f"{state}: " + "; ".join(f"{one['id']}: {[node['target'] for node in one['nodes']]}" for one in found)
        assert page.evaluate("document.documentElement.scrollWidth <= innerWidth"), state
        assert page.evaluate("[...document.querySelectorAll('dialog[open]')].every((one) => one.scrollWidth <= one.clientWidth)"), state


def test_the_workshop_is_reached_and_left_with_the_keyboard_alone(watch: Watch, workshop: str) -> None:
    page = at(watch(), workshop)
    page.locator("#find-conversation").focus()
    for tool, sign in (
        ("#open-models", "dialog .model"),
        ("#open-parameters", "dialog .parameter"),
        ("#open-keys", "dialog .keys-list"),
        ("#energy", "#saver-off"),
    ):
        tab_to(page, tool)
        page.keyboard.press("Enter")
        expect(page.locator(sign).first).to_be_visible()
        page.keyboard.press("Escape")
        assert f"#{focused(page)}" == tool, "the focus goes back to where it came from"
        page.locator("#find-conversation").focus()
    tab_to(page, "#open-compare")
    page.keyboard.press("Enter")
    expect(page.locator("#compare-question")).to_be_focused()
    page.keyboard.type("When was the clinic in Goma opened?")
    tab_to(page, "#compare button.primary")
    page.keyboard.press("Enter")
    page.wait_for_selector(".column .vote >> nth=1", timeout=90_000)
    tab_to(page, ".column .vote")
    page.keyboard.press("Space")
    expect(page.locator(".vote").first).to_have_attribute("aria-pressed", "true")
    page.keyboard.press("Escape")
    assert focused(page) == "question"


def test_what_happens_is_said_to_those_who_listen(watch: Watch, workshop: str) -> None:
    page = at(watch(), workshop)
    page.locator("#collections .entry", has_text="field").click()
    page.click("#open-compare")
    page.fill("#compare-question", "When was the clinic in Goma opened?")
    page.click("text=Ask them all")
    page.wait_for_selector(".column .vote >> nth=1", timeout=90_000)
    said = page.locator("#live p").all_inner_texts()
    assert said[-1] == "All have answered. You can vote for the best."
    assert "SmolLM2 135M Second has answered." in said
