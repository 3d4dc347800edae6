"""EPUB: its chapters in the order of the spine, by the HTML converter; one long page, because its pages are the reader's screen."""

from __future__ import annotations

import posixpath
from pathlib import Path
from typing import Any
from urllib.parse import unquote

from defusedxml import ElementTree

from appliance.documents import Conversion
from appliance.errors import FileUnreadable
from appliance.ingest.archive import Archive
from appliance.ingest.converters.builder import Builder, conversion
from appliance.ingest.converters.webpage import add_html, html_text

_CONTAINER = "{urn:oasis:names:tc:opendocument:xmlns:container}"
_OPF = "{http://www.idpf.org/2007/opf}"
_DC = "{http://purl.org/dc/elements/1.1/}"
_CIPHER = "{http://www.w3.org/2001/04/xmlenc#}CipherReference"


def read(path: Path, name: str) -> Conversion:
    archive = Archive(path)
    package_name = _package_name(archive)
    package = _xml(archive, package_name)
    folder = posixpath.dirname(package_name)
    locked = _locked(archive)
    items = {item.get("id"): item.get("href", "") for item in package.iter(f"{_OPF}item")}
    title = _first(package, "title")
    page = Builder()
    missing = 0
    for reference in package.iter(f"{_OPF}itemref"):
        chapter = posixpath.normpath(posixpath.join(folder, unquote(items.get(reference.get("idref"), ""))))
        if chapter in locked:
            raise FileUnreadable(detail="This book is locked (DRM), and can only be read in its own program.")
        if chapter not in archive.names:
            missing += 1
            continue
        _chapter(page, html_text(archive.read(chapter)), title)
    reader = "selectolax" + (f"; {missing} chapters are missing in the file" if missing else "")
    metadata = {"author": _first(package, "creator"), "language": _first(package, "language"), "created": _first(package, "date")}
    return conversion("epub", page, title=title, metadata=metadata, reader=reader)


def _chapter(page: Builder, text: str, book_title: str) -> None:
    """A chapter without a heading gets its page's title as one, where that isn't the book's."""
    part = Builder()
    title = add_html(part, text)
    if title and title != book_title and not part.headings and part.page(None).text:
        page.heading(title, 1)
    add_html(page, text)


def _package_name(archive: Archive) -> str:
    for rootfile in _xml(archive, "META-INF/container.xml").iter(f"{_CONTAINER}rootfile"):
        name = str(rootfile.get("full-path", ""))
        if name in archive.names:
            return name
    raise FileUnreadable(detail="This file is damaged: it doesn't say where its text is.")


def _locked(archive: Archive) -> set[str]:
    if "META-INF/encryption.xml" not in archive.names:
        return set()
    return {unquote(item.get("URI", "")) for item in _xml(archive, "META-INF/encryption.xml").iter(_CIPHER)}


def _xml(archive: Archive, name: str) -> Any:
    return ElementTree.fromstring(archive.read(name), forbid_dtd=True)


def _first(package: Any, name: str) -> str:
    found = next(package.iter(f"{_DC}{name}"), None)
    return (found.text or "").strip() if found is not None else ""
