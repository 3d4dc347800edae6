"""A pack signed by someone who means harm: whatever its rows hold, it is refused or read as that pack's own, and nothing falls over."""

from __future__ import annotations

import json
import math
import sqlite3
import subprocess
import sys
from collections.abc import Iterator
from contextlib import closing
from pathlib import Path
from zlib import crc32

import numpy
import pytest

from appliance.errors import PackAltered
from appliance.library import keywords
from appliance.library.exact import ExactVectors
from appliance.library.ledger import ledger
from appliance.library.schema import seal
from appliance.minisign import SecretKey, load_key
from appliance.packs.file import PackFile, read_pack
from appliance.packs.finding import open_pack
from appliance.packs.holdings import Holdings
from appliance.packs.mount import Mount
from tests.library.making import DIMENSIONS, Maker, vectors_for
from tests.packs.conftest import MODEL
from tests.packs.forging import forge

MUTATIONS = 60
_COLUMNS = {
    "documents": "collection_id, name, sha256, kind, title, size, pages, chunks, status, added, reader, original, headings, metadata",
    "pages": "number, text, label, reason, position",
    "chunks": "document_id, position, page, start, end, text, heading",
}


@pytest.fixture
def stranger(tmp_path: Path) -> SecretKey:
    return load_key(tmp_path / "stranger.pem")


@pytest.fixture
def mine(home: Path, make: Maker) -> Iterator[Holdings]:
    """A library with a secret of its own, whose ids a pack may try to name."""
    with Holdings.open(home, write=True, fingerprint=MODEL) as library:
        make(library, library.ensure_collection("mine").id, "mine.txt", "My own secret well.\n\nAnd another.")
        yield library


def ask_everything(holdings: Holdings, pack: PackFile) -> list[str]:
    """Open the pack, and all the texts that it can make the library show."""
    kept = open_pack(holdings, pack)
    holdings.look(None, MODEL)
    try:
        collection = kept.collection_id
        shown: list[str] = [one.name for one in holdings.collections() if one.id == collection]
        by_word = keywords.search(holdings, collection, "well pump secret another", 20)
        by_meaning = ExactVectors(holdings).search(collection, vectors_for(["My own secret well."])[0], 20)
        assert all(math.isfinite(one.score) for one in (*by_word, *by_meaning))
        shown += [chunk.text for chunk in holdings.chunks([one.chunk_id for one in (*by_word, *by_meaning)]).values()]
        keywords.document_frequency(holdings, collection, ["well"])
        for document in holdings.documents(collection):
            shown += [document.name, document.title, *(page.text for page in holdings.pages(document.id))]
            shown += [chunk.text for chunk in holdings.chunks_of(document.id)]
            shown += [one.title for one in holdings.headings(document.id)] + list(holdings.metadata(document.id).values())
            holdings.original(document.id)
            holdings.unread(document.id)
        shown += [one.document for one in ledger(holdings, collection)]
        holdings.chunk_ranges(collection)
        return shown
    finally:
        holdings.close_pack(kept.name)


def sealed(pack: PackFile, target: Path, key: SecretKey, table: str, column: str, value: object) -> PackFile:
    """The pack with one value changed and the row's own checksum made to fit, signed anew."""
    copy = target.with_suffix(".rows")
    copy.write_bytes(pack.path.read_bytes()[: pack.database])
    with closing(sqlite3.connect(copy, isolation_level=None)) as connection:
        connection.execute(f"UPDATE {table} SET {column} = ? WHERE rowid = 1", (value,))
        row = connection.execute(f"SELECT {_COLUMNS[table]} FROM {table} WHERE rowid = 1").fetchone()
        connection.execute(f"UPDATE {table} SET seal = ? WHERE rowid = 1", (seal(*row),))
    content = pack.path.read_bytes()
    changed = copy.read_bytes()
    assert len(changed) == pack.database
    whole = target.with_suffix(".whole")
    whole.write_bytes(changed + content[pack.database :])
    forged = PackFile(**{**{name: getattr(pack, name) for name in PackFile.__slots__}, "path": whole})
    return read_pack(forge(forged, target, key))


@pytest.mark.parametrize(
    ("table", "column", "value"),
    [
        ("documents", "name", b"\xff\xfe"),
        ("documents", "name", 5),
        ("documents", "size", "large"),
        ("documents", "pages", 1 << 40),
        ("documents", "chunks", -1),
        ("documents", "headings", "5"),
        ("documents", "headings", '[["a", "b", 5, []]]'),
        ("documents", "headings", "[" * 4000),
        ("documents", "headings", '{"a": '),
        ("documents", "metadata", "[1]"),
        ("documents", "status", b"x"),
        ("documents", "original", "../../../etc/passwd"),
        ("documents", "original", 7),
        ("documents", "collection_id", 2),
        ("pages", "text", b"\xff"),
        ("pages", "text", 5),
        ("pages", "number", "one"),
        ("pages", "position", 1 << 60),
        ("chunks", "heading", "null"),
        ("chunks", "heading", "not json"),
        ("chunks", "heading", '[[[["deep"]]], {}]'),
        ("chunks", "document_id", 99),
        ("chunks", "start", "x"),
        ("chunks", "text", b"\x00"),
    ],
)
def test_a_value_of_another_kind_is_refused_or_harmless(
    mine: Holdings, pack: PackFile, tmp_path: Path, stranger: SecretKey, table: str, column: str, value: object
) -> None:
    forged = sealed(pack, tmp_path / "forged", stranger, table, column, value)
    try:
        shown = ask_everything(mine, forged)
    except PackAltered:
        return
    assert all(isinstance(text, str) for text in shown)
    assert not [text for text in shown if "secret" in text]


@pytest.mark.parametrize(
    "statements",
    [
        "UPDATE embeddings SET first = first - 4294967296 * 2 + 1",
        "UPDATE embeddings SET first = 4294967296",
        "UPDATE embeddings SET dimensions = 0, count = 1000000000, data = x''",
        "UPDATE embeddings SET collection_id = 9",
        "INSERT INTO keywords_1(rowid, text) VALUES (-8589934591, 'well well well secret')",
        "INSERT INTO keywords_1(rowid, text) VALUES (4294967297, 'well well well secret')",
        "UPDATE keywords_1_data SET block = zeroblob(length(block)) WHERE id > 10",
        "UPDATE keywords_1_data SET block = randomblob(length(block))",
        "DELETE FROM keywords_1_docsize",
        "UPDATE keywords_1_docsize SET sz = x'ffffffffffffffff'",
        "UPDATE keywords_1_config SET v = 99",
    ],
)
def test_numbers_and_indexes_that_reach_for_others_find_nothing(
    mine: Holdings, pack: PackFile, tmp_path: Path, stranger: SecretKey, statements: str
) -> None:
    forged = read_pack(forge(pack, tmp_path / "forged", stranger, statements=statements))
    try:
        shown = ask_everything(mine, forged)
    except PackAltered:
        return
    assert not [text for text in shown if "secret" in text]


@pytest.mark.parametrize("value", [float("nan"), float("inf"), float("-inf")])
def test_vectors_that_are_no_numbers_are_refused(mine: Holdings, pack: PackFile, tmp_path: Path, stranger: SecretKey, value: float) -> None:
    source = Mount(pack, 0, "x", tmp_path)
    ids, _ = source.vectors_of(0, documents=[1])
    source.close()
    data = numpy.full((len(ids), DIMENSIONS), value, dtype="<f2").tobytes()
    checksum = seal(1, int(ids[0]), len(ids), DIMENSIONS, crc32(data))
    statements = f"UPDATE embeddings SET data = x'{data.hex()}', seal = {checksum} WHERE document_id = 1"
    forged = read_pack(forge(pack, tmp_path / "forged", stranger, statements=statements))
    with pytest.raises(PackAltered, match="no number"):
        ask_everything(mine, forged)


def test_vectors_of_another_length_than_the_embedders_are_refused(mine: Holdings, pack: PackFile) -> None:
    open_pack(mine, pack)
    mine.look(None, MODEL)
    with pytest.raises(PackAltered, match=f"its vectors have {DIMENSIONS} dimensions, the embedder's 7"):
        ExactVectors(mine).search(mine.collection("field").id, numpy.ones(7, dtype=numpy.float32), 3)


_FUZZ = """
import json, sys
from pathlib import Path
import random
import tests.packs.test_hostile_makers as case
from appliance.errors import HaversackError
from appliance.minisign import load_key
from appliance.packs.file import PackFile, read_pack
from appliance.packs.holdings import Holdings
from tests.packs.conftest import MODEL
from tests.packs.forging import forge
home, source, folder, mutations = Path(sys.argv[1]), Path(sys.argv[2]), Path(sys.argv[3]), int(sys.argv[4])
pack, key, chance = read_pack(source), load_key(folder / "fuzzer.pem"), random.Random(5)
content = source.read_bytes()
used = [place for place in range(100, pack.database) if content[place]]
refused = 0
with Holdings.open(home, write=True, fingerprint=MODEL) as holdings:
    for number in range(mutations):
        changed = bytearray(content)
        for _ in range(chance.choice([1, 1, 2, 20])):
            changed[chance.choice(used)] = chance.randrange(256)
        mutated = folder / "mutated"
        mutated.write_bytes(changed)
        again = PackFile(**{**{name: getattr(pack, name) for name in PackFile.__slots__}, "path": mutated})
        try:
            shown = case.ask_everything(holdings, read_pack(forge(again, folder / f"forged{number}", key)))
            assert not [text for text in shown if "secret" in text]
        except HaversackError:
            refused += 1
        (folder / f"forged{number}").unlink()
print(json.dumps({"refused": refused}))
"""


def test_damage_that_its_maker_signed_ends_in_a_sentence_and_never_in_a_crash(mine: Holdings, home: Path, pack: PackFile, tmp_path: Path) -> None:
    """In a process of its own: a crash in SQLite's code would take the tests with it."""
    mine.close()
    done = subprocess.run(
        [sys.executable, "-c", _FUZZ, str(home), str(pack.path), str(tmp_path), str(MUTATIONS)],
        capture_output=True,
        text=True,
        timeout=300,
        check=False,
    )
    assert done.returncode == 0, done.stderr[-2000:]
    assert MUTATIONS / 3 < json.loads(done.stdout)["refused"] <= MUTATIONS
