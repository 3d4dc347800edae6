"""What an answer takes reaches the page, on the real model; the saver does what it says and no more."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import pytest

from appliance.runtime import Appliance
from tests.web.calling import Caller

QUESTION = "When was the Goma clinic opened?"


@pytest.fixture(autouse=True)
def saver_off_again(appliance: Appliance) -> Iterator[None]:
    yield
    appliance.saver.set("off")


def ask(api: Caller, field: Any, **more: object) -> dict[str, Any]:
    events = api.stream(f"collections/{field['id']}/ask", {"question": QUESTION, **more})
    answer: dict[str, Any] = events[-1][1]["answer"]
    return answer


def test_an_answer_says_what_it_took_and_the_day_sums_it_up(api: Caller, field: Any) -> None:
    before = api.json("GET", "energy")["today"]
    answer = ask(api, field)
    energy, after = answer["energy"], api.json("GET", "energy")
    assert energy["joules"] > 0
    assert 0 < energy["plus_minus"] < 1
    assert energy["method"] == after["last_answer"]["method"]
    assert after["last_answer"]["joules"] == pytest.approx(energy["joules"])
    assert after["today"]["answers"] == before["answers"] + 1
    assert after["today"]["watt_hours"] == pytest.approx(before["watt_hours"] + energy["joules"] / 3600)
    assert answer["timings"]["writing"] > 0
    assert answer["completion_tokens"] > 0


def test_a_translation_in_several_pieces_is_one_answer(api: Caller) -> None:
    before = api.json("GET", "energy")["today"]
    api.stream("translate", {"text": "The clinic has 12 beds. It was opened in 2019.", "language": "French"})
    after = api.json("GET", "energy")
    assert after["today"]["answers"] == before["answers"] + 1
    assert after["today"]["watt_hours"] == pytest.approx(before["watt_hours"] + after["last_answer"]["joules"] / 3600)


def test_reading_ahead_of_a_comparison_is_no_answer(api: Caller, field: Any, appliance: Appliance) -> None:
    model = appliance.answering.name
    before = api.json("GET", "energy")["today"]["answers"]
    asked = {"question": QUESTION, "contenders": [{"model": model}, {"model": model, "preset": "exact"}]}
    assert api.stream(f"collections/{field['id']}/compare", asked)[-1][0] == "compared"
    assert api.json("GET", "energy")["today"]["answers"] == before + 2


def test_the_saver_at_quotes_only_lets_no_model_write(api: Caller, field: Any, appliance: Appliance) -> None:
    shown = api.json("PUT", "energy/saver", {"level": "quotes"})["saver"]
    assert (shown["on"], shown["level"]) == (True, "quotes")
    answer = ask(api, field)
    assert answer["generated"] == answer["model"] == ""
    assert "14 March 2011" in answer["answer"]
    asked = ask(api, field, model=appliance.answering.name)
    assert asked["generated"], "what a question asks for itself is never overruled"


def test_fewer_threads_are_what_the_model_is_loaded_with(api: Caller, field: Any, appliance: Appliance) -> None:
    api.json("PUT", "energy/saver", {"level": "threads"})
    ask(api, field)
    assert appliance.loaded.states()[appliance.answering.name].threads == appliance.saver.threads


@pytest.mark.parametrize("body", [{"level": "everything"}, {"on": "yes"}, {"level": 3}])
def test_bad_levels_are_refused(api: Caller, body: dict[str, object]) -> None:
    assert api.json("PUT", "energy/saver", body, status=400)["error"]["code"] == "bad_request"
    assert not api.json("GET", "energy")["saver"]["on"]
