"""Draws a PDF's page for the citation view, and says where a passage stands on it. Runs in the worker process only."""

from __future__ import annotations

import struct
import zlib
from pathlib import Path
from typing import Any

from appliance.errors import FileUnreadable
from appliance.ingest.converters.pdf_text import Box, open_pdf, page_boxes

LARGEST_SIDE = 4_000
"""Pixels. A page of 1 by 200 inches, or a request for a poster, is drawn smaller."""


def page_png(path: Path, number: int, width: int, password: str | None = None) -> bytes:
    """Page `number`, from 1, as a PNG of `width` pixels (16 to LARGEST_SIDE). Raises FileUnreadable, PasswordNeeded."""
    document = open_pdf(path, password)
    page = document[_index(document, number)]
    across, down = page.get_size()
    scale = max(16, min(width, LARGEST_SIDE)) / max(across, 1.0)
    scale = min(scale, LARGEST_SIDE / max(across, down, 1.0))
    bitmap = page.render(scale=scale, rev_byteorder=True, may_draw_forms=False)
    return _png(bitmap)


def passage_boxes(path: Path, number: int, start: int, end: int, password: str | None = None) -> list[Box]:
    """Where the text start:end of page `number` stands: see `pdf_text.page_boxes`. Raises FileUnreadable, PasswordNeeded."""
    document = open_pdf(path, password)
    return page_boxes(document, _index(document, number), start, end)


def _index(document: Any, number: int) -> int:
    if not 1 <= number <= len(document):
        raise FileUnreadable(detail=f"This PDF has no page {number}.")
    return number - 1


def _png(bitmap: Any) -> bytes:
    """PNG is zlib round rows of pixels, each after a filter byte; writing it here spares the bundle an image library."""
    color = {1: 0, 3: 2, 4: 6}[bitmap.n_channels]
    pixels, stride, row = memoryview(bitmap.buffer), bitmap.stride, bitmap.width * bitmap.n_channels
    if color == 6 and bitmap.mode.endswith("X"):  # the fourth byte is padding, not opacity
        plain = bytearray(pixels)
        plain[3::4] = b"\xff" * len(plain[3::4])
        pixels = memoryview(plain)
    lines = b"".join(b"\0" + bytes(pixels[stride * y : stride * y + row]) for y in range(bitmap.height))
    header = struct.pack(">IIBBBBB", bitmap.width, bitmap.height, 8, color, 0, 0, 0)
    return b"\x89PNG\r\n\x1a\n" + _chunk(b"IHDR", header) + _chunk(b"IDAT", zlib.compress(lines, 4)) + _chunk(b"IEND", b"")


def _chunk(kind: bytes, data: bytes) -> bytes:
    return struct.pack(">I", len(data)) + kind + data + struct.pack(">I", zlib.crc32(kind + data))
