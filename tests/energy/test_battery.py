"""Batteries as their chips tell of themselves: recorded shapes of /sys/class/power_supply, and what the other systems say."""

from __future__ import annotations

from pathlib import Path

import pytest

from appliance.energy.battery import Battery, linux, macos_says, windows_says


def supply(folder: Path, name: str, **values: object) -> None:
    (folder / name).mkdir()
    for file, value in values.items():
        (folder / name / file).write_text(f"{value}\n", encoding="utf-8")


def test_a_battery_that_tells_power_and_energy(tmp_path: Path) -> None:
    supply(tmp_path, "AC", type="Mains", online=0)
    supply(tmp_path, "BAT0", type="Battery", present=1, status="Discharging", capacity=73, power_now=8_250_000, energy_now=36_500_000)
    assert linux(tmp_path) == Battery(73, True, 8.25, 36.5)


def test_a_battery_that_tells_current_and_charge_and_counts_what_leaves_below_nothing(tmp_path: Path) -> None:
    told = {"current_now": -700_000, "charge_now": 3_000_000, "voltage_now": 12_000_000}
    supply(tmp_path, "BAT1", type="Battery", status="Discharging", capacity=50, **told)
    found = linux(tmp_path)
    assert found
    assert (found.watts, found.watt_hours) == (pytest.approx(8.4), pytest.approx(36.0))


def test_two_batteries_are_one_and_a_mouse_is_none(tmp_path: Path) -> None:
    supply(tmp_path, "BAT0", type="Battery", status="Discharging", capacity=40, power_now=5_000_000, energy_now=10_000_000)
    supply(tmp_path, "BAT1", type="Battery", status="Unknown", capacity=100, power_now=0, energy_now=20_000_000)
    supply(tmp_path, "hidpp_battery_0", type="Battery", scope="Device", status="Discharging", capacity=5)
    assert linux(tmp_path) == Battery(70, True, 5.0, 30.0)


def test_a_small_battery_that_is_full_is_no_half_of_both(tmp_path: Path) -> None:
    supply(tmp_path, "BAT0", type="Battery", status="Unknown", capacity=100, energy_now=23_000_000, energy_full=23_000_000)
    told = {"charge_now": 300_000, "charge_full": 6_000_000, "voltage_now": 12_000_000}  # 3.6 of 72 Wh
    supply(tmp_path, "BAT1", type="Battery", status="Discharging", capacity=5, power_now=9_000_000, **told)
    found = linux(tmp_path)
    assert found
    assert (found.percent, found.watt_hours, found.full) == (28, pytest.approx(26.6), pytest.approx(95.0))


def test_plugged_in_absent_and_unreadable_ones(tmp_path: Path) -> None:
    assert linux(tmp_path / "none") is None
    supply(tmp_path, "BAT0", type="Battery", present=0, capacity=0)
    supply(tmp_path, "BAT1", type="Battery", status="Charging", capacity="full")
    assert linux(tmp_path) is None
    supply(tmp_path, "BAT2", type="Battery", status="Full", capacity=104)
    assert linux(tmp_path) == Battery(100, False)


def test_what_macos_prints() -> None:
    on_battery = "Now drawing from 'Battery Power'\n -InternalBattery-0 (id=1)\t57%; discharging; 4:12 remaining present: true\n"
    assert macos_says(on_battery) == Battery(57, True)
    assert macos_says("Now drawing from 'AC Power'\n -InternalBattery-0 (id=1)\t100%; charged; 0:00 remaining\n") == Battery(100, False)
    assert macos_says("Now drawing from 'AC Power'\n") is None


def test_what_windows_says() -> None:
    assert windows_says(0, 1, 64) == Battery(64, True)
    assert windows_says(1, 8, 64) == Battery(64, False)
    assert windows_says(1, 128, 255) is None
    assert windows_says(255, 255, 255) is None
