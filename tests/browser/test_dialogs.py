"""Dialogs close where somebody means it, and open once."""

from __future__ import annotations

from collections.abc import Callable

import pytest
from playwright.sync_api import expect

from tests.browser.conftest import Watched

pytestmark = pytest.mark.browser
Watch = Callable[..., Watched]


def test_only_a_click_beside_a_dialog_closes_it(watch: Watch) -> None:
    page = watch().open()
    dialog = page.locator("dialog")
    page.dblclick("#help")  # its second click falls beside the dialog that the first one opened
    expect(dialog).to_be_visible()
    box = dialog.bounding_box()
    assert box
    inside, beside = (box["x"] + 8, box["y"] + box["height"] / 2), (box["x"] - 30, box["y"] + box["height"] / 2)
    page.mouse.click(*inside)  # its padding
    expect(dialog).to_be_visible()
    page.mouse.move(box["x"] + box["width"] / 2, beside[1])  # a selection that ends beyond its edge
    page.mouse.down()
    page.mouse.move(*beside)
    page.mouse.up()
    expect(dialog).to_be_visible()
    page.mouse.click(*beside)
    expect(dialog).to_have_count(0)


def test_what_is_opened_twice_opens_once_and_again_when_it_was_closed(watch: Watch) -> None:
    page = watch().open()
    twice = "import('/static/dialogs.js').then(({ dialog }) => [dialog('Energy', ''), dialog('Energy', '')].length)"
    for _ in range(2):
        page.evaluate(twice)
        expect(page.locator("dialog")).to_have_count(1)
        page.keyboard.press("Escape")
        expect(page.locator("dialog")).to_have_count(0)


def test_what_could_not_be_copied_is_not_said_to_be_copied(watch: Watch) -> None:
    page = watch().open()
    page.evaluate("navigator.clipboard.writeText = () => Promise.reject(new Error('refused')), document.execCommand = () => false")
    page.click("#open-keys")
    copy = page.locator("dialog [aria-label='Copy the address']")
    copy.click()
    expect(copy).to_have_text("Not copied: select the text yourself")
    expect(copy).to_be_focused()
