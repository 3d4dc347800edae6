"""Settings: defaults < haversack.toml < HAVERSACK_* < flags; bad values are refused with what is allowed."""

from __future__ import annotations

from pathlib import Path

import pytest

from appliance.config import load_settings
from appliance.errors import BadSetting


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


@pytest.mark.parametrize("content", ["port = ", "portt = 3", "\xff\xfe"])
def test_a_bad_settings_file_is_one_sentence(content: str, home: Path) -> None:
    home.mkdir()
    (home / "haversack.toml").write_text(content, encoding="latin-1")
    with pytest.raises(BadSetting, match=r"haversack\.toml"):
        load_settings({"home": str(home)}, {})


def test_an_unknown_variable_is_left_alone(home: Path) -> None:
    assert load_settings({}, {"HAVERSACK_HOME": str(home), "HAVERSACK_COLOUR": "red"}).port == 8765
