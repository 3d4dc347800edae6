"""A mixed folder of PDFs: letters, reports, two columns, tables, one long one, a page without text, and two that are damaged."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from pathlib import Path

from reportlab.lib.pagesizes import A4
from reportlab.lib.styles import getSampleStyleSheet
from reportlab.platypus import BaseDocTemplate, Frame, PageBreak, PageTemplate, Paragraph, SimpleDocTemplate, Spacer, Table

from scripts.benchmark.texts import Fact, paragraph, sentences

_STYLES = getSampleStyleSheet()
_MARGIN = 56


def make_folder(folder: Path, facts: Sequence[Fact], *, scale: float = 1.0, data: Path | None = None) -> list[Path]:
    """Write the PDFs; `scale` 1 makes about 130 pages. Each fact stands in one of them. The files, in their order."""
    folder.mkdir(parents=True, exist_ok=True)
    source, waiting = sentences(3, data), iter(facts)
    made = []
    for number in range(4):
        made.append(_flowing(folder / f"report-{number}.pdf", _pages(source, waiting, max(1, round(12 * scale)), 2300)))
    for number in range(2):
        made.append(_columns(folder / f"paper-{number}.pdf", _pages(source, waiting, max(1, round(8 * scale)), 2600)))
    for number in range(2):
        made.append(_tables(folder / f"accounts-{number}.pdf", _pages(source, waiting, max(1, round(5 * scale)), 700)))
    made.append(_flowing(folder / "survey.pdf", _pages(source, waiting, max(2, round(50 * scale)), 2300)))
    for number in range(4):
        made.append(_flowing(folder / f"letter-{number}.pdf", _pages(source, waiting, 1, 900)))
    scan = folder / "scan.pdf"
    SimpleDocTemplate(str(scan), pagesize=A4).build([Spacer(1, 10)])
    whole = made[0].read_bytes()
    torn = folder / "torn.pdf"
    torn.write_bytes(whole[: int(len(whole) * 0.9)])  # the end, with the table of where things are, is missing
    noise = folder / "noise.pdf"
    noise.write_bytes(bytes(range(256)) * 40)
    return [*made, scan, torn, noise]


def _pages(source: Iterator[str], facts: Iterator[Fact], count: int, characters: int) -> list[list[str]]:
    """Paragraphs of pages that hold about so many characters, a fact on each while there are any."""
    pages = []
    for _ in range(count):
        page = [paragraph(source, characters // 4) for _ in range(4)]
        fact = next(facts, None)
        if fact is not None:
            page[1] += " " + fact.sentence
        pages.append(page)
    return pages


def _flowing(path: Path, pages: list[list[str]]) -> Path:
    SimpleDocTemplate(str(path), pagesize=A4, title=path.stem).build(_story(pages))
    return path


def _columns(path: Path, pages: list[list[str]]) -> Path:
    width, height = A4
    column = (width - 3 * _MARGIN) / 2
    frames = [Frame(_MARGIN + index * (column + _MARGIN), _MARGIN, column, height - 2 * _MARGIN) for index in range(2)]
    document = BaseDocTemplate(str(path), pagesize=A4, title=path.stem)
    document.addPageTemplates(PageTemplate(frames=frames))
    document.build(_story(pages, breaks=False))
    return path


def _tables(path: Path, pages: list[list[str]]) -> Path:
    story = []
    for number, page in enumerate(pages):
        rows = [["Item", "Count", "Price", "Sum"]] + [
            [f"Item {number}-{row}", str(row * 7), f"{row * 1.25:.2f}", f"{row * row * 8.75:.2f}"] for row in range(1, 25)
        ]
        story += [*_story([page], breaks=False), Table(rows, repeatRows=1), PageBreak()]
    SimpleDocTemplate(str(path), pagesize=A4, title=path.stem).build(story)
    return path


def _story(pages: list[list[str]], *, breaks: bool = True) -> list[object]:
    story: list[object] = []
    for number, page in enumerate(pages, start=1):
        story.append(Paragraph(f"{number}. Activities of period {number}", _STYLES["Heading2"]))
        story += [Paragraph(text, _STYLES["BodyText"]) for text in page]
        if breaks:
            story.append(PageBreak())
    return story
