"""The documents are part of the product: what they name exists, and what exists they name."""

from __future__ import annotations

import argparse
import os
import re
import shlex
import subprocess
import sys
from pathlib import Path

import pytest

from appliance.commands.parser import build_parser
from appliance.config import NAMES
from bundle.cli import build_parser as builder_parser
from bundle.spec import KEYS, profiles
from tests.clinic import make_pdf
from tests.test_layers import ALLOWED, VALUES

ROOT = Path(__file__).resolve().parent.parent
DOCS = sorted([ROOT / "README.md", ROOT / "SECURITY.md", *(ROOT / "docs").rglob("*.md")])
TEXT = "\n".join(path.read_text(encoding="utf-8") for path in DOCS)


def commands(parser: argparse.ArgumentParser) -> dict[str, argparse.ArgumentParser]:
    found: dict[str, argparse.ArgumentParser] = {}
    for action in parser._actions:
        if isinstance(action, argparse._SubParsersAction):
            for name, sub in action.choices.items():
                found[name] = sub
                found |= {f"{name} {inner}": parser for inner, parser in commands(sub).items()}
    return found


def flags(parser: argparse.ArgumentParser) -> set[str]:
    return {option for action in parser._actions for option in action.option_strings if option.startswith("--")} - {"--help"}


def test_every_command_is_documented() -> None:
    reference = (ROOT / "docs" / "cli.md").read_text(encoding="utf-8")
    for name in commands(build_parser()):
        first, _, second = name.partition(" ")
        assert f"haversack {first}" in reference
        assert second in reference


def test_every_flag_is_documented() -> None:
    every = {flag for parser in commands(build_parser()).values() for flag in flags(parser)} - {"--version"}
    assert {flag for flag in every if flag not in TEXT} == set()


@pytest.mark.parametrize("line", re.findall(r"^haversack [a-z][^─\n]*$", TEXT, flags=re.MULTILINE))
def test_every_command_line_shown_is_one_that_the_parser_takes(line: str) -> None:
    build_parser().parse_args(shlex.split(line)[1:])


def test_every_command_and_flag_of_the_builder_is_documented() -> None:
    reference = (ROOT / "docs" / "building.md").read_text(encoding="utf-8")
    for name, parser in commands(builder_parser()).items():
        assert f"`{name}" in reference, name
        assert {flag for flag in flags(parser) if f"`{flag}" not in reference} == set(), name


@pytest.mark.parametrize("line", re.findall(r"^haversack-bundle [a-z][^─\n]*$", TEXT, flags=re.MULTILINE))
def test_every_line_of_the_builder_shown_is_one_that_its_parser_takes(line: str) -> None:
    builder_parser().parse_args(shlex.split(line)[1:])


def test_every_profile_and_every_key_of_one_is_documented() -> None:
    reference = (ROOT / "docs" / "building.md").read_text(encoding="utf-8")
    for profile in profiles():
        assert f"`{profile.replace('-multilingual', '')}`" in reference
    for key in KEYS:
        assert re.search(rf"^(\[?){key}\b|`{key}`", reference, flags=re.MULTILINE), key


def test_whoever_reads_the_front_page_can_type_its_commands() -> None:
    readme = (ROOT / "README.md").read_text(encoding="utf-8")
    first = re.search(r"^haversack", readme, flags=re.MULTILINE)
    assert first
    assert "`. .venv/bin/activate`" in readme[: first.start()]


def test_the_questions_on_the_front_page_are_answered_as_it_shows(tmp_path: Path, bundle_root: Path) -> None:
    readme = (ROOT / "README.md").read_text(encoding="utf-8")
    (tmp_path / "reports").mkdir()
    (tmp_path / "reports" / "clinic.pdf").write_bytes(make_pdf())
    environment = {**os.environ, "HAVERSACK_HOME": str(tmp_path / "home"), "HAVERSACK_BUNDLE": str(bundle_root)}
    printed = ""
    for line in re.findall(r"^haversack .+$", readme, flags=re.MULTILINE):
        command = [sys.executable, "-m", "appliance.cli", *shlex.split(line)[1:]]
        done = subprocess.run(command, cwd=tmp_path, env=environment, stdin=subprocess.DEVNULL, capture_output=True, text=True, timeout=180)
        assert done.returncode == 0, done.stderr
        printed += done.stdout
    shown = [line for line in readme.splitlines() if line.startswith(("“", "Sources", "  [1]"))]
    assert len(shown) == 3
    assert set(shown) <= set(printed.splitlines())


def test_every_setting_is_in_the_table() -> None:
    readme = (ROOT / "README.md").read_text(encoding="utf-8")
    for name in NAMES:
        assert f"`--{name}` | `HAVERSACK_{name.upper()}`" in readme


def test_every_make_target_is_documented_and_every_documented_one_exists() -> None:
    makefile = (ROOT / "Makefile").read_text(encoding="utf-8")
    targets = set(re.findall(r"^([a-z-]+):.*## ", makefile, flags=re.MULTILINE))
    named = set(re.findall(r"`make ([a-z-]+)", TEXT)) | set(re.findall(r"^make ([a-z-]+)", TEXT, flags=re.MULTILINE))
    assert targets - {"help"} <= named
    assert named <= targets


def test_every_link_between_documents_leads_somewhere() -> None:
    for path in DOCS:
        text = path.read_text(encoding="utf-8")
        links = [*re.findall(r"\]\(([^)#:]*)(?:#([^)]*))?\)", text), *((picture, "") for picture in re.findall(r'src(?:set)?="([^"]+)"', text))]
        for target, heading in links:
            led_to = path.parent / target if target else path
            assert led_to.exists(), f"{path.name} points to {target}"
            assert not heading or heading in headings(led_to), f"{path.name} points to {heading} in {led_to.name}"


def headings(path: Path) -> set[str]:
    """As links name them: small, without signs, with dashes."""
    found = re.findall(r"^#+ (.+)$", path.read_text(encoding="utf-8"), flags=re.MULTILINE)
    return {re.sub(r"[^\w\- ]", "", heading.lower()).replace(" ", "-") for heading in found}


def test_every_picture_is_shown_somewhere() -> None:
    assert {path.name for path in (ROOT / "docs" / "images").iterdir() if path.name not in TEXT} == set()


def test_the_arrows_on_the_architecture_page_are_those_that_are_held() -> None:
    page = (ROOT / "docs" / "architecture.md").read_text(encoding="utf-8")
    shown = {room: set(names.split(", ")) for room, names in re.findall(r"^(\w+) +→ ([a-z, ]*[a-z])(?=\s|$)", page, flags=re.MULTILINE)}
    assert shown == {room: arrows - VALUES for room, arrows in ALLOWED.items() if arrows - VALUES}


def test_every_test_file_that_the_documents_name_exists() -> None:
    for name in re.findall(r"tests/[\w/]+\.py", TEXT):
        assert (ROOT / name).is_file(), name


def test_nothing_committed_names_a_registry_or_a_path_of_one_machine() -> None:
    hosts = "|".join(["pyp" + r"i\.org", "pythonhost" + r"ed\.org", "npm" + r"js\.org", r"deb\.deb" + "ian"])
    found = subprocess.run(["git", "grep", "-nIE", f"({hosts}|/work" + "/(main|shared)|/tmp" + "/lab)"], cwd=ROOT, capture_output=True, text=True)
    assert found.stdout == ""


def test_the_guide_names_only_commands_and_buttons_that_exist() -> None:
    guide = "\n".join(path.read_text(encoding="utf-8") for path in (ROOT / "appliance" / "guide").glob("*.md"))
    known = commands(build_parser())
    for name in re.findall(r"`haversack ([a-z]+)", guide):
        assert name in known
    page = "\n".join(path.read_text(encoding="utf-8") for path in (ROOT / "appliance" / "web").rglob("*") if path.suffix in (".html", ".js"))
    for label in re.findall(r'(?:buttons?|choose|"Stop"|"Copy") "([A-Z][^"]+)"', guide):
        assert label in page, f"the page has no {label!r}"
