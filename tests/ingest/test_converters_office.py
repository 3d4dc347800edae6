"""Office formats, each written by the library that people write them with, read in the real sandbox."""

from __future__ import annotations

import io
import zipfile
from collections.abc import Callable
from pathlib import Path

import docx
import openpyxl
import pptx
import pytest
from docx.oxml import parse_xml
from docx.oxml.ns import nsdecls

from appliance.documents import Conversion
from appliance.ingest.sandbox import Sandbox

Make = Callable[[str], Path]


def read(sandbox: Sandbox, path: Path) -> Conversion:
    conversion = sandbox.convert(path, name=path.name)
    for heading in conversion.headings:
        assert conversion.pages[heading.position].text.startswith(heading.title, heading.start)
    return conversion


def test_docx_keeps_the_order_of_headings_lists_and_tables(sandbox: Sandbox, make: Make) -> None:
    conversion = read(sandbox, make("docx"))
    assert conversion.kind == "docx"
    assert [page.number for page in conversion.pages] == [None]
    assert conversion.pages[0].text == "Wells\n\nThe north well is dry.\n\n- one\n- two\n\nWell | Depth\nNorth | 12 m\n\nPumps\n\nConfidential"
    assert [(heading.title, heading.level) for heading in conversion.headings] == [("Wells", 1), ("Pumps", 2)]
    assert (conversion.title, conversion.metadata) == ("Field notes", {"author": "Ada"})


def test_docx_reads_inserted_text_and_leaves_deleted_and_hidden_text_out(sandbox: Sandbox, tmp_path: Path) -> None:
    document = docx.Document()
    xml = f"""<w:p {nsdecls("w")}><w:r><w:t xml:space="preserve">Pay </w:t></w:r><w:ins w:id="1" w:author="a"><w:r><w:t>ten</w:t></w:r></w:ins>
      <w:del w:id="2" w:author="a"><w:r><w:delText>nine</w:delText></w:r></w:del><w:r><w:rPr><w:vanish/></w:rPr><w:t>secret</w:t></w:r>
      <w:r><w:tab/><w:t>euros</w:t></w:r></w:p>"""
    document.element.body.insert(0, parse_xml(xml))
    content_control = f"<w:sdt {nsdecls('w')}><w:sdtContent><w:p><w:r><w:t>In a form.</w:t></w:r></w:p></w:sdtContent></w:sdt>"
    document.element.body.insert(1, parse_xml(content_control))
    path = tmp_path / "tracked.docx"
    document.save(str(path))
    assert read(sandbox, path).pages[0].text == "Pay ten\teuros\n\nIn a form."


def test_a_docx_with_macros_or_a_template_is_read_as_the_document_it_is(sandbox: Sandbox, make: Make, tmp_path: Path) -> None:
    macro = tmp_path / "letter.docm"
    plain = b"application/vnd.openxmlformats-officedocument.wordprocessingml.document.main+xml"
    with zipfile.ZipFile(make("docx")) as source, zipfile.ZipFile(macro, "w") as target:
        for name in source.namelist():
            target.writestr(name, source.read(name).replace(plain, b"application/vnd.ms-word.document.macroEnabled.main+xml"))
    assert "north well" in read(sandbox, macro).pages[0].text


def test_pptx_has_a_page_a_slide_with_title_table_and_notes(sandbox: Sandbox, make: Make) -> None:
    conversion = read(sandbox, make("pptx"))
    assert [(page.number, page.text) for page in conversion.pages] == [
        (1, "Wells\n\nThe north well is dry.\nThe south one is not.\n\nNotes: Say it slowly."),
        (2, "Depths\n\nNorth | 12 m"),
    ]
    assert [(heading.position, heading.title) for heading in conversion.headings] == [(0, "Wells"), (1, "Depths")]
    assert conversion.title == "Field notes"


def test_a_slide_with_nothing_but_a_picture_says_so(sandbox: Sandbox, make: Make, tmp_path: Path) -> None:
    picture = sandbox.render(make("pdf"), 1, 50)
    show = pptx.Presentation()
    show.slides.add_slide(show.slide_layouts[6]).shapes.add_picture(io.BytesIO(picture), 0, 0)
    show.slides.add_slide(show.slide_layouts[6])
    path = tmp_path / "pictures.pptx"
    show.save(str(path))
    assert [page.reason for page in read(sandbox, path).pages] == ["no text: probably a scan", None]


def test_xlsx_names_what_each_cell_is(sandbox: Sandbox, make: Make) -> None:
    conversion = read(sandbox, make("xlsx"))
    assert conversion.pages[0].number is None
    assert conversion.pages[0].text == (
        "Wells\n\nWell | Depth | Dug\n\nWell: North | Depth: 12\nWell: South | Depth: 7.5 | Dug: 1999\n\nCodes\n\n1 | 2 | 3"
    )
    assert [heading.title for heading in conversion.headings] == ["Wells", "Codes"]


def test_xlsx_reads_the_values_of_formulas_never_the_formulas(sandbox: Sandbox, tmp_path: Path) -> None:
    book = openpyxl.Workbook()
    book.active.append(["Sum", "=1+1"])
    book.active.append(["Total", 5])
    path = tmp_path / "sums.xlsx"
    book.save(path)
    assert "=1+1" not in read(sandbox, path).pages[0].text


def test_odt_keeps_order_and_puts_notes_at_the_end(sandbox: Sandbox, make: Make) -> None:
    conversion = read(sandbox, make("odt"))
    assert conversion.pages[0].text == "Wells\n\nThe north well is dry[1].\n\n- one\n- two\n\nNorth | 12 m\n\n[1] Seen in May."
    assert [(heading.title, heading.level) for heading in conversion.headings] == [("Wells", 1)]


@pytest.mark.parametrize("kind", ["docx", "pptx", "xlsx", "odt"])
def test_the_ledger_knows_which_library_read_it(kind: str, sandbox: Sandbox, make: Make) -> None:
    wanted = {"docx": "python-docx", "pptx": "python-pptx", "xlsx": "openpyxl", "odt": "odfdo"}
    assert read(sandbox, make(kind)).reader == wanted[kind]
