from __future__ import annotations

import struct
import zlib
from collections.abc import Callable
from pathlib import Path

import pypdf
import pytest

from appliance.errors import FileUnreadable
from appliance.ingest.sandbox import Sandbox

LINES = ["The first line of it.", "A second line with the word needle in it.", "A third, cut at its docu-", "ment end, and no more."]


@pytest.fixture
def pdf(tmp_path: Path, pdf_of: Callable[..., bytes]) -> Path:
    path = tmp_path / "a.pdf"
    path.write_bytes(pdf_of([LINES, ["Other page"]]))
    return path


def pixels(png: bytes) -> tuple[int, int, bytes]:
    """Width, height and rows of an RGB(A) PNG without filters."""
    width, height, depth, color = struct.unpack(">IIBB", png[16:26])
    assert depth == 8
    size = width * {0: 1, 2: 3, 6: 4}[color] + 1
    rows = zlib.decompress(png[png.index(b"IDAT") + 4 : png.index(b"IEND") - 8])
    assert len(rows) == size * height
    return width, height, b"".join(rows[size * y + 1 : size * (y + 1)] for y in range(height))


def test_a_page_is_drawn_at_the_width_asked_for(sandbox: Sandbox, pdf: Path) -> None:
    png = sandbox.render(pdf, 1, 300)
    width, height, rows = pixels(png)
    assert (width, height) == (300, pytest.approx(424, abs=1))
    assert min(rows) < 128
    assert rows.count(255) > 0.9 * len(rows)
    assert sandbox.render(pdf, 2, 300) != png


def test_no_page_is_drawn_larger_than_memory_allows(sandbox: Sandbox, pdf: Path) -> None:
    width, height, _ = pixels(sandbox.render(pdf, 1, 10**6))
    assert max(width, height) <= 4000


@pytest.mark.parametrize("number", [0, 3, -1])
def test_a_page_that_is_not_there_is_refused(number: int, sandbox: Sandbox, pdf: Path) -> None:
    with pytest.raises(FileUnreadable, match="no page"):
        sandbox.render(pdf, number, 300)


def test_a_file_that_is_no_pdf_is_refused(sandbox: Sandbox, tmp_path: Path) -> None:
    path = tmp_path / "a.pdf"
    path.write_bytes(b"no pdf")
    for ask in (lambda: sandbox.render(path, 1, 100), lambda: sandbox.boxes(path, 1, 0, 5)):
        with pytest.raises(FileUnreadable):
            ask()


def test_the_boxes_of_a_passage_lie_on_its_lines(sandbox: Sandbox, pdf: Path) -> None:
    text = sandbox.convert(pdf, name="a.pdf").pages[0].text
    start = text.index("needle")
    (box,) = sandbox.boxes(pdf, 1, start, start + len("needle"))
    # reportlab: the first line's foot is at 720 of 841.89 points, 14.4 to a line; the word begins at 72 points and 27 letters.
    assert box[0] == pytest.approx(0.37, abs=0.05)
    assert 1 - 720 / 841.89 < box[1] < box[3] < 1 - (720 - 20) / 841.89
    assert box[2] - box[0] < 0.1


def test_a_passage_over_lines_has_a_box_for_each_even_where_a_word_was_mended(sandbox: Sandbox, pdf: Path) -> None:
    text = sandbox.convert(pdf, name="a.pdf").pages[0].text
    start = text.index("A second")
    boxes = sandbox.boxes(pdf, 1, start, len(text))
    assert len(boxes) == 3
    assert [box[1] for box in boxes] == sorted(box[1] for box in boxes)
    mended = text.index("document")
    assert len(sandbox.boxes(pdf, 1, mended, mended + len("document"))) == 2


def test_boxes_follow_a_page_that_is_turned(sandbox: Sandbox, pdf: Path, tmp_path: Path) -> None:
    writer = pypdf.PdfWriter(clone_from=pdf)
    writer.pages[0].rotate(90)
    turned = tmp_path / "turned.pdf"
    writer.write(turned)
    text = sandbox.convert(turned, name="a.pdf").pages[0].text
    start = text.index("needle")
    x0, y0, x1, y1 = sandbox.boxes(turned, 1, start, start + len("needle"))[0]
    assert y1 - y0 > x1 - x0
    assert 0.8 < x0 < 0.9


def test_a_passage_without_letters_or_beyond_the_page_has_no_boxes(sandbox: Sandbox, pdf: Path) -> None:
    assert sandbox.boxes(pdf, 1, 5, 5) == []
    assert sandbox.boxes(pdf, 1, 10**6, 10**6 + 5) == []
