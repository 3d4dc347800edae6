"""The documents of a collection: choosing which are asked, passwords, and a list that stays still while documents are read."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import pytest
from playwright.sync_api import Page, expect

from tests.browser.conftest import Watched
from tests.browser.test_journey import names_in_ledger, new_collection, open_collection
from tests.clinic import PAGES_WITH_A_SCAN, make_pdf

pytestmark = pytest.mark.browser
Watch = Callable[..., Watched]


def give_password(page: Page, password: str) -> None:
    page.click("dialog button:has-text('Give its password')")
    page.fill("dialog input[type=password]", password)
    page.press("dialog input[type=password]", "Enter")


def count_of(page: Page, collection: str) -> str:
    return page.locator("#collections .entry", has_text=collection).locator(".count").inner_text()


def test_ticks_last_whatever_the_filter_shows(watch: Watch) -> None:
    page = watch().open()
    open_collection(page, "field")
    page.click("#scope")
    page.check("dialog [aria-label='Ask only clinic.pdf']")
    page.fill("dialog [type=search]", "notes")
    expect(page.locator("dialog .ledger li")).to_have_count(1)
    page.check("dialog [aria-label='Ask only notes.md']")
    expect(page.locator("dialog")).to_contain_text("Questions go to 2 documents.")
    page.fill("dialog [type=search]", "")
    expect(page.locator("dialog .ledger :checked")).to_have_count(2)
    page.uncheck("dialog [aria-label='Ask only notes.md']")
    expect(page.locator("#scope")).to_have_text("Only 1 document")
    page.click("dialog >> text=Ask all of them")
    expect(page.locator("#scope")).to_have_text("All documents")
    expect(page.locator("dialog [type=search]")).to_be_focused()


def test_a_password_goes_with_its_own_file_into_its_own_collection(watch: Watch) -> None:
    watched = watch()
    page = watched.open()
    for name in ("vault", "shed"):
        new_collection(page, name)
        watched.drop({"locked.pdf": make_pdf((f"The code word of the {name} is marigold.",), password=f"key of the {name}")})
        expect(page.locator("#progress")).to_contain_text("1 not read", timeout=60_000)
        if name == "vault":
            page.click("#progress >> text=Dismiss")
    open_collection(page, "vault")
    page.click("#progress >> text=What was read")
    expect(page.locator("dialog")).to_contain_text("Documents of “shed”")
    give_password(page, "key of the shed")
    expect(page.locator("#collections .entry", has_text="shed").locator(".count")).to_have_text("1", timeout=60_000)
    assert count_of(page, "vault") == "0"
    page.click("#show-documents")
    give_password(page, "key of the vault")
    expect(page.locator("#collection-counts")).to_contain_text("1 document", timeout=60_000)


def test_a_file_that_was_not_chosen_again_leaves_the_buttons_as_they_were(watch: Watch, tmp_path: Path) -> None:
    watched = watch()
    page = watched.open()
    new_collection(page, "forgotten")
    watched.drop({"locked.pdf": make_pdf(("Nobody knows.",), password="lost")})
    expect(page.locator("#progress")).to_contain_text("1 not read", timeout=60_000)
    page.reload()
    open_collection(page, "forgotten")
    page.click("#show-documents")
    with page.expect_file_chooser():  # and none is chosen
        give_password(page, "lost")
    page.keyboard.press("Escape")
    (tmp_path / "plain.txt").write_text("The well was dug in May.", encoding="utf-8")
    page.set_input_files("#files", tmp_path / "plain.txt")
    expect(page.locator("#collection-counts")).to_contain_text("1 document", timeout=60_000)
    assert names_in_ledger(page) == ["locked.pdf", "plain.txt"]


def test_what_is_open_or_has_the_focus_stays_so_while_documents_are_read(watch: Watch) -> None:
    watched = watch()
    page = watched.open()
    new_collection(page, "growing")
    watched.drop({"scan.pdf": make_pdf(PAGES_WITH_A_SCAN)})
    expect(page.locator("#progress")).to_contain_text("1 document read in part", timeout=60_000)
    page.click("#show-documents")
    page.locator("dialog summary").click()
    page.locator("dialog .ledger button", has_text="Summarise").focus()
    watched.drop({f"{number}.txt": f"On day {number} the boat brought {number * 7} sacks.".encode() for number in (1, 2)})
    expect(page.locator("dialog .ledger > li")).to_have_count(3, timeout=60_000)
    expect(page.locator("dialog .ledger > li", has_text="scan.pdf").locator("button", has_text="Summarise")).to_be_focused()
    expect(page.locator("dialog .ledger")).to_contain_text("Page 3: no text: probably a scan")
    page.click("dialog [aria-label='Remove 1.txt']")
    page.click("dialog >> text=Remove it")
    expect(page.locator("dialog .ledger > li")).to_have_count(2)
    expect(page.locator("dialog [aria-label='Ask only 2.txt']")).to_be_focused()  # the row that took its place
