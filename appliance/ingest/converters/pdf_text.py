"""A PDF page's text by pdfium, and the way back from that text to places on the page."""

from __future__ import annotations

import ctypes
import re
import unicodedata
from collections.abc import Sequence
from itertools import pairwise
from pathlib import Path
from statistics import median
from typing import Any

import pypdfium2
from pypdfium2 import raw as pdfium

from appliance.errors import FileUnreadable, PasswordNeeded
from appliance.ingest.hygiene import FLOW, Step, run, run_tracked

Box = tuple[float, float, float, float]

_LINE_END = "\r\n"
_SENTENCE_END = re.compile(r"[.!?:;。！？؟।][\"'”’»›)\]]*\s*$")
# pdfium marks a hyphen that ends a line by U+FFFE (U+0002 in its inner list) and leaves the line break out.
_MARK = "\ufffe\x02"
_CUT_WORD = re.compile(rf"([\w-]*[^\W\d_])(?:[{_MARK}](?:\r?\n)?|[-\u2010]\r?\n[ \t]*)([^\W\d_]+)")
_LONE_MARK = re.compile(rf"[{_MARK}](?:\r?\n)?")
_RIGHT_TO_LEFT = re.compile(r"[\u0590-\u065f\u066e-\u06ef\u06fa-\u08ff\ufb1d-\ufdff\ufe70-\ufefc]{2,}")
_WORDS = re.compile(r"[^\W\d_]+(?:-[^\W\d_]+)*")


def open_pdf(path: Path, password: str | None) -> Any:
    """The document, by pdfium. Raises PasswordNeeded, and FileUnreadable where pdfium can't make anything of it."""
    try:
        return pypdfium2.PdfDocument(path, password=password)
    except pypdfium2.PdfiumError as error:
        if error.err_code == pdfium.FPDF_ERR_PASSWORD:
            raise PasswordNeeded(detail="the password given does not open it" if password else "it opens only with a password") from error
        raise FileUnreadable(detail=f"This PDF can't be read ({error}).") from error


def page_text(document: Any, index: int) -> str:
    """The clean text of page `index`, from 0. Raises pypdfium2's errors."""
    raw = _raw_text(document[index])
    return run(raw, steps(raw))


def page_boxes(document: Any, index: int, start: int, end: int) -> list[Box]:
    """Where `page_text(document, index)[start:end]` stands: a box a line, as fractions of the page from its top left corner."""
    page = document[index]
    raw = _raw_text(page)
    text, origins = run_tracked(raw, steps(raw))
    shown = [origins[at] for at in range(max(0, start), min(end, len(text))) if not text[at].isspace()]
    if not shown:
        return []
    return _merged(_rectangles(page, min(shown), max(shown) + 1))


def steps(raw: str) -> Sequence[Step]:
    """The cleaning of one page: words cut at line ends are mended first, by the page's own words."""
    if not _CUT_WORD.search(raw) and not _LONE_MARK.search(raw):
        return FLOW
    words = {word.lower() for word in _WORDS.findall(_CUT_WORD.sub(" ", raw))}

    def mend(match: re.Match[str]) -> str:
        left, right = match[1], match[2]
        tail = left.rsplit("-", 1)[-1]
        joined, hyphened = (tail + right).lower(), f"{left}-{right}".lower()
        if joined in words:
            return left + right
        compound = hyphened in words or "-" in left or (tail.lower() in words and right.lower() in words)
        if compound or not right[0].islower() or len(tail) < 2 or len(right) < 2:
            return f"{left}-{right}"
        return left + right

    return (Step(_CUT_WORD, mend), Step(_LONE_MARK, "-"), *FLOW)


def _raw_text(page: Any) -> str:
    """A character for each of pdfium's own, so that an index is the same in both; blank lines stand where a paragraph ends."""
    textpage = page.get_textpage()
    count = textpage.count_chars()
    if count <= 0:
        return ""
    # pdfium's GetText leaves out and puts in characters on some pages (4 of 117 of GeoTopo); one by one is exact, at 0.1 ms per 100.
    text = textpage.get_text_range(errors="surrogatepass") if count < 2**20 else ""
    if len(text) != count:
        text = "".join(chr(min(pdfium.FPDFText_GetUnicode(textpage, index), 0x10FFFF)) for index in range(count))
    if page.get_rotation():
        return text
    if _RIGHT_TO_LEFT.search(text):
        text = _RIGHT_TO_LEFT.sub(lambda word: word[0][::-1] if _is_backwards(textpage, word) else word[0], text)
    return _with_paragraphs(text, textpage) if _LINE_END in text else text


def _is_backwards(textpage: Any, word: re.Match[str]) -> bool:
    """Whether a Hebrew or Arabic word comes with its leftmost letter first.

    pdfium turns words that are drawn from right to left: 9 of 14 in a page that Chromium printed.
    """
    letters = [index for index in range(*word.span()) if not unicodedata.combining(word.string[index])]
    first, last = (_letter_box(textpage, letters[0]), _letter_box(textpage, letters[-1])) if letters else (None, None)
    return first is not None and last is not None and first[0] < last[0] and first[1] < last[3] and last[1] < first[3]


class _Line:
    """One line of a page: its text and the place of its first and last letters, in points."""

    def __init__(self, textpage: Any, text: str, offset: int) -> None:
        stripped = text.rstrip()
        self.text = stripped
        self.end = offset + len(text)
        first = _letter_box(textpage, offset + len(text) - len(text.lstrip()))
        last = _letter_box(textpage, offset + len(stripped) - 1) or first
        self.left, self.bottom, self.height = (first[0], first[1], first[3] - first[1]) if first else (0.0, 0.0, 0.0)
        self.right, self.last_bottom = (last[2], last[1]) if last else (0.0, 0.0)
        self.placed = bool(first and self.height > 0)


def _with_paragraphs(text: str, textpage: Any) -> str:
    """Replace the line end by a blank line (of the same length) where the next line stands apart: farther, larger, or after a short end."""
    lines: list[_Line] = []
    offset = 0
    for part in text.split(_LINE_END):
        if part.strip():
            lines.append(_Line(textpage, part, offset))
        offset += len(part) + len(_LINE_END)
    steps_down = [above.last_bottom - below.bottom for above, below in pairwise(lines)]
    usual = [step for step, line in zip(steps_down, lines, strict=False) if 0.3 * line.height < step < 4 * line.height]
    if not usual:
        return text
    pitch = median(usual)
    letters = list(text)
    for index, step in enumerate(steps_down):
        above, below = lines[index], lines[index + 1]
        if above.placed and below.placed and _stands_apart(above, below, step, pitch, lines[index - 1] if index else None):
            letters[above.end : above.end + 2] = "\n\n"
    return "".join(letters)


def _stands_apart(above: _Line, below: _Line, step: float, pitch: float, before: _Line | None) -> bool:
    if step > 1.3 * pitch and step > 0.6 * above.height:
        return True
    if abs(step) < 0.5 * above.height:  # the same line in two parts: columns of a table
        return False
    if abs(above.height - below.height) > 0.15 * max(above.height, below.height):
        return True
    if not _SENTENCE_END.search(above.text):
        return False
    short = before is not None and above.right < before.right - 3 * above.height
    return short or (step > 0 and below.left > above.left + 0.7 * above.height)


def _letter_box(textpage: Any, index: int) -> Box | None:
    box = pdfium.FS_RECTF()
    if not pdfium.FPDFText_GetLooseCharBox(textpage, index, ctypes.byref(box)):
        return None
    return box.left, box.bottom, box.right, box.top


_GRID = 1_000_000


def _rectangles(page: Any, start: int, end: int) -> list[Box]:
    """pdfium's rectangles round the characters start:end, as fractions of the page as it is shown."""
    textpage = page.get_textpage()
    found: list[Box] = []
    for index in range(pdfium.FPDFText_CountRects(textpage, start, end - start)):
        edges = [ctypes.c_double() for _ in range(4)]
        if not pdfium.FPDFText_GetRect(textpage, index, *(ctypes.byref(edge) for edge in edges)):
            continue
        left, top, right, bottom = (edge.value for edge in edges)
        corners = [_on_screen(page, x, y) for x, y in ((left, top), (right, bottom))]
        x0, x1 = sorted(corner[0] for corner in corners)
        y0, y1 = sorted(corner[1] for corner in corners)
        if x1 > x0 and y1 > y0:
            found.append((x0, y0, x1, y1))
    return found


def _on_screen(page: Any, x: float, y: float) -> tuple[float, float]:
    """Rotation and crop box are pdfium's business: it is asked for the place on a screen of a million dots a side."""
    across, down = ctypes.c_int(), ctypes.c_int()
    pdfium.FPDF_PageToDevice(page, 0, 0, _GRID, _GRID, 0, x, y, ctypes.byref(across), ctypes.byref(down))
    return min(max(across.value / _GRID, 0.0), 1.0), min(max(down.value / _GRID, 0.0), 1.0)


def _merged(boxes: list[Box]) -> list[Box]:
    """Boxes of one line made one: they overlap in height and hardly anything lies between them."""
    lines: list[Box] = []
    for x0, y0, x1, y1 in boxes:
        if lines:
            a0, b0, a1, b1 = lines[-1]
            overlap = min(b1, y1) - max(b0, y0)
            if overlap > 0.5 * min(b1 - b0, y1 - y0) and -0.02 < x0 - a1 < 0.04:
                lines[-1] = (min(a0, x0), min(b0, y0), max(a1, x1), max(b1, y1))
                continue
        lines.append((x0, y0, x1, y1))
    return lines
