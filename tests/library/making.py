"""Documents made on the spot, for tests of the library: one page a text, one passage a paragraph, vectors from a seeded generator."""

from __future__ import annotations

import hashlib
from pathlib import Path

import numpy

from appliance.documents import Conversion, Document, Page, Passage
from appliance.library.store import Library

DIMENSIONS = 32


def vectors_for(texts: list[str]) -> numpy.ndarray:
    """A unit vector for each text, the same for the same text."""
    rows = [numpy.random.default_rng(int.from_bytes(hashlib.sha256(text.encode()).digest()[:8])).standard_normal(DIMENSIONS) for text in texts]
    matrix = numpy.array(rows, dtype=numpy.float32).reshape(-1, DIMENSIONS)
    return matrix / numpy.linalg.norm(matrix, axis=1, keepdims=True)


class Maker:
    """Adds documents: one page a text, one passage a paragraph."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder

    def file(self, name: str, content: str) -> Path:
        path = self.folder / name.replace("/", "_")
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(content, encoding="utf-8")
        return path

    def __call__(self, library: Library, collection_id: int, name: str, *pages: str, title: str = "", heading: tuple[str, ...] = ()) -> Document:
        content = "\f".join(pages)
        path = self.file(name, content)
        conversion = Conversion(kind="text", title=title, reader="test", pages=tuple(Page(number, text) for number, text in enumerate(pages, 1)))
        passages = []
        for position, text in enumerate(pages):
            start = 0
            for paragraph in text.split("\n\n"):
                passages.append(Passage(position, position + 1, start, start + len(paragraph), paragraph, heading))
                start += len(paragraph) + 2
        return library.add_document(
            collection_id,
            name=name,
            sha256=hashlib.sha256(content.encode()).hexdigest(),
            size=len(content.encode()),
            original=path,
            conversion=conversion,
            passages=passages,
            vectors=vectors_for([passage.text for passage in passages]),
        )
