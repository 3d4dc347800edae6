"""What the measuring of sticks is made of: the copy that is compared with, what is counted, and the report's two parts. Nothing is timed."""

from __future__ import annotations

import os
import subprocess
from pathlib import Path

import pytest

from scripts.benchmark import machine, plain_way, report
from scripts.benchmark.__main__ import main
from scripts.benchmark.carrying import CLUSTERS, Carried, besides_packs, copied, rows, sizes
from scripts.reference_pipeline.models import Models, unpack
from tests.images import MIB, exfat_image

SMALL, LARGE = CLUSTERS
NOTES = {
    **dict.fromkeys(("rounds", "packages", "runtime_files"), 3),
    **dict.fromkeys(("bundle", "plain", "unpacked", "runtime_blocks", "started_from"), 1 << 20),
    "load": 0.5,
    "day": "2026-11-24",
    "written": {SMALL: 7.0, LARGE: 9.0},
    "forgotten": True,
}


def carried(files: int, runtime: int, taken: int, copying: float, first: list[float], second: list[float]) -> Carried:
    return Carried(files, runtime, dict.fromkeys(CLUSTERS, taken), dict.fromkeys(CLUSTERS, copying), first, second)


def models(folder: Path) -> Path:
    """Where models lie as they come out of their wheels, with nothing in them."""
    made = folder / "unpacked"
    (made / "maker" / "model").mkdir(parents=True)
    (made / "maker" / "one.gguf").write_bytes(b"GGUF")
    return made


PLAIN = carried(45_000, 1700 * MIB, 4 * 10**9, 60.0, [50.0], [40.0])


def test_each_figure_is_held_against_its_aim_and_the_plain_ones() -> None:
    made = {row.what: row for row in rows(carried(18, 390 * MIB, 264 * 10**6, 3.0, [9.0, 31.0, 10.0], [3.0, 3.5, 9.0]), PLAIN)}
    assert all(row.reached for row in made.values())
    assert made["First start to page answering"].ours == 10.0
    assert made["Second start to page answering"].ours == 3.5
    cells = [[cell.strip() for cell in line.split("|")[1:-1]] for line in report.table(list(made.values())).splitlines()]
    assert ["Files on the stick besides packs", "18 files", "45,000 files", "0.0004×", "≤ 60 files", "yes"] in cells
    assert ["Bytes on exFAT, clusters of 128 KiB", "264 MB", "4,000 MB", "0.07×", "≤ 0.25×", "yes"] in cells
    assert ["Copied, clusters of 32 KiB", "3.00 s", "60.00 s", "0.05×", "", ""] in cells


def test_what_falls_short_is_named() -> None:
    made = rows(carried(61, 401 * MIB, 10**9 + 1, 90.0, [31.0], [4.1]), PLAIN)
    assert [row.what for row in made if row.reached] == ["Copied, clusters of 32 KiB", "Copied, clusters of 128 KiB"]
    text = report.carrying(made, NOTES)
    assert "Not reached in this run: Software, unpacked; Files on the stick besides packs; Bytes on exFAT" in text
    assert "the system's caches dropped" in text
    assert "caches kept" in report.carrying(made, {**NOTES, "forgotten": False})


def test_one_part_is_written_anew_and_the_other_stays() -> None:
    old = report.carrying(rows(PLAIN, PLAIN), NOTES)
    both = report.joined("# Benchmarks\n\nSpeed.\n\n## The machine\n\nA slow one.\n", old)
    first, second = report.parts(both)
    assert first.endswith("A slow one.")
    assert second == old.strip()
    assert report.joined(first, second) == both
    new = report.carrying(rows(carried(18, MIB, 1, 1.0, [1.0], [1.0]), PLAIN), NOTES)
    assert report.parts(report.joined(first, new)) == (first, new.strip())
    assert report.joined(*report.parts("")) == "# Benchmarks\n"


def test_packs_and_the_users_own_files_are_not_counted(tmp_path: Path) -> None:
    for name in ("manifest.json", "models/a-1/packs", "runtime/linux.tar.gz", "packs/one.haversack", "data/originals/one"):
        (tmp_path / name).parent.mkdir(parents=True, exist_ok=True)
        (tmp_path / name).write_bytes(b"12")
    assert besides_packs(tmp_path) == 3
    assert sizes(tmp_path) == [2] * 5


def test_what_a_copy_takes_is_counted_in_whole_clusters(tmp_path: Path) -> None:
    (tmp_path / "many").mkdir()
    for number in range(10):
        (tmp_path / "many" / str(number)).write_bytes(b"1")
    with exfat_image(tmp_path, 64 * MIB, LARGE) as stick:
        taken, _ = copied(tmp_path / "many", stick.mount / "many")
        assert len(sizes(stick.mount / "many")) == 10
    assert taken == 11 * LARGE, "ten files and the folder"


def test_the_plain_way_is_an_environment_that_starts_from_where_it_was_copied_to(tmp_path: Path) -> None:
    made = plain_way.make(tmp_path / "stick" / plain_way.FOLDER, ["markupsafe", "itsdangerous"], models(tmp_path))
    assert unpack(made / plain_way.MODELS).generator.read_bytes() == b"GGUF"
    assert not [path for path in made.rglob("*") if path.is_symlink()]
    assert machine.installed_size({"markupsafe", "itsdangerous"}) < sum(sizes(made / plain_way.ENVIRONMENT))
    command, variables = plain_way.start(tmp_path / "stick", tmp_path / "home", 8766)
    assert command[-1] == "8766"
    program = "import itsdangerous, markupsafe, importlib.util as u; print(itsdangerous.__file__, u.find_spec('scripts.reference_pipeline').origin)"
    done = subprocess.run([command[0], command[1], "-c", program], env=variables, cwd=machine.ROOT, capture_output=True, text=True, check=True)
    found = [Path(path) for path in done.stdout.split()]
    assert [path.is_relative_to(made / folder) for path, folder in zip(found, ("env", "app"), strict=True)] == [True, True]


def test_what_is_copied_keeps_the_times_that_compiled_modules_are_checked_by(tmp_path: Path) -> None:
    files = dict(plain_way.files_of(["itsdangerous"]))
    made = plain_way.make(tmp_path / "plain", ["itsdangerous"], models(tmp_path))
    copies = {made / plain_way.ENVIRONMENT / place: source for source, place in files.items()}
    assert any(path.suffix == ".py" for path in copies)
    assert all(copy.stat().st_mtime == pytest.approx(source.stat().st_mtime) for copy, source in copies.items())


def test_models_that_are_there_are_taken_as_they_are(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path / "empty"))
    there = models(tmp_path)
    assert unpack(there) == Models(there / "maker" / "model", there / "maker" / "one.gguf")


def test_what_can_not_be_measured_here_is_said_before_anything_is(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str], tmp_path: Path
) -> None:
    monkeypatch.setenv("PATH", str(tmp_path))
    monkeypatch.setattr("sys.argv", ["benchmark", "--only", "carrying", "--output", str(tmp_path / "report.md")])
    with pytest.raises(SystemExit):
        main()
    assert "install exfatprogs and exfat-fuse" in capsys.readouterr().err
    assert os.listdir(tmp_path) == []
