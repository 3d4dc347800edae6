"""READ-ME-FIRST.html: whole in every language, nothing from elsewhere, good for every reader and browser."""

from __future__ import annotations

import re
import subprocess
import tomllib
import xml.etree.ElementTree as ElementTree
from collections.abc import Iterator, Mapping
from html.parser import HTMLParser
from pathlib import Path
from typing import Any

import pytest
from axe_playwright_python.sync_playwright import Axe
from playwright.sync_api import Browser

from appliance.durable import sha256_of
from appliance.manifest import MANIFEST, PUBLIC_KEY, SUMS, Model, Runtime
from bundle.readme import README, languages_there, write_readme
from bundle.sign import load_key, write_lists

TEXTS = Path(__file__).resolve().parent.parent.parent / "bundle" / "readme" / "texts"
LAUNCHERS = ("START-Windows.cmd", "START-macOS.command", "start-linux.sh")
MODELS = (
    Model("generator", "writer", "Writer <1B> & Co", "models/writer-1a2b3c4d", "Apache-2.0", {}, {}),
    Model("embedder", "finder", "Finder", "models/finder-1a2b3c4d", "MIT", {}, {}),
)
RUNTIMES = (
    Runtime("windows-x64", "runtime/windows-x64-1a2b3c4d.tar.gz", "pbs", "3.11.7", "", False, 300),
    Runtime("macos-arm64", "runtime/macos-arm64-1a2b3c4d.tar.gz", "pbs", "3.11.7", "", False, 300),
    Runtime("linux-x64", "runtime/linux-x64-1a2b3c4d.tar.gz", "host", "3.11.7", "2.36", True, 300),
)
FINGERPRINT = "1a2b 3c4d 5e6f 7081 92a3 b4c5 d6e7 f809"
XHTML = "{http://www.w3.org/1999/xhtml}"
_EVERYTHING = {"resultTypes": ["violations"], "runOnly": ["wcag2a", "wcag2aa", "wcag21a", "wcag21aa", "wcag22aa", "best-practice"]}


def written(path: Path, *languages: str, **changed: Any) -> str:
    arguments: dict[str, Any] = {"title": "Field", "profile": "field", "languages": languages, "models": MODELS, "runtimes": RUNTIMES}
    write_readme(path, **arguments | {"fingerprint": FINGERPRINT} | changed)
    return path.read_text(encoding="utf-8")


def tree(page: str) -> ElementTree.Element:
    """The page by a strict parser: it is well-formed XML after its first line."""
    return ElementTree.fromstring(page.removeprefix("<!DOCTYPE html>"))


class Collected(HTMLParser):
    """Tags, ids and addresses of a page; every tag that is opened is closed in its turn."""

    def __init__(self, page: str) -> None:
        super().__init__()
        self.ids: list[str] = []
        self.addresses: list[str] = []
        self.tags: set[str] = set()
        self._open: list[str] = []
        self.feed(page)
        self.close()
        assert self._open == []

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self._open.append(tag)
        self._note(tag, attrs)

    def handle_startendtag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self._note(tag, attrs)

    def handle_endtag(self, tag: str) -> None:
        assert self._open.pop() == tag

    def _note(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.tags.add(tag)
        self.ids += [value or "" for name, value in attrs if name == "id"]
        self.addresses += [value or "" for name, value in attrs if name in ("href", "src", "srcset", "action", "data", "poster", "xlink:href")]
        assert not [name for name, _ in attrs if name.startswith("on")]


def keys(value: object, path: str = "") -> Iterator[str]:
    """Every place of a text file, lists by their length."""
    if isinstance(value, Mapping):
        for name, inner in value.items():
            yield from keys(inner, f"{path}.{name}")
    elif isinstance(value, list):
        for number, inner in enumerate(value):
            yield from keys(inner, f"{path}.{number}")
    else:
        yield path


def leaves(value: object) -> Iterator[str]:
    if isinstance(value, Mapping):
        value = list(value.values())
    if isinstance(value, list):
        for inner in value:
            yield from leaves(inner)
    else:
        yield str(value)


def text_of(code: str) -> dict[str, Any]:
    return tomllib.loads((TEXTS / f"{code}.toml").read_text(encoding="utf-8"))


def test_the_languages_are_those_of_the_profiles() -> None:
    assert languages_there() == ("en", "ar", "es", "fr", "hi", "ru", "zh")


@pytest.mark.parametrize("code", languages_there())
def test_every_language_says_all_that_english_says(code: str) -> None:
    text, english = text_of(code), text_of("en")
    assert list(keys(text)) == list(keys(english))
    for mine, theirs in zip(leaves(text), leaves(english), strict=True):
        assert mine.strip()
        assert sorted(re.findall(r"`[^`]+`", mine)) == sorted(re.findall(r"`[^`]+`", theirs)), f"{mine} shows other files or commands"
        assert mine.count("**") == theirs.count("**"), mine
    for system in ("windows", "macos"):
        how = text["start"][system]
        for label in how["labels"]:
            assert f"**{label}**" in " ".join(how["steps"]), f"the picture says {label}, and the steps don't"


def test_the_page_is_well_formed_and_takes_nothing_from_elsewhere(tmp_path: Path) -> None:
    page = written(tmp_path / "page.html", *languages_there())
    tree(page)
    found = Collected(page)
    assert len(found.ids) == len(set(found.ids)) == 7
    assert all(address.startswith("data:image/png;base64,") or address.removeprefix("#") in found.ids for address in found.addresses)
    assert not found.tags & {"script", "link", "iframe", "object", "embed", "form", "base", "audio", "video"}
    style = page[page.index("<style>") : page.index("</style>")]
    assert "url(" not in style
    assert "@import" not in style
    assert "http" not in page.replace("http://www.w3.org/1999/xhtml", "")
    assert len(page.encode()) < 400_000


def test_english_is_always_there_and_leads(tmp_path: Path) -> None:
    for languages in ((), ("en",), ("de",)):
        page = tree(written(tmp_path / "page.html", *languages))
        assert [section.get("id") for section in page.iter(XHTML + "section")] == ["en"]
        assert not list(page.iter(XHTML + "nav"))


def test_the_languages_of_the_profile_follow_in_their_order_and_direction(tmp_path: Path) -> None:
    page = tree(written(tmp_path / "page.html", "fr", "en", "ar", "fr"))
    sections = list(page.iter(XHTML + "section"))
    assert [(one.get("id"), one.get("lang"), one.get("dir")) for one in sections] == [("en", "en", "ltr"), ("fr", "fr", "ltr"), ("ar", "ar", "rtl")]
    assert [link.get("href") for link in page.iter(XHTML + "a")] == ["#en", "#fr", "#ar"]


@pytest.mark.parametrize("code", languages_there())
def test_each_language_shows_how_to_start_and_how_to_check(code: str, tmp_path: Path) -> None:
    page = tree(written(tmp_path / "page.html", code))
    section = next(one for one in page.iter(XHTML + "section") if one.get("id") == code)
    told = "".join(section.itertext())
    for name in (*LAUNCHERS, MANIFEST, PUBLIC_KEY, SUMS, "LICENSES", "sbom.cdx.json", "--portable", "--leave-no-trace", FINGERPRINT):
        assert name in told
    for command in ("sha256sum -c SHA256SUMS", "shasum -a 256 -c SHA256SUMS", "certutil -hashfile", "minisign -Vm manifest.json -p haversack.pub"):
        assert command in told
    pictures = list(section.iter(XHTML + "svg"))
    assert len(pictures) == 5
    assert all(one.get("role") == "img" and one.get("aria-label") for one in pictures)


def test_what_was_run_and_what_was_only_built_is_told_apart(tmp_path: Path) -> None:
    told = "".join(tree(written(tmp_path / "page.html")).itertext())
    assert re.search(r"Linux \(x64\)\s*was run", told)
    assert re.search(r"Windows 10, 11 \(x64\)\s*built, not run", told)
    assert "nobody has started it there yet" in told
    assert "nobody has started it there yet" not in written(tmp_path / "page.html", runtimes=RUNTIMES[2:])


def test_only_the_systems_that_are_carried_are_told_how_to_start(tmp_path: Path) -> None:
    told = "".join(tree(written(tmp_path / "page.html", runtimes=RUNTIMES[2:])).itertext())
    assert "sh start-linux.sh --leave-no-trace" in told
    assert "~/.cache/haversack/runtime" in told
    for other in ("START-Windows.cmd", "START-macOS.command", "%LOCALAPPDATA%"):
        assert other not in told
    models_only = "".join(tree(written(tmp_path / "page.html", runtimes=())).itertext())
    assert "This stick holds models only" in models_only
    assert "start-linux.sh" not in models_only


def test_models_are_named_with_their_licences_and_as_text(tmp_path: Path) -> None:
    page = written(tmp_path / "page.html")
    assert "Writer &lt;1B&gt; &amp; Co" in page
    told = "".join(tree(page).itertext())
    assert re.search(r"Writer <1B> & Co\s*writes the answers\s*Apache-2\.0", told)
    assert re.search(r"Finder\s*finds passages\s*MIT", told)


def test_without_a_key_it_says_that_nobody_signed(tmp_path: Path) -> None:
    page = written(tmp_path / "page.html", fingerprint="")
    assert "This stick is not signed." in page
    assert 'class="fingerprint"' not in page


def test_the_same_page_is_written_twice(tmp_path: Path) -> None:
    assert written(tmp_path / "a.html", "fr") == written(tmp_path / "b.html", "fr", models=MODELS[::-1], runtimes=RUNTIMES[::-1])


@pytest.mark.browser
@pytest.mark.slow
@pytest.mark.parametrize("theme", ["light", "dark"])
def test_axe_finds_nothing_and_a_phone_needs_no_sideways_scrolling(browser: Browser, theme: str, tmp_path: Path) -> None:
    written(tmp_path / "page.html", *languages_there())
    context = browser.new_context(color_scheme=theme, viewport={"width": 360, "height": 740})
    page = context.new_page()
    requests: list[str] = []
    page.on("request", lambda request: requests.append(request.url))
    address = (tmp_path / "page.html").as_uri()
    page.goto(address)
    found = Axe().run(page, options=_EVERYTHING).response["violations"]
    assert [(one["id"], [node["target"] for node in one["nodes"]]) for one in found] == []
    assert page.evaluate("document.documentElement.scrollWidth <= document.documentElement.clientWidth")
    assert [one for one in requests if one != address and not one.startswith("data:")] == []
    context.close()


@pytest.mark.browser
@pytest.mark.slow
def test_a_chosen_language_stands_alone(browser: Browser, tmp_path: Path) -> None:
    written(tmp_path / "page.html", "fr", "ar")
    page = browser.new_page()
    page.goto((tmp_path / "page.html").as_uri())
    assert [page.locator(f"#{code}").is_visible() for code in ("en", "fr", "ar")] == [True, True, True]
    page.get_by_role("link", name="العربية").click()
    assert [page.locator(f"#{code}").is_visible() for code in ("en", "fr", "ar")] == [False, False, True]
    page.close()


def test_the_plain_checks_that_it_shows_find_a_launcher_that_was_exchanged_with_its_sum(tmp_path: Path) -> None:
    """SHA256SUMS is unsigned: whoever alters a file can alter its line there, and then sha256sum and minisign are both content."""
    key = load_key(tmp_path / "signing.pem")
    stick = tmp_path / "stick"
    stick.mkdir()
    (stick / "start-linux.sh").write_text("echo honest")
    written(stick / README, fingerprint=key.public.fingerprint)
    empty = {"format": 2, "profile": "p", "title": "P", "created": "2026", "languages": [], "tool": {}, "versions": {}, "models": [], "runtimes": []}
    write_lists(stick, empty, key)
    block = next(text for pre in tree((stick / README).read_text()).iter(f"{XHTML}pre") if "minisign" in (text := "".join(pre.itertext())))
    steps = [line for line in block.splitlines() if line and not line.startswith("#")]

    def said(step: str) -> str:
        return subprocess.run(["sh", "-c", step], cwd=stick, capture_output=True, text=True).stdout.strip()

    assert [said(step).splitlines()[:1] for step in steps] == [
        ["Signature and comment signature verified"],
        [],
        [key.public.fingerprint.replace(" ", "")],
    ]
    before = sha256_of(stick / "start-linux.sh")
    (stick / "start-linux.sh").write_text("echo evil")
    (stick / SUMS).write_text((stick / SUMS).read_text().replace(before, sha256_of(stick / "start-linux.sh")))
    assert subprocess.run(["sha256sum", "-c", "--quiet", SUMS], cwd=stick, capture_output=True).returncode == 0
    assert said(steps[0]).startswith("Signature and comment signature verified")
    assert said(steps[1]) == "start-linux.sh"
