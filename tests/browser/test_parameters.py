"""The panel of parameters: set for a conversation and for a collection, refused with the range, always taken back."""

from __future__ import annotations

import pytest
from playwright.sync_api import Page, Route, expect

from tests.browser.test_journey import Watch, ask, open_collection
from tests.browser.test_shelf import SECOND, at

pytestmark = pytest.mark.browser
ROW = "dialog .parameter[data-name={}]"


def show(page: Page) -> None:
    page.click("#open-parameters")
    expect(page.locator("dialog .parameter").first).to_be_visible()


def told(page: Page, where: str) -> dict[str, object]:
    """What the appliance itself keeps there."""
    script = "(where) => fetch(`/api/${where}/parameters`, { headers: { 'X-Haversack': '1' } }).then((answer) => answer.json())"
    return dict(page.evaluate(script, where)["parameters"])


def identity(page: Page, kind: str, name: str) -> int:
    script = "(kind) => fetch(`/api/${kind}`, { headers: { 'X-Haversack': '1' } }).then((answer) => answer.json())"
    return next(one["id"] for one in page.evaluate(script, kind)[kind] if name in (one.get("name"), one.get("title")))


def test_each_says_what_it_does_and_what_it_costs(watch: Watch, workshop: str) -> None:
    page = at(watch(), workshop)
    show(page)
    for name in ("temperature", "top_p", "min_p", "repeat_penalty", "seed", "context", "threads", "evidence", "system"):
        expect(page.locator(ROW.format(name))).to_contain_text("Costs: ")
    expect(page.locator("#parameter-context")).to_have_value("2048")
    expect(page.locator(ROW.format("top_k"))).to_have_count(0)  # for programs alone


def test_what_is_set_before_the_first_question_goes_with_the_conversation(watch: Watch, workshop: str) -> None:
    page = at(watch(), workshop)
    open_collection(page, "field")
    show(page)
    page.fill("#parameter-temperature", "0.3")
    page.press("#parameter-temperature", "Enter")
    page.locator(f"{ROW.format('evidence')} input[type=range]").fill("2")
    row = page.locator(ROW.format("temperature"))
    expect(row.locator(".changed")).to_be_visible()
    expect(page.locator("dialog .dialog-foot")).to_contain_text("2 changed here")
    page.select_option("#parameters-model", label=SECOND)
    expect(page.locator("dialog .dialog-foot")).to_contain_text("3 changed here")
    page.keyboard.press("Escape")
    ask(page, "Which wells were tested, and when was it done?")
    expect(page.locator(".turn .foot-row")).to_contain_text(SECOND)
    show(page)
    expect(page.locator("#parameter-temperature")).to_have_value("0.3")
    conversation = identity(page, "conversations", "Which wells were tested, and when was it done?")
    assert told(page, f"conversations/{conversation}") == {"temperature": 0.3, "evidence": 2}

    row.locator("text=Back").click()
    expect(row.locator(".changed")).to_be_hidden()
    assert told(page, f"conversations/{conversation}") == {"evidence": 2}
    page.click("dialog .dialog-foot >> text=Reset")
    expect(page.locator("dialog .dialog-foot")).to_contain_text("1 changed here")
    assert told(page, f"conversations/{conversation}") == {}
    expect(page.locator("#parameters-model option:checked")).to_have_text(SECOND)  # the model has an empty choice of its own


def test_a_collection_has_its_own_and_new_conversations_begin_with_them(watch: Watch, workshop: str) -> None:
    page = at(watch(), workshop)
    open_collection(page, "field")
    show(page)
    page.check("#scope-collection")
    page.click("dialog .presets >> text=Free")
    expect(page.locator("#parameter-temperature")).to_have_value("0.9")
    expect(page.locator("dialog .presets button", has_text="Free")).to_have_attribute("aria-pressed", "true")
    collection = identity(page, "collections", "field")
    assert told(page, f"collections/{collection}")["temperature"] == 0.9
    page.check("#scope-conversation")
    expect(page.locator("#parameter-temperature")).to_have_value("0.9")
    expect(page.locator(f"{ROW.format('temperature')} .changed")).to_be_hidden()  # it comes from the collection
    page.check("#scope-collection")
    page.click("dialog .dialog-foot >> text=Reset")
    expect(page.locator("#parameter-temperature")).to_have_value("0")
    assert told(page, f"collections/{collection}") == {}


def test_two_changes_in_quick_succession_are_both_kept(watch: Watch, workshop: str) -> None:
    """The first one is held on its way, as by a slow stick."""
    page = at(watch(), workshop)
    open_collection(page, "field")
    show(page)
    page.check("#scope-collection")
    held: list[Route] = []
    page.route(
        "**/api/collections/*/parameters", lambda route: held.append(route) if route.request.method == "PUT" and not held else route.continue_()
    )
    page.fill("#parameter-temperature", "0.3")
    with page.expect_request(lambda request: request.method == "PUT"):
        page.press("#parameter-temperature", "Enter")
    page.fill("#parameter-top_p", "0.5")
    page.press("#parameter-top_p", "Enter")
    page.fill("#parameter-seed", "-1")  # a third is refused
    page.fill("#parameter-min_p", "0.2")  # and a fourth is still being typed
    held[0].continue_()
    expect(page.locator("dialog .dialog-foot")).to_contain_text("2 changed here")
    expect(page.locator("#parameter-min_p")).to_have_value("0.2")
    expect(page.locator("#parameter-seed-error")).to_contain_text("from 0 to")
    collection = f"collections/{identity(page, 'collections', 'field')}"
    assert told(page, collection) == {"temperature": 0.3, "top_p": 0.5}
    page.fill("#parameter-min_p", "0.05")
    page.click("dialog .dialog-foot >> text=Reset")
    expect(page.locator("dialog .dialog-foot")).to_contain_text("Nothing is changed here.")
    assert told(page, collection) == {}
    expect(page.locator("#parameter-seed")).to_have_value("0")


def test_what_is_chosen_holds_for_an_overview_too(watch: Watch, workshop: str) -> None:
    page = at(watch(), workshop)
    open_collection(page, "field")
    page.select_option("#answer-with", label=SECOND)
    with page.expect_request("**/overview") as asked:
        page.click("#overview")
    assert asked.value.post_data_json["model"] == page.locator("#answer-with").input_value()
    expect(page.locator(".turn .foot-row")).to_be_visible(timeout=60_000)


@pytest.mark.parametrize(
    ("name", "value", "sentence"),
    [("top_p", "7", "from 0.01 to 1"), ("evidence", "2.5", "a whole number from 1 to 20"), ("seed", "-1", "from 0 to 4,294,967,295")],
)
def test_a_bad_value_is_refused_with_the_range(watch: Watch, workshop: str, name: str, value: str, sentence: str) -> None:
    page = at(watch(), workshop)
    open_collection(page, "field")
    show(page)
    page.fill(f"#parameter-{name}", value)
    page.press(f"#parameter-{name}", "Tab")
    expect(page.locator(f"#parameter-{name}-error")).to_contain_text(sentence)
    expect(page.locator(f"#parameter-{name}")).to_have_attribute("aria-invalid", "true")
    expect(page.locator("dialog .dialog-foot")).to_contain_text("Nothing is changed here.")
    assert told(page, f"collections/{identity(page, 'collections', 'field')}") == {}


def test_the_panel_works_with_the_keyboard_alone(watch: Watch, workshop: str) -> None:
    page = at(watch(), workshop)
    open_collection(page, "field")
    page.evaluate("document.activeElement.blur()")
    page.keyboard.press("p")
    expect(page.locator("dialog .parameter").first).to_be_visible()
    page.locator("#scope-conversation").focus()
    for _ in range(40):
        page.keyboard.press("Tab")
        if page.evaluate("document.activeElement.id") == "parameter-temperature":
            break
    page.keyboard.press("ArrowUp")
    page.keyboard.press("Tab")
    expect(page.locator(f"{ROW.format('temperature')} .changed")).to_be_visible()
    page.keyboard.press("Escape")
    expect(page.locator("dialog")).to_have_count(0)
