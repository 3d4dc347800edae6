"""A guest in a real browser: the password, then the page, which asks for nothing that guests are refused."""

from __future__ import annotations

from pathlib import Path

import pytest
from playwright.sync_api import Browser, expect

from appliance.access.addresses import own_addresses
from tests.web.serving import serving

RIGHT = "snow on the pass"


@pytest.mark.browser
def test_a_guest_gives_the_password_and_asks(browser: Browser, home: Path, bundle_root: Path) -> None:
    addresses = own_addresses()
    if not addresses:
        pytest.skip("this machine is on no local network")
    with serving(home, bundle_root, "--share", HAVERSACK_SHARE_PASSWORD=RIGHT) as server:
        page = browser.new_page()
        said: list[str] = []
        refused: list[str] = []
        page.on("console", lambda message: said.append(message.text) if message.type == "error" else None)
        page.on("response", lambda answer: refused.append(f"{answer.status} {answer.url}") if answer.status >= 400 else None)
        page.goto(f"http://{addresses[0]}:{server.port + 1}/")
        page.get_by_label("Password").fill("a wrong one")
        page.get_by_role("button", name="Open the library").click()
        expect(page.get_by_role("alert")).to_contain_text("That is not the password")
        page.get_by_label("Password").fill(RIGHT)
        refused.clear()
        said.clear()
        page.get_by_role("button", name="Open the library").click()
        expect(page.locator("#collections")).to_contain_text("guide", timeout=60_000)
        page.get_by_role("button", name="guide").first.click()
        page.locator("#question").fill("Does Haversack need a network?")
        page.locator("#ask").click()
        expect(page.locator("#conversations li")).to_have_count(1, timeout=120_000)
        for hidden in ("#open-keys", "#open-models", "#open-compare", "#open-parameters", "#energy"):
            expect(page.locator(hidden)).to_be_hidden()
        page.wait_for_timeout(3000)
        assert refused == []
        # That the local network's address isn't "trustworthy" to a browser costs headers that it doesn't need there.
        assert [line for line in said if "Cross-Origin-Opener-Policy" not in line] == []
        page.close()
