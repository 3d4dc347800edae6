"""A pack in a real browser: opened by its path, asked, cited to the boxed passage in its original, not changed, closed."""

from __future__ import annotations

import os
import re
import subprocess
from pathlib import Path

import pytest
from playwright.sync_api import expect

from tests.browser.conftest import COMMAND
from tests.browser.test_journey import Watch, ask, open_collection
from tests.clinic import make_pdf

pytestmark = pytest.mark.browser


@pytest.fixture
def pack(bundle_root: Path, tmp_path: Path) -> Path:
    settings = {**os.environ, "HAVERSACK_HOME": str(tmp_path / "office"), "HAVERSACK_BUNDLE": str(bundle_root)}
    (tmp_path / "clinic.pdf").write_bytes(make_pdf())
    target = tmp_path / "handbook.haversack"
    for words in (("ingest", str(tmp_path / "clinic.pdf"), "--collection", "Handbook"), ("pack", "create", "Handbook", str(target))):
        subprocess.run([*COMMAND, *words], env=settings, check=True, capture_output=True, timeout=120)
    return target


def test_from_the_file_to_the_boxed_passage_and_closed_again(watch: Watch, pack: Path) -> None:
    before = pack.read_bytes()
    watched = watch()
    page = watched.open()
    page.click("#open-pack")
    page.fill("dialog input", str(pack.with_name("nowhere.haversack")))
    page.press("dialog input", "Enter")
    expect(page.locator("dialog")).to_contain_text("There is no file or folder")
    page.keyboard.press("Escape")

    page.click("#open-pack")
    page.fill("dialog input", str(pack))
    page.press("dialog input", "Enter")
    expect(page.locator("dialog")).to_contain_text(re.compile("It is signed by the key( [0-9a-f]{4}){8}"))
    page.keyboard.press("Escape")
    expect(page.locator("#collection-name")).to_have_text("Handbook")
    expect(page.locator("#collections .entry", has_text="Handbook")).to_contain_text("pack · 1")

    ask(page, "When was the clinic in Goma opened?")
    expect(page.locator(".quotes .quote").first).to_contain_text("14 March 2011")
    page.locator(".quotes .marker").first.click()
    expect(page.locator("#source-title")).to_have_text("clinic.pdf")
    expect(page.locator(".sheet .box").first).to_be_visible()
    page.keyboard.press("Escape")

    page.click("#show-documents")
    expect(page.locator("dialog .ledger li")).to_have_count(1)
    expect(page.locator("dialog .ledger")).not_to_contain_text("Not read")
    assert page.locator("dialog .ledger [aria-label^='Remove']").count() == 0
    page.keyboard.press("Escape")

    away = pack.rename(pack.with_suffix(".away"))
    page.click("#show-documents")
    expect(page.locator("dialog").last).to_contain_text("The pack 'Handbook' is not at")
    for _ in range(2):
        page.keyboard.press("Escape")
    away.rename(pack)

    page.locator("#collections [aria-label='Close the pack Handbook']").click()
    page.click("dialog >> text=Close it")
    expect(page.locator("#collections")).not_to_contain_text("Handbook")
    open_collection(page, "field")
    assert pack.read_bytes() == before
    # What was refused on purpose: a path that isn't there, and reading while the file was away.
    assert [one for one in watched.complaints if "404" not in one and "409" not in one] == []
    watched.complaints.clear()
