"""`haversack-bundle write`, `update` and `delta`, and `haversack update` in the field: what they print and return; a refusal is one sentence."""

from __future__ import annotations

import json
import re
import shutil
from pathlib import Path

import pytest

from appliance.cli import main as haversack
from appliance.commands.updating import Lines
from appliance.integrity import differences
from appliance.manifest import read_manifest
from appliance.trust import trust
from bundle.cli import main
from bundle.stick.commands import place
from tests.carrying import making
from tests.carrying.making import make_bundle, put_library, write_bundle
from tests.images import MIB, exfat_image, fat_image


@pytest.fixture
def old(tmp_path: Path) -> Path:
    return make_bundle(tmp_path / "old", making.key(tmp_path))


@pytest.fixture
def new(tmp_path: Path) -> Path:
    return make_bundle(tmp_path / "new", making.key(tmp_path), created=making.NEWER, version=2)


def test_a_stick_gets_a_folder_of_its_own_and_a_folder_is_taken_as_it_is(tmp_path: Path, old: Path) -> None:
    with exfat_image(tmp_path) as stick:
        assert place(stick.mount) == stick.mount / "haversack"
        assert place(stick.mount / "kit") == stick.mount / "kit"
        shutil.copytree(old, stick.mount, dirs_exist_ok=True)  # someone who copied the bundle to the stick's root
        assert place(stick.mount) == stick.mount


def test_write_update_delta_and_the_field(tmp_path: Path, old: Path, new: Path, capsys: pytest.CaptureFixture[str]) -> None:
    with fat_image(tmp_path) as stick:
        root = stick.mount / "haversack"
        assert main(["write", str(old), str(stick.mount)]) == 0
        said = capsys.readouterr().out
        assert f"{root} holds the bundle of 2026-03-01T00:00:00Z (10 files, " in said
        assert "Brought 10 files" in said
        assert "read back past the system's cache and is right" in said
        put_library(root)

        assert main(["write", str(old), str(stick.mount)]) == 0
        assert "every file was there and is right" in capsys.readouterr().out
        assert main(["write", str(new), str(stick.mount)]) == 1
        assert "haversack-bundle update" in capsys.readouterr().err

        assert main(["delta", str(old / "manifest.json"), str(new), str(tmp_path / "new.delta")]) == 0
        said = capsys.readouterr().out
        assert re.search(r"Made .*new\.delta: 6 files, \d+\.\d kB|Made .*new\.delta: 6 files, \d+ kB", said)
        assert "haversack update new.delta" in said

        (root / "notes.txt").write_text("mine")
        home = ["--home", str(tmp_path / "home"), "--bundle", str(root)]
        assert haversack(["update", str(tmp_path / "new.delta"), *home]) == 0
        said = capsys.readouterr().out
        assert "is now that of 2026-04-01T00:00:00Z" in said
        assert "Left alone, no bundle of ours named it: notes.txt" in said
        assert [one.path for one in differences(root)] == ["notes.txt"]

        assert haversack(["update", str(old), *home]) == 1
        assert "--allow-downgrade" in capsys.readouterr().err
        assert haversack(["update", str(old), "--allow-downgrade", "--json", *home]) == 0
        told = json.loads(capsys.readouterr().out)
        assert (told["created"], told["files"], told["strangers"], told["read_back"]) == (making.OLDER, 6, ["notes.txt"], ["direct"])
        assert haversack(["update", str(old), *home]) == 0
        assert "already, and every file of it is right" in capsys.readouterr().out
        assert making.library_is_whole(root)


def test_the_builder_updates_a_stick_too(tmp_path: Path, old: Path, new: Path, capsys: pytest.CaptureFixture[str]) -> None:
    with exfat_image(tmp_path) as stick:
        assert main(["update", str(new), str(stick.mount)]) == 1
        assert "haversack-bundle write" in capsys.readouterr().err
        assert main(["write", str(old), str(stick.mount)]) == 0
        capsys.readouterr()
        assert main(["update", str(new), str(stick.mount)]) == 0
        said = capsys.readouterr().out
        assert "Brought 6 files" in said
        assert "Removed of the bundle before: 3 files" in said
        assert main(["update", str(old), str(stick.mount)]) == 1
        assert main(["update", "--allow-downgrade", str(old), str(stick.mount)]) == 0
        foreign = make_bundle(tmp_path / "foreign", making.key(tmp_path, "stranger"), created=making.NEWEST)
        capsys.readouterr()
        assert main(["update", str(foreign), str(stick.mount)]) == 1
        assert "--replace" in capsys.readouterr().err
        assert main(["update", "--replace", str(foreign), str(stick.mount)]) == 0
        assert read_manifest(stick.mount / "haversack").created == making.NEWEST


def test_the_field_takes_nothing_for_a_bundle_whose_key_it_does_not_trust(
    tmp_path: Path, old: Path, new: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    (tmp_path / "home").mkdir()
    trust(making.key(tmp_path, "stranger").public, tmp_path / "home")
    assert haversack(["update", str(new), "--home", str(tmp_path / "home"), "--bundle", str(old)]) == 3
    assert "signed by" in capsys.readouterr().err
    assert read_manifest(old).created == making.OLDER


@pytest.mark.parametrize(
    ("command", "code"),
    [
        (["write", "nowhere", "stick"], 3),
        (["update", "nowhere", "stick"], 1),
        (["update", "maker.pem", "stick"], 1),
        (["delta", "nowhere", "new", "d"], 1),
        (["delta", "old", "nowhere", "d"], 3),
        (["delta", "new", "old", "d"], 1),
        (["delta", "old", "new", "nowhere/d"], 1),
        (["write", "old", "maker.pem"], 1),
    ],
)
def test_a_refusal_is_one_sentence_and_an_exit_code(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, old: Path, new: Path, capsys: pytest.CaptureFixture[str], command: list[str], code: int
) -> None:
    monkeypatch.chdir(tmp_path)
    assert main(["write", "old", "stick"]) == 0
    capsys.readouterr()
    assert main(command) == code
    said = capsys.readouterr()
    assert said.out == ""
    assert said.err.count("\n") == 1
    assert "?" not in said.err
    assert differences(tmp_path / "stick") == ()


def test_a_delta_finds_room_or_says_that_there_is_none(tmp_path: Path, old: Path, capsys: pytest.CaptureFixture[str]) -> None:
    large = write_bundle(tmp_path / "large", making.key(tmp_path), {"models/m": making.noise(1, 40_000_000)}, created=making.NEWER)
    with fat_image(tmp_path, 36 * MIB) as stick:
        assert main(["delta", str(old), str(large), str(stick.mount / "d")]) == 1
        assert list(stick.mount.iterdir()) == []
    assert "are needed there" in capsys.readouterr().err


def test_the_field_hears_how_far_it_is_every_two_seconds(capsys: pytest.CaptureFixture[str]) -> None:
    moments = iter([0.0, 0.0, 1.0, 2.5, 2.5, 3.0, 5.0, 5.0])
    lines = Lines(lambda: next(moments))
    with lines.bars(4_000_000) as bars:
        add = bars.file("models/m", 4_000_000)
        for _ in range(4):
            add(1_000_000)
    assert capsys.readouterr().err.splitlines() == ["  2.0 MB of 4.0 MB (models/m)", "  4.0 MB of 4.0 MB (models/m)"]
