from __future__ import annotations

import random
from collections.abc import Callable
from pathlib import Path

import pytest

from appliance.errors import FileUnreadable, KindUnknown
from appliance.ingest.encoding import decode
from appliance.ingest.sniff import sniff

KIND_OF = {"md": "markdown", "txt": "text"}
GERMAN = "Die Brunnen im Süden führen noch Wasser, doch überall fehlt es an Öl für die Pumpen.\nGrüße, Jörg\n" * 4
RUSSIAN = "Северный колодец высох, но в южном ещё есть вода.\nНасос работает плохо.\n" * 4
JAPANESE = "北の井戸は枯れたが、南の井戸にはまだ水がある。\nポンプは動いている。\n" * 4
GREEK = "Το βόρειο πηγάδι στέρεψε, αλλά το νότιο έχει ακόμη νερό.\n" * 6
POLISH = "Studnia północna wyschła, ale w południowej jest jeszcze woda. Źródło zanikło, a łąka jest sucha. Proszę przywieźć więcej pomp.\n" * 4
CHINESE = "北边的井已经干了，南边的井里还有水。\n水泵还在工作，但是声音很大。\n" * 4
KOREAN = "북쪽 우물은 말랐지만 남쪽 우물에는 아직 물이 있다.\n펌프는 작동하고 있다.\n" * 4


@pytest.fixture
def write(tmp_path: Path) -> Callable[[str, bytes], Path]:
    def put(name: str, content: bytes) -> Path:
        path = tmp_path / name
        path.write_bytes(content)
        return path

    return put


@pytest.mark.parametrize("kind", ["pdf", "docx", "pptx", "xlsx", "odt", "epub", "eml", "html", "csv", "md", "txt"])
def test_each_kind_is_known(kind: str, make: Callable[[str], Path]) -> None:
    assert sniff(make(kind), f"a.{kind}") == KIND_OF.get(kind, kind)


@pytest.mark.parametrize("kind", ["pdf", "docx", "pptx", "xlsx", "odt", "epub", "html"])
@pytest.mark.parametrize("name", ["mislabelled.txt", "mislabelled.docx", "mislabelled.pdf", "mislabelled"])
def test_content_counts_more_than_the_name(kind: str, name: str, make: Callable[[str], Path]) -> None:
    assert sniff(make(kind), name) == kind


@pytest.mark.parametrize("name", ["x.pdf", "x.docx", "x.log", "x.py", "README"])
def test_text_is_read_as_text_whatever_its_name(name: str, write: Callable[[str, bytes], Path]) -> None:
    assert sniff(write("x", b"The north well is dry.\n"), name) == "text"


def test_a_pdf_may_come_after_junk(write: Callable[[str, bytes], Path], make: Callable[[str], Path]) -> None:
    assert sniff(write("x", b"\x00\x01junk\n" + make("pdf").read_bytes()), "scan.pdf") == "pdf"
    assert sniff(write("y", b"A PDF begins with %PDF-1.7, they say.\n"), "about.txt") == "text"


def test_an_empty_file_is_unreadable(write: Callable[[str, bytes], Path]) -> None:
    with pytest.raises(FileUnreadable, match="empty"):
        sniff(write("x", b""), "x.pdf")


@pytest.mark.parametrize("name", ["x.pdf", "x.docx", "x.txt", "x.csv"])
def test_garbage_under_a_known_name_is_unreadable(name: str, write: Callable[[str, bytes], Path]) -> None:
    with pytest.raises(FileUnreadable, match="damaged"):
        sniff(write("x", random.Random(1).randbytes(5000)), name)


@pytest.mark.parametrize(
    ("name", "content"),
    [
        ("x.jpg", b"\xff\xd8\xff\xe0" + random.Random(2).randbytes(3000)),
        ("x.bin", random.Random(3).randbytes(3000)),
        ("x.doc", b"\xd0\xcf\x11\xe0\xa1\xb1\x1a\xe1" + bytes(3000)),
        ("x.rtf", b"{\\rtf1 hello}"),
        ("x.zip", b"PK\x05\x06" + bytes(18)),
    ],
)
def test_other_kinds_are_named_as_not_read(name: str, content: bytes, write: Callable[[str, bytes], Path]) -> None:
    with pytest.raises(KindUnknown):
        sniff(write("x", content), name)


def test_a_locked_office_file_says_so(write: Callable[[str, bytes], Path]) -> None:
    content = b"\xd0\xcf\x11\xe0\xa1\xb1\x1a\xe1" + bytes(600) + "EncryptedPackage".encode("utf-16-le") + bytes(600)
    with pytest.raises(FileUnreadable, match="password"):
        sniff(write("x", content), "x.docx")


@pytest.mark.parametrize("encoding", ["utf-8", "utf-8-sig", "utf-16", "utf-16-le", "utf-16-be", "utf-32"])
@pytest.mark.parametrize("text", [GERMAN, RUSSIAN, JAPANESE, GREEK])
def test_unicode_is_read_with_and_without_a_mark(encoding: str, text: str) -> None:
    found = decode(text.encode(encoding))
    assert found is not None
    assert found[0] == text


@pytest.mark.parametrize(
    ("text", "encoding"),
    [
        *((GERMAN, "cp1252"), (RUSSIAN, "cp1251"), (RUSSIAN, "koi8-r"), (RUSSIAN, "cp866"), (JAPANESE, "shift_jis"), (JAPANESE, "euc_jp")),
        *((GREEK, "cp1253"), (GREEK, "iso8859-7"), (POLISH, "cp1250"), (CHINESE, "gb18030"), (KOREAN, "euc_kr"), ("Café naïve\n", "latin-1")),
    ],
)
def test_legacy_encodings_are_told_apart(text: str, encoding: str) -> None:
    found = decode(text.encode(encoding))
    assert found is not None
    wrong = sum(1 for a, b in zip(found[0], text, strict=False) if a != b)
    assert wrong <= 0.01 * len(text)


def test_a_text_cut_in_the_middle_of_a_letter_or_with_a_flaw_is_still_utf8() -> None:
    data = (GERMAN * 30).encode()
    assert decode(data[: data.index("ü".encode()) + 1], partial=True) == (GERMAN[: GERMAN.index("ü")], "utf-8")
    flawed = decode(data[:200] + b"\xff" + data[200:])
    assert flawed is not None
    assert flawed[1] == "utf-8, damaged"
    assert "führen" in flawed[0]


def test_random_bytes_are_no_text() -> None:
    for seed in range(30):
        assert decode(random.Random(seed).randbytes(2000)) is None
