"""Frames between the parent and a worker: four bytes of length, then JSON. The parent believes nothing of what comes back.

request   {"task": "convert"|"render"|"boxes", "path", …}
replies   {"begin": {"kind", "pages"}} · {"page": {…}} for each page · {"end": {…}}, or {"error": {"class", "detail"}} at any time;
          each of them with "used": the processor seconds of the worker until then
"""

from __future__ import annotations

import json
import struct
from collections.abc import Mapping
from typing import IO, TypeVar

from appliance.documents import Heading, Page
from appliance.errors import FileUnreadable, IngestError, KindUnknown, PasswordNeeded
from appliance.ingest.limits import DOCUMENT_CHARACTERS, FRAME_BYTES, HEADINGS, PAGE_CHARACTERS

ERRORS: Mapping[str, type[IngestError]] = {kind.__name__: kind for kind in (FileUnreadable, PasswordNeeded, KindUnknown)}
_LENGTH = struct.Struct(">I")
Value = TypeVar("Value")


class Untrustworthy(Exception):
    """The worker said something that our own code never says."""


def send(stream: IO[bytes], message: Mapping[str, object]) -> None:
    # A path may hold lone surrogates (a file name that is no UTF-8), and has to arrive as it is.
    frame = json.dumps(message, ensure_ascii=False, separators=(",", ":")).encode("utf-8", "surrogatepass")
    if len(frame) > FRAME_BYTES:
        raise FileUnreadable(detail="This file holds more text than can be taken. Split it into parts and add those.")
    stream.write(_LENGTH.pack(len(frame)) + frame)
    stream.flush()


def receive(stream: IO[bytes]) -> dict[str, object] | None:
    """The next message, None where the other side is gone. Raises Untrustworthy."""
    head = stream.read(_LENGTH.size)
    if len(head) < _LENGTH.size:
        return None
    length = _LENGTH.unpack(head)[0]
    if length > FRAME_BYTES:
        raise Untrustworthy(f"a frame of {length} bytes")
    untrusted_frame = stream.read(length)
    if len(untrusted_frame) < length:
        return None
    try:
        message = json.loads(untrusted_frame.decode("utf-8", "surrogatepass"))
    except (ValueError, RecursionError) as error:
        raise Untrustworthy("no JSON") from error
    return _is(message, dict)


def page(untrusted: object, number: int | None) -> tuple[Page, str]:
    """A page's frame → the page and why another reader stood in ("" where none did)."""
    fields = _is(untrusted, dict)
    reason = fields.get("reason")
    text = _text(fields.get("text"), DOCUMENT_CHARACTERS if number is None else PAGE_CHARACTERS)
    return Page(number, text, None, None if reason is None else _text(reason, 500)), _text(fields.get("stand_in", ""), 500)


def heading(untrusted: object, pages: list[Page]) -> Heading:
    fields = _is(untrusted, dict)
    position = _number(fields.get("position"), len(pages) - 1)
    start = _number(fields.get("start"), len(pages[position].text))
    return Heading(position, start, _text(fields.get("title"), 300), max(1, _number(fields.get("level"), 20)))


def headings(untrusted: object, pages: list[Page]) -> tuple[Heading, ...]:
    return tuple(heading(item, pages) for item in _list(untrusted, HEADINGS))


def labels(untrusted: object, pages: list[Page]) -> list[str | None]:
    """The printed page numbers, one a page; all None where there are none."""
    found = [None if item is None else _text(item, 50) for item in _list(untrusted, len(pages))]
    return found if len(found) == len(pages) else [None] * len(pages)


def positions(untrusted: object, pages: list[Page]) -> frozenset[int]:
    return frozenset(_number(item, len(pages) - 1) for item in _list(untrusted, len(pages)))


def strings(untrusted: object) -> dict[str, str]:
    fields = _is(untrusted, dict)
    if len(fields) > 50:
        raise Untrustworthy("too many fields")
    return {_text(key, 50): _text(value, 1000) for key, value in fields.items()}


def error(untrusted: object) -> IngestError:
    fields = _is(untrusted, dict)
    kind = ERRORS.get(_text(fields.get("class"), 50))
    if kind is None:
        raise Untrustworthy("no such error")
    return kind(detail=_text(fields.get("detail"), 500))


def text(untrusted: object, limit: int) -> str:
    return _text(untrusted, limit)


def number(untrusted: object, limit: int) -> int:
    return _number(untrusted, limit)


def seconds(untrusted: object, limit: float) -> float:
    """`limit`: what can be at most; a clock that runs a little ahead of ours is no lie."""
    if isinstance(untrusted, bool) or not isinstance(untrusted, (int, float)) or not untrusted >= 0:
        raise Untrustworthy("no time")
    return float(min(untrusted, limit))


def fields(untrusted: object) -> dict[str, object]:
    return _is(untrusted, dict)


def boxes(untrusted: object) -> list[tuple[float, float, float, float]]:
    found: list[tuple[float, float, float, float]] = []
    for item in _list(untrusted, 10_000):
        edges = [_is(edge, float) for edge in _list(item, 4)]
        if len(edges) != 4 or not all(0.0 <= edge <= 1.0 for edge in edges):
            raise Untrustworthy("a box outside the page")
        found.append((edges[0], edges[1], edges[2], edges[3]))
    return found


def _is(value: object, kind: type[Value]) -> Value:
    if not isinstance(value, kind):
        raise Untrustworthy(f"{type(value).__name__} instead of {kind.__name__}")
    return value


def _list(value: object, limit: int) -> list[object]:
    found = _is(value, list)
    if len(found) > limit:
        raise Untrustworthy(f"{len(found)} items")
    return found


def _text(value: object, limit: int) -> str:
    found = _is(value, str)
    if len(found) > limit or (not found.isascii() and any(0xD800 <= ord(letter) <= 0xDFFF for letter in set(found))):
        raise Untrustworthy(f"{len(found)} characters, or half of one")
    return found


def _number(value: object, limit: int) -> int:
    found = _is(value, int)
    if isinstance(value, bool) or not 0 <= found <= limit:
        raise Untrustworthy(f"{found} is out of range")
    return found
