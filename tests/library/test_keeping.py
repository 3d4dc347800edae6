"""The ledger, the check, and backups: what was read, whether it is whole, and how it comes back."""

from __future__ import annotations

import json
import shutil
import zipfile
from pathlib import Path

import pytest

from appliance.documents import Conversion, Page, UnreadPage
from appliance.errors import LibraryBusy, LibraryTooNew, NotABackup
from appliance.library.backup import backup, restore
from appliance.library.conversations import Conversations
from appliance.library.health import Finding, check
from appliance.library.ledger import ledger
from appliance.library.store import Library
from tests.library.making import Maker, vectors_for


def filled(library: Library, make: Maker) -> None:
    collection = library.ensure_collection("a")
    make(library, collection.id, "a.txt", "one", "two", title="First")
    make(library, collection.id, "b.txt", "three 東京")
    make(library, library.ensure_collection("b").id, "c.txt", "four")


def contents(home: Path) -> object:
    with Library.open(home, write=False) as library:
        return [
            (collection, document, library.pages(document.id), library.chunks_of(document.id), (library.original(document.id) or home).read_bytes())
            for collection in library.collections()
            for document in library.documents(collection.id)
        ]


def test_the_ledger_says_what_was_read_and_what_was_not(library: Library, make: Maker) -> None:
    collection = library.ensure_collection("a")
    good = make(library, collection.id, "b.txt", "good")
    pages = (Page(1, "text"), Page(2, "", reason="no text: probably a scan"))
    partial = library.add_document(
        collection.id,
        name="c.pdf",
        sha256="1" * 64,
        size=1,
        original=None,
        conversion=Conversion("pdf", pages, reader="pypdf"),
        passages=[],
        vectors=vectors_for([]),
    )
    library.record_failure(collection.id, name="a.pdf", sha256="2" * 64, size=0, reason="It is empty.")
    library.record_failure(collection.id, name="b.txt", sha256="3" * 64, size=5, reason="It is not text.")
    failed, older, scanned = ledger(library, collection.id)
    assert (failed.document, failed.status, failed.reason, failed.document_id) == ("a.pdf", "failed", "It is empty.", None)
    assert (older.document, older.status, older.document_id) == ("b.txt", "indexed", good.id)
    assert "It is not text." in (older.reason or "")
    assert (scanned.status, scanned.unread, scanned.reader, scanned.document_id) == (
        "partial",
        (UnreadPage(2, "no text: probably a scan"),),
        "pypdf",
        partial.id,
    )
    make(library, collection.id, "a.pdf", "readable now")
    now_read, older, _ = ledger(library, collection.id)
    assert (now_read.status, now_read.reason) == ("indexed", None)
    assert "It is not text." in (older.reason or "")


def test_a_whole_library_has_no_findings(library: Library, make: Maker) -> None:
    assert check(library) == ()
    filled(library, make)
    assert check(library) == check(library, full=False) == ()
    with Library.open(library.home, write=False) as reader:
        assert check(reader) == ()


@pytest.mark.parametrize(
    ("change", "words"),
    [
        ("UPDATE pages SET text = 'other' WHERE id = 1", "page 0 of document 1"),
        ("UPDATE chunks SET start = 1 WHERE id = 1", "passage 1"),
        ("DELETE FROM chunks WHERE id = 2", "vectors"),
        ("UPDATE embeddings SET data = zeroblob(length(data)) WHERE document_id = 1", "vectors"),
        ("UPDATE embeddings SET count = count + 1 WHERE document_id = 1", "vectors"),
        ("UPDATE documents SET name = 'x' WHERE id = 1", "entry of document 1"),
        ("DELETE FROM pages WHERE id = 2", "pages"),
        ("INSERT INTO keywords_1(keywords_1, rowid, text, title, heading) VALUES ('delete', 1, 'one', 'First a', '')", "keyword index of a"),
        ("INSERT INTO keywords_1(rowid, text, title, heading) VALUES (1, 'extra', '', '')", "keyword index of a"),
        ("DROP TABLE keywords_2", "keywords_2"),
        ("PRAGMA foreign_keys = OFF", ""),
    ],
)
def test_the_check_names_what_is_wrong(library: Library, make: Maker, change: str, words: str) -> None:
    filled(library, make)
    with library.database.writing() as connection:
        connection.execute(change)
    findings = check(library)
    assert all(finding.advice for finding in findings)
    assert any(words in finding.sentence for finding in findings) if words else findings == ()


@pytest.mark.parametrize(
    "change",
    [
        "UPDATE chunks SET text = 'other words' WHERE id = 1",
        "UPDATE documents SET title = 'other' WHERE id = 1",
        "UPDATE embeddings SET count = 7, data = x'00' WHERE document_id = 1",
        "DELETE FROM chunks WHERE id = 1",
    ],
)
def test_a_damaged_document_can_be_removed_and_ingested_again(library: Library, make: Maker, change: str) -> None:
    filled(library, make)
    with library.database.writing() as connection:
        connection.execute(change)
    assert check(library)
    library.remove_document(1)
    assert check(library) == ()
    make(library, library.collection("a").id, "a.txt", "one", "two", title="First")
    assert check(library) == ()


def test_a_broken_vector_index_is_only_a_warning(library: Library) -> None:
    (library.home / "index" / "1" / "3").mkdir(parents=True)
    (finding,) = check(library)
    assert finding.severity == "warning"
    assert isinstance(finding, Finding)


def test_a_keyword_index_can_be_made_anew(library: Library, make: Maker) -> None:
    filled(library, make)
    with library.database.writing() as connection:
        connection.execute("INSERT INTO keywords_1(keywords_1) VALUES ('delete-all')")
    assert check(library)
    library.rebuild_keywords()
    assert check(library) == ()


def test_a_backup_brings_everything_back(library: Library, make: Maker, home: Path, tmp_path: Path) -> None:
    filled(library, make)
    conversation = Conversations(library).start(library.collection("a").id, "kept")
    file = tmp_path / "stick" / "backup.zip"
    file.parent.mkdir()
    backup(library, file)
    before = contents(home)
    library.remove_collection("a")
    make(library, library.ensure_collection("later").id, "d.txt", "later")
    library.close()
    for target in (home, tmp_path / "new" / "home"):
        restore(target, file)
        assert contents(target) == before
        with Library.open(target, write=True) as restored:
            assert check(restored) == ()
            assert Conversations(restored).get(conversation.id) == conversation
        assert len(list((target / "originals").glob("*/*"))) == 3
    assert [path.name for path in file.parent.iterdir()] == ["backup.zip"]


def test_a_backup_can_be_made_beside_a_writer_and_not_restored_under_one(library: Library, make: Maker, home: Path, tmp_path: Path) -> None:
    filled(library, make)
    with Library.open(home, write=False) as reader:
        backup(reader, tmp_path / "backup.zip")
    with pytest.raises(LibraryBusy):
        restore(home, tmp_path / "backup.zip")
    library.close()
    restore(home, tmp_path / "backup.zip")


def test_what_is_not_a_whole_backup_changes_nothing(library: Library, make: Maker, home: Path, tmp_path: Path) -> None:
    filled(library, make)
    file = tmp_path / "backup.zip"
    backup(library, file)
    library.close()
    before = contents(home)
    whole = file.read_bytes()
    bad = tmp_path / "bad.zip"
    damages = {
        "empty": b"",
        "noise": bytes(range(256)) * 40,
        "cut": whole[: len(whole) // 2],
        "tail": whole[:-10],
        **{f"flip {place}": whole[:place] + bytes([whole[place] ^ 4]) + whole[place + 1 :] for place in range(40, len(whole), len(whole) // 25)},
    }
    for name, content in damages.items():
        bad.write_bytes(content)
        try:
            restore(home, bad)
        except NotABackup:
            pass
        else:  # a flip in zip's own padding changes nothing that is restored
            assert name.startswith("flip")
        assert contents(home) == before, name
        assert not (home / "restoring").exists()
    with pytest.raises(NotABackup, match="not there"):
        restore(home, tmp_path / "none.zip")
    assert contents(home) == before


def test_a_backup_that_names_other_files_is_refused(library: Library, make: Maker, home: Path, tmp_path: Path) -> None:
    filled(library, make)
    file = tmp_path / "backup.zip"
    backup(library, file)
    library.close()
    with zipfile.ZipFile(file) as bag:
        inside = {name: bag.read(name) for name in bag.namelist()}
    note = json.loads(inside["haversack-backup.json"])
    for name in ("../evil", "/tmp/evil", "originals/../../evil", "originals/aa/evil.py", "C:evil"):
        altered = {**note, "files": {**note["files"], name: [4, "0" * 64]}}
        with zipfile.ZipFile(tmp_path / "evil.zip", "w") as bag:
            for one, content in {**inside, "haversack-backup.json": json.dumps(altered).encode(), name: b"evil"}.items():
                bag.writestr(one, content)
        with pytest.raises(NotABackup):
            restore(home, tmp_path / "evil.zip")
    assert not (tmp_path / "evil").exists()


def test_a_backup_of_a_newer_format_says_so(library: Library, home: Path, tmp_path: Path) -> None:
    with library.database.writing() as connection:
        connection.execute("PRAGMA user_version = 99")
    backup(library, tmp_path / "backup.zip")
    library.close()
    with pytest.raises(LibraryTooNew, match="99"):
        Library.open(home, write=False)
    shutil.rmtree(home)
    with pytest.raises(LibraryTooNew):
        restore(home, tmp_path / "backup.zip")
