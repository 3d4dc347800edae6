"""What is wrong with the machine, on the page: a notice that can be read, heard and dismissed, or a page of its own where nothing can start."""

from __future__ import annotations

import json
import re
import shutil
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest
from axe_playwright_python.sync_playwright import Axe
from playwright.sync_api import Page, expect

from appliance.manifest import MANIFEST, PUBLIC_KEY
from bundle.sign import load_key, write_lists
from tests.browser.conftest import Watched, serving
from tests.machine.making import runtime

pytestmark = pytest.mark.browser
Watch = Callable[..., Watched]
_EVERYTHING = {"resultTypes": ["violations"], "runOnly": ["wcag2a", "wcag2aa", "wcag21a", "wcag21aa", "wcag22aa", "best-practice"]}


@pytest.fixture(scope="module")
def foreign(bundle_root: Path, tmp_path_factory: pytest.TempPathFactory) -> Iterator[str]:
    """The starter bundle as if it had been made for Windows only, served here; its address."""
    folder = tmp_path_factory.mktemp("foreign")
    root = folder / "bundle"
    shutil.copytree(bundle_root / "models", root / "models")
    manifest = json.loads((bundle_root / MANIFEST).read_bytes())
    files = [file for file in manifest.pop("files") if file["path"] != PUBLIC_KEY]
    write_lists(root, {**manifest, "runtimes": [runtime("windows-x64")]}, load_key(folder / "signing.pem"), files)
    with serving({"HAVERSACK_HOME": str(folder / "home"), "HAVERSACK_BUNDLE": str(root)}) as address:
        yield address


def violations(page: Page) -> list[str]:
    return [one["id"] for one in Axe().run(page, options=_EVERYTHING).response["violations"]]


@pytest.mark.parametrize(("theme", "width"), [("light", 1280), ("dark", 390)])
def test_what_is_wrong_stands_on_the_start_page(watch: Watch, foreign: str, theme: str, width: int) -> None:
    watched = watch(theme, width)
    watched.origin = foreign
    page = watched.open()
    told = page.locator("#machine")
    expect(told).to_contain_text("The bundle was made for windows-x64, and this machine is ")
    expect(told).to_contain_text("Build a bundle for this kind of machine too.")
    expect(told).to_have_role("status")
    assert violations(page) == []
    assert page.evaluate("document.documentElement.scrollWidth <= innerWidth")


def test_it_can_be_dismissed_with_the_keyboard_and_stays_so(watch: Watch, foreign: str) -> None:
    watched = watch()
    watched.origin = foreign
    page = watched.open()
    told, dismiss = page.locator("#machine"), page.get_by_role("button", name="Dismiss what is said about this machine")
    expect(dismiss).to_be_visible()
    page.locator("#overview").focus()
    page.keyboard.press("Tab")
    expect(dismiss).to_be_focused()
    page.keyboard.press("Enter")
    expect(told).to_be_hidden()
    expect(page.locator("#question")).to_be_focused()
    for _ in range(2):
        page.wait_for_event("response", lambda answer: answer.url.endswith("/api/status"))
    expect(told).to_be_hidden()


def test_the_key_of_a_first_bundle_is_shown_until_it_is_dismissed(watch: Watch, foreign: str) -> None:
    watched = watch()
    watched.origin = foreign
    page = watched.open()
    told = page.locator("#trust")
    expect(told).to_contain_text(re.compile(r"signed by the key ([0-9a-f]{4} ){7}[0-9a-f]{4}\. It is the first that this library meets"))
    page.get_by_role("button", name="Dismiss what is said about this bundle").click()
    expect(told).to_be_hidden()
    for _ in range(2):
        page.wait_for_event("response", lambda answer: answer.url.endswith("/api/status"))
    expect(told).to_be_hidden()


def test_a_machine_that_is_well_gets_no_notice(watch: Watch) -> None:
    page = watch().open()
    page.wait_for_event("response", lambda answer: answer.url.endswith("/api/status") and answer.json()["machine"] is not None)
    found = page.evaluate("fetch('/api/status', { headers: { 'X-Haversack': '1' } }).then((answer) => answer.json())")["machine"]
    expect(page.locator("#machine")).to_be_visible(visible=any(one["severity"] != "note" for one in found))


@pytest.mark.parametrize(("theme", "width"), [("light", 1280), ("dark", 390)])
def test_where_nothing_can_start_a_page_says_why(watch: Watch, tmp_path: Path, theme: str, width: int) -> None:
    settings = {"HAVERSACK_HOME": str(tmp_path / "home"), "HAVERSACK_BUNDLE": str(tmp_path / "bundle"), "DISPLAY": ""}
    with serving(settings, "--open") as address:
        watched = watch(theme, width)
        watched.origin = address
        watched.page.goto(address)
        expect(watched.page.get_by_role("alert")).to_contain_text(f"There is no bundle at {tmp_path / 'bundle'}.")
        expect(watched.page.locator("dl")).to_contain_text("threads for the models")
        assert violations(watched.page) == []
        assert watched.page.evaluate("document.documentElement.scrollWidth <= innerWidth")
        assert [one for one in watched.complaints if "503" not in one] == []
        watched.complaints.clear()
