"""The left side: renaming, searching, and what has the focus."""

from __future__ import annotations

from collections.abc import Callable
from itertools import pairwise

import pytest
from playwright.sync_api import Route, expect

from tests.browser.conftest import Watched
from tests.browser.test_journey import ask, new_collection, open_collection

pytestmark = pytest.mark.browser
Watch = Callable[..., Watched]


def test_a_new_title_is_known_everywhere_and_the_focus_comes_back(watch: Watch) -> None:
    page = watch().open()
    open_collection(page, "field")
    ask(page, "Who won the football world cup in Brazil?")
    page.click("#conversations .open [aria-label^='Rename']")
    page.fill("dialog input", "Not about football")
    page.press("dialog input", "Enter")
    expect(page.locator("#conversations .open")).to_contain_text("Not about football")
    expect(page.locator("[aria-label='Rename the conversation Not about football']")).to_be_focused()
    page.click("#open-parameters")
    expect(page.locator("dialog")).to_contain_text("This conversation: “Not about football”")
    page.keyboard.press("Escape")
    page.click("#conversations .open [aria-label^='Delete']")
    page.click("dialog >> text=Delete it")
    expect(page.locator("#conversations")).not_to_contain_text("Not about football")
    assert page.evaluate("document.activeElement.closest('section')?.querySelector('#conversations') !== null")


def test_an_older_search_that_comes_late_is_not_shown(watch: Watch) -> None:
    page = watch().open()
    held: list[Route] = []
    page.route("**/api/conversations?query=old*", lambda route: held.append(route))
    with page.expect_request("**/api/conversations?query=old*"):
        page.fill("#find-conversation", "old words")
    page.route("**/api/conversations?query=new*", lambda route: route.fulfill(json={"conversations": [found("what new words found")]}))
    page.fill("#find-conversation", "new words")
    expect(page.locator("#conversations")).to_contain_text("what new words found")
    with page.expect_response("**/api/conversations?query=old*"):
        held[0].fulfill(json={"conversations": [found("what old words found")]})
    page.evaluate("new Promise((resolve) => setTimeout(resolve))")  # so that what came late could be shown
    expect(page.locator("#conversations")).to_contain_text("what new words found")


@pytest.mark.parametrize(("width", "height"), [(1280, 600), (390, 720)])
def test_many_collections_leave_room_for_what_stands_below_them(watch: Watch, width: int, height: int) -> None:
    page = watch(width=width, height=height).open()
    page.evaluate("""import("/static/state.js").then(({ change }) => {
      document.body.classList.add("side-open");
      const collections = Array.from({ length: 30 }, (_, id) => ({ id, name: `Mission ${id}`, documents: 3, chunks: 9, pack: null }));
      change("collections", { collections, collection: collections[25] });
    })""")
    expect(page.locator("#collections .open")).to_be_in_viewport()
    names = ("collections", "find-conversation", "conversations", "workshop-title", "workshop")
    boxes = [box for name in names if (box := page.locator(f"#{name}").bounding_box())]
    assert [box["y"] + box["height"] <= below["y"] for box, below in pairwise(boxes)] == [True] * 4
    assert boxes[2]["height"] > 80, "a few conversations can be seen"


def found(title: str) -> dict[str, object]:
    when = "2026-01-01T12:00:00Z"
    return {"id": 9_999, "collection_id": 1, "title": title, "created": when, "updated": when}


def test_esc_empties_the_search_then_closes_the_side_and_the_answer_goes_on(watch: Watch) -> None:
    page = watch(width=390).open()
    held: list[Route] = []
    page.route("**/api/collections/*/ask", lambda route: held.append(route))
    page.fill("#question", "Who won the football world cup in Brazil?")
    with page.expect_request("**/ask"):
        page.press("#question", "Enter")
    page.click("#menu")
    page.fill("#find-conversation", "clinic")
    page.keyboard.press("Escape")
    expect(page.locator("#find-conversation")).to_have_value("")
    expect(page.locator("#side")).to_be_visible()
    page.focus("#new-conversation")
    page.keyboard.press("Escape")
    expect(page.locator("#side")).to_be_hidden()
    expect(page.locator("#menu")).to_be_focused()
    expect(page.locator(".turn")).to_contain_text("Looking for passages…")
    held[0].continue_()
    expect(page.locator(".turn .foot-row")).to_be_visible(timeout=60_000)


def test_the_open_collection_keeps_the_focus_while_it_grows(watch: Watch) -> None:
    watched = watch()
    page = watched.open()
    new_collection(page, "counted")
    rename = page.locator("[aria-label='Rename the collection counted']")
    rename.focus()
    watched.drop({"one.txt": b"On day 1 the boat brought 7 sacks."})
    expect(page.locator("#collections .open .count")).to_have_text("1", timeout=60_000)
    expect(rename).to_be_focused()
    rename.press("Enter")
    page.fill("dialog input", "renamed")
    page.press("dialog input", "Enter")
    expect(page.locator("[aria-label='Rename the collection renamed']")).to_be_focused()
