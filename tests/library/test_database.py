"""One writer, any number of readers, processes and threads; and each of SQLite's refusals as one sentence."""

from __future__ import annotations

import contextlib
import os
import sqlite3
import subprocess
import sys
import threading
from collections.abc import Iterator
from pathlib import Path

import pytest

from appliance.errors import HaversackError, LibraryBusy, LibraryDamaged, LibraryReadOnly
from appliance.library import keywords
from appliance.library.lock import holder
from appliance.library.store import Library
from tests.library.making import Maker

OTHER_WRITER = """
import sys
from pathlib import Path
from appliance.library.store import Library
library = Library.open(Path(sys.argv[1]), write=True, purpose="serving")
library.announce("http://127.0.0.1:8765")
print("open", flush=True)
sys.stdin.read()
"""


@contextlib.contextmanager
def another_writer(home: Path) -> Iterator[subprocess.Popen[str]]:
    pipe = subprocess.PIPE
    with subprocess.Popen([sys.executable, "-c", OTHER_WRITER, str(home)], stdin=pipe, stdout=pipe, text=True) as process:
        assert process.stdout is not None
        assert process.stdout.readline() == "open\n"
        yield process
        process.kill()


def test_a_second_writer_is_refused_and_told_who_writes(home: Path, make: Maker) -> None:
    assert holder(home) is None
    with another_writer(home) as process:
        found = Library.holder(home)
        assert found is not None
        assert (found.pid, found.purpose, found.url) == (process.pid, "serving", "http://127.0.0.1:8765")
        with pytest.raises(LibraryBusy, match=rf"process {process.pid}, serving at http://127\.0\.0\.1:8765"):
            Library.open(home, write=True)
        with Library.open(home, write=False) as reader:
            assert reader.collections() == ()
    # The lock of a killed process is gone with it; what it wrote into the file says nothing any more.
    assert (home / "writer.lock").read_text(encoding="utf-8").startswith('{"pid"')
    assert holder(home) is None
    with Library.open(home, write=True) as library:
        make(library, library.ensure_collection("a").id, "a.txt", "text")


@pytest.mark.parametrize("note", [b"", b"not json", b'{"pid": "x"}', b"[]", b"\xff" * 5000])
def test_a_stale_lock_file_of_any_content_is_harmless(home: Path, note: bytes) -> None:
    home.mkdir()
    (home / "writer.lock").write_bytes(note)
    assert holder(home) is None
    with Library.open(home, write=True), pytest.raises(LibraryBusy):
        Library.open(home, write=True)


def test_a_reader_looks_on_while_documents_come_and_go(library: Library, make: Maker, home: Path) -> None:
    collection = library.ensure_collection("a")
    make(library, collection.id, "stays.txt", "goats stay", "second page")
    problems: list[BaseException] = []
    stop = threading.Event()

    def look() -> None:
        try:
            while not stop.is_set():
                with Library.open(home, write=False) as reader:
                    for document in reader.documents(collection.id):
                        with contextlib.suppress(HaversackError):  # gone between the two questions
                            assert len(reader.chunks_of(document.id)) in (0, 2)
                    (hit,) = keywords.search(library, collection.id, "goats", 5)
                    assert library.chunks([hit.chunk_id])[hit.chunk_id].text == "goats stay"
        except BaseException as error:
            problems.append(error)

    threads = [threading.Thread(target=look) for _ in range(4)]
    for thread in threads:
        thread.start()
    for number in range(15):
        document = make(library, collection.id, f"{number % 3}.txt", f"version {number}", "more")
        if number % 2:
            library.remove_document(document.id)
    stop.set()
    for thread in threads:
        thread.join()
    assert problems == []


def test_threads_write_one_after_the_other(library: Library, make: Maker) -> None:
    collection = library.ensure_collection("a")
    threads = [threading.Thread(target=make, args=(library, collection.id, f"{number}.txt", f"text {number}")) for number in range(8)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert library.collection("a").documents == 8


def test_a_transaction_that_fails_leaves_nothing(library: Library) -> None:
    def half() -> None:
        with library.database.writing() as connection:
            connection.execute("INSERT INTO collections (name, seal) VALUES ('half', 0)")
            raise ZeroDivisionError

    with pytest.raises(ZeroDivisionError):
        half()
    assert library.collections() == ()


@pytest.mark.parametrize("content", [b"", b"not a database at all" * 100, b"SQLite format 3\0" + b"\0" * 5000])
def test_a_file_that_is_no_library_is_named_and_left_as_it_is(home: Path, content: bytes) -> None:
    home.mkdir()
    (home / "library.sqlite3").write_bytes(content)
    for write in (False, True):
        with pytest.raises(LibraryDamaged, match="left as it is"):
            Library.open(home, write=write)
        assert (home / "library.sqlite3").read_bytes() == content
    assert holder(home) is None


def test_a_database_of_another_program_is_not_taken_for_a_library(home: Path) -> None:
    home.mkdir()
    with contextlib.closing(sqlite3.connect(home / "library.sqlite3")) as connection:
        connection.execute("CREATE TABLE other (x)")
    with pytest.raises(LibraryDamaged, match="not a Haversack library"):
        Library.open(home, write=True)


def test_a_home_that_is_a_file_is_named(tmp_path: Path) -> None:
    (tmp_path / "home").write_text("")
    with pytest.raises(LibraryReadOnly, match="home"):
        Library.open(tmp_path / "home", write=True)


@pytest.mark.parametrize(
    ("message", "kind"),
    [
        ("SQLITE_FULL", "DiskFull"),
        ("SQLITE_BUSY", "LibraryBusy"),
        ("SQLITE_READONLY", "LibraryReadOnly"),
        ("SQLITE_CANTOPEN", "LibraryReadOnly"),
        ("SQLITE_IOERR_WRITE", "LibraryReadOnly"),
        ("SQLITE_IOERR_READ", "LibraryDamaged"),
        ("SQLITE_IOERR_SHORT_READ", "LibraryDamaged"),
        ("SQLITE_CORRUPT", "LibraryDamaged"),
        ("SQLITE_NOTADB", "LibraryDamaged"),
        ("SQLITE_ERROR", "LibraryDamaged"),
    ],
)
def test_every_refusal_of_sqlite_has_its_sentence(library: Library, message: str, kind: str) -> None:
    error = sqlite3.OperationalError("as SQLite says it")
    error.sqlite_errorcode = getattr(sqlite3, message)
    with pytest.raises(HaversackError) as caught, library.database.errors():
        raise error
    assert type(caught.value).__name__ == kind
    assert "?" not in str(caught.value).replace("process ?", "")
    assert caught.value.__cause__ is error


def test_files_are_for_their_owner_only(library: Library, home: Path) -> None:
    if os.name == "posix":
        assert home.stat().st_mode & 0o77 == 0
        assert (home / "library.sqlite3").stat().st_mode & 0o77 == 0
        assert (home / "writer.lock").stat().st_mode & 0o77 == 0


def test_the_pragmas_that_keep_promises_are_set(library: Library) -> None:
    with library.database.writing() as connection:
        found = {
            name: connection.execute(f"PRAGMA {name}").fetchone()[0] for name in ("journal_mode", "synchronous", "secure_delete", "foreign_keys")
        }
    assert found == {"journal_mode": "delete", "synchronous": 3, "secure_delete": 1, "foreign_keys": 1}
