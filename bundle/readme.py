"""READ-ME-FIRST.html: what this stick is and how to start it, in a page that any browser opens, with nothing of ours running.

One file: no script, nothing loaded, pictures drawn in it. It is well-formed XML too, so that a strict parser can check it.
"""

from __future__ import annotations

import base64
import re
import tomllib
from collections.abc import Iterable, Sequence
from functools import cache
from pathlib import Path
from typing import Any

from jinja2 import Environment, FileSystemLoader, StrictUndefined
from markupsafe import Markup, escape

from appliance.manifest import Model, Runtime

README = "READ-ME-FIRST.html"
_HERE = Path(__file__).parent / "readme"
_SCREENSHOT = Path(__file__).resolve().parent.parent / "docs" / "images" / "page-light.png"
_SCREENSHOT_LIMIT = 200_000
_OPTION = "--leave-no-trace"
_SYSTEMS = {
    "windows-x64": "Windows 10, 11 (x64)",
    "macos-arm64": "macOS (Apple silicon)",
    "macos-x64": "macOS (Intel)",
    "linux-x64": "Linux (x64)",
    "linux-arm64": "Linux (arm64)",
}
_COMMANDS = {
    "guest": {
        "windows": f"START-Windows.cmd {_OPTION}",
        "macos": f"sh START-macOS.command {_OPTION}",
        "linux": f"sh start-linux.sh {_OPTION}",
    },
    "check": (
        ("Windows", "certutil -hashfile manifest.json SHA256"),
        ("macOS", "shasum -a 256 -c SHA256SUMS"),
        ("Linux", "sha256sum -c SHA256SUMS"),
    ),
    # SHA256SUMS itself is unsigned: the second line looks for each of its hashes in the signed manifest, and prints those that aren't there.
    "signature": (
        ("minisign -Vm manifest.json -p haversack.pub", "Signature and comment signature verified"),
        (
            'grep -v \'  manifest.json\' SHA256SUMS | while read -r hash file; do grep -qF "\\"$hash\\"" manifest.json || echo "$file"; done',
            "(nothing)",
        ),
        ("tail -n 1 haversack.pub | base64 -d | tail -c 32 | sha256sum | cut -c 1-32", "fingerprint"),
    ),
}
# Where the launchers unpack the runtime, and what `config.data_folder` gives.
_PLACES = {
    "windows": (r"%LOCALAPPDATA%\Haversack\runtime", r"%LOCALAPPDATA%\Haversack"),
    "macos": ("~/.cache/haversack/runtime", "~/Library/Application Support/haversack"),
    "linux": ("~/.cache/haversack/runtime", "~/.local/share/haversack"),
}


def languages_there() -> tuple[str, ...]:
    """The languages that the page can be written in: English first."""
    return tuple(sorted((path.stem for path in (_HERE / "texts").glob("*.toml")), key=lambda code: (code != "en", code)))


def write_readme(
    path: Path,
    *,
    title: str,
    profile: str,
    languages: Sequence[str],
    models: Iterable[Model],
    runtimes: Iterable[Runtime],
    fingerprint: str,
) -> None:
    """Write the page to `path`: in English, then in those of `languages` that there are texts for, in that order.

    It tells how to start on the systems that there is a runtime for. `fingerprint` is the signing key's, empty for a bundle that isn't signed.
    """
    made = sorted(runtimes, key=lambda runtime: (not runtime.tested, runtime.platform))
    codes = dict.fromkeys(["en", *(code for code in languages if code in languages_there())])
    environment = Environment(loader=FileSystemLoader(_HERE), autoescape=True, trim_blocks=True, undefined=StrictUndefined)
    environment.filters["marked"] = _marked
    page = environment.get_template("page.html").render(
        title=title,
        profile=profile,
        texts=[_text(code) | {"code": code} for code in codes],
        style=Markup((_HERE / "style.css").read_text(encoding="utf-8")),
        models=sorted(models, key=lambda model: (model.role, model.title)),
        runtimes=made,
        carried=[system for system in _PLACES if any(runtime.platform.startswith(system) for runtime in made)],
        systems=_SYSTEMS,
        fingerprint=fingerprint,
        commands=_COMMANDS,
        places=_PLACES,
        screenshot=_screenshot(),
        screenshot_size=_png_size(_SCREENSHOT) if _screenshot() else (0, 0),
    )
    path.write_text(page, encoding="utf-8", newline="\n")


def _marked(text: str) -> Markup:
    """Plain text with `code` and **strong** words; everything else is escaped."""
    safe = re.sub(r"`([^`]+)`", r'<code dir="ltr">\1</code>', str(escape(text)))
    return Markup(re.sub(r"\*\*(.+?)\*\*", r"<strong>\1</strong>", safe))


@cache
def _text(code: str) -> dict[str, Any]:
    return tomllib.loads((_HERE / "texts" / f"{code}.toml").read_text(encoding="utf-8"))


@cache
def _screenshot() -> str:
    """The appliance's page as a data URI; nothing where the checkout's picture isn't there, or grew too large for a page of text."""
    if not _SCREENSHOT.is_file() or _SCREENSHOT.stat().st_size > _SCREENSHOT_LIMIT:
        return ""
    return "data:image/png;base64," + base64.b64encode(_SCREENSHOT.read_bytes()).decode("ascii")


def _png_size(path: Path) -> tuple[int, int]:
    """Width and height in pixels: the first two numbers of a PNG's first block."""
    head = path.read_bytes()[16:24]
    return int.from_bytes(head[:4], "big"), int.from_bytes(head[4:], "big")
