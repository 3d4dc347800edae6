"""For everybody: axe-core without violations in both themes, the keyboard alone, a phone's width."""

from __future__ import annotations

from collections.abc import Callable, Iterator

import pytest
from axe_playwright_python.sync_playwright import Axe
from playwright.sync_api import Page, expect

from tests.browser.conftest import Watched
from tests.clinic import make_pdf

pytestmark = pytest.mark.browser
Watch = Callable[..., Watched]
_EVERYTHING = {"resultTypes": ["violations"], "runOnly": ["wcag2a", "wcag2aa", "wcag21a", "wcag21aa", "wcag22aa", "best-practice"]}


def states(page: Page) -> Iterator[str]:
    """Brings the page from one main state into the next."""
    yield "beginning"
    page.locator("#collections .entry", has_text="field").click()
    page.fill("#question", "When was the clinic in Goma opened?")
    page.press("#question", "Enter")
    page.wait_for_selector(".quotes .marker")
    yield "streaming"
    page.wait_for_selector(".turn .foot-row", timeout=60_000)
    yield "answer"
    page.locator(".quotes .marker").first.click()
    page.wait_for_selector(".sheet .box")
    yield "source, drawn"
    page.click("#source-view")
    page.wait_for_selector(".sheet mark")
    yield "source, as text"
    page.keyboard.press("Escape")
    for button in ("#show-documents", "#seal", "#model", "#help", "#new-collection"):
        page.click(button)
        page.wait_for_selector("dialog .ledger input, dialog .stack:not(:has(.ledger))")
        yield f"dialog of {button}"
        page.keyboard.press("Escape")
    page.fill("#question", "Who won the football world cup in Brazil?")
    page.press("#question", "Enter")
    page.wait_for_selector(".refusal", timeout=60_000)
    yield "refusal"


@pytest.mark.parametrize("theme", ["light", "dark"])
def test_axe_finds_nothing_in_any_state(watch: Watch, theme: str) -> None:
    watched = watch(theme)
    for state in states(watched.open()):
        # axe is put into the page by the debugger's protocol: the page's own policy would not let it in.
        found = Axe().run(watched.page, options=_EVERYTHING).response["violations"]
        assert not found, f"{state}: " + "; ".join(f"{one['id']}: {[node['target'] for node in one['nodes']]}" for one in found)


def test_the_colours_can_be_chosen_and_stay(watch: Watch) -> None:
    page = watch("light").open()
    before = page.evaluate("getComputedStyle(document.body).backgroundColor")
    page.click("#theme")
    dark = page.evaluate("getComputedStyle(document.body).backgroundColor")
    assert dark != before
    page.reload()
    page.wait_for_selector(".beginning")
    assert page.evaluate("getComputedStyle(document.body).backgroundColor") == dark


def focused(page: Page) -> str:
    return str(page.evaluate("document.activeElement.id || document.activeElement.className || document.activeElement.tagName"))


def tab_to(page: Page, selector: str) -> None:
    """Press Tab until the element has the focus, and see that it shows."""
    for _ in range(80):
        page.keyboard.press("Tab")
        if page.evaluate("(selector) => document.activeElement.matches(selector)", selector):
            assert page.evaluate("getComputedStyle(document.activeElement).outlineStyle") != "none" or selector == "#question"
            return
    raise AssertionError(f"{selector} can't be reached by Tab; the focus is on {focused(page)}")


def test_the_whole_journey_works_with_the_keyboard_alone(watch: Watch) -> None:
    page = watch().open()
    expect(page.locator("#question")).to_be_focused()  # whoever has a keyboard types at once
    page.locator(".skip").focus()
    page.keyboard.press("Enter")
    assert focused(page) == "question"
    page.keyboard.press("Shift+Tab")
    tab_to(page, "#question")
    page.locator("body").focus()
    page.evaluate("document.activeElement.blur()")
    page.keyboard.press("?")
    expect(page.locator("dialog")).to_contain_text("Shift + Enter")
    page.keyboard.press("Escape")
    tab_to(page, "#collections .entry")
    page.keyboard.press("Enter")
    page.keyboard.press("/")
    assert focused(page) == "question"
    page.keyboard.type("When was the clinic")
    page.keyboard.press("Shift+Enter")
    page.keyboard.type("in Goma opened?")
    assert "\n" in page.input_value("#question")
    page.keyboard.press("Enter")
    page.wait_for_selector(".turn .foot-row", timeout=60_000)
    assert focused(page) == "question"
    page.locator(".turn .tools button").first.focus()
    tab_to(page, ".quotes .marker")
    page.keyboard.press("Enter")
    expect(page.locator(".box, mark").first).to_be_visible()
    assert focused(page) == "source-title"
    page.keyboard.press("ArrowRight")
    page.keyboard.press("Escape")
    expect(page.locator("#source")).to_be_hidden()
    assert focused(page) == "marker", "the focus goes back to where it came from"


def test_what_happens_is_said_to_those_who_listen(watch: Watch) -> None:
    page = watch().open()
    page.locator("#collections .entry", has_text="field").click()
    page.fill("#question", "When was the clinic in Goma opened?")
    page.press("#question", "Enter")
    page.wait_for_selector(".turn .foot-row", timeout=60_000)
    said = page.locator("#live p").all_inner_texts()
    assert said[-1] == "The answer is complete."
    assert any(one.startswith("Quote 1: ") for one in said) or len(said) == 6


@pytest.mark.parametrize("width", [320, 390])
def test_a_phones_width_is_enough(watch: Watch, width: int) -> None:
    watched = watch(width=width, height=720)
    page = watched.open()
    page.click("#menu")
    page.locator("#collections .entry", has_text="field").click()
    expect(page.locator("#side")).not_to_be_in_viewport()
    page.fill("#question", "When was the clinic in Goma opened?")
    page.click("#ask")
    page.wait_for_selector(".turn .foot-row", timeout=60_000)
    assert page.evaluate("document.documentElement.scrollWidth <= innerWidth")
    assert page.evaluate("document.querySelector('#talk').scrollWidth <= document.querySelector('#talk').clientWidth")
    page.locator(".quotes .marker").first.click()
    expect(page.locator(".sheet .box").first).to_be_in_viewport()
    found = Axe().run(page, options=_EVERYTHING).response["violations"]
    assert not found, [one["id"] for one in found]
    page.click("#source-close")
    watched.drop({"more.pdf": make_pdf(("The depot holds four hundred blankets.",))})
    expect(page.locator("#progress")).to_contain_text("1 document read", timeout=60_000)
