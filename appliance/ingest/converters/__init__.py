"""One module per format family: a file → its pages. They run in the worker process only.

Each has `read(path, name) -> Conversion` for the kinds below; PDFs are read page by page (`pdf.Pdf`). They raise IngestErrors,
and whatever else a broken file makes their library raise: the worker puts that in words.
"""

from __future__ import annotations

MODULES = {
    "docx": "word",
    "pptx": "slides",
    "xlsx": "spreadsheet",
    "odt": "opendocument",
    "csv": "delimited",
    "html": "webpage",
    "epub": "book",
    "eml": "mail",
    "markdown": "markdown",
    "text": "plain",
}
"""Kind → module in this package."""
