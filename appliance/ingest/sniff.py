"""What a file is: by its content first, by its name only where the content leaves it open."""

from __future__ import annotations

import re
import zipfile
from pathlib import Path, PurePosixPath

from appliance.errors import FileUnreadable, KindUnknown
from appliance.ingest.encoding import decode, looks_binary

KINDS: dict[str, tuple[str, ...]] = {
    "pdf": (".pdf",),
    "docx": (".docx", ".docm", ".dotx"),
    "pptx": (".pptx", ".pptm", ".ppsx"),
    "xlsx": (".xlsx", ".xlsm", ".xltx"),
    "odt": (".odt", ".ott"),
    "epub": (".epub",),
    "csv": (".csv", ".tsv"),
    "html": (".html", ".htm", ".xhtml"),
    "eml": (".eml",),
    "markdown": (".md", ".markdown"),
    "text": (".txt", ".text", ".log"),
}
"""The kinds that are read, and the names that stand for them."""
BY_SUFFIX = {suffix: kind for kind, suffixes in KINDS.items() for suffix in suffixes}

_HEAD = 1 << 16
_PARTS = {"word/document.xml": "docx", "ppt/presentation.xml": "pptx", "xl/workbook.xml": "xlsx"}
_MIMETYPES = {
    "application/epub+zip": "epub",
    "application/vnd.oasis.opendocument.text": "odt",
    "application/vnd.oasis.opendocument.text-template": "odt",
}
_HTML = re.compile(r"(?is)\s*(?:<\?xml[^>]*>\s*)?(?:<!--.{0,2000}?-->\s*)*(?:<!doctype\s+html|<html[\s>])")
_MAIL_HEADER = re.compile(r"(?im)^(from|to|subject|date|received|return-path|message-id|mime-version|delivered-to|content-type):[ \t]?\S")
_OLE = b"\xd0\xcf\x11\xe0\xa1\xb1\x1a\xe1"


def suffix_kind(name: str) -> str | None:
    """The kind that a file's name promises; None where it promises none that is read."""
    return BY_SUFFIX.get(PurePosixPath(name).suffix.lower())


def sniff(path: Path, name: str) -> str:
    """The kind of the file at `path`, a key of KINDS. `name` is the document's name.

    Raises FileUnreadable where it is empty, can't be opened, or isn't what its name promises and nothing else that is read;
    KindUnknown where its name promises nothing and its content is no text.
    """
    promised = suffix_kind(name)
    try:
        with path.open("rb") as stream:
            head = stream.read(_HEAD)
    except OSError as error:
        raise FileUnreadable(detail=f"This file can't be opened ({error.strerror}).") from error
    if not head:
        raise FileUnreadable(detail="This file is empty.")
    if head.startswith(b"%PDF-") or (b"%PDF-" in head[:1024] and (promised == "pdf" or looks_binary(head))):
        return "pdf"
    if head.startswith((b"PK\x03\x04", b"PK\x05\x06", b"PK\x01\x02")):
        return _zip_kind(path, promised)
    if head.startswith(_OLE):
        return _refuse_ole(path, promised)
    if head.startswith(b"{\\rtf"):
        raise KindUnknown(detail="rich text; save it as DOCX or ODT and add that")
    found = decode(head, partial=len(head) == _HEAD)
    if found is None:
        if promised:
            raise FileUnreadable(detail=f"This file is damaged or is no {promised.upper()} file: nothing readable was found in it.")
        raise KindUnknown(detail="its content is neither text nor a known document")
    return _text_kind(found[0], promised)


def _text_kind(text: str, promised: str | None) -> str:
    if _HTML.match(text) and promised not in ("eml", "markdown"):
        return "html"
    if promised in ("csv", "html", "eml", "markdown"):
        return promised
    names = {match[1].lower() for match in _MAIL_HEADER.finditer(text[:4000].split("\n\n")[0].split("\r\n\r\n")[0])}
    if promised is None and {"from", "subject"} <= names and len(names) >= 4:
        return "eml"
    return "text"


def _zip_kind(path: Path, promised: str | None) -> str:
    try:
        with zipfile.ZipFile(path) as archive:
            names = set(archive.namelist())
            if "mimetype" in names and archive.getinfo("mimetype").file_size < 200:
                kind = _MIMETYPES.get(archive.read("mimetype").decode("ascii", "replace").strip())
                if kind:
                    return kind
    except Exception as error:  # zipfile raises a dozen kinds on broken archives
        if promised:
            raise FileUnreadable(detail=f"This file is damaged: its ZIP container can't be read ({type(error).__name__}).") from error
        raise KindUnknown(detail="a damaged ZIP archive") from error
    for part, kind in _PARTS.items():
        if part in names:
            return kind
    if "META-INF/container.xml" in names:
        return "epub"
    if "content.xml" in names and promised == "odt":
        return "odt"
    if promised:
        raise FileUnreadable(detail=f"This file is a ZIP archive, not a {promised.upper()} file.")
    raise KindUnknown(detail="an archive; unpack it and add the files in it")


def _refuse_ole(path: Path, promised: str | None) -> str:
    with path.open("rb") as stream:
        content = stream.read(64 << 20)
    if "EncryptedPackage".encode("utf-16-le") in content:
        raise FileUnreadable(detail="This file is locked with a password, which is only opened in PDFs. Save it without one and add that.")
    if promised:
        raise FileUnreadable(detail=f"This is an old Office file, not a {promised.upper()} file. Save it anew in Office and add that.")
    raise KindUnknown(detail="an old Office file; save it as DOCX, PPTX or XLSX and add that")
