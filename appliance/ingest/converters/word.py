"""DOCX by python-docx: paragraphs, headings by their styles, lists, tables row by row, footnotes, headers and footers."""

from __future__ import annotations

import re
from collections.abc import Iterable, Iterator
from pathlib import Path
from typing import Any

import docx
from docx.oxml import parse_xml
from docx.oxml.ns import qn

from appliance.documents import Conversion
from appliance.ingest.archive import Archive, is_xml
from appliance.ingest.converters.builder import Builder, conversion

_HEADING = re.compile(r"(?i)heading ([1-9])$")
_NOTES = {"footnotes": "footnoteReference", "endnotes": "endnoteReference"}
_BREAKS = {qn("w:tab"): "\t", qn("w:br"): "\n", qn("w:cr"): "\n", qn("w:noBreakHyphen"): "-"}
_REFERENCES = {qn(f"w:{reference}") for reference in _NOTES.values()}
_DOCUMENT = b"application/vnd.openxmlformats-officedocument.wordprocessingml.document.main+xml"
_TYPES = {
    b"application/vnd.ms-word.document.macroEnabled.main+xml": _DOCUMENT,
    b"application/vnd.openxmlformats-officedocument.wordprocessingml.template.main+xml": _DOCUMENT,
}
# The older form of the same text box, and what was deleted while changes were tracked.
_LEFT_OUT = {"{http://schemas.openxmlformats.org/markup-compatibility/2006}Fallback", qn("w:del"), qn("w:moveFrom")}


def read(path: Path, name: str) -> Conversion:
    document = docx.Document(Archive(path).checked(is_xml, _TYPES))
    page = Builder()
    reading = _Word(document, page)
    reading.blocks(document.element.body)
    reading.close_list()
    for title in ("footnotes", "endnotes"):
        reading.notes(title)
    reading.margins()
    properties = document.core_properties
    metadata = {"author": properties.author, "subject": properties.subject, "keywords": properties.keywords}
    return conversion("docx", page, title=properties.title or "", metadata=metadata, reader="python-docx")


class _Word:
    def __init__(self, document: Any, page: Builder) -> None:
        self._document = document
        self._page = page
        self._list: list[str] = []
        self._levels: dict[str, int] = {}
        self._lists: set[str] = set()
        for style in document.styles.element.findall(qn("w:style")):
            self._learn(style)

    def blocks(self, parent: Any) -> None:
        """The paragraphs and tables in `parent`, in order."""
        for block in parent:
            if block.tag == qn("w:p"):
                self._paragraph(block)
            elif block.tag == qn("w:tbl"):
                self.close_list()
                self._page.rows(_rows(block))
            elif block.tag in (qn("w:sdt"), qn("w:sdtContent"), qn("w:ins"), qn("w:customXml"), qn("w:moveTo")):
                self.blocks(block)

    def close_list(self) -> None:
        self._page.paragraph("\n".join(self._list))
        self._list = []

    def notes(self, kind: str) -> None:
        for relation in self._document.part.rels.values():
            if not relation.is_external and relation.reltype.endswith(f"/{kind}"):
                for note in parse_xml(relation.target_part.blob):
                    text = _text(note)
                    if text.strip() and not note.get(qn("w:type")):
                        self._page.paragraph(f"[{note.get(qn('w:id'))}] {text.strip()}")

    def margins(self) -> None:
        """Headers and footers, each different one once, after the text: they belong to no place in it."""
        seen: set[str] = set()
        for section in self._document.sections:
            for part in (section.header, section.first_page_header, section.footer, section.first_page_footer):
                text = "" if part.is_linked_to_previous else "\n".join(_text(paragraph._p) for paragraph in part.paragraphs).strip()
                if text not in seen and re.search(r"[^\W\d]", text):
                    seen.add(text)
                    self._page.paragraph(text)

    def _learn(self, style: Any) -> None:
        """What a style is: Word writes the names of its own ones in English, whatever the language."""
        identity = style.get(qn("w:styleId"), "")
        named = style.find(qn("w:name"))
        name = named.get(qn("w:val"), "") if named is not None else ""
        heading = _HEADING.match(name)
        outline = style.find(f"{qn('w:pPr')}/{qn('w:outlineLvl')}")
        if heading:
            self._levels[identity] = int(heading[1])
        elif name.lower() == "title":
            self._levels[identity] = 1
        elif outline is not None and outline.get(qn("w:val"), "9") in "012345678":
            self._levels[identity] = int(outline.get(qn("w:val"))) + 1
        elif name.lower().startswith("list "):
            self._lists.add(identity)

    def _paragraph(self, paragraph: Any) -> None:
        text = _text(paragraph).strip()
        if not text:
            return
        properties = paragraph.find(qn("w:pPr"))
        style = properties.find(qn("w:pStyle")) if properties is not None else None
        identity = style.get(qn("w:val"), "") if style is not None else ""
        numbered = properties is not None and properties.find(qn("w:numPr")) is not None
        level = self._levels.get(identity)
        if level is None and (numbered or identity in self._lists):
            self._list.append(f"- {text}")
            return
        self.close_list()
        if level is not None:
            self._page.heading(text, level)
        else:
            self._page.paragraph(text)


def _rows(table: Any) -> Iterator[list[str]]:
    for row in table.iter(qn("w:tr")):
        yield [_text(cell) for cell in row.iterchildren(qn("w:tc"), qn("w:sdt"))]


def _text(element: Any) -> str:
    """The text below `element`: inserted text counts, deleted and hidden text doesn't."""
    return "".join(_pieces(element))


def _pieces(element: Any) -> Iterable[str]:
    # A stack of our own: documents are nested as deep as somebody liked.
    waiting = [element]
    while waiting:
        node = waiting.pop()
        if isinstance(node, str):
            yield node
        elif node.tag == qn("w:t"):
            yield node.text or ""
        elif node.tag in _BREAKS:
            yield _BREAKS[node.tag]
        elif node.tag in _REFERENCES:
            yield f"[{node.get(qn('w:id'))}]"
        elif isinstance(node.tag, str) and node.tag not in _LEFT_OUT and not _hidden(node):
            if node.tag == qn("w:p") and node is not element:
                waiting.append("\n")
            waiting.extend(reversed(node))


def _hidden(node: Any) -> bool:
    mark = node.find(f"{qn('w:rPr')}/{qn('w:vanish')}") if node.tag == qn("w:r") else None
    return mark is not None and mark.get(qn("w:val"), "1") not in ("0", "false", "off")
