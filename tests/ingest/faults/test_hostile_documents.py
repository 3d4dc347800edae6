"""Documents made to harm: every one ends as a Conversion or as one sentence, and the parent goes on."""

from __future__ import annotations

import io
import random
import struct
import zipfile
import zlib
from collections.abc import Callable, Mapping
from pathlib import Path

import pytest

from appliance.documents import Conversion
from appliance.errors import FileUnreadable, IngestError
from appliance.ingest.sandbox import Sandbox

Sample = Callable[[str], bytes]
Outcome = Conversion | IngestError
LAUGHS = (
    b'<?xml version="1.0"?><!DOCTYPE l [<!ENTITY a "ha">'
    + b"".join(b'<!ENTITY %c "%s">' % (98 + depth, b"&%c;" % (97 + depth) * 10) for depth in range(9))
    + b"]><l>&j;</l>"
)
PARTS = {"docx": "word/document.xml", "pptx": "ppt/slides/slide1.xml", "xlsx": "xl/worksheets/sheet1.xml", "odt": "content.xml"}
KINDS = ["pdf", "docx", "pptx", "xlsx", "odt", "epub", "eml", "html", "csv", "md", "txt"]
MUTATIONS = 20
"""For each kind."""


@pytest.fixture
def outcome(sandbox: Sandbox, tmp_path: Path) -> Callable[[str, bytes], Outcome]:
    def of(name: str, content: bytes) -> Outcome:
        path = tmp_path / "hostile"
        path.write_bytes(content)
        try:
            return sandbox.convert(path, name=name)
        except IngestError as error:
            refusal = error
        assert str(refusal).endswith(".")
        assert "Traceback" not in str(refusal)
        return refusal

    return of


@pytest.fixture
def refused(outcome: Callable[[str, bytes], Outcome]) -> Callable[[str, bytes], str]:
    def reason(name: str, content: bytes) -> str:
        result = outcome(name, content)
        assert isinstance(result, FileUnreadable), result
        return str(result)

    return reason


def repacked(content: bytes, changes: Mapping[str, bytes], compression: int = zipfile.ZIP_DEFLATED) -> bytes:
    target = io.BytesIO()
    with zipfile.ZipFile(io.BytesIO(content)) as source, zipfile.ZipFile(target, "w", compression) as copy:
        for name in dict.fromkeys([*source.namelist(), *changes]):
            copy.writestr(name, changes[name] if name in changes else source.read(name))
    return target.getvalue()


@pytest.mark.parametrize("kind", PARTS)
def test_a_part_that_unpacks_to_gigabytes_is_refused(kind: str, refused: Callable[[str, bytes], str], sample_bytes: Sample) -> None:
    bomb = repacked(sample_bytes(kind), {PARTS[kind]: b"<w>" + b" " * (40 << 20)})
    assert len(bomb) < 200_000
    assert "refused" in refused(f"a.{kind}", bomb)


def test_sizes_that_lie_are_found_out(outcome: Callable[[str, bytes], Outcome], sample_bytes: Sample) -> None:
    bomb = bytearray(repacked(sample_bytes("docx"), {PARTS["docx"]: b" " * (40 << 20)}))
    size = struct.pack("<I", 40 << 20)
    assert bomb.count(size) >= 1
    assert isinstance(outcome("a.docx", bytes(bomb).replace(size, struct.pack("<I", 100))), FileUnreadable)


@pytest.mark.parametrize("kind", PARTS)
def test_entities_are_refused_before_they_are_expanded(kind: str, refused: Callable[[str, bytes], str], sample_bytes: Sample) -> None:
    assert "entities" in refused(f"a.{kind}", repacked(sample_bytes(kind), {PARTS[kind]: LAUGHS}))
    wide = LAUGHS.replace(b'<?xml version="1.0"?>', b"").decode().encode("utf-16")
    assert "entities" in refused(f"a.{kind}", repacked(sample_bytes(kind), {PARTS[kind]: wide}))


@pytest.mark.parametrize("part", ["META-INF/container.xml", "O/c.opf"])
def test_entities_in_a_books_directory_are_refused(part: str, refused: Callable[[str, bytes], str], sample_bytes: Sample) -> None:
    refused("a.epub", repacked(sample_bytes("epub"), {part: LAUGHS}))


def test_thousands_of_entries_are_refused(refused: Callable[[str, bytes], str], sample_bytes: Sample) -> None:
    many = repacked(sample_bytes("docx"), {f"word/media/{number}.png": b"" for number in range(2500)}, zipfile.ZIP_STORED)
    assert "2,000" in refused("a.docx", many)


def test_names_that_lead_out_or_come_twice_are_refused(refused: Callable[[str, bytes], str], sample_bytes: Sample) -> None:
    assert "leads out" in refused("a.docx", repacked(sample_bytes("docx"), {"../../evil": b"x"}))
    twice = io.BytesIO(sample_bytes("docx"))
    with zipfile.ZipFile(twice, "a") as archive, pytest.warns(UserWarning, match="Duplicate"):
        archive.writestr("word/document.xml", b"<other/>")
    assert "same name" in refused("a.docx", twice.getvalue())


def test_a_locked_archive_says_so(refused: Callable[[str, bytes], str], sample_bytes: Sample) -> None:
    locked = bytearray(sample_bytes("docx"))
    at = -1
    while (at := locked.find(b"PK\x01\x02", at + 1)) >= 0:
        locked[at + 8] |= 1
    assert "password" in refused("a.docx", bytes(locked))


@pytest.mark.parametrize("kind", PARTS)
def test_xml_two_hundred_thousand_deep_is_survived(kind: str, outcome: Callable[[str, bytes], Outcome], sample_bytes: Sample) -> None:
    deep = b"<a>" * 200_000 + b"</a>" * 200_000
    outcome(f"a.{kind}", repacked(sample_bytes(kind), {PARTS[kind]: deep}, zipfile.ZIP_STORED))


def test_a_cell_in_the_last_row_does_not_make_a_million_lines(outcome: Callable[[str, bytes], Outcome], sample_bytes: Sample) -> None:
    sheet = (
        b'<worksheet xmlns="http://schemas.openxmlformats.org/spreadsheetml/2006/main"><dimension ref="A1:XFD1048576"/><sheetData>'
        b'<row r="1048576"><c r="A1048576"><v>7</v></c></row></sheetData></worksheet>'
    )
    result = outcome("a.xlsx", repacked(sample_bytes("xlsx"), {PARTS["xlsx"]: sheet}))
    assert isinstance(result, Conversion)
    assert len(result.pages[0].text) < 100


@pytest.mark.parametrize(
    ("name", "content"),
    [
        ("a.md", b">" * 20_000 + b" x"),
        ("a.md", b"[" * 20_000),
        ("a.md", b"*a **a " * 5_000),
        ("a.html", b"<html>" + b"<b>" * 3_000 + b"x"),
        ("a.html", b"<html>" + b"<table><tr><td>" * 500 + b"x"),
        ("a.html", b"<html>&" + b"a" * 100_000),
        ("a.csv", b'"' + b"a,\n" * 200_000),
        ("a.csv", b"," * 300_000),
        ("a.eml", b"From: a@x\nSubject: " + b"=?utf-8?b?" * 3_000 + b"\n\nx"),
        ("a.eml", b"From: a\n" + b"".join(b"Content-Type: multipart/mixed; boundary=b%d\n\n--b%d\n" % (n, n) for n in range(500)) + b"\nx"),
        ("a.txt", b"a" * 5_000_000),
        ("a.txt", b"\xe2\x80\xae" * 100_000),
        ("a.pdf", b"%PDF-1.7\n"),
        ("a.pdf", b"%PDF-1.7\n1 0 obj<</Type/Catalog/Pages 1 0 R/Kids[1 0 R]/Count 99999999>>endobj\ntrailer<</Root 1 0 R>>"),
        ("a.docx", b"PK\x03\x04" + bytes(1000)),
        ("a.epub", b"PK\x05\x06" + bytes(18)),
    ],
)
def test_nasty_content_ends_in_text_or_in_a_sentence(name: str, content: bytes, outcome: Callable[[str, bytes], Outcome]) -> None:
    outcome(name, content)


@pytest.mark.parametrize(
    "content", [b"q " * 500_000, b"[" * 500_000, b"BT /F1 1 Tf (" + b"(" * 100_000, b"BT /F1 1 Tf " + b"(w) Tj 3 0 Td " * 60_000]
)
def test_a_page_made_to_harm_costs_at_most_itself(content: bytes, outcome: Callable[[str, bytes], Outcome], raw_pdf: Callable[..., bytes]) -> None:
    sound = zlib.compress(b"BT /F1 12 Tf 72 700 Td (sound) Tj ET")
    result = outcome("a.pdf", raw_pdf([sound, zlib.compress(content), sound]))
    assert isinstance(result, Conversion)
    assert [result.pages[0].text, result.pages[2].text] == ["sound", "sound"]


def test_an_outline_that_goes_round_in_circles_ends(outcome: Callable[[str, bytes], Outcome], sample_bytes: Sample) -> None:
    content = sample_bytes("pdf")
    for number in range(1, 12):
        result = outcome("a.pdf", content.replace(b"/Next %d 0 R" % number, b"/Next 1 0 R").replace(b"/First %d 0 R" % number, b"/First 1 0 R"))
        assert not isinstance(result, Conversion) or len(result.pages) == 2


@pytest.mark.parametrize("kind", KINDS)
def test_damaged_files_end_in_text_or_in_a_sentence(kind: str, outcome: Callable[[str, bytes], Outcome], sample_bytes: Sample) -> None:
    content, chance = sample_bytes(kind), random.Random(kind)
    for _ in range(MUTATIONS):
        outcome(f"a.{kind}", damaged(content, chance))


def damaged(content: bytes, chance: random.Random) -> bytes:
    broken = bytearray(content)
    deed = chance.randrange(5)
    if deed == 0:
        return bytes(broken[: chance.randrange(1, len(broken))])
    if deed == 1:
        at = chance.randrange(len(broken))
        return bytes(broken[:at] + broken[at + chance.randrange(1, 500) :]) or b"x"
    if deed == 2:
        at, other = chance.randrange(len(broken)), chance.randrange(len(broken))
        return bytes(broken[:at] + broken[other : other + 300] + broken[at:])
    for _ in range(chance.choice((1, 5, 50))):
        broken[chance.randrange(len(broken))] = chance.randrange(256)
    return bytes(broken)
