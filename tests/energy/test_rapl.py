from __future__ import annotations

from pathlib import Path

import pytest

from appliance.energy.rapl import Rapl


def package(folder: Path, name: str, label: str, energy: int, limit: int = 262_143_328_850) -> Path:
    """As Linux 6.1 showed it on a laptop with one processor."""
    zone = folder / name
    zone.mkdir(parents=True, exist_ok=True)
    for file, text in (("name", label), ("energy_uj", str(energy)), ("max_energy_range_uj", str(limit))):
        (zone / file).write_text(f"{text}\n", encoding="ascii")
    return zone


def taken(rapl: Rapl, folder: Path, *after: tuple[str, str, int]) -> float | None:
    first = rapl.read()
    assert first
    for one in after:
        package(folder, *one)
    last = rapl.read()
    assert last
    return rapl.joules(first, last)


def test_what_the_packages_took_is_summed_and_their_parts_are_not(tmp_path: Path) -> None:
    package(tmp_path, "intel-rapl:0", "package-0", 1_000_000)
    package(tmp_path, "intel-rapl:1", "package-1", 5_000_000)
    package(tmp_path, "intel-rapl:0:0", "core", 1)
    assert taken(Rapl(tmp_path), tmp_path, ("intel-rapl:0", "package-0", 3_500_000), ("intel-rapl:1", "package-1", 5_500_000)) == pytest.approx(3.0)


def test_the_whole_platform_counts_instead_of_its_packages(tmp_path: Path) -> None:
    package(tmp_path, "intel-rapl:0", "package-0", 0)
    package(tmp_path, "intel-rapl:1", "psys", 0)
    assert taken(Rapl(tmp_path), tmp_path, ("intel-rapl:0", "package-0", 10_000_000), ("intel-rapl:1", "psys", 15_000_000)) == pytest.approx(15.0)


def test_what_they_count_is_known(tmp_path: Path) -> None:
    package(tmp_path, "intel-rapl:0", "package-0", 0)
    package(tmp_path, "intel-rapl:0:1", "dram", 0)
    assert not Rapl(tmp_path).whole
    package(tmp_path, "intel-rapl:1", "psys", 0)
    assert Rapl(tmp_path).whole


def test_a_counter_that_begins_anew_is_carried_on(tmp_path: Path) -> None:
    package(tmp_path, "intel-rapl:0", "package-0", 9_000_000, limit=10_000_000)
    assert taken(Rapl(tmp_path), tmp_path, ("intel-rapl:0", "package-0", 2_000_000)) == pytest.approx(3.0)


def test_a_counter_whose_range_is_not_known_and_one_that_went_away_say_nothing(tmp_path: Path) -> None:
    zone = package(tmp_path, "intel-rapl:0", "package-0", 9_000_000)
    (zone / "max_energy_range_uj").unlink()
    rapl = Rapl(tmp_path)
    first = rapl.read()
    assert first
    assert taken(rapl, tmp_path, ("intel-rapl:0", "package-0", 1)) is None
    (zone / "energy_uj").unlink()
    package(tmp_path, "intel-rapl:1", "package-1", 1)
    last = rapl.read()
    assert last
    assert rapl.joules(first, last) is None


@pytest.mark.parametrize("text", [None, "", "not a number", "-5"])
def test_counters_that_may_not_be_read_are_found_and_say_nothing(tmp_path: Path, text: str | None) -> None:
    zone = package(tmp_path, "intel-rapl:0", "package-0", 1)
    (zone / "energy_uj").unlink()
    if text is None:
        (zone / "energy_uj").mkdir()  # tests run as root, whom no permission stops
    else:
        (zone / "energy_uj").write_text(text)
    rapl = Rapl(tmp_path)
    assert rapl.found
    assert rapl.read() is None


def test_a_machine_without_counters(tmp_path: Path) -> None:
    rapl = Rapl(tmp_path / "none")
    assert not rapl.found
    assert rapl.read() is None
