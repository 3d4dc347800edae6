"""PDF → pages. pdfium reads the text; pypdf stands in for a page or a file that pdfium fails on, and reads outline, labels and title.

Why this way round, with figures: docs/decisions/0001-pdf-engine.md.
"""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import Any

from appliance.documents import Page
from appliance.errors import FileUnreadable, IngestError, PasswordNeeded
from appliance.ingest.converters.pdf_text import open_pdf, page_text, steps
from appliance.ingest.converters.reasons import NO_TEXT, NOT_READ
from appliance.ingest.hygiene import run
from appliance.ingest.limits import PAGE_CHARACTERS, PAGES


class Pdf:
    """One PDF, page by page. Opening raises PasswordNeeded, and FileUnreadable where neither reader can make anything of it."""

    def __init__(self, path: Path, password: str | None) -> None:
        self._path = path
        self._password = password
        self._pypdf: Any = None
        self._pypdf_error: IngestError | None = None
        self._document: Any = None
        self._trouble = ""
        try:
            self._document = open_pdf(path, password)
            self.count = len(self._document)
            if not 0 < self.count <= PAGES:
                self._trouble = f"pdfium counts {self.count} pages"
        except FileUnreadable as error:
            self._trouble = str(error).removeprefix("This PDF can't be read ").strip("().")
        if self._trouble:
            self._document = None
            self.count = self._other().count
        if self.count > PAGES:
            raise FileUnreadable(detail=f"This PDF has more than {PAGES:,} pages. Split it into parts and add those.")
        if not self.count:
            raise FileUnreadable(detail="This PDF has no pages.")

    @property
    def reader(self) -> str:
        """Who read it, and why another one did not."""
        return "pypdfium2" if self._document is not None else f"pypdf ({self._trouble})"

    def page(self, index: int, *, stand_in: str = "") -> tuple[Page, str]:
        """Page `index` from 0, and why pypdf read it ("" where pdfium did). `stand_in` says why pdfium must not be tried on it."""
        number, text, trouble = index + 1, "", stand_in
        if self._document is None:
            return self._by_pypdf(index), ""
        if not trouble:
            try:
                text = page_text(self._document, index)
            except Exception as error:  # ctypes and pypdfium2 raise many kinds on broken pages
                trouble = f"pdfium failed: {type(error).__name__}"
        if text and not _garbled(text):
            return _page(number, text), ""
        other = self._by_pypdf(index)
        if other.text and (not text or not _garbled(other.text)):
            return other, trouble or ("pdfium found no text" if not text else "pdfium found no readable letters")
        if text:
            return _page(number, text), ""
        return (other if not trouble or other.reason != NO_TEXT else Page(number, "", None, f"{NOT_READ}{trouble}")), ""

    def particulars(self, texts: Sequence[str]) -> dict[str, Any]:
        """The fields of the frame that ends a PDF. What pypdf can't read is named in "note"; the text still counts."""
        try:
            other = self._other()
            found, damaged = other.particulars(texts), other.damaged(len(texts))
        except (IngestError, MemoryError, RecursionError) as error:
            note = f"outline not read: {error}".replace("This PDF can't be read", "pypdf can't open it").rstrip(".")
            return {"headings": (), "labels": (), "title": "", "metadata": {}, "damaged": (), "note": note}
        return {
            "headings": [{"position": h.position, "start": h.start, "title": h.title, "level": h.level} for h in found.headings],
            "labels": found.labels,
            "title": found.title,
            "metadata": found.metadata,
            "damaged": damaged,
            "note": found.note,
        }

    def _other(self) -> Any:
        """The same file by pypdf, opened once. Raises what opening it raised."""
        if self._pypdf_error is not None:
            raise self._pypdf_error
        if self._pypdf is None:
            from appliance.ingest.converters.outline import PypdfFile  # pypdf takes 0.17 s to import

            try:
                self._pypdf = PypdfFile(self._path, self._password)
            except IngestError as error:
                self._pypdf_error = error
                raise
        return self._pypdf

    def _by_pypdf(self, index: int) -> Page:
        from appliance.ingest.converters.outline import why

        number = index + 1
        try:
            raw = self._other().text(index)
            text = run(raw, steps(raw))
        except PasswordNeeded:
            raise
        except Exception as error:  # as above: a limit that trips must never look like an empty page
            # Where pypdf can't open a file that pdfium opened, pdfium's word counts: there is no text on the page.
            opened = self._pypdf is not None or self._document is None
            return Page(number, "", None, f"{NOT_READ}{why(error)}" if opened else NO_TEXT)
        return _page(number, text)


def _page(number: int, text: str) -> Page:
    if len(text) > PAGE_CHARACTERS:
        return Page(number, text[:PAGE_CHARACTERS], None, f"{NOT_READ}only its first {PAGE_CHARACTERS:,} characters were taken")
    return Page(number, text, None, None if text else NO_TEXT)


def _garbled(text: str) -> bool:
    """Most letters of a font without a Unicode table come out as U+FFFD or as private ones."""
    strange = sum(1 for letter in text if letter == "\ufffd" or "\ue000" <= letter <= "\uf8ff") if not text.isascii() else 0
    return strange > 0.3 * len(text)
