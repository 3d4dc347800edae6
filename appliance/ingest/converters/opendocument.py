"""ODT by odfdo: headings, paragraphs, lists, tables and notes, in the order of the text."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from typing import Any

import odfdo

from appliance.documents import Conversion
from appliance.ingest.archive import Archive
from appliance.ingest.converters.builder import Builder, conversion

_READ = ("mimetype", "content.xml", "styles.xml", "meta.xml", "settings.xml", "META-INF/manifest.xml")
_LEFT_OUT = ("text:tracked-changes", "office:annotation", "office:forms", "text:sequence-decls", "text:table-of-content", "office:event-listeners")
_CONTAINERS = ("text:section", "text:index-body", "office:text", "draw:text-box", "draw:frame", "text:list", "text:list-item", "text:list-header")
_BLANKS = {"text:tab": "\t", "text:line-break": "\n"}
_MOST_REPEATED = 100


def read(path: Path, name: str) -> Conversion:
    document = odfdo.Document(Archive(path).checked(lambda entry: entry in _READ))
    page = Builder()
    reading = _Text(page)
    reading.blocks(document.body)
    reading.end()
    meta = document.meta
    metadata = {"author": str(meta.creator or meta.initial_creator or ""), "subject": str(meta.subject or "")}
    return conversion("odt", page, title=str(meta.title or ""), metadata=metadata, reader="odfdo")


class _Text:
    def __init__(self, page: Builder) -> None:
        self._page = page
        self._items: list[str] = []
        self._notes: list[str] = []

    def blocks(self, parent: Any, *, listed: bool = False) -> None:
        """The blocks in `parent`, in order; `listed` where they are items of a list."""
        for block in parent.children:
            tag = block.tag
            if tag == "text:p" and listed:
                text = self._text(block).strip()
                self._items.append(f"- {text}" if text else "")
            elif tag in ("text:list", "text:list-item", "text:list-header"):
                self.blocks(block, listed=True)
            else:
                self._close_list()
                self._block(block, tag)

    def end(self) -> None:
        self._close_list()
        for note in self._notes:
            self._page.paragraph(note)

    def _block(self, block: Any, tag: str) -> None:
        if tag == "text:h":
            level = block.get_attribute("text:outline-level")
            self._page.heading(self._text(block), int(level) if str(level).isdigit() else 1)
        elif tag == "text:p":
            self._page.paragraph(self._text(block))
        elif tag == "table:table":
            self._page.rows(self._rows(block))
        elif tag in _CONTAINERS:
            self.blocks(block)

    def _close_list(self) -> None:
        self._page.paragraph("\n".join(filter(None, self._items)))
        self._items = []

    def _rows(self, table: Any) -> Iterator[list[str]]:
        for part in table.children:
            if part.tag == "table:table-row":
                yield [text for cell in part.children for text in self._cell(cell)]
            elif part.tag in ("table:table-rows", "table:table-header-rows", "table:table-row-group"):
                yield from self._rows(part)

    def _cell(self, cell: Any) -> list[str]:
        if cell.tag != "table:table-cell":
            return []
        times = str(cell.get_attribute("table:number-columns-repeated") or "1")
        text = " ".join(self._text(block) for block in cell.children)
        return [text] * (min(int(times), _MOST_REPEATED) if times.isdigit() else 1)

    def _text(self, element: Any) -> str:
        """The text of a paragraph; its notes are gathered for the end, and marked where they stand."""
        pieces = [str(element.text or "")]
        for child in element.children:
            tag = child.tag
            if tag == "text:s":
                count = str(child.get_attribute("text:c") or "1")
                pieces.append(" " * min(int(count), _MOST_REPEATED) if count.isdigit() else " ")
            elif tag in _BLANKS:
                pieces.append(_BLANKS[tag])
            elif tag == "text:note":
                pieces.append(self._note(child))
            elif tag not in _LEFT_OUT:
                pieces.append(self._text(child))
            pieces.append(str(child.tail or ""))
        return "".join(pieces)

    def _note(self, note: Any) -> str:
        parts = {part.tag: part for part in note.children}
        mark = self._text(parts["text:note-citation"]).strip() if "text:note-citation" in parts else "*"
        if "text:note-body" in parts:
            body = " ".join(self._text(block) for block in parts["text:note-body"].children)
            self._notes.append(f"[{mark}] {body.strip()}")
        return f"[{mark}]"
