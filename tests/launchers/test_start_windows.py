"""START-Windows.cmd, as far as it can be looked at where no Windows is."""

from __future__ import annotations

import re

import pytest

from bundle.runtime.software import LAUNCHERS, code_files, launcher_files

SCRIPT = (LAUNCHERS / "start.cmd").read_bytes()
LINES = SCRIPT.decode("ascii").split("\r\n")
CODE = [line for line in LINES if not line.lower().lstrip().startswith("rem ")]


def test_it_is_ascii_in_lines_of_windows() -> None:
    """cmd loses its place in a file whose lines end otherwise."""
    assert SCRIPT.isascii()
    assert SCRIPT.count(b"\n") == SCRIPT.count(b"\r\n") == len(LINES) - 1
    assert SCRIPT.endswith(b"\r\n")


def test_every_label_that_is_jumped_to_is_there_once_and_every_label_is_used() -> None:
    labels = [line[1:] for line in LINES if re.match(r":\w", line)]
    jumped = {found for line in CODE for found in re.findall(r"(?:\bgoto |\bcall :)(\w+)", line)}
    assert sorted(labels) == sorted(jumped)


def test_what_it_prints_goes_to_stderr() -> None:
    for line in CODE:
        for command in re.findall(r"(?:^|[(&]|\)) *(echo|pause|type|dir)\b", line.replace("@echo off", "")):
            assert re.search(r">&2|1>&2|echo 1\)", line), command
    assert next(line for line in CODE if "tar.exe" in line and "-xzf" in line).endswith("1>&2")


def test_blocks_are_closed_and_quotes_come_in_pairs() -> None:
    bare = [re.sub(r'"[^"]*"', "", line) for line in CODE if ">&2 echo" not in line]
    assert sum(line.count("(") for line in bare) == sum(line.count(")") for line in bare)
    assert [line for line in CODE if line.count('"') % 2] == []


@pytest.mark.parametrize(
    ("mistake", "why"),
    [
        ("EnableDelayedExpansion", "it would eat every exclamation mark of a question, and of a path"),
        ('tar\\.gz$"', "findstr takes $ for a carriage return, which SHA256SUMS has none of"),
        ('if "%arguments%"', "arguments have quotes of their own: cmd would stop at the first blank inside them"),
    ],
)
def test_mistakes_that_were_made_once_are_not_made_again(mistake: str, why: str) -> None:
    assert not [line for line in CODE if mistake in line], why


def test_the_systems_own_programs_are_called_by_their_path() -> None:
    for program in ("tar", "certutil", "findstr", "forfiles"):
        for line in CODE:
            assert not re.search(rf"(?<![\\\w.]){program}(\.exe)? ", line.replace("has no tar:", "")), line


def test_the_launchers_names_say_for_whom_they_are() -> None:
    assert {name for name, _ in launcher_files()} == {"START-Windows.cmd", "START-macOS.command", "start-linux.sh"}
    assert {path for _, path in launcher_files()} == {LAUNCHERS / "start.sh", LAUNCHERS / "start.cmd"}


def test_the_code_that_is_carried_is_the_appliances_and_no_builders() -> None:
    names = [name for name, _ in code_files()]
    assert names[0] == "haversack.py"
    assert "appliance/cli.py" in names
    assert {name.split("/")[0] for name in names} == {"haversack.py", "appliance"}
    assert not [name for name in names if "__pycache__" in name]
