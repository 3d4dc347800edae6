"""Programs and sharing on the page: keys that work and stop working, who is let in, and the address as a QR code."""

from __future__ import annotations

import json
import urllib.error
import urllib.request
from pathlib import Path

import pytest
from playwright.sync_api import Browser, expect

from appliance.access.addresses import own_addresses
from tests.browser.conftest import serving
from tests.browser.test_journey import Watch
from tests.browser.test_shelf import at

pytestmark = pytest.mark.browser
DROP = """() => {
  const dataTransfer = new DataTransfer();
  dataTransfer.items.add(new File(["1"], "one.txt"));
  document.body.dispatchEvent(new DragEvent("dragenter", { dataTransfer, bubbles: true }));
  const drop = new DragEvent("drop", { dataTransfer, bubbles: true, cancelable: true });
  const hidden = document.querySelector("#drop").hidden;
  document.body.dispatchEvent(drop);
  return [hidden, drop.defaultPrevented];
}"""


def models(address: str, key: str) -> int:
    """What a program gets that asks which models there are: the status."""
    request = urllib.request.Request(f"{address}/v1/models", headers={"Authorization": f"Bearer {key}"})
    try:
        with urllib.request.urlopen(request, timeout=10) as answer:
            assert json.load(answer)["data"]
            return int(answer.status)
    except urllib.error.HTTPError as error:
        return error.code


def test_a_key_is_shown_once_works_and_is_taken_away(watch: Watch, workshop: str) -> None:
    watched = watch()
    page = at(watched, workshop)
    page.context.grant_permissions(["clipboard-read", "clipboard-write"], origin=workshop)
    page.click("#open-keys")
    expect(page.locator("dialog")).to_contain_text("Programs need a key: make one below.")
    expect(page.locator("dialog .snippet code").first).to_have_text(workshop)
    expect(page.locator("#open-programs")).to_be_hidden()
    page.fill("#key-name", "notebook")
    page.press("#key-name", "Enter")
    key = page.locator("dialog .secret").inner_text()
    page.click("dialog >> text=Copy the key")
    assert page.evaluate("navigator.clipboard.readText()") == key
    assert models(workshop, key) == 200
    page.fill("#key-name", "notebook")
    page.press("#key-name", "Enter")
    expect(page.locator("dialog")).to_have_count(2)  # the same name twice is refused
    expect(page.locator("dialog").last).to_contain_text("notebook")
    watched.refused(409)
    page.keyboard.press("Escape")
    page.keyboard.press("Escape")
    page.click("#open-keys")
    expect(page.locator("dialog .keys-list")).to_contain_text("last used")
    expect(page.locator("dialog")).not_to_contain_text(key)
    page.locator("dialog [aria-label='Remove the key notebook']").click()
    page.click("dialog >> text=Remove it")
    expect(page.locator("dialog .keys-list")).to_contain_text("No key yet.")
    assert models(workshop, key) == 401


def test_it_says_how_a_program_is_pointed_here(watch: Watch, workshop: str) -> None:
    page = at(watch(), workshop)
    page.click("#open-keys")
    for name, words in (("OpenAI", f"{workshop}/v1"), ("Ollama", workshop)):
        page.click(f"dialog summary:has-text('{name}')")
        expect(page.get_by_role("region", name=f"A program made for {name}")).to_contain_text(words)
    expect(page.locator("dialog")).to_contain_text("This library is not shared.")


def test_an_open_server_is_warned_of(watch: Watch, bundle_root: Path, tmp_path: Path) -> None:
    with serving({"HAVERSACK_HOME": str(tmp_path / "home"), "HAVERSACK_BUNDLE": str(bundle_root)}, "--api", "open") as address:
        page = at(watch(), address)
        expect(page.locator("#open-programs")).to_contain_text("Any program on this machine may use it")
        page.click("#open-programs")
        expect(page.locator("dialog .notice.bad")).to_be_visible()
        assert models(address, "whatever") == 200
        page.close()  # before the server goes, of which the page would complain


@pytest.mark.skipif(not own_addresses(), reason="this machine is on no local network")
def test_a_shared_library_shows_its_address_and_who_is_there(watch: Watch, browser: Browser, bundle_root: Path, tmp_path: Path) -> None:
    settings = {
        "HAVERSACK_HOME": str(tmp_path / "home"),
        "HAVERSACK_BUNDLE": str(bundle_root),
        "HAVERSACK_SHARE_PASSWORD": "a quiet place by the lake",
    }
    with serving(settings, "--share") as address:
        watched = watch()
        page = at(watched, address)
        expect(page.locator("#guests")).to_contain_text("Shared")
        page.click("#guests")
        expect(page.locator("dialog .qr path")).to_have_count(1)
        shared = page.locator("dialog .shared code").first.inner_text()
        expect(page.locator("dialog")).to_contain_text("Nobody is connected.")
        page.keyboard.press("Escape")

        guest = browser.new_context().new_page()
        guest.goto(shared)
        guest.fill("#password", settings["HAVERSACK_SHARE_PASSWORD"])
        guest.press("#password", "Enter")
        guest.wait_for_selector(".beginning")
        for part in ("#add-files", "#new-collection", "#open-keys", "#workshop-title"):
            expect(guest.locator(part)).to_be_hidden()
        # He is told what is so for him, and is offered nothing that he can't do.
        expect(guest.locator(".beginning")).to_contain_text("unencrypted")
        expect(guest.locator(".beginning")).not_to_contain_text("go nowhere")
        guest.click("#help")
        expect(guest.locator("dialog .keys")).to_contain_text("new conversation")
        expect(guest.locator("dialog .keys")).not_to_contain_text("add files")
        guest.keyboard.press("Escape")
        guest.evaluate("document.activeElement.blur()")
        for key in "mpc":
            guest.keyboard.press(key)
        expect(guest.locator("dialog")).to_have_count(0)
        assert guest.evaluate(DROP) == [True, True], "what he drops is neither taken nor opened in place of the page"
        guest.set_viewport_size({"width": 360, "height": 640})
        expect(guest.locator(".fineprint")).to_be_visible()
        guest.click("#model")
        expect(guest.locator("dialog")).to_contain_text("SmolLM2 135M Instruct")
        expect(page.locator("#guests")).to_contain_text("Shared with 1")  # without anybody looking into the panel
        page.click("#guests")
        expect(page.locator("dialog")).to_contain_text(shared.split("//")[1].split(":")[0])
        guest.context.close()
        page.close()  # before the server goes, of which the page would complain
