"""HTML by selectolax: what a reader sees, in blocks; scripts, styles and hidden parts are left out, nothing is fetched."""

from __future__ import annotations

import re
from collections.abc import Iterator
from pathlib import Path
from typing import Any

from selectolax.lexbor import LexborHTMLParser

from appliance.documents import Conversion
from appliance.ingest.converters.builder import Builder, conversion
from appliance.ingest.converters.plain import read_text
from appliance.ingest.encoding import decode

_LEFT_OUT = {
    *("script", "style", "noscript", "template", "head", "iframe", "object", "embed", "svg", "math", "canvas", "audio", "video"),
    *("select", "button", "datalist", "dialog"),
}
_BLOCKS = {
    *("address", "article", "aside", "blockquote", "body", "caption", "center", "dd", "details", "div", "dl", "dt", "fieldset"),
    *("figcaption", "figure", "footer", "form", "header", "hr", "legend", "main", "nav", "ol", "p", "pre", "section", "summary"),
    *("table", "tbody", "td", "tfoot", "th", "thead", "tr", "ul"),
}
_LINES = {"br", "li"}
_HEADINGS = {f"h{level}": level for level in range(1, 7)}
_HIDING = re.compile(r"(?i)display\s*:\s*none|visibility\s*:\s*hidden|(?:font-size|opacity)\s*:\s*0(?:\.0+)?(?:px|pt|em|rem|%)?\s*(?:;|$)")
_CHARSET = re.compile(rb"""(?i)<meta[^>]{0,200}?charset\s*=\s*["']?([\w-]{2,30})""")
_LONGEST_CELL = 500
_BLANKS = re.compile(r"\s+")


def read(path: Path, name: str) -> Conversion:
    with path.open("rb") as stream:
        declared = _CHARSET.search(stream.read(4096))
    text, encoding = read_text(path)
    if declared and encoding not in ("utf-8", "utf-16-le", "utf-16-be"):
        text, encoding = _as_declared(path, declared[1].decode("ascii"), text, encoding)
    page = Builder()
    title = add_html(page, text)
    return conversion("html", page, title=title, reader=f"selectolax, text in {encoding}")


def add_html(page: Builder, text: str, *, deeper: int = 0) -> str:
    """Add what is seen of an HTML document; headings lie `deeper` levels lower. Its title comes back."""
    tree = LexborHTMLParser(text)
    found = tree.css_first("title")
    if tree.body is not None:
        _Walk(page, deeper).walk(tree.body)
    return found.text(strip=True) if found is not None else ""


def html_text(data: bytes) -> str:
    """The text of an HTML file inside another file."""
    found = decode(data)
    return found[0] if found else ""


def _as_declared(path: Path, declared: str, text: str, encoding: str) -> tuple[str, str]:
    """A legacy page that names its encoding is right more often than a guess."""
    try:
        return path.read_bytes().decode(declared), declared.lower()
    except (LookupError, UnicodeDecodeError):
        return text, encoding


class _Walk:
    """Goes through the tree with a stack of its own (pages are nested thousands deep by accident) and gathers blocks."""

    def __init__(self, page: Builder, deeper: int) -> None:
        self._page = page
        self._deeper = deeper
        self._pieces: list[str] = []
        self._verbatim = 0

    def walk(self, root: Any) -> None:
        waiting: list[tuple[Any, bool]] = [(root, False)]
        while waiting:
            node, leaving = waiting.pop()
            tag = node.tag
            if node.is_text_node:
                text = node.text_content or ""
                self._pieces.append(text if self._verbatim else _BLANKS.sub(" ", text))
            elif leaving:
                self._leave(tag)
            elif node.is_element_node and tag not in _LEFT_OUT and not _hidden(node):
                self._enter(tag)
                if tag == "table" and _holds_data(node):
                    self._page.rows(_rows(node))
                    continue
                waiting.append((node, True))
                children = []
                child = node.first_child
                while child is not None:
                    children.append((child, False))
                    child = child.next
                waiting.extend(reversed(children))
        self._flush()

    def _enter(self, tag: str) -> None:
        if tag in _BLOCKS or tag in _HEADINGS:
            self._flush_before(tag)
        if tag in _LINES:
            self._pieces.append("\n- " if tag == "li" else "\n")
        if tag == "pre":
            self._verbatim += 1

    def _leave(self, tag: str) -> None:
        if tag in _HEADINGS:
            self._page.heading("".join(self._pieces), _HEADINGS[tag] + self._deeper)
            self._pieces = []
        elif tag in _BLOCKS:
            self._flush_before(tag)
        if tag == "pre":
            self._verbatim -= 1

    def _flush_before(self, tag: str) -> None:
        """A cell or an item may hold a paragraph: its line must not be torn off the sign before it."""
        so_far = "".join(self._pieces[-3:])
        if tag == "p" and so_far.endswith("- "):
            return
        self._flush()

    def _flush(self) -> None:
        text = "".join(self._pieces)
        self._pieces = []
        if self._verbatim:
            self._page.verbatim(text)
        else:
            self._page.paragraph("\n".join(line for line in text.split("\n") if line.strip("- ")))


def _holds_data(table: Any) -> bool:
    """Old pages are laid out by tables; those hold other tables, headings or long texts."""
    if table.css_first("table table, h1, h2, h3, h4, h5, h6, ul, ol, pre") is not None:
        return False
    return all(len(cell.text()) <= _LONGEST_CELL for cell in table.css("td, th"))


def _rows(table: Any) -> Iterator[list[str]]:
    for line in table.css("caption, tr"):
        if line.tag == "caption":
            yield [_cell(line)]
        elif not _hidden(line):
            yield [_cell(cell) for cell in line.css("td, th")]


def _cell(cell: Any) -> str:
    """A cell's text by the same rules as the page's."""
    part = Builder()
    _Walk(part, 0).walk(cell)
    return part.page(None).text


def _hidden(node: Any) -> bool:
    attributes = node.attributes
    if not attributes:
        return False
    return "hidden" in attributes or bool(_HIDING.search(attributes.get("style") or ""))
