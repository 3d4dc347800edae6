"""Text formats: plain, Markdown, CSV, HTML, EPUB, EML."""

from __future__ import annotations

import zipfile
from collections.abc import Callable
from pathlib import Path

import pytest

from appliance.documents import Conversion
from appliance.errors import FileUnreadable
from appliance.ingest.sandbox import Sandbox

Make = Callable[[str], Path]
Read = Callable[[str, bytes], Conversion]
PAGE = (
    "Wells\n\nThe north well is dry.\nThe south one is not.\n\n- one\n- two\n\nWell | Depth\nNorth | 12 m\n\n"
    "Loose\n\ninner\n\ntail\n\nPumps\n\na b\n  c"
)


@pytest.fixture
def read(sandbox: Sandbox, tmp_path: Path) -> Read:
    def put(name: str, content: bytes) -> Conversion:
        path = tmp_path / name
        path.write_bytes(content)
        return sandbox.convert(path, name=name)

    return put


def test_plain_text_is_one_page_as_it_is(read: Read) -> None:
    conversion = read("a.txt", "Grüße\r\n\r\n  indented\fnext".encode("cp1252"))
    assert [(page.number, page.text) for page in conversion.pages] == [(None, "Grüße\n\n  indented\n\nnext")]
    assert conversion.reader == "text in windows-1252"


def test_markdown_stays_as_written_and_its_headings_are_found(sandbox: Sandbox, make: Make) -> None:
    path = make("md")
    conversion = sandbox.convert(path, name="a.md")
    text = conversion.pages[0].text
    assert text == path.read_text().strip()
    assert [(h.title, h.level, text[h.start :].split("\n")[0]) for h in conversion.headings] == [("Wells", 1, "# Wells"), ("Pumps", 2, "Pumps")]
    assert conversion.title == "Wells"


def test_markdown_headings_lose_their_markup_and_front_matter_is_no_heading(read: Read) -> None:
    conversion = read("a.md", b"---\ntitle: 'The plan'\ndate: today\n---\n\n## The **big** [well](http://x) `now` ##\n\ntext\n")
    assert conversion.title == "The plan"
    assert [(heading.title, heading.level) for heading in conversion.headings] == [("The big well now", 2)]
    assert conversion.pages[0].text[conversion.headings[0].start :].startswith("## The **big**")


@pytest.mark.parametrize("sign", [",", ";", "\t", "|"])
def test_csv_is_read_with_the_delimiter_it_has(sign: str, read: Read) -> None:
    rows = [["Well", "Depth", "Note"], ["North", "12", f'"a{sign}b"'], ["South", "7", ""]]
    conversion = read("a.csv", "\n".join(sign.join(row) for row in rows).encode())
    assert (
        conversion.pages[0].text
        == f"Well | Depth | Note\n\nWell: North | Depth: 12 | Note: a{sign if sign != chr(9) else ' '}b\nWell: South | Depth: 7"
    )


def test_csv_without_a_header_stays_rows(read: Read) -> None:
    assert read("a.csv", b"1,2\n3,4\n").pages[0].text == "1 | 2\n3 | 4"


def test_html_is_what_a_reader_sees(sandbox: Sandbox, make: Make) -> None:
    conversion = sandbox.convert(make("html"), name="a.html")
    assert conversion.pages[0].text == PAGE
    assert conversion.pages[0].number is None
    assert [(h.title, h.level, PAGE.index(h.title) == h.start) for h in conversion.headings] == [("Wells", 1, True), ("Pumps", 2, True)]
    assert conversion.title == "Field notes"


def test_html_laid_out_by_tables_is_read_as_text(read: Read) -> None:
    conversion = read("a.html", b"<html><table><tr><td><h2>Left</h2><p>one</p></td><td><p>two</p></td></tr></table>")
    assert conversion.pages[0].text == "Left\n\none\n\ntwo"


def test_html_believes_the_encoding_that_it_names(read: Read) -> None:
    conversion = read("a.html", '<html><meta charset="iso-8859-2"><p>Żółta łąka'.encode("iso8859-2"))
    assert conversion.pages[0].text == "Żółta łąka"


def test_html_of_five_thousand_open_tags_is_read(read: Read) -> None:
    assert "deep" in read("a.html", b"<html>" + b"<div>" * 5_000 + b"deep").pages[0].text


def test_epub_follows_the_spine_and_chapters_are_headings(sandbox: Sandbox, make: Make) -> None:
    conversion = sandbox.convert(make("epub"), name="a.epub")
    text = conversion.pages[0].text
    assert text == f"Foreword\n\nFor those who dig.\n\n{PAGE}"
    assert [(heading.title, heading.level) for heading in conversion.headings] == [("Foreword", 1), ("Wells", 1), ("Pumps", 2)]
    assert all(text.startswith(heading.title, heading.start) for heading in conversion.headings)
    assert (conversion.title, conversion.metadata) == ("Field notes", {"author": "Ada"})


def test_a_locked_epub_says_so(sandbox: Sandbox, make: Make, tmp_path: Path) -> None:
    lock = '<encryption xmlns:e="http://www.w3.org/2001/04/xmlenc#"><e:CipherReference URI="O/foreword.xhtml"/></encryption>'
    path = make("epub")
    with zipfile.ZipFile(path, "a") as book:
        book.writestr("META-INF/encryption.xml", lock)
    with pytest.raises(FileUnreadable, match="DRM"):
        sandbox.convert(path, name="a.epub")


def test_eml_says_who_wrote_what_and_names_what_is_attached(sandbox: Sandbox, make: Make) -> None:
    conversion = sandbox.convert(make("eml"), name="a.eml")
    assert conversion.pages[0].text == (
        "Wélls\n\nFrom: Ada <ada@example.org>\nTo: Bob <bob@example.org>\nDate: Mon, 01 Jan 2024 10:00:00 +0000\nSubject: Wélls\n\n"
        "The north well is dry.\n\nAda\n\nAttachment, not read: map.pdf (application/pdf)"
    )
    assert conversion.title == "Wélls"


def test_eml_with_html_only_and_an_unknown_encoding_is_read(read: Read) -> None:
    html = b"From: a@x\nSubject: Hi\nContent-Type: text/html; charset=utf-8\n\n<html><script>x</script><h1>Top</h1><p>The text."
    assert read("a.eml", html).pages[0].text.endswith("Top\n\nThe text.")
    unknown = b"From: a@x\nSubject: Hi\nContent-Type: text/plain; charset=klingon\n\nThe text of it."
    assert read("b.eml", unknown).pages[0].text.endswith("The text of it.")
