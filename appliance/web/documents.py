"""Documents: their pages as text and as pictures, and the files themselves. Paths hold ids only, never file names."""

from __future__ import annotations

from pathlib import Path
from typing import Any

from flask import Blueprint, Response, send_file

from appliance.documents import Document, Page
from appliance.errors import IngestError, NotThere
from appliance.runtime import Appliance
from appliance.web.requests import argument
from appliance.web.values import as_file, to_json

_LARGEST = 1 << 31
"""Beyond any page's length in characters."""


def routes(appliance: Appliance) -> Blueprint:
    blueprint = Blueprint("documents", __name__)
    library = appliance.library

    @blueprint.get("/documents/<id:document_id>")
    def show(document_id: int) -> dict[str, Any]:
        return {**to_json(library.document(document_id)), "original": library.has_original(document_id)}

    @blueprint.delete("/documents/<id:document_id>")
    def remove(document_id: int) -> tuple[str, int]:
        library.remove_document(document_id)
        return "", 204

    @blueprint.get("/documents/<id:document_id>/original")
    def original(document_id: int) -> Response:
        document = library.document(document_id)
        return as_file(send_file(_file(document), mimetype="application/octet-stream"), document.name)

    @blueprint.get("/documents/<id:document_id>/pages/<id:position>")
    def page(document_id: int, position: int) -> dict[str, Any]:
        """The page's text in three pieces around the passage, so that no browser has to count code points."""
        document, found = library.document(document_id), library.page(document_id, position)
        start, end = _passage(found)
        return {
            "document": document.name,
            "position": position,
            "pages": document.pages,
            "number": found.number,
            "label": found.label,
            "reason": found.reason,
            "before": found.text[:start],
            "passage": found.text[start:end],
            "after": found.text[end:],
            "picture": document.kind == "pdf" and library.has_original(document_id),
        }

    @blueprint.get("/documents/<id:document_id>/pages/<id:position>/picture")
    def picture(document_id: int, position: int) -> Response:
        file, number = _page(document_id, position)
        width = argument("width", least=200, most=2400, default=1200)
        try:
            return Response(appliance.sandbox.render(file, number, width), mimetype="image/png")
        except IngestError:
            return Response(status=204)  # encrypted, or damaged: there is no picture, and the text does

    @blueprint.get("/documents/<id:document_id>/pages/<id:position>/boxes")
    def boxes(document_id: int, position: int) -> dict[str, Any]:
        """Where the passage stands on the picture: rectangles as fractions of the page, from its top left corner."""
        file, number = _page(document_id, position)
        start, end = _passage(library.page(document_id, position))
        try:
            return {"boxes": to_json(appliance.sandbox.boxes(file, number, start, end)) if end > start else []}
        except IngestError:
            return {"boxes": []}

    def _file(document: Document) -> Path:
        path = library.original(document.id)
        if path is None:
            raise NotThere(detail="The file itself is not kept in this library; its text is.")
        return path

    def _page(document_id: int, position: int) -> tuple[Path, int]:
        document, found = library.document(document_id), library.page(document_id, position)
        if document.kind != "pdf" or found.number is None:
            raise NotThere(detail="This kind of document has no pictures of its pages; its text can be shown.")
        return _file(document), found.number

    return blueprint


def _passage(page: Page) -> tuple[int, int]:
    """The passage that the address names, held to the page; nothing where it names none."""
    start = min(argument("start", least=0, most=_LARGEST, default=0), len(page.text))
    return start, max(start, min(argument("end", least=0, most=_LARGEST, default=0), len(page.text)))
