"""What is in a pack's file is shown as it was signed, or not at all; a bad file costs one sentence."""

from __future__ import annotations

import json
import math
import random
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from appliance.errors import HaversackError, NotAPack, PackAltered, PackError, PackGone, PackTooNew
from appliance.library import keywords
from appliance.library.ledger import ledger
from appliance.library.store import Library
from appliance.minisign import SecretKey, load_key
from appliance.packs.file import END, FOOT, LONGEST_CONTENTS, MAGIC, PackFile, read_pack, write_contents
from appliance.packs.finding import open_pack
from appliance.packs.holdings import Holdings
from appliance.packs.mount import Mount
from tests.packs.conftest import MODEL, PAGES
from tests.packs.forging import Change, forge

FLIPS = 240


@pytest.fixture
def stranger(tmp_path: Path) -> SecretKey:
    return load_key(tmp_path / "stranger.pem")


def texts(pack: PackFile, shown: Path) -> Iterator[tuple[str, ...]]:
    """Everything that is ever shown of the texts: pages, passages, names, the ledger; and what is searched."""
    mount = Mount(pack, 5, "field", shown)
    try:
        for document in mount.documents(5):
            yield (document.name, document.title, *(page.text for page in mount.pages(document.id)))
            yield (document.name, *(chunk.text for chunk in mount.chunks_of(document.id)))
        yield tuple(f"{one.document} {one.reason}" for one in ledger(mount, 5))
        yield (mount.vectors_of(5)[1].tobytes().hex(),)
        yield tuple(str(one) for one in keywords.search(mount, 5, "well pump fuel road", 20))
    finally:
        mount.close()


def originals(pack: PackFile, shown: Path) -> Iterator[bytes]:
    mount = Mount(pack, 5, "field", shown)
    try:
        for document in mount.documents(5):
            path = mount.original(document.id)
            assert path is not None
            yield path.read_bytes()
    finally:
        mount.close()


def test_a_flipped_bit_anywhere_shows_and_is_never_shown(pack: PackFile, tmp_path: Path) -> None:
    whole = pack.path.read_bytes()
    true_texts, true_originals = list(texts(pack, tmp_path / "a")), list(originals(pack, tmp_path / "a"))
    chance = random.Random(11)
    first_original = pack.database
    end = first_original + sum(one.size for one in pack.originals.values())
    places = [chance.randrange(len(whole)) for _ in range(FLIPS // 2)]
    # Originals, contents, signature and foot are a small part of a small pack: as many flips again go there.
    places += [chance.randrange(first_original, len(whole)) for _ in range(FLIPS // 2)]
    places += [whole.index(b"twelve metres"), whole.index(b"untrusted comment") + 20, whole.index(b"trusted comment: haversack") + 20]
    flipped = tmp_path / "flipped.haversack"
    for number, place in enumerate(places):
        content = bytearray(whole)
        content[place] ^= 1 << chance.randrange(8)
        flipped.write_bytes(content)
        in_original = first_original <= place < end
        seen: list[tuple[str, ...]] = []
        try:
            for shown in texts(read_pack(flipped), tmp_path / str(number)):
                seen.append(shown)
        except PackError:
            assert not in_original, place
        else:
            assert in_original, f"the flip at {place} of {len(whole)} went unseen"
            files: list[bytes] = []
            with pytest.raises(PackAltered, match="one of its originals was changed"):
                files.extend(originals(read_pack(flipped), tmp_path / str(number)))
            assert files == true_originals[: len(files)]
        assert seen == true_texts[: len(seen)]


@pytest.mark.parametrize("tenth", range(10))
def test_a_pack_that_was_cut_off_is_no_pack(pack: PackFile, tenth: int) -> None:
    content = pack.path.read_bytes()
    pack.path.write_bytes(content[: len(content) * tenth // 10])
    with pytest.raises(NotAPack, match=r"its end is missing|it is empty"):
        read_pack(pack.path)


def test_bytes_at_its_end_show(pack: PackFile) -> None:
    content = pack.path.read_bytes()
    pack.path.write_bytes(content + b"\0")
    with pytest.raises(NotAPack):
        read_pack(pack.path)
    pack.path.write_bytes(b"\0" + content)
    with pytest.raises(PackAltered, match="don't make up the file"):
        read_pack(pack.path)


def test_other_files_are_no_packs(office: Library, tmp_path: Path) -> None:
    text = tmp_path / "text.haversack"
    text.write_text("Dear Amina,\n" * 40, encoding="utf-8")
    others = {text: "another kind of file", office.database.path: "its end is missing", tmp_path: "directory", tmp_path / "no": "No such"}
    for path, why in others.items():
        with pytest.raises(NotAPack, match=why):
            read_pack(path)


def test_a_newer_format_is_said(pack: PackFile, tmp_path: Path, stranger: SecretKey) -> None:
    with pytest.raises(PackTooNew, match="format 3"):
        read_pack(forge(pack, tmp_path / "one", stranger, magic=MAGIC + b"3"))
    with pytest.raises(PackTooNew, match="format 7"):
        read_pack(forge(pack, tmp_path / "two", stranger, change=lambda contents: contents.update(format=7)))


def test_a_signature_of_another_key_than_it_names_is_refused(pack: PackFile, tmp_path: Path, stranger: SecretKey) -> None:
    other = load_key(tmp_path / "other.pem")
    with pytest.raises(PackAltered, match="another key's"):
        read_pack(forge(pack, tmp_path / "forged", stranger, sign_with=other))


HOSTILE_SCHEMAS = {
    "trigger": "CREATE TRIGGER t AFTER INSERT ON documents BEGIN DELETE FROM pages; END",
    "view": "ALTER TABLE pages RENAME TO was; CREATE VIEW pages AS SELECT * FROM was",
    "table": "CREATE TABLE extra (x)",
    "index": "CREATE INDEX extra ON documents(upper(name))",
    "column": "ALTER TABLE documents ADD COLUMN extra TEXT DEFAULT 'x'",
    "missing": "DROP TABLE failures",
    "virtual": "CREATE VIRTUAL TABLE extra USING fts5(x)",
    "check": "UPDATE sqlite_master SET sql = replace(sql, 'reason TEXT', 'reason TEXT CHECK (1)') WHERE name = 'failures'",
    "second collection": "INSERT INTO collections (id, name, seal) VALUES (2, 'x', 1)",
    "other id": "PRAGMA foreign_keys = OFF; UPDATE collections SET id = 3",
    "number out of bounds": "UPDATE documents SET id = 4294967297 WHERE id = 1",
    "number below zero": "UPDATE chunks SET id = -4 WHERE id = 1",
    "library": "PRAGMA application_id = 1212239443",
    "version": "PRAGMA user_version = 2",
    "count": "DELETE FROM documents WHERE id = 1",
}


@pytest.mark.parametrize("statements", HOSTILE_SCHEMAS.values(), ids=HOSTILE_SCHEMAS)
def test_a_database_that_is_not_as_we_make_them_is_refused_whoever_signed_it(
    pack: PackFile, tmp_path: Path, stranger: SecretKey, statements: str
) -> None:
    forged = read_pack(forge(pack, tmp_path / "forged", stranger, statements=statements))
    with pytest.raises(PackAltered):
        list(texts(forged, tmp_path / "shown"))


def test_rows_that_do_not_fit_their_seals_are_refused_whoever_signed_them(pack: PackFile, tmp_path: Path, stranger: SecretKey) -> None:
    for statements in (
        "UPDATE pages SET text = replace(text, 'twelve', 'eleven')",
        "UPDATE chunks SET text = replace(text, 'twelve', 'eleven')",
        "UPDATE documents SET name = 'other.txt' WHERE id = 1",
        "UPDATE embeddings SET data = zeroblob(length(data))",
        "UPDATE embeddings SET count = 2000000000",
    ):
        forged = read_pack(forge(pack, tmp_path / "forged", stranger, statements=statements))
        with pytest.raises(PackAltered):
            list(texts(forged, tmp_path / "shown"))


NONSENSE: dict[str, Change] = {
    "title with a line break": lambda it: it.update(title="a\nb"),
    "no title": lambda it: it.update(title=""),
    "a long title": lambda it: it.update(title="x" * 201),
    "a title that turns around": lambda it: it.update(title="a\u202eb"),
    "embedder with controls": lambda it: it.update(embedder="\x1b[2J"),
    "counts below zero": lambda it: it.update(chunks=-1),
    "counts that are no numbers": lambda it: it.update(documents="many"),
    "a path as an original": lambda it: it.update(originals=[["../../evil", 5]]),
    "an original of negative size": lambda it: it["originals"][0].__setitem__(1, -1),
    "an original that is larger": lambda it: it["originals"][0].__setitem__(1, 1 << 40),
    "an original twice": lambda it: it["originals"].append(it["originals"][0]),
    "too few blocks": lambda it: it["database"].update(blocks=[]),
    "a larger database": lambda it: it["database"].update(size=1 << 50),
    "no database": lambda it: it.pop("database"),
    "a list": lambda it: it.update(database=[]),
    "a count that is infinite": lambda it: it.update(documents=math.inf),
    "a count that is no number": lambda it: it.update(pages=math.nan),
    "a count with a point": lambda it: it.update(chunks=3.0),
    "a count that is true": lambda it: it.update(documents=True),
    "a count in words": lambda it: it.update(documents="3"),
    "a format that is infinite": lambda it: it.update(format=math.inf),
    "a database of infinite size": lambda it: it["database"].update(size=math.inf),
    "an original of infinite size": lambda it: it["originals"][0].__setitem__(1, math.inf),
}


@pytest.mark.parametrize("change", NONSENSE.values(), ids=NONSENSE)
def test_signed_nonsense_is_refused(pack: PackFile, tmp_path: Path, stranger: SecretKey, change: Change) -> None:
    with pytest.raises(PackAltered):
        read_pack(forge(pack, tmp_path / "forged", stranger, change=change))


def test_contents_that_are_no_json_are_refused(pack: PackFile, tmp_path: Path) -> None:
    content = pack.path.read_bytes()
    for contents in (b"", b"[" * 100_000, b"{}", b"[]", b"\xff\xfe", b"null", b'{"key": null}'):
        pack.path.write_bytes(content[: pack.database] + contents + b"x" + FOOT.pack(len(contents), 1, pack.signer.raw, END))
        with pytest.raises(PackAltered):
            read_pack(pack.path)


def test_nothing_is_parsed_before_its_signature_fits_and_nothing_long(pack: PackFile, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """A list of empty lists takes more than twenty times its size in memory, and anyone can write one."""
    content = pack.path.read_bytes()
    bomb = b"[" + b"[]," * (1 << 20) + b"[]]"

    def refused(*given: object, **named: object) -> None:
        raise AssertionError("it was parsed")

    monkeypatch.setattr(json, "loads", refused)
    signature = content[-FOOT.size - FOOT.unpack(content[-FOOT.size :])[1] : -FOOT.size]
    pack.path.write_bytes(content[: pack.database] + bomb + signature + FOOT.pack(len(bomb), len(signature), pack.signer.raw, END))
    with pytest.raises(PackAltered, match="the signature does not fit"):
        read_pack(pack.path)
    monkeypatch.undo()
    long = b"[" * (LONGEST_CONTENTS + 1)
    pack.path.write_bytes(content[: pack.database] + long + signature + FOOT.pack(len(long), len(signature), pack.signer.raw, END))
    with pytest.raises(PackAltered, match="its foot doesn't fit"):
        read_pack(pack.path)


def test_the_longest_contents_are_those_of_ten_thousand_documents_and_more(pack: PackFile) -> None:
    originals = [[f"ab/{'c' * 64}.pdf", 123_456_789]] * 10_000
    blocks = ["d" * 64] * (4 << 30 >> 24)  # 100,000 passages are 24 of them
    assert len(write_contents({"originals": originals, "database": {"blocks": blocks}})) * 8 < LONGEST_CONTENTS


def test_one_of_before_the_first_release_is_said(pack: PackFile, tmp_path: Path, stranger: SecretKey) -> None:
    with pytest.raises(NotAPack, match="made before the first release"):
        read_pack(forge(pack, tmp_path / "one", stranger, magic=MAGIC + b"1"))


def test_lengths_in_the_foot_are_not_believed(pack: PackFile) -> None:
    content = pack.path.read_bytes()
    for lengths in ((1 << 63, 10), (10, 1 << 31), (0, 0), (len(content), 300), (len(content) - FOOT.size, 0)):
        pack.path.write_bytes(content[: -FOOT.size] + FOOT.pack(*lengths, pack.signer.raw, END))
        with pytest.raises(PackAltered):
            read_pack(pack.path)


@pytest.fixture
def holdings(home: Path, pack: PackFile) -> Iterator[Holdings]:
    with Holdings.open(home, write=True, fingerprint=MODEL) as library:
        library.ensure_collection("mine")
        open_pack(library, pack)
        library.look(None, MODEL)
        yield library


def everything(holdings: Holdings, collection_id: int) -> list[Any]:
    documents = holdings.documents(collection_id)
    return [
        documents,
        [holdings.pages(one.id) for one in documents],
        keywords.search(holdings, collection_id, "well", 3),
        holdings.chunk_ranges(collection_id).tolist(),
    ]


def test_a_stick_that_is_pulled_out_costs_one_sentence_and_comes_back(holdings: Holdings, pack: PackFile) -> None:
    here = holdings.collection("field").id
    before = everything(holdings, here)
    away = pack.path.rename(pack.path.with_suffix(".away"))
    for read in (
        lambda: holdings.documents(here),
        lambda: holdings.document(before[0][0].id),
        lambda: keywords.search(holdings, here, "well", 3),
        lambda: holdings.original(before[0][0].id),
        lambda: ledger(holdings, here),
    ):
        with pytest.raises(PackGone, match=r"The pack 'field' is not at .*field.haversack any more"):
            read()
    assert holdings.documents(holdings.collection("mine").id) == ()
    away.rename(pack.path)
    assert everything(holdings, here) == before


def test_a_file_that_takes_its_place_is_not_read(holdings: Holdings, pack: PackFile, tmp_path: Path) -> None:
    here = holdings.collection("field").id
    whole, before = pack.path.read_bytes(), everything(holdings, here)
    changed = bytearray(whole)
    changed[changed.index(b"twelve")] ^= 1
    pack.path.write_bytes(changed)
    for _ in range(3):
        with pytest.raises(PackAltered):
            everything(holdings, here)
    pack.path.write_bytes(b"short")
    with pytest.raises(HaversackError):
        everything(holdings, here)
    pack.path.write_bytes(whole)
    assert everything(holdings, here) == before


def test_the_texts_are_those_that_were_put_in(pack: PackFile, tmp_path: Path) -> None:
    pages = {shown[0]: shown[2:] for shown in list(texts(pack, tmp_path / "x"))[:6:2]}
    assert pages == {name: tuple(text) for name, text in PAGES.items()}
