"""What answers take, on the page: under each answer, for the day, on battery, and with the saver that the user chooses."""

from __future__ import annotations

import json
from typing import Any

import pytest
from playwright.sync_api import Route, expect

from tests.browser.test_journey import Watch, ask, open_collection
from tests.browser.test_shelf import SECOND, at

pytestmark = pytest.mark.browser


def test_an_answer_and_the_day_say_what_they_took_and_how_that_is_known(watch: Watch, workshop: str) -> None:
    page = at(watch(), workshop)
    open_collection(page, "field")
    ask(page, "When was the clinic in Goma opened?")
    expect(page.locator(".turn .foot-row")).to_contain_text("Wh, ")
    expect(page.locator("#energy")).to_contain_text("Wh today")
    page.click("#energy")
    for words in ("The last answer", "Today", "How it is known", "You choose"):
        expect(page.locator("dialog")).to_contain_text(words)


def test_the_saver_is_chosen_and_left_again(watch: Watch, workshop: str) -> None:
    page = at(watch(), workshop)
    open_collection(page, "field")
    page.click("#energy")
    expect(page.locator("#saver-off")).to_be_checked()
    page.check("#saver-model")
    expect(page.locator("#energy")).to_contain_text("saving")
    expect(page.locator("#saver-model")).to_be_focused()
    page.keyboard.press("Escape")
    ask(page, "Who opened the clinic in Goma?")
    expect(page.locator(".turn .foot-row")).to_contain_text(SECOND)  # the smaller of the two
    page.click("#energy")
    page.check("#saver-off")
    expect(page.locator("#energy")).not_to_contain_text("saving")


def test_a_battery_is_shown_while_it_is_used_and_the_saver_offered_when_it_is_low(watch: Watch, workshop: str) -> None:
    """There is no battery here: its reading is provoked, the rest is the real answer."""
    watched = watch("dark")
    battery: dict[str, Any] = {"percent": 63, "discharging": True, "answers_left": 210, "sentence": "On battery: 63 %."}

    def told(route: Route) -> None:
        energy = route.fetch().json()
        energy["battery"] = battery
        energy["saver"]["offered"] = battery["percent"] <= 20
        route.fulfill(status=200, content_type="application/json", body=json.dumps(energy))

    watched.page.route("**/api/energy", told)
    page = at(watched, workshop)
    expect(page.locator("#battery")).to_contain_text("63 %, about 210 answers left")
    battery["percent"] = 14
    page.click("#battery")
    expect(page.locator("dialog")).to_contain_text("about 210 answers left")
    expect(page.locator("#battery")).to_contain_text("14 %, about 210 answers left: save energy?")
    expect(page.locator("#saver-off")).to_be_checked()  # offered, never forced
    battery["discharging"] = False
    page.keyboard.press("Escape")
    page.click("#energy")
    expect(page.locator("#battery")).to_be_hidden()
    page.unroute("**/api/energy")


def test_an_answer_is_translated_below_itself(watch: Watch, workshop: str) -> None:
    watched = watch()
    page = at(watched, workshop)
    open_collection(page, "field")
    ask(page, "When was the clinic in Goma opened?")
    answer = page.locator(".turn .prose").inner_text()
    page.click(".turn .foot-row >> text=Translate")
    page.fill(".translation input", "French")
    page.press(".translation input", "Enter")
    expect(page.locator(".translated")).to_contain_text("translated this into French", timeout=60_000)
    assert page.locator(".turn .prose").inner_text() == answer
    page.fill(".translation input", "<b>1</b>")
    page.press(".translation input", "Enter")
    expect(page.locator(".translated .bad")).to_contain_text("such as French")
    watched.refused(400)
