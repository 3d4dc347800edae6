"""Plain text in any encoding: one page, as it is."""

from __future__ import annotations

from pathlib import Path

from appliance.documents import Conversion
from appliance.errors import FileUnreadable
from appliance.ingest.converters.builder import Builder, conversion
from appliance.ingest.encoding import decode
from appliance.ingest.limits import DOCUMENT_CHARACTERS


def read(path: Path, name: str) -> Conversion:
    text, encoding = read_text(path)
    page = Builder()
    page.verbatim(text)
    return conversion("text", page, reader=f"text in {encoding}")


def read_text(path: Path) -> tuple[str, str]:
    """The whole text of a file, and its encoding. Raises FileUnreadable where it is no text, or too long."""
    with path.open("rb") as stream:
        data = stream.read(DOCUMENT_CHARACTERS * 2 + 1)
    if len(data) > DOCUMENT_CHARACTERS * 2:
        raise FileUnreadable(detail="This file holds more text than can be taken. Split it into parts and add those.")
    found = decode(data)
    if found is None:
        raise FileUnreadable(detail="This file holds no readable text.")
    return found
