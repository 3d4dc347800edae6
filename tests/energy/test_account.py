from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest

from appliance.documents import Energy
from appliance.energy.account import Account, today
from appliance.energy.battery import Battery
from appliance.energy.meter import ESTIMATE, Meter
from appliance.energy.rapl import Rapl
from appliance.energy.saver import LEVELS, Candidate, Saver
from appliance.errors import BadRequest
from appliance.library.consumption import Consumption
from appliance.library.store import Library
from appliance.models.parameters import Parameters

SHELF = (Candidate("large", "Large", 900), Candidate("small", "Small", 100))


@pytest.fixture
def library(home: Path) -> Iterator[Library]:
    with Library.open(home, write=True, purpose="test") as opened:
        yield opened


def account(library: Library | None, tmp_path: Path, battery: Battery | None = None) -> Account:
    return Account(Meter(Rapl(tmp_path / "none"), lambda: battery), Consumption(library) if library else None)


def test_days_are_summed_and_outlive_the_process(library: Library, tmp_path: Path) -> None:
    kept = account(library, tmp_path)
    kept.add("answer", Energy(36.0, ESTIMATE, 0.5, 2.0))
    kept.add("answer", Energy(36.0, ESTIMATE, 0.5, 2.0))
    kept.add("document", Energy(72.0, ESTIMATE, 0.5, 9.0), count=4)
    kept.add("answer", None)
    (day,) = account(library, tmp_path).days()
    assert (day.date, day.answers, day.documents, day.watt_hours) == (today(), 2, 4, pytest.approx(0.04))
    assert (day.plus_minus, day.methods) == (pytest.approx(0.5), (ESTIMATE,))


def test_a_library_of_an_older_version_has_no_days_and_gets_them(library: Library, tmp_path: Path) -> None:
    assert account(library, tmp_path).days() == ()
    assert account(None, tmp_path).days() == ()


def test_old_days_go(library: Library) -> None:
    kept = Consumption(library)
    for number in range(405):
        kept.add(f"20{number // 360:02}-{number // 30 % 12 + 1:02}-{number % 30 + 1:02}", "answer", 1, Energy(1.0, ESTIMATE, 0.5, 1.0))
    assert len(kept.days(1000)) == 400


def test_answers_left_are_reckoned_by_the_last_ones(tmp_path: Path) -> None:
    full = account(None, tmp_path, Battery(50, True, 10.0, 20.0))
    charge = full.charge()
    assert charge
    assert charge.answers_left is None
    for _ in range(3):
        full.add("answer", Energy(80.0, ESTIMATE, 0.5, 12.0))
    charge = full.charge()
    assert charge
    assert charge.answers_left == 600  # 20 Wh at 10 W last 7,200 s
    assert charge.sentence == "On battery: 50 %, good for about 600 more answers like the last ones."


def test_what_the_battery_does_not_say_is_said(tmp_path: Path) -> None:
    assert account(None, tmp_path).charge() is None
    plugged = account(None, tmp_path, Battery(90, False)).charge()
    assert plugged
    assert "Plugged in" in plugged.sentence
    silent = account(None, tmp_path, Battery(30, True)).charge()
    assert silent
    assert "doesn't say" in silent.sentence


def test_the_saver_is_off_until_it_is_switched_on_and_stays_so(tmp_path: Path) -> None:
    saver = Saver(tmp_path, 4)
    assert saver.level == "off"
    assert saver.plan("large", Parameters(), "", SHELF).parameters == Parameters()
    saver.set("model")
    again = Saver(tmp_path, 4)
    assert again.level == "model"
    plan = again.plan("large", Parameters(temperature=0.5), "", SHELF)
    assert (plan.model, plan.parameters, plan.write) == ("small", Parameters(temperature=0.5, threads=2), True)


def test_what_a_question_asks_for_itself_is_never_overruled(tmp_path: Path) -> None:
    saver = Saver(tmp_path, 4)
    saver.set("quotes")
    asked = saver.plan("large", Parameters(threads=4), "large", SHELF)
    assert (asked.model, asked.parameters.threads, asked.write) == ("large", 4, True)
    assert not saver.plan("", Parameters(), "", SHELF).write


@pytest.mark.parametrize("content", ["", "[]", '{"level": "everything"}', '{"level": {}}', "\x00"])
def test_a_damaged_setting_is_off(tmp_path: Path, content: str) -> None:
    (tmp_path / "saver.json").write_text(content)
    assert Saver(tmp_path, 4).level == "off"


def test_bad_levels_are_refused_with_those_there_are(tmp_path: Path) -> None:
    with pytest.raises(BadRequest, match="off, threads, model, quotes"):
        Saver(tmp_path, 4).set("most")
    assert set(Saver(tmp_path, 1).sentences(SHELF)) == set(LEVELS) - {"off"}
    assert Saver(tmp_path, 1).threads == 1
