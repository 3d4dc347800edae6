"""Puts a page's text together from headings, paragraphs and rows; offsets are exact because each part is cleaned before it is added."""

from __future__ import annotations

from collections.abc import Iterable, Sequence

from appliance.documents import Conversion, Heading, Page
from appliance.errors import FileUnreadable
from appliance.ingest.hygiene import clean, flow, line
from appliance.ingest.limits import DOCUMENT_CHARACTERS, HEADINGS


class Builder:
    """One page, or a document without pages: parts with a blank line between them."""

    def __init__(self, position: int = 0) -> None:
        self._position = position
        self._parts: list[str] = []
        self._length = 0
        self.headings: list[Heading] = []

    def heading(self, text: str, level: int) -> None:
        title = line(text)
        if title:
            start = self._add(title)
            if len(self.headings) < HEADINGS:
                self.headings.append(Heading(self._position, start, title, max(1, min(level, 20))))

    def paragraph(self, text: str) -> None:
        self._add(flow(text))

    def verbatim(self, text: str) -> None:
        """Text whose indentation means something."""
        self._add(clean(text))

    def rows(self, rows: Iterable[Sequence[str]]) -> None:
        """A table, a row a line: "a | b"."""
        self._add("\n".join(filter(None, (row(cells) for cells in rows))))

    def page(self, number: int | None, *, reason: str | None = None) -> Page:
        return Page(number, "\n\n".join(self._parts), None, reason)

    def _add(self, text: str) -> int:
        """Where `text` begins on the page."""
        if not text:
            return self._length
        start = self._length + 2 if self._parts else 0
        self._parts.append(text)
        self._length = start + len(text)
        if self._length > DOCUMENT_CHARACTERS:
            raise FileUnreadable(detail="This file holds more text than can be taken. Split it into parts and add those.")
        return start


def row(cells: Iterable[str]) -> str:
    """A table's row as one line; empty where all its cells are."""
    cleaned = [line(cell, 10_000) for cell in cells]
    while cleaned and not cleaned[-1]:
        cleaned.pop()
    return " | ".join(cleaned) if any(cleaned) else ""


def conversion(kind: str, builder: Builder, *, title: str = "", metadata: dict[str, str] | None = None, reader: str) -> Conversion:
    """A document without pages."""
    kept = {key: value for key, value in ((key, line(value, 1000)) for key, value in (metadata or {}).items()) if value}
    return Conversion(kind, (builder.page(None),), line(title), tuple(builder.headings), kept, reader)
