from __future__ import annotations

import subprocess
import sys
import time
from pathlib import Path

import pytest

from appliance.documents import Energy, both
from appliance.energy.battery import Battery
from appliance.energy.meter import BATTERY, COUNTERS, ESTIMATE, Meter, cores_of_a_processor, processor_seconds
from appliance.energy.rapl import Rapl
from tests.energy.test_rapl import package


def proc_stat(path: Path, ticks: int) -> Path:
    """`ticks` of all cores in the first column, as /proc/stat has them; idle time is the fourth."""
    path.write_text(f"cpu  {ticks} 0 0 99999 0 0 0 0 0 0\ncpu0 1 2 3\n", encoding="ascii")
    return path


def topology(folder: Path, *siblings: str) -> Path:
    """As Linux shows it: "0,4" for both hyperthreads of a core."""
    for number, text in enumerate(siblings):
        where = folder / f"cpu{number}" / "topology"
        where.mkdir(parents=True)
        (where / "thread_siblings_list").write_text(f"{text}\n", encoding="ascii")
    (folder / "cpufreq").mkdir()
    return folder


def test_processor_time_is_what_is_left_where_nothing_is_measured(tmp_path: Path) -> None:
    meter = Meter(Rapl(tmp_path), lambda: None, processors=tmp_path / "none")
    energy = meter.begin().end(2.0)
    assert energy is not None
    assert (energy.joules, energy.method, energy.plus_minus) == (16.0, ESTIMATE, 0.5)
    assert "estimated" in meter.sentence
    assert meter.begin().end(0.0) is None


def test_two_hyperthreads_are_one_core_of_the_estimate(tmp_path: Path) -> None:
    assert cores_of_a_processor(tmp_path / "none") is None
    assert "doesn't tell them apart" in Meter(Rapl(tmp_path), lambda: None, processors=tmp_path / "none").sentence
    assert cores_of_a_processor(topology(tmp_path / "plain", "0", "1")) == 1
    assert cores_of_a_processor(topology(tmp_path / "mixed", "0-1", "0-1", "2", "3")) == 0.75
    laptop = topology(tmp_path / "laptop", "0,4", "1,5", "2,6", "3,7", "0,4", "1,5", "2,6", "3,7")
    meter = Meter(Rapl(tmp_path), lambda: None, processors=laptop)
    assert "apart" not in meter.sentence
    energy = meter.begin().end(8.0)  # one second on all eight
    assert energy is not None
    assert energy.joules == 32


def test_counters_are_shared_out_by_processor_time(tmp_path: Path) -> None:
    package(tmp_path, "intel-rapl:0", "package-0", 0)
    stat = proc_stat(tmp_path / "stat", 1000)
    meter = Meter(Rapl(tmp_path), lambda: None, stat)
    period = meter.begin()
    package(tmp_path, "intel-rapl:0", "package-0", 40_000_000)
    proc_stat(stat, 1400)  # 4 s of all cores, of which ours were 1
    energy = period.end(1.0)
    assert energy is not None
    assert (energy.joules, energy.method) == (pytest.approx(10.0), COUNTERS)
    assert "own counters: the processor alone" in meter.sentence
    package(tmp_path, "intel-rapl:1", "psys", 0)
    assert "own counters: the whole machine" in meter.sentence


def test_more_time_than_the_system_saw_is_the_whole_of_it(tmp_path: Path) -> None:
    package(tmp_path, "intel-rapl:0", "package-0", 0)
    meter = Meter(Rapl(tmp_path), lambda: None, proc_stat(tmp_path / "stat", 1000))
    period = meter.begin()
    package(tmp_path, "intel-rapl:0", "package-0", 6_000_000)
    energy = period.end(3.0)
    assert energy is not None
    assert energy.joules == pytest.approx(6.0)


def test_the_battery_tells_of_the_whole_machine_where_the_work_takes_long_enough(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    meter = Meter(Rapl(tmp_path), lambda: Battery(80, True, 9.0, 30.0))
    short = meter.begin().end(0.5)
    assert short is not None
    assert short.method == ESTIMATE
    period, now = meter.begin(), time.monotonic()
    monkeypatch.setattr(time, "monotonic", lambda: now + 20.0)
    long = period.end(30.0)
    assert long is not None
    assert (long.method, long.joules) == (BATTERY, pytest.approx(180.0, rel=0.01))


def test_what_this_process_used_is_counted() -> None:
    before = processor_seconds()
    while processor_seconds() - before < 0.05:
        sum(range(10_000))
    assert processor_seconds() > before


def test_what_a_child_used_in_its_whole_life_is_not_counted_when_it_ends() -> None:
    before = processor_seconds()
    subprocess.run([sys.executable, "-c", "import time\nwhile time.process_time() < 1.0: pass"], check=True)
    assert processor_seconds() - before < 0.5


def test_two_ways_of_knowing_are_named_both() -> None:
    first, second = Energy(10.0, COUNTERS, 0.2, 1.0), Energy(30.0, ESTIMATE, 0.5, 2.0)
    assert both(None, first) == both(first, None) == first
    assert both(first, second) == Energy(40.0, f"{COUNTERS}; {ESTIMATE}", pytest.approx(0.425), 3.0)


def test_two_answers_at_the_same_time_are_not_both_the_whole_battery(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    stat = proc_stat(tmp_path / "stat", 1000)
    meter = Meter(Rapl(tmp_path), lambda: Battery(80, True, 10.0, 30.0), stat)
    periods, now = (meter.begin(), meter.begin()), time.monotonic()
    proc_stat(stat, 1400)  # 4 s of all cores, 2 for each
    monkeypatch.setattr(time, "monotonic", lambda: now + 12.0)
    found = [period.end(2.0) for period in periods]
    assert sum(energy.joules for energy in found if energy) == pytest.approx(120.0, rel=0.01)
