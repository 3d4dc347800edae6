"""Settings: defaults < haversack.toml < HAVERSACK_* < flags; bad values are refused with what is allowed; where the library goes, and why."""

from __future__ import annotations

import json
import os
import subprocess
import sys
import tempfile
from collections.abc import Iterator
from pathlib import Path, PurePath, PurePosixPath, PureWindowsPath

import pytest

from appliance.config import can_be_written, data_folder, load_settings
from appliance.errors import BadSetting

ROOT = Path(__file__).resolve().parent.parent
NOBODY = 65534


def test_later_layers_win(home: Path) -> None:
    home.mkdir()
    (home / "haversack.toml").write_text("port = 1001\nthreads = 3\n")
    environment = {"HAVERSACK_HOME": str(home), "HAVERSACK_PORT": "1002"}
    assert load_settings({}, {"HAVERSACK_HOME": str(home)}).port == 1001
    assert load_settings({}, environment).port == 1002
    assert load_settings({"port": "1003"}, environment).port == 1003
    assert load_settings({"port": None}, environment).threads == 3


def test_everything_hangs_off_one_home(home: Path) -> None:
    settings = load_settings({"home": str(home)}, {})
    for path in (settings.database, settings.originals, settings.index, settings.lock, settings.inbox):
        assert path.is_relative_to(home)


def test_the_home_is_the_users_data_folder_unless_told(tmp_path: Path) -> None:
    assert load_settings({}, {"XDG_DATA_HOME": str(tmp_path)}).home == tmp_path / "haversack"


@pytest.mark.parametrize(("name", "value"), [("port", "0"), ("port", "70000"), ("port", "eighty"), ("threads", "-1"), ("threads", "1.5")])
def test_a_bad_value_is_refused_with_the_range(name: str, value: str, home: Path) -> None:
    with pytest.raises(BadSetting, match=rf"{name} can't be .*from \d+ to \d+"):
        load_settings({name: value, "home": str(home)}, {})


@pytest.mark.parametrize("content", ["port = ", "portt = 3", "home = '/x'", "portable = true", "\xff\xfe"])
def test_a_bad_settings_file_is_one_sentence(content: str, home: Path) -> None:
    home.mkdir()
    (home / "haversack.toml").write_text(content, encoding="latin-1")
    with pytest.raises(BadSetting, match=r"haversack\.toml"):
        load_settings({"home": str(home)}, {})


def test_an_unknown_variable_is_left_alone(home: Path) -> None:
    assert load_settings({}, {"HAVERSACK_HOME": str(home), "HAVERSACK_COLOUR": "red"}).port == 8765


@pytest.mark.parametrize(
    ("system", "environment", "folder"),
    [
        ("linux", {"HOME": "/home/amina"}, PurePosixPath("/home/amina/.local/share")),
        ("linux", {"HOME": "/home/amina", "XDG_DATA_HOME": "/data"}, PurePosixPath("/data")),
        ("linux", {"HOME": "/home/amina", "XDG_DATA_HOME": "data"}, PurePosixPath("/home/amina/.local/share")),
        ("linux", {}, None),
        ("darwin", {"HOME": "/Users/amina", "XDG_DATA_HOME": "/data"}, PurePosixPath("/Users/amina/Library/Application Support")),
        ("darwin", {}, None),
        ("win32", {"LOCALAPPDATA": r"D:\Local", "USERPROFILE": r"C:\Users\Amina"}, PureWindowsPath(r"D:\Local")),
        ("win32", {"USERPROFILE": r"C:\Users\Amina", "HOME": "/c/Users/Amina"}, PureWindowsPath(r"C:\Users\Amina\AppData\Local")),
        ("win32", {"HOME": "/c/Users/Amina"}, None),
    ],
)
def test_each_system_has_its_own_data_folder(system: str, environment: dict[str, str], folder: PurePath | None) -> None:
    assert data_folder(system, environment) == folder


def test_portable_keeps_the_library_with_the_bundle(tmp_path: Path) -> None:
    bundle = {"HAVERSACK_BUNDLE": str(tmp_path)}
    for flags, environment in (
        ({"portable": True}, {}),
        ({"portable": True}, {"HAVERSACK_HOME": "/elsewhere"}),
        ({}, {"HAVERSACK_PORTABLE": "1"}),
        ({}, {"HAVERSACK_PORTABLE": "yes", "HAVERSACK_HOME": "/elsewhere"}),
    ):
        settings = load_settings(flags, bundle | environment)
        assert settings.portable
        assert settings.home == tmp_path / "data"
        assert settings.place.startswith(f"The library is in {tmp_path}/data: ")
    assert list(tmp_path.iterdir()) == [], "looking makes nothing"


def test_a_flag_wins_over_a_variable_for_the_place_too(tmp_path: Path) -> None:
    settings = load_settings({"home": str(tmp_path / "mine")}, {"HAVERSACK_PORTABLE": "1", "HAVERSACK_BUNDLE": str(tmp_path)})
    assert settings.home == tmp_path / "mine"
    assert not settings.portable
    assert settings.place == f"The library is in {tmp_path / 'mine'}: --home names that folder."
    assert not load_settings({}, {"HAVERSACK_PORTABLE": "0", "HAVERSACK_HOME": str(tmp_path)}).portable


@pytest.mark.parametrize(("name", "variable"), [("HAVERSACK_HOME", "HAVERSACK_HOME"), ("bundle", "HAVERSACK_BUNDLE")])
def test_the_folder_of_a_user_who_is_not_there_is_one_sentence(name: str, variable: str, home: Path) -> None:
    with pytest.raises(BadSetting, match=f"{name} can't be '~nobody-of-that-name/x': there is no such user here"):
        load_settings({}, {"HAVERSACK_HOME": str(home), variable: "~nobody-of-that-name/x"})


def test_two_places_at_once_are_refused(tmp_path: Path) -> None:
    with pytest.raises(BadSetting, match="take one of them"):
        load_settings({"home": str(tmp_path), "portable": True}, {})


def test_the_settings_file_of_a_portable_library_is_with_it(tmp_path: Path) -> None:
    (tmp_path / "data").mkdir()
    (tmp_path / "data" / "haversack.toml").write_text("port = 1001\n")
    assert load_settings({"portable": True, "bundle": str(tmp_path)}, {}).port == 1001


def test_a_library_that_stayed_with_the_bundle_is_mentioned(tmp_path: Path) -> None:
    (tmp_path / "data").mkdir()
    environment = {"XDG_DATA_HOME": str(tmp_path / "user"), "HAVERSACK_BUNDLE": str(tmp_path)}
    assert "--portable" not in load_settings({}, environment).place
    (tmp_path / "data" / "library.sqlite3").touch()
    assert "the bundle has a library too, and --portable opens that one" in load_settings({}, environment).place


def test_a_file_in_the_way_is_no_folder_to_write_to(tmp_path: Path) -> None:
    (tmp_path / "file").touch()
    assert can_be_written(tmp_path / "new" / "deeper")
    assert not can_be_written(tmp_path / "file" / "new")


@pytest.fixture
def locked() -> Iterator[Path]:
    """A home that its user can only read, and a bundle beside it that everybody can write to."""
    with tempfile.TemporaryDirectory() as name:
        root = Path(name)
        (root / "bundle").mkdir()
        (root / "user").mkdir(mode=0o555)
        root.chmod(0o755)
        (root / "bundle").chmod(0o777)
        yield root


# Once before the rights are given up: the interpreter's own files may be where only their owner can read them.
_STATUS = f"""
import contextlib, io, os, sys
from appliance.cli import main
with contextlib.redirect_stdout(io.StringIO()), contextlib.redirect_stderr(io.StringIO()):
    main(["status", "--home", "nowhere"])
if os.geteuid() == 0:
    os.setgroups([]), os.setegid({NOBODY}), os.seteuid({NOBODY})
sys.exit(main(["status", "--json", *sys.argv[1:]]))
"""


def status(root: Path, *flags: str, **variables: str) -> tuple[int, str, str]:
    """`haversack status` as a user without rights, whose home is `root / "user"`: exit code, the library's place, stderr."""
    environment = {"PATH": os.environ["PATH"], "HOME": str(root / "user"), "HAVERSACK_BUNDLE": str(root / "bundle"), **variables}
    command = [sys.executable, "-c", _STATUS, *flags]
    done = subprocess.run(command, cwd=ROOT, env=environment, capture_output=True, text=True, timeout=60)
    return done.returncode, json.loads(done.stdout)["home"] if done.stdout else "", done.stderr


def test_where_the_users_folder_cannot_be_written_the_library_is_with_the_bundle(locked: Path) -> None:
    code, home, told = status(locked)
    assert (code, home) == (0, str(locked / "bundle" / "data"))
    assert "user/.local/share/haversack can't be written to, so it is kept with the bundle.\n" in told
    assert list((locked / "bundle").iterdir()) == [], "looking makes nothing"


def test_where_nothing_can_be_written_one_sentence_says_what_to_do(locked: Path) -> None:
    (locked / "bundle").chmod(0o555)
    code, home, told = status(locked)
    assert (code, home) == (1, "")
    assert told.count("\n") == 1
    assert "Name a folder with --home" in told
    code, home, _ = status(locked, "--home", str(locked / "mine"))
    assert (code, home) == (0, str(locked / "mine")), "what is named is taken: it may hold a library that is only to be read"


def test_a_user_without_a_home_uses_what_can_be_written(locked: Path) -> None:
    assert status(locked, HOME="/nonexistent")[1] == str(locked / "bundle" / "data")
