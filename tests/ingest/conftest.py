"""Real files of every kind, made by the libraries that people make them with, and one sandbox for all."""

from __future__ import annotations

import io
import zipfile
from collections.abc import Callable, Iterator, Sequence
from email.message import EmailMessage
from pathlib import Path
from typing import Any

import docx
import odfdo
import openpyxl
import pptx
import pytest
from reportlab.lib.pagesizes import A4
from reportlab.pdfgen import canvas

from appliance.ingest.sandbox import Sandbox

HTML = """<!doctype html><html><head><title>Field notes</title><style>p{color:red}</style></head><body><script>alert(1)</script>
<h1>Wells</h1><p>The <b>north</b> well\nis dry.<br>The south one is not.</p><ul><li>one</li><li><p>two</p></li></ul>
<table><tr><th>Well</th><th>Depth</th></tr><tr><td>North</td><td><p>12 m</p></td></tr></table>
<div style="display: none">secret orders</div><p hidden>more orders</p><div>Loose<p>inner</p>tail</div>
<h2>Pumps</h2><pre>a  b\n  c</pre></body></html>"""


@pytest.fixture(scope="session")
def sandbox() -> Iterator[Sandbox]:
    with_workers = Sandbox()
    yield with_workers
    with_workers.close()


@pytest.fixture
def make(tmp_path: Path) -> Callable[[str], Path]:
    """make("docx") writes such a file, with the same story in each, and returns its path."""

    def write(kind: str) -> Path:
        path = tmp_path / f"sample.{kind}"
        path.write_bytes(sample(kind))
        return path

    return write


@pytest.fixture(scope="session")
def sample_bytes() -> Callable[[str], bytes]:
    return sample


@pytest.fixture(scope="session")
def pdf_of() -> Callable[..., bytes]:
    """pdf_of([["a line", …], …]) → a PDF with these lines on these pages."""
    return text_pdf


@pytest.fixture(scope="session")
def raw_pdf() -> Callable[..., bytes]:
    """raw_pdf([contents, …]) → a PDF whose pages hold these deflated content streams; `font` and `extra` objects as PDF source."""
    return stream_pdf


def sample(kind: str) -> bytes:
    return _MAKERS[kind]()


def text_pdf(pages: Sequence[Sequence[str]], *, title: str = "", outline: Sequence[tuple[str, int]] = ()) -> bytes:
    target = io.BytesIO()
    sheet = canvas.Canvas(target, pagesize=A4, invariant=1)
    if title:
        sheet.setTitle(title)
    for number, lines in enumerate(pages):
        for name, page in outline:
            if page == number:
                sheet.bookmarkPage(name)
                sheet.addOutlineEntry(name, name, 0)
        text = sheet.beginText(72, 720)
        for content in lines:
            text.textLine(content)
        sheet.drawText(text)
        sheet.showPage()
    sheet.save()
    return target.getvalue()


def stream_pdf(contents: Sequence[bytes], font: bytes = b"", extra: Sequence[bytes] = ()) -> bytes:
    count = len(contents)
    kids = b" ".join(b"%d 0 R" % (4 + 2 * index) for index in range(count))
    objects = [
        b"<</Type/Catalog/Pages 2 0 R>>",
        b"<</Type/Pages/Kids[%s]/Count %d>>" % (kids, count),
        b"<</Type/Font/Subtype/Type1/BaseFont/Helvetica%s>>" % font,
    ]
    for index, content in enumerate(contents):
        page = b"<</Type/Page/Parent 2 0 R/MediaBox[0 0 612 792]/Resources<</Font<</F1 3 0 R>>>>/Contents %d 0 R>>" % (5 + 2 * index)
        objects += [page, b"<</Length %d/Filter/FlateDecode>>\nstream\n%s\nendstream" % (len(content), content)]
    objects += extra
    target = io.BytesIO()
    target.write(b"%PDF-1.4\n")
    offsets = []
    for number, body in enumerate(objects, 1):
        offsets.append(target.tell())
        target.write(b"%d 0 obj\n%s\nendobj\n" % (number, body))
    table = target.tell()
    target.write(b"xref\n0 %d\n0000000000 65535 f \n" % (len(objects) + 1) + b"".join(b"%010d 00000 n \n" % offset for offset in offsets))
    target.write(b"trailer<</Size %d/Root 1 0 R>>\nstartxref\n%d\n%%%%EOF" % (len(objects) + 1, table))
    return target.getvalue()


def _pdf() -> bytes:
    pages = [["Wells", "The north well is dry."], ["Pumps", "The south pump works."]]
    return text_pdf(pages, title="Field notes", outline=[("Wells", 0), ("Pumps", 1)])


def _docx() -> bytes:
    document = docx.Document()
    document.core_properties.title, document.core_properties.author = "Field notes", "Ada"
    document.add_heading("Wells", 1)
    document.add_paragraph("The north well is dry.")
    for item in ("one", "two"):
        document.add_paragraph(item, style="List Bullet")
    table = document.add_table(2, 2)
    for row, cells in enumerate((("Well", "Depth"), ("North", "12 m"))):
        for column, value in enumerate(cells):
            table.cell(row, column).text = value
    document.add_heading("Pumps", 2)
    document.sections[0].header.paragraphs[0].text = "Confidential"
    return _saved(document)


def _pptx() -> bytes:
    show = pptx.Presentation()
    show.core_properties.title = "Field notes"
    slide = show.slides.add_slide(show.slide_layouts[1])
    slide.shapes.title.text = "Wells"
    slide.placeholders[1].text = "The north well is dry.\nThe south one is not."
    slide.notes_slide.notes_text_frame.text = "Say it slowly."
    slide = show.slides.add_slide(show.slide_layouts[5])
    slide.shapes.title.text = "Depths"
    table = slide.shapes.add_table(1, 2, 0, 0, 10**6, 10**6).table
    table.cell(0, 0).text, table.cell(0, 1).text = "North", "12 m"
    return _saved(show)


def _xlsx() -> bytes:
    book = openpyxl.Workbook()
    sheet = book.active
    sheet.title = "Wells"
    for row in (["Well", "Depth", "Dug"], ["North", 12.0, None], ["South", 7.5, 1999]):
        sheet.append(row)
    book.create_sheet("Codes").append([1, 2, 3])
    return _saved(book)


def _odt() -> bytes:
    document = odfdo.Document("text")
    body = document.body
    body.clear()
    body.append(odfdo.Header(1, "Wells"))
    noted = odfdo.Paragraph("The north well is dry.")
    noted.insert_note(after="dry", note_id="n1", citation="1", body="Seen in May.")
    body.append(noted)
    body.append(odfdo.List(["one", "two"]))
    table = odfdo.Table("Depths", width=2, height=1)
    table.set_value((0, 0), "North")
    table.set_value((1, 0), "12 m")
    body.append(table)
    return _saved(document)


def _epub() -> bytes:
    target = io.BytesIO()
    container = (
        '<container version="1.0" xmlns="urn:oasis:names:tc:opendocument:xmlns:container"><rootfiles>'
        '<rootfile full-path="O/c.opf" media-type="application/oebps-package+xml"/></rootfiles></container>'
    )
    package = (
        '<package xmlns="http://www.idpf.org/2007/opf"><metadata xmlns:dc="http://purl.org/dc/elements/1.1/"><dc:title>Field notes</dc:title>'
        '<dc:creator>Ada</dc:creator></metadata><manifest><item id="a" href="chapter%20one.xhtml"/><item id="b" href="foreword.xhtml"/></manifest>'
        '<spine><itemref idref="b"/><itemref idref="a"/></spine></package>'
    )
    with zipfile.ZipFile(target, "w", zipfile.ZIP_DEFLATED) as book:
        book.writestr(zipfile.ZipInfo("mimetype"), "application/epub+zip")
        book.writestr("META-INF/container.xml", container)
        book.writestr("O/c.opf", package)
        book.writestr("O/chapter one.xhtml", HTML)
        book.writestr("O/foreword.xhtml", "<!DOCTYPE html><html><head><title>Foreword</title></head><body><p>For those who dig.</p></body></html>")
    return target.getvalue()


def _eml() -> bytes:
    message = EmailMessage()
    message["From"], message["To"] = "Ada <ada@example.org>", "Bob <bob@example.org>"
    message["Subject"], message["Date"] = "Wélls", "Mon, 01 Jan 2024 10:00:00 +0000"
    message.set_content("The north well is dry.\n\nAda")
    message.add_alternative("<p>other words</p>", subtype="html")
    message.add_attachment(b"%PDF-", maintype="application", subtype="pdf", filename="map.pdf")
    return bytes(message)


def _saved(document: Any) -> bytes:
    target = io.BytesIO()
    document.save(target)
    return target.getvalue()


_MAKERS: dict[str, Callable[[], bytes]] = {
    "pdf": _pdf,
    "docx": _docx,
    "pptx": _pptx,
    "xlsx": _xlsx,
    "odt": _odt,
    "epub": _epub,
    "eml": _eml,
    "html": HTML.encode,
    "csv": 'Well;Depth\nNorth;12\n"South; old";7\n'.encode,
    "md": "# Wells\n\nThe *north* well is dry.\n\n```\n# no heading\n```\n\nPumps\n-----\n\n- one\n".encode,
    "txt": "The north well is dry.\n\nThe south one is not.\n".encode,
}
