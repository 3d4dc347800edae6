"""Files on their way in: what the disk doesn't give is named and left out, and cancelling is the end of it."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import pytest
from playwright.sync_api import Route, expect

from tests.browser.conftest import Watched
from tests.browser.test_journey import names_in_ledger, new_collection

pytestmark = pytest.mark.browser
Watch = Callable[..., Watched]

LEAVING_IS_ASKED_ABOUT = "!dispatchEvent(new Event('beforeunload', { cancelable: true }))"
# A folder with a file and a folder that the disk doesn't give, as a bad stick has them: no real one can be had here.
DROP_A_BAD_STICK = """() => {
  const refuse = (_, failed) => failed(new DOMException("A requested file or directory could not be found.", "NotFoundError"));
  const folder = (name, readEntries) => ({ name, isFile: false, createReader: () => ({ readEntries }) });
  const there = { name: "there.txt", isFile: true, file: (found) => found(new File(["The well was dug in May."], "there.txt")) };
  const inside = [{ name: "bad.txt", isFile: true, file: refuse }, folder("closed", refuse), there];
  const stick = folder("stick", (found) => found(inside.splice(0)));
  const dataTransfer = { types: ["Files"], files: [], items: [{ webkitGetAsEntry: () => stick }] };
  const drop = new DragEvent("drop", { bubbles: true, cancelable: true });
  document.body.dispatchEvent(Object.defineProperty(drop, "dataTransfer", { value: dataTransfer }));
}"""


def test_cancelling_by_keyboard_stops_what_is_still_to_be_sent(watch: Watch) -> None:
    watched = watch()
    page = watched.open()
    new_collection(page, "too many")
    held: list[Route] = []
    page.route("**/api/collections/*/uploads", lambda route: held.append(route))
    with page.expect_request("**/uploads"):
        watched.drop({f"{number:03}.txt": f"{number} sacks".encode() for number in range(250)})
    assert page.evaluate(LEAVING_IS_ASKED_ABOUT)
    cancel = page.locator("#progress button", has_text="Cancel")
    cancel.focus()
    for _ in range(2):  # the panel is shown anew with each of these
        page.wait_for_event("response", lambda response: response.url.endswith("/api/jobs"))
    expect(cancel).to_be_focused()
    page.keyboard.press("Enter")
    expect(page.locator("#progress")).to_contain_text("Stopping…")
    held[0].continue_()
    expect(page.locator("#progress")).to_contain_text("Cancelled.", timeout=60_000)
    expect(page.locator("#progress button", has_text="Dismiss")).to_be_focused()
    assert not page.evaluate(LEAVING_IS_ASKED_ABOUT)
    assert len(held) == 1, "of three parts, those after the first stayed here"


def test_what_the_disk_does_not_give_is_named_and_the_others_are_read(watch: Watch, tmp_path: Path) -> None:
    page = watch().open()
    for name in ("gone.txt", "there.txt"):
        (tmp_path / name).write_text(f"{name}: the well was dug in May.", encoding="utf-8")
    new_collection(page, "half")
    page.evaluate("document.body.append(Object.assign(document.createElement('input'), { id: 'chosen', type: 'file', multiple: true }))")
    page.set_input_files("#chosen", [tmp_path / "gone.txt", tmp_path / "there.txt"])
    (tmp_path / "gone.txt").unlink()  # the browser knows its name and size by now, and nothing more
    page.evaluate("files.files = chosen.files, files.dispatchEvent(new Event('change'))")
    expect(page.locator("dialog")).to_contain_text("Can't be read and left out: “gone.txt”. See whether you can open them, and add them again.")
    page.keyboard.press("Escape")
    page.evaluate(DROP_A_BAD_STICK)
    expect(page.locator("dialog")).to_contain_text("Can't be read and left out: “stick/bad.txt”, “stick/closed/”.")
    page.keyboard.press("Escape")
    expect(page.locator("#collection-counts")).to_contain_text("2 documents", timeout=60_000)
    assert names_in_ledger(page) == ["stick/there.txt", "there.txt"]
