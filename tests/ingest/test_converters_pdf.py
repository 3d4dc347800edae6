"""PDFs by pdfium and pypdf: made by reportlab, altered by pypdf, read in the real sandbox."""

from __future__ import annotations

import io
import re
import zlib
from collections.abc import Callable, Sequence
from pathlib import Path

import pypdf
import pytest
from reportlab.lib.styles import getSampleStyleSheet
from reportlab.platypus import Paragraph, SimpleDocTemplate

from appliance.documents import Conversion
from appliance.errors import FileUnreadable, PasswordNeeded
from appliance.ingest.converters.outline import find_title
from appliance.ingest.sandbox import Sandbox

PdfOf = Callable[..., bytes]
Read = Callable[..., Conversion]


@pytest.fixture
def read(sandbox: Sandbox, tmp_path: Path) -> Read:
    def put(content: bytes, password: str | None = None) -> Conversion:
        path = tmp_path / "a.pdf"
        path.write_bytes(content)
        return sandbox.convert(path, name="a.pdf", password=password)

    return put


def rewritten(content: bytes, change: Callable[[pypdf.PdfWriter], object]) -> bytes:
    writer = pypdf.PdfWriter(clone_from=pypdf.PdfReader(io.BytesIO(content)))
    change(writer)
    target = io.BytesIO()
    writer.write(target)
    return target.getvalue()


def test_pages_title_and_outline_are_read(read: Read, sample_bytes: Callable[[str], bytes]) -> None:
    conversion = read(sample_bytes("pdf"))
    assert (conversion.kind, conversion.reader, conversion.title) == ("pdf", "pypdfium2", "Field notes")
    assert [(page.number, page.text, page.reason) for page in conversion.pages] == [
        (1, "Wells\nThe north well is dry.", None),
        (2, "Pumps\nThe south pump works.", None),
    ]
    assert [(h.position, h.start, h.title, h.level) for h in conversion.headings] == [(0, 0, "Wells", 1), (1, 0, "Pumps", 1)]


def test_a_page_without_text_is_probably_a_scan(read: Read, pdf_of: PdfOf) -> None:
    conversion = read(pdf_of([["One"], [], ["Three"]]))
    assert [page.reason for page in conversion.pages] == [None, "no text: probably a scan", None]
    assert [page.number for page in conversion.pages] == [1, 2, 3]


def test_printed_page_numbers_are_kept_where_they_differ(read: Read, pdf_of: PdfOf) -> None:
    def label(writer: pypdf.PdfWriter) -> None:
        writer.set_page_label(0, 1, style="/r")
        writer.set_page_label(2, 2, style="/D", start=3)

    content = rewritten(pdf_of([["Preface"], ["Contents"], ["Text"]]), label)
    assert [page.label for page in read(content).pages] == ["i", "ii", None]


def test_words_cut_at_line_ends_are_mended_and_real_hyphens_kept(read: Read, pdf_of: PdfOf) -> None:
    lines = [
        "The docu-",
        "ment shows a well-",
        "known thing. What is known well",
        "happened in 1990-",
        "2000, state-of-the-",
        "art, said Jean-",
        "Paul.",
    ]
    text = " ".join(read(pdf_of([lines])).pages[0].text.split())
    assert text == "The document shows a well-known thing. What is known well happened in 1990- 2000, state-of-the-art, said Jean-Paul."


def test_words_that_run_from_right_to_left_are_in_the_order_they_are_read(read: Read, raw_pdf: Callable[..., bytes]) -> None:
    codes = b"1 begincodespacerange <00> <FF> endcodespacerange 3 beginbfchar <41> <062D> <42> <0628> <43> <064A> endbfchar"
    letters = b"/CIDInit /ProcSet findresource begin 12 dict begin begincmap /CMapName /X def %s endcmap end end" % codes
    table = b"<</Length %d>>stream\n%s\nendstream" % (len(letters), letters)
    drawn = b"BT /F1 20 Tf 1 0 0 1 300 700 Tm [(A) 1350 (B) 1350 (C) 1350 (B) 1350 (C)] TJ ET"  # each letter left of the one before
    assert read(raw_pdf([zlib.compress(drawn)], b"/ToUnicode 6 0 R", [table])).pages[0].text == "حبيبي"


def test_paragraphs_are_parted_by_a_blank_line(read: Read) -> None:
    target = io.BytesIO()
    styles = getSampleStyleSheet()
    words = "The north well is dry and the south one is not. " * 12
    SimpleDocTemplate(target).build(
        [Paragraph("Wells", styles["Heading1"]), Paragraph(words, styles["BodyText"]), Paragraph(words, styles["BodyText"])]
    )
    parts = read(target.getvalue()).pages[0].text.split("\n\n")
    assert [" ".join(part.split()) for part in parts] == ["Wells", words.strip(), words.strip()]


@pytest.mark.parametrize("algorithm", ["RC4-128", "AES-128", "AES-256"])
def test_an_encrypted_pdf_opens_with_either_password_only(algorithm: str, read: Read, sample_bytes: Callable[[str], bytes]) -> None:
    content = rewritten(sample_bytes("pdf"), lambda writer: writer.encrypt("user", "owner", algorithm=algorithm))
    with pytest.raises(PasswordNeeded, match="opens only with a password"):
        read(content)
    with pytest.raises(PasswordNeeded, match="password given does not open"):
        read(content, "wrong")
    for password in ("user", "owner"):
        assert "north well" in read(content, password).pages[0].text


def test_a_pdf_with_an_empty_user_password_opens_at_once(read: Read, sample_bytes: Callable[[str], bytes]) -> None:
    content = rewritten(sample_bytes("pdf"), lambda writer: writer.encrypt("", "owner", algorithm="AES-256"))
    conversion = read(content)
    assert "north well" in conversion.pages[0].text
    assert [heading.title for heading in conversion.headings] == ["Wells", "Pumps"]


def test_pypdf_stands_in_where_pdfium_cannot_open_the_file(read: Read, sample_bytes: Callable[[str], bytes]) -> None:
    content = sample_bytes("pdf")
    damaged = content[: content.rindex(b"\nxref")] + content[content.rindex(b"trailer") :]
    conversion = read(damaged)
    assert "north well" in conversion.pages[0].text
    assert conversion.reader.startswith("pypdf (")


def test_a_pdf_that_neither_can_open_is_unreadable(read: Read, sample_bytes: Callable[[str], bytes]) -> None:
    with pytest.raises(FileUnreadable, match="can't be read"):
        read(sample_bytes("pdf")[:400])


def test_a_limit_that_trips_is_a_page_not_read_never_an_empty_one(read: Read, raw_pdf: Callable[[Sequence[bytes]], bytes]) -> None:
    def words(text: str) -> bytes:
        return zlib.compress(f"BT /F1 12 Tf 72 700 Td ({text}) Tj ET".encode())

    conversion = read(raw_pdf([words("first"), zlib.compress(b" " * (40 << 20), 9), words("third")]))
    assert [page.text for page in conversion.pages] == ["first", "", "third"]
    assert conversion.pages[1].reason is not None
    assert conversion.pages[1].reason.startswith("page not read: a limit was reached")


def test_a_page_whose_content_breaks_off_is_not_called_read(read: Read, raw_pdf: Callable[[Sequence[bytes]], bytes]) -> None:
    lines = b"".join(b"0 -14 Td (line %d of many) Tj " % number for number in range(2000))
    whole = zlib.compress(b"BT /F1 12 Tf 72 700 Td " + lines + b"ET")
    broken = whole[: len(whole) // 3] + b"\xff" * 40 + whole[len(whole) // 3 + 40 :]
    pages = read(raw_pdf([whole, broken, whole[: len(whole) // 3]])).pages
    assert pages[0].reason is None
    assert pages[1].text.startswith("line 0 of many")
    assert [page.reason for page in pages[1:]] == ["page read in part: its content is damaged"] * 2


def test_an_outline_that_cannot_be_read_costs_no_text(read: Read, sample_bytes: Callable[[str], bytes]) -> None:
    content = re.sub(rb"/Outlines \d+ 0 R", b"/Outlines (no)", sample_bytes("pdf"))
    conversion = read(content)
    assert "north well" in conversion.pages[0].text
    assert conversion.headings == ()


def test_a_heading_is_found_at_its_line_with_its_number_or_in_other_letters() -> None:
    text = "We speak of Wells here.\n2.1 WELLS\nmore"
    assert text[find_title(text, "Wells") :].startswith("2.1 WELLS")
    assert find_title("Nothing", "Wells", 3) == 3
    assert find_title("On Deep\nWells in use", "Deep Wells") == 3


def test_a_pdf_of_a_thousand_pages_is_read_whole(read: Read, pdf_of: PdfOf) -> None:
    conversion = read(pdf_of([[f"This is page {number}."] for number in range(1, 1001)]))
    assert [page.text for page in conversion.pages] == [f"This is page {number}." for number in range(1, 1001)]
