"""The whole journey in a real browser, on the real appliance: from a drop to the boxed passage."""

from __future__ import annotations

import re
from collections.abc import Callable
from pathlib import Path

import pytest
from playwright.sync_api import Page, expect

from tests.browser.conftest import Watched
from tests.clinic import NOTES, PAGES_WITH_A_SCAN, make_pdf

pytestmark = pytest.mark.browser
Watch = Callable[..., Watched]


def ask(page: Page, question: str) -> None:
    """Ask and wait until the answer is complete."""
    before = page.locator(".turn .foot-row").count()
    page.fill("#question", question)
    page.press("#question", "Enter")
    expect(page.locator(".turn .foot-row")).to_have_count(before + 1, timeout=60_000)


def open_collection(page: Page, name: str) -> None:
    page.locator("#collections .entry", has_text=name).click()
    expect(page.locator("#collection-name")).to_have_text(name)


def test_from_a_drop_to_the_boxed_passage(watch: Watch) -> None:
    watched = watch()
    page = watched.open()
    expect(page.locator("#seal")).to_contain_text("Sealed by the kernel: 0 attempts")
    expect(page.locator("#model")).to_contain_text("SmolLM2 135M Instruct")
    page.click("#new-collection")
    page.fill("dialog input", "Goma 2012")
    page.press("dialog input", "Enter")
    expect(page.locator("#collection-name")).to_have_text("Goma 2012")
    watched.drop({"clinic.pdf": make_pdf(PAGES_WITH_A_SCAN), "notes.md": NOTES.encode(), "empty.pdf": b""})
    expect(page.locator("#progress")).to_contain_text("1 document read, 1 document read in part, 1 not read", timeout=60_000)
    expect(page.locator("#collection-counts")).to_contain_text("2 documents")

    page.click("#progress >> text=What was read")
    ledger = page.locator("dialog .ledger")
    expect(ledger.locator("li", has_text="empty.pdf").first).to_contain_text("This file is empty")
    ledger.locator("summary").click()
    expect(ledger).to_contain_text("Page 3: no text: probably a scan")
    page.keyboard.press("Escape")

    page.fill("#question", "When was the clinic in Goma opened?")
    page.press("#question", "Enter")
    expect(page.locator(".card").first).to_contain_text("clinic.pdf, page 1")
    expect(page.locator(".quotes .quote").first).to_contain_text("14 March 2011")
    expect(page.locator(".turn .foot-row")).to_be_visible(timeout=60_000)
    page.locator(".quotes .marker").first.click()
    expect(page.locator("#source-title")).to_have_text("clinic.pdf")
    expect(page.locator("#source-place")).to_have_text("page 1 of 3")
    expect(page.locator(".sheet .box").first).to_be_visible()
    sheet, box = page.locator(".sheet canvas").bounding_box(), page.locator(".sheet .box").first.bounding_box()
    assert sheet
    assert box
    assert sheet["x"] < box["x"] < sheet["x"] + sheet["width"] / 2
    assert sheet["y"] < box["y"] < sheet["y"] + sheet["height"] / 6, "the passage stands at the head of the page"

    page.click("#source-next")
    expect(page.locator("#source-place")).to_have_text("page 2 of 3")
    page.click("#source-next")
    expect(page.locator("#source-body")).to_contain_text("probably a scan")
    for typed, number in (("1", 1), ("9", 1), ("3", 3)):
        page.fill("#source-page", typed)
        page.press("#source-page", "Enter")
        expect(page.locator("#source-place")).to_have_text(f"page {number} of 3")
        expect(page.locator("#source-page")).to_have_value(str(number))
    page.keyboard.press("Escape")
    expect(page.locator("#source")).to_be_hidden()

    with page.expect_download() as download:
        page.click("[aria-label^='Export the conversation']")
        page.click("dialog >> text=One HTML file")
    assert download.value.suggested_filename.endswith(".html")
    page.keyboard.press("Escape")
    page.click(".foot-row >> text=Copy")
    copied = page.evaluate("navigator.clipboard.readText()")
    assert "14 March 2011" in copied
    assert "clinic.pdf, page 1" in copied


def new_collection(page: Page, name: str) -> None:
    page.click("#new-collection")
    page.fill("dialog input", name)
    page.press("dialog input", "Enter")
    expect(page.locator("#collection-name")).to_have_text(name)


def names_in_ledger(page: Page) -> list[str]:
    page.click("#show-documents")
    expect(page.locator("dialog .ledger .name").first).to_be_visible()
    names = page.locator("dialog .ledger .name").all_inner_texts()
    page.keyboard.press("Escape")
    return sorted(names)


def test_a_folder_is_walked_whether_dropped_or_chosen(watch: Watch, tmp_path: Path) -> None:
    folder = tmp_path / "reports"
    (folder / "2012" / "march").mkdir(parents=True)
    (folder / "notes.md").write_text(NOTES, encoding="utf-8")
    for number in range(120):  # a reader of entries gives at most 100 at a time
        (folder / "2012" / "march" / f"{number:03}.txt").write_text(f"On day {number} the boat brought {number * 7} sacks.", encoding="utf-8")
    watched = watch()
    page = watched.open()
    expected = ["reports/notes.md", *(f"reports/2012/march/{number:03}.txt" for number in range(120))]
    new_collection(page, "dropped")
    watched.drop_from_disk(folder)
    expect(page.locator("#progress")).to_contain_text("121 documents read", timeout=60_000)
    assert names_in_ledger(page) == sorted(expected)
    page.click("#progress >> text=Dismiss")
    new_collection(page, "chosen")
    page.set_input_files("#folder", folder)
    expect(page.locator("#progress")).to_contain_text("121 documents read", timeout=60_000)
    assert names_in_ledger(page) == sorted(expected)


def test_an_encrypted_file_asks_for_its_password(watch: Watch) -> None:
    watched = watch()
    page = watched.open()
    new_collection(page, "locked")
    watched.drop({"locked.pdf": make_pdf(("The code word of the depot is marigold, and it changes every month.",), password="open sesame")})
    expect(page.locator("#progress")).to_contain_text("1 not read", timeout=60_000)
    page.click("#progress >> text=What was read")
    page.click("dialog button:has-text('Give its password')")
    page.fill("dialog input[type=password]", "open sesame")
    page.press("dialog input[type=password]", "Enter")
    expect(page.locator("#collection-counts")).to_contain_text("1 document", timeout=60_000)
    ask(page, "What is the code word of the depot?")
    page.locator(".quotes .marker").first.click()
    expect(page.locator("#source-body")).to_contain_text("This page can't be drawn here")
    expect(page.locator(".sheet mark").first).to_be_visible()


def test_a_text_is_opened_with_its_passage_highlighted(watch: Watch) -> None:
    page = watch().open()
    open_collection(page, "field")
    ask(page, "How long does the journey from Goma to Bukavu take by lorry?")
    page.locator(".quotes .marker").first.click()
    expect(page.locator(".sheet mark").first).to_be_visible()
    assert "nine hours by lorry" in page.locator(".sheet mark").all_inner_texts()[-1]


def test_what_is_not_there_is_refused_with_the_nearest_passages(watch: Watch) -> None:
    page = watch().open()
    open_collection(page, "field")
    ask(page, "Who won the football world cup in Brazil?")
    expect(page.locator(".refusal")).to_be_visible()
    expect(page.locator(".prose .flag")).to_have_count(0)
    expect(page.locator(".cards.tall .card").first).to_be_visible()


def test_history_looks_like_what_was_streamed(watch: Watch) -> None:
    page = watch().open()
    open_collection(page, "field")
    ask(page, "Who opened the clinic?")
    streamed = page.locator(".turn").inner_text()
    page.reload()
    page.locator("#conversations .entry", has_text="Who opened the clinic?").first.click()
    expect(page.locator(".turn .foot-row")).to_be_visible()
    assert page.locator(".turn").inner_text() == streamed


def test_questions_go_to_the_chosen_documents_alone(watch: Watch) -> None:
    page = watch().open()
    open_collection(page, "field")
    page.click("#scope")
    page.check("dialog [aria-label='Ask only notes.md']")
    expect(page.locator("dialog")).to_contain_text("Questions go to 1 document.")
    page.keyboard.press("Escape")
    expect(page.locator("#scope")).to_have_text("Only 1 document")
    page.fill("#question", "rainy season")
    page.press("#question", "Control+Enter")
    expect(page.locator(".card").first).to_be_visible()
    assert {text.split("\n")[0] for text in page.locator(".card").all_inner_texts()} == {"notes.md"}


def test_overview_and_conversations_are_kept_renamed_and_deleted(watch: Watch) -> None:
    page = watch().open()
    open_collection(page, "field")
    page.click("#overview")
    expect(page.locator(".turn .foot-row")).to_be_visible(timeout=60_000)
    expect(page.locator(".prose .marker").first).to_be_visible()
    page.click("#conversations .open [aria-label^='Rename']")
    page.fill("dialog input", "All of it")
    page.press("dialog input", "Enter")
    expect(page.locator("#conversations .open")).to_contain_text("All of it")
    page.fill("#find-conversation", "all of it")
    expect(page.locator("#conversations .entry")).to_have_count(1)
    page.click("#conversations .open [aria-label^='Delete']")
    page.click("dialog >> text=Delete it")
    expect(page.locator("#conversations")).to_contain_text("No conversation holds these words.")
    expect(page.locator(".beginning")).to_be_visible()


def test_the_seal_and_the_model_say_what_they_are(watch: Watch) -> None:
    page = watch().open()
    page.click("#seal")
    expect(page.locator("dialog td.good")).to_have_count(5)
    expect(page.locator("dialog")).to_contain_text("The system's kernel refuses every connection")
    page.keyboard.press("Escape")
    page.click("#model")
    expect(page.locator("dialog")).to_contain_text(re.compile("trusted", re.IGNORECASE))


def test_a_page_of_an_earlier_start_says_that_it_must_be_reloaded(watch: Watch) -> None:
    watched = watch()
    page = watched.open()
    page.context.clear_cookies()
    page.click("#new-collection")
    page.fill("dialog input", "Too late")
    page.press("dialog input", "Enter")
    expect(page.locator("#banner")).to_contain_text("started anew")
    page.click("#banner >> text=Reload the page")
    page.wait_for_selector(".beginning")
    expect(page.locator("#banner")).to_be_hidden()
    assert all("401" in one for one in watched.complaints)
    watched.complaints.clear()
