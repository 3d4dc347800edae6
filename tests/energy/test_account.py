from __future__ import annotations

import time
from collections.abc import Callable, Iterator
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


class Clock:
    """time.monotonic() as told."""

    now = 1000.0


@pytest.fixture
def clock(monkeypatch: pytest.MonkeyPatch) -> Clock:
    made = Clock()
    monkeypatch.setattr(time, "monotonic", lambda: made.now)
    return made


@pytest.fixture
def library(home: Path) -> Iterator[Library]:
    with Library.open(home, write=True, purpose="test") as opened:
        yield opened


def account(library: Library | None, tmp_path: Path, look: Callable[[], Battery | None] = lambda: None) -> Account:
    nowhere = tmp_path / "none"
    return Account(Meter(Rapl(nowhere), look, stat=nowhere, processors=nowhere), Consumption(library) if library else None)


def test_days_are_summed_and_outlive_the_process(library: Library, tmp_path: Path) -> None:
    kept = account(library, tmp_path)
    for _ in range(2):
        kept.answering()(4.5)
    kept.reading()(4, 9.0)
    kept.answering()(0.0)
    (day,) = account(library, tmp_path).days()
    assert (day.date, day.answers, day.documents) == (today(), 2, 4)
    assert day.watt_hours == pytest.approx(0.04, rel=0.2), "besides what this process used itself"
    assert (day.plus_minus, day.methods) == (pytest.approx(0.5), (ESTIMATE,))


def test_an_answer_of_several_calls_is_one(library: Library, tmp_path: Path) -> None:
    kept = account(library, tmp_path)
    ends = kept.answering()
    each = []
    for _ in range(3):
        ends(0.0)  # each call begins with what it reads
        each.append(ends(2.0))
    (day,) = kept.days()
    assert day.answers == 1
    assert [one.joules for one in each if one] == [16.0, 16.0, 16.0]
    assert kept.last is not None
    assert kept.last.joules == day.joules == 48.0
    assert kept.last.seconds == pytest.approx(sum(one.seconds for one in each if one))


def test_what_passes_before_an_answer_is_read_is_not_its_time(tmp_path: Path, clock: Clock) -> None:
    ends = account(None, tmp_path).answering()
    clock.now += 60  # others answer, and the model is loaded
    ends(0.0)
    clock.now += 3
    energy = ends(5.0)
    assert energy is not None
    assert energy.seconds == pytest.approx(3.0)


def test_reading_is_this_process_and_its_workers(library: Library, tmp_path: Path) -> None:
    kept = account(library, tmp_path)
    kept.reading()(0, 100.0)
    assert kept.days() == (), "where nothing was read, nothing is told"
    kept.reading()(1, 100.0)
    (day,) = kept.days()
    assert day.joules == pytest.approx(800.0, rel=0.1)


def test_a_library_of_an_older_version_has_no_days_and_gets_them(library: Library, tmp_path: Path) -> None:
    assert account(library, tmp_path).days() == ()
    assert account(None, tmp_path).days() == ()


def test_old_days_go(library: Library) -> None:
    kept = Consumption(library)
    for number in range(405):
        kept.add(f"20{number // 360:02}-{number // 30 % 12 + 1:02}-{number % 30 + 1:02}", "answer", 1, Energy(1.0, ESTIMATE, 0.5, 1.0))
    assert len(kept.days(1000)) == 400


def test_answers_left_are_reckoned_by_what_the_last_ones_drew(tmp_path: Path, clock: Clock) -> None:
    watts = 6.0
    full = account(None, tmp_path, lambda: Battery(50, True, watts, 20.0))
    charge = full.charge()
    assert charge
    assert charge.answers_left is None
    for _ in range(3):
        watts, ends = 6.0, full.answering()
        clock.now += 12
        watts = 20.0
        ends(30.0)
    watts = 6.0  # whoever looks now sees an idle machine
    charge = full.charge()
    assert charge
    assert charge.answers_left == 300  # 20 Wh at 20 W last 3,600 s
    assert charge.sentence == "On battery: 50 %, good for about 300 more answers like the last ones."
    watts = 40.0
    charge = full.charge()
    assert charge
    assert charge.answers_left == 150, "more leaves it now than then"


def test_what_the_battery_does_not_say_is_said(tmp_path: Path) -> None:
    assert account(None, tmp_path).charge() is None
    plugged = account(None, tmp_path, lambda: Battery(90, False)).charge()
    assert plugged
    assert "Plugged in" in plugged.sentence
    silent = account(None, tmp_path, lambda: Battery(30, True)).charge()
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
    assert (plan.model, plan.parameters, plan.write) == ("small", Parameters(temperature=0.5), True)
    assert again.saving() == again.threads == 2
    again.set("off")
    assert again.saving() is None


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
