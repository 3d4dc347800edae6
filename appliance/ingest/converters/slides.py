"""PPTX by python-pptx: a slide is a page; its title is a heading; tables and the speaker's notes are read as well."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pptx
from pptx.enum.shapes import MSO_SHAPE_TYPE

from appliance.documents import Conversion, Heading, Page
from appliance.ingest.archive import Archive, is_xml
from appliance.ingest.converters.builder import Builder
from appliance.ingest.converters.reasons import NO_TEXT
from appliance.ingest.hygiene import line
from appliance.ingest.limits import PAGES

_PRESENTATION = b"application/vnd.openxmlformats-officedocument.presentationml.presentation.main+xml"
_TYPES = {
    b"application/vnd.ms-powerpoint.presentation.macroEnabled.main+xml": _PRESENTATION,
    b"application/vnd.openxmlformats-officedocument.presentationml.slideshow.main+xml": _PRESENTATION,
}


def read(path: Path, name: str) -> Conversion:
    presentation = pptx.Presentation(Archive(path).checked(is_xml, _TYPES))
    pages: list[Page] = []
    headings: list[Heading] = []
    for position, slide in enumerate(presentation.slides):
        page, found = _slide(slide, position)
        pages.append(page)
        headings.extend(found)
        if position >= PAGES:
            break
    properties = presentation.core_properties
    metadata = {key: value for key in ("author", "subject", "keywords") if (value := line(getattr(properties, key) or ""))}
    title = line(properties.title or "")
    # What PowerPoint writes where nobody gave a title.
    title = "" if title.lower() in ("powerpoint presentation", "powerpoint-präsentation") else title
    pages = pages or [Page(None, "")]
    return Conversion("pptx", tuple(pages), title, tuple(headings), metadata, "python-pptx")


def _slide(slide: Any, position: int) -> tuple[Page, list[Heading]]:
    page = Builder(position)
    title = slide.shapes.title
    if title is not None and title.has_text_frame:
        page.heading(title.text_frame.text, 1)
    pictured = False
    for shape in _shapes(slide.shapes):
        if title is not None and shape.shape_id == title.shape_id:
            continue
        if getattr(shape, "has_table", False):
            page.rows([cell.text for cell in row.cells] for row in shape.table.rows)
        elif shape.has_text_frame:
            page.paragraph("\n".join(paragraph.text for paragraph in shape.text_frame.paragraphs))
        else:
            pictured = True
    if slide.has_notes_slide and slide.notes_slide.notes_text_frame is not None:
        notes = slide.notes_slide.notes_text_frame.text.strip()
        page.paragraph(f"Notes: {notes}" if notes else "")
    made = page.page(position + 1)
    if pictured and not made.text:
        made = Page(position + 1, "", None, NO_TEXT)
    return made, page.headings


def _shapes(shapes: Any) -> Iterator[Any]:
    """All shapes of a slide, those in groups as well, from top to bottom as far as the file says where they are."""
    waiting = list(reversed(list(shapes)))
    while waiting:
        shape = waiting.pop()
        if shape.shape_type == MSO_SHAPE_TYPE.GROUP:
            waiting.extend(reversed(list(shape.shapes)))
        else:
            yield shape
