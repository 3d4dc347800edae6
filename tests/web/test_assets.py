"""The page's own files: small modules, no code that parses HTML, nothing from elsewhere; and every route of the API is documented."""

from __future__ import annotations

import re
from pathlib import Path

import pytest
from flask import Flask

import appliance.web

WEB = Path(appliance.web.__file__).parent
SCRIPTS = sorted((WEB / "static").glob("*.js"))
SINKS = (
    *("innerHTML", "outerHTML", "insertAdjacentHTML", "document.write", "DOMParser", "createContextualFragment", "eval(", "Function(", "srcdoc"),
    *("setAttribute(`on", "javascript:", "localStorage.setItem(`", "sessionStorage", "WebSocket", "EventSource", "sendBeacon", "importScripts"),
)


@pytest.mark.parametrize("script", SCRIPTS, ids=lambda script: script.name)
def test_a_module_is_small_and_never_parses_html(script: Path) -> None:
    text = script.read_text(encoding="utf-8")
    assert len(text.splitlines()) <= 250
    assert [sink for sink in SINKS if sink in text] == []


@pytest.mark.parametrize("asset", sorted((WEB / "static").iterdir()), ids=lambda asset: asset.name)
def test_nothing_is_loaded_from_elsewhere(asset: Path) -> None:
    text = asset.read_text(encoding="utf-8").replace("http://www.w3.org/2000/svg", "")
    assert re.findall(r"(?:https?:)?//[a-z0-9-]+\.[a-z]+|@import|url\(", text) == []


def test_every_import_of_a_module_is_there() -> None:
    for script in SCRIPTS:
        for name in re.findall(r'from "\./([^"]+)"', script.read_text(encoding="utf-8")):
            assert (WEB / "static" / name).is_file(), f"{script.name} imports {name}"


def test_every_route_of_the_api_is_documented_and_every_documented_one_exists(app: Flask) -> None:
    docs = Path(__file__).parents[2] / "docs"
    reference = "".join((docs / name).read_text(encoding="utf-8") for name in ("page-api.md", "api.md"))
    told = {tuple(found) for found in re.findall(r"`(GET|POST|PUT|PATCH|DELETE) (/[^` ?]*)", reference)}
    there = {
        (method, re.sub(r"<(?:\w+:)?(\w+)>", r"{\1}", rule.rule).replace("_id}", "}"))
        for rule in app.url_map.iter_rules()
        for method in (rule.methods or set()) - {"HEAD", "OPTIONS"}
    }
    assert there - {("GET", "/static/{filename}")} == told
