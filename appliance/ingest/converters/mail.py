"""EML by the standard library: who wrote to whom, when, about what; then the best text of it. Attachments are named, not read."""

from __future__ import annotations

import email
import email.policy
from email.message import EmailMessage
from pathlib import Path

from appliance.documents import Conversion
from appliance.errors import FileUnreadable
from appliance.ingest.converters.builder import Builder, conversion
from appliance.ingest.converters.webpage import add_html
from appliance.ingest.encoding import decode
from appliance.ingest.hygiene import line
from appliance.ingest.limits import ENTRY_BYTES

_HEADERS = ("From", "To", "Cc", "Date", "Subject")


def read(path: Path, name: str) -> Conversion:
    with path.open("rb") as stream:
        data = stream.read(ENTRY_BYTES * 2 + 1)
    if len(data) > ENTRY_BYTES * 2:
        raise FileUnreadable(detail=f"This message is larger than {ENTRY_BYTES * 2 >> 20} MB. Save its attachments and add those.")
    message = email.message_from_bytes(data, policy=email.policy.default)
    headers = {name: value for name in _HEADERS if (value := _header(message, name))}
    page = Builder()
    page.heading(headers.get("Subject", ""), 1)
    page.paragraph("\n".join(f"{name}: {value}" for name, value in headers.items()))
    body = _body(message)
    if body is not None:
        text = _content(body)
        if body.get_content_type() == "text/html":
            add_html(page, text, deeper=1)
        else:
            page.paragraph(text)
    for attachment in _attachments(message, body):
        page.paragraph(f"Attachment, not read: {attachment}")
    if not headers and body is None:
        raise FileUnreadable(detail="This file is damaged or is no message: it has no headers and no text.")
    metadata = {"author": headers.get("From", ""), "created": headers.get("Date", "")}
    return conversion("eml", page, title=headers.get("Subject", ""), metadata=metadata, reader="email")


def _header(message: EmailMessage, name: str) -> str:
    try:
        return line(str(message[name] or ""), 1000)
    except Exception:  # the standard library's header parser raises many kinds on broken headers
        return line(str(dict(message.raw_items()).get(name, "")), 1000)


def _body(message: EmailMessage) -> EmailMessage | None:
    try:
        found = message.get_body(preferencelist=("plain", "html"))
    except Exception:  # as above, on broken parts
        found = None
    return found if isinstance(found, EmailMessage) else None


def _content(part: EmailMessage) -> str:
    try:
        return str(part.get_content())
    except (LookupError, UnicodeError, ValueError):  # an encoding that Python doesn't know, or that isn't true
        data = part.get_payload(decode=True)
        found = decode(data) if isinstance(data, bytes) else None
        return found[0] if found else ""


def _attachments(message: EmailMessage, body: EmailMessage | None) -> list[str]:
    found: list[str] = []
    for part in message.walk():
        if part is body or part.is_multipart() or not isinstance(part, EmailMessage):
            continue
        if part.get_content_disposition() == "attachment" or part.get_filename() or part.get_content_maintype() != "text":
            found.append(line(f"{part.get_filename() or 'without a name'} ({part.get_content_type()})"))
    return found[:200]
