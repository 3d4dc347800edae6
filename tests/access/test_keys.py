"""Keys: shown once, kept as digests, changed by several processes at once, and let in or refused from the next question on."""

from __future__ import annotations

import json
import os
import stat
import subprocess
import sys
import threading
import time
from pathlib import Path
from types import SimpleNamespace

import pytest

from appliance.access import entry
from appliance.access import keys as module
from appliance.access.entry import ANY, Access
from appliance.access.keys import Keys
from appliance.access.tries import Tries
from appliance.cli import main
from appliance.errors import BadParameter, KeyRefused, KeysDamaged, KeyTaken, NoSuchKey


@pytest.fixture
def kept(home: Path) -> Keys:
    return Keys(home)


def test_a_key_is_known_by_its_name_and_only_a_digest_of_it_is_on_the_disk(kept: Keys, home: Path) -> None:
    key = kept.add("field laptop")
    assert key.startswith("hv-")
    assert len(key) == 46
    assert kept.owner(key) == "field laptop"
    for file in home.iterdir():
        assert key.removeprefix("hv-").encode() not in file.read_bytes(), file
        assert stat.S_IMODE(file.stat().st_mode) == 0o600, file
    assert kept.add("another") != key


@pytest.mark.parametrize("wrong", ["", "hv-", "HV-", "\ud800", "x" * 100_000, "field laptop"])
def test_what_is_no_key_lets_nobody_in(kept: Keys, wrong: str) -> None:
    key = kept.add("field laptop")
    for given in (wrong, key[:-1], key + "x", key.upper()):
        assert kept.owner(given) is None
    (digest,) = (one.digest for one in kept.all())
    assert kept.owner(digest) is None


def test_a_removed_key_lets_nobody_in_from_the_next_question_on(kept: Keys, home: Path) -> None:
    serving = Keys(home)
    key = kept.add("one")
    other = kept.add("two")
    assert serving.owner(key) == "one"
    kept.remove("one")
    assert serving.owner(key) is None
    assert serving.owner(other) == "two"
    with pytest.raises(NoSuchKey, match="haversack keys list"):
        kept.remove("one")


@pytest.mark.parametrize(
    "name", ["", "  ", "-x", "a/b", "a\nb", "a\u202eb", "x" * 65, "page", "Guest 10.0.0.1", "any program", "probe", "Command line", "<b>"]
)
def test_a_name_that_would_mislead_is_refused(kept: Keys, name: str) -> None:
    with pytest.raises(BadParameter, match="A key's name can't be"):
        kept.add(name)
    assert kept.all() == ()


def test_a_name_is_given_once_whatever_its_case(kept: Keys) -> None:
    kept.add("Zoë 2")
    with pytest.raises(KeyTaken):
        kept.add("zoë 2")


def test_when_a_key_was_used_is_known_at_once_and_written_rarely(kept: Keys, home: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    key = kept.add("one")
    assert kept.all()[0].used is None
    for _ in range(50):
        kept.owner(key)
    assert kept.all()[0].used
    assert not (home / module.USED).exists()
    assert Keys(home).all()[0].used is None
    kept.close()
    assert Keys(home).all()[0].used == kept.all()[0].used
    monkeypatch.setattr(module, "_WRITE_AFTER", -1.0)
    (home / module.USED).unlink()
    kept.owner(key)
    assert (home / module.USED).exists()
    kept.remove("one")
    kept.add("one")
    assert kept.all()[0].used is None, "a new key of the same name was never used"


def test_processes_that_make_keys_at_the_same_time_lose_none(home: Path) -> None:
    code = "import sys, pathlib\nfrom appliance.access.keys import Keys\n"
    code += "for n in range(20): Keys(pathlib.Path(sys.argv[1])).add(f'{sys.argv[2]}{n}')"
    running = [subprocess.Popen([sys.executable, "-c", code, str(home), name]) for name in "abc"]
    assert [process.wait(timeout=60) for process in running] == [0, 0, 0]
    assert {key.name for key in Keys(home).all()} == {f"{name}{number}" for name in "abc" for number in range(20)}


@pytest.mark.parametrize(
    "content",
    [
        b"",
        b"{",
        b"[]",
        b'{"format": 2, "keys": []}',
        b'{"format": 1, "keys": [{"name": "x"}]}',
        b'{"format": 1, "keys": 7}',
        b"[" * 100_000,
        b"\xff\xfe",
    ],
)
def test_damaged_keys_let_nobody_in_and_are_left_as_they_are(kept: Keys, home: Path, content: bytes) -> None:
    key = kept.add("one")
    (home / module.FILE).write_bytes(content)
    for use in (lambda: kept.owner(key), kept.all, lambda: kept.add("two"), lambda: kept.remove("one")):
        with pytest.raises(KeysDamaged, match="Delete it"):
            use()
    assert (home / module.FILE).read_bytes() == content


def test_damaged_keys_shut_nobody_out_where_all_are_let_in(home: Path) -> None:
    home.mkdir(parents=True, exist_ok=True)
    (home / module.FILE).write_bytes(b"{")
    assert Access(home, "open").program("whatever") == ANY
    with pytest.raises(KeysDamaged):
        Access(home, "keys").program("whatever")


def test_a_write_that_fails_leaves_the_keys_that_were_there(kept: Keys, monkeypatch: pytest.MonkeyPatch) -> None:
    key = kept.add("one")

    def full(*_: object) -> None:
        raise OSError(28, "No space left on device")

    monkeypatch.setattr(os, "replace", full)
    with pytest.raises(Exception, match="is full"):
        kept.add("two")
    monkeypatch.undo()
    assert kept.owner(key) == "one"


def test_a_lock_that_is_a_link_is_not_followed(kept: Keys, home: Path, tmp_path: Path) -> None:
    home.mkdir()
    (home / module.LOCK).symlink_to(tmp_path / "elsewhere")
    with pytest.raises(Exception, match="can't be written to"):
        kept.add("one")
    assert not (tmp_path / "elsewhere").exists()


def test_wrong_keys_are_answered_ever_later_and_a_right_one_at_once(home: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    waited: list[float] = []
    monkeypatch.setattr(entry, "time", SimpleNamespace(sleep=waited.append))
    monkeypatch.setattr(entry, "Tries", lambda **told: Tries(**told, clock=lambda: 1000.0))
    access = Access(home)
    key = access.keys.add("one")
    for tries in range(6):
        assert waited == [1.0, 2.0, 2.0][: max(0, tries - 3)]
        with pytest.raises(KeyRefused, match="This key is not known here"):
            access.program("hv-guess")
        assert access.program(key) == "one"
    assert waited == [1.0, 2.0, 2.0]


def test_few_wrong_keys_are_kept_waiting_at_the_same_time(home: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    leave = threading.Event()
    waiting: list[float] = []

    def sleep(seconds: float) -> None:
        waiting.append(seconds)
        assert leave.wait(60)

    monkeypatch.setattr(entry, "time", SimpleNamespace(sleep=sleep))
    monkeypatch.setattr(entry, "Tries", lambda **told: Tries(**told, clock=lambda: 1000.0))
    access = Access(home)
    refused: list[str] = []

    def guess() -> None:
        with pytest.raises(KeyRefused) as error:
            access.program("hv-guess")
        refused.append(str(error.value))

    threads = [threading.Thread(target=guess) for _ in range(20)]
    for thread in threads:
        thread.start()
    end = time.monotonic() + 60
    while len(refused) < 16 and time.monotonic() < end:
        time.sleep(0.01)
    assert len(refused) == 16, "the others are told at once: they hold threads that programs with keys need"
    leave.set()
    for thread in threads:
        thread.join()
    assert len(waiting) == 4


def test_where_all_programs_may_one_that_has_a_key_still_has_its_name(home: Path) -> None:
    access = Access(home, "open")
    key = access.keys.add("one")
    assert access.program(key) == "one"
    assert access.program("whatever") == access.program(None) == ANY


def test_the_command_makes_lists_and_removes_keys(home: Path, capsys: pytest.CaptureFixture[str]) -> None:
    flags = ["--home", str(home)]
    assert main(["keys", "list", *flags]) == 0
    assert "There is no key yet" in capsys.readouterr().err
    assert not home.exists(), "looking makes nothing"
    assert main(["keys", "add", *flags, "a program"]) == 0
    key = capsys.readouterr().out.strip()
    assert Keys(home).owner(key) == "a program"
    assert main(["keys", "list", *flags, "--json"]) == 0
    assert json.loads(capsys.readouterr().out) == {"name": "a program", "made": Keys(home).all()[0].made, "used": None}
    assert main(["keys", "add", *flags, "a program"]) == 1
    assert main(["keys", "add", *flags, "page"]) == 2
    assert main(["keys", "remove", *flags, "a program"]) == 0
    assert main(["keys", "remove", *flags, "a program"]) == 1
    said = capsys.readouterr()
    assert "Traceback" not in said.err
    assert Keys(home).owner(key) is None


def test_no_key_is_made_in_a_folder_that_is_no_place_for_a_library(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    (tmp_path / "thesis.odt").write_text("mine")
    assert main(["keys", "add", "--home", str(tmp_path), "a program"]) == 1
    assert "something else in it" in capsys.readouterr().err
    assert [path.name for path in tmp_path.iterdir()] == ["thesis.odt"]


def test_keys_that_were_made_first_do_not_keep_a_library_from_being_made(home: Path) -> None:
    kept = Keys(home)
    kept.owner(kept.add("one"))
    kept.close()
    from appliance.library.place import check_place

    check_place(home)
