"""A real Chroma server as the vector index: what goes there, what it is compared with, and what happens when it is away or wrong."""

from __future__ import annotations

import contextlib
import shutil
import sqlite3
import threading
import time
from collections.abc import Callable, Iterator, Mapping
from pathlib import Path
from typing import Any

import pytest

from appliance.basecamp.exchange import Limits
from appliance.basecamp.link import Link
from appliance.documents import Scored
from appliance.errors import BaseCampFailed
from appliance.library.exact import ExactVectors
from appliance.library.store import Library
from appliance.library.vectors_remote import Asks, RemoteVectors
from tests.basecamp.conftest import Chroma
from tests.basecamp.misbehaving import Misbehaving, endless, raw, reply, status
from tests.library.making import Maker, vectors_for

Remote = Callable[..., RemoteVectors]


@pytest.fixture
def remote(library: Library, chroma: Chroma, ask: Asks) -> Iterator[Remote]:
    made: list[RemoteVectors] = []

    def make(of: Library = library, pause: float = 0.5) -> RemoteVectors:
        made.append(RemoteVectors(of, ask, f"127.0.0.1:{chroma.port}", pause=pause, patience=0.05))
        return made[-1]

    yield make
    for one in made:
        one.close()


@pytest.fixture
def filled(library: Library, make: Maker) -> int:
    collection = library.ensure_collection("notes").id
    make(library, collection, "a.txt", "\n\n".join(f"Passage {number} of the first." for number in range(40)))
    make(library, collection, "b.txt", "\n\n".join(f"Passage {number} of the second." for number in range(40)))
    return collection


def until(condition: Callable[[], bool], seconds: float = 150) -> None:
    end = time.monotonic() + seconds
    while not condition():
        assert time.monotonic() < end, "it did not come to that"
        time.sleep(0.05)


def opened(vectors: RemoteVectors, collection: int) -> RemoteVectors:
    vectors.refresh(collection)
    until(lambda: vectors.state(collection) == "chroma")
    return vectors


def alike(found: list[Scored], expected: list[Scored]) -> bool:
    """The same passages in the same order; scores of two libraries are never the same to the last digit."""
    return [one.chunk_id for one in found] == [one.chunk_id for one in expected] and [one.score for one in found] == pytest.approx(
        [one.score for one in expected], abs=1e-3
    )


def test_it_finds_what_exact_search_finds(library: Library, filled: int, remote: Remote) -> None:
    vectors, exact = opened(remote(), filled), ExactVectors(library)
    for text in ("Passage 7 of the first.", "Passage 31 of the second.", "Something else altogether."):
        asked = vectors_for([text])[0]
        assert alike(vectors.search(filled, asked, 10), exact.search(filled, asked, 10))
        documents = [library.documents(filled)[0].id]
        assert vectors.search(filled, asked, 10, documents) == exact.search(filled, asked, 10, documents)
    assert vectors.state(filled) == "chroma"
    assert vectors.sentence.startswith("Passages are found by their vectors at 127.0.0.1:")


def test_only_ids_and_vectors_are_there(library: Library, filled: int, remote: Remote, chroma: Chroma) -> None:
    opened(remote(), filled)
    chroma.stop()
    held = b"".join(path.read_bytes() for path in (chroma.folder / "data").rglob("*") if path.is_file())
    assert b"Passage" not in held
    assert b"a.txt" not in held
    assert b"notes" not in held


def test_what_is_new_is_found_at_once_and_goes_there_with_the_next_refresh(
    library: Library, make: Maker, filled: int, remote: Remote, chroma: Chroma
) -> None:
    vectors = opened(remote(pause=600), filled)
    make(library, filled, "c.txt", "A third, new one.")
    assert vectors.search(filled, vectors_for(["A third, new one."])[0], 1)[0].score == pytest.approx(1, abs=1e-3)
    assert [len(ids) for ids in chroma.held().values()] == [80]
    vectors.refresh(filled)
    until(lambda: [len(ids) for ids in chroma.held().values()] == [81])


def test_searching_while_vectors_are_being_sent_says_nothing_against_the_server(
    library: Library, make: Maker, filled: int, chroma: Chroma, ask: Asks
) -> None:
    sent, go = threading.Event(), threading.Event()

    def pausing(request: Mapping[str, Any], seconds: float) -> Any:
        result = ask(request, seconds)
        if request["call"] == "add" and added:
            sent.set()
            assert go.wait(60)
        return result

    added: list[str] = []
    vectors = RemoteVectors(library, pausing, "camp:8000", pause=600, patience=0.05)
    try:
        opened(vectors, filled)
        added.append(make(library, filled, "c.txt", "A third, new one.").name)
        vectors.refresh(filled)
        assert sent.wait(60)
        asked = vectors_for(["A third, new one."])[0]
        assert alike(vectors.search(filled, asked, 5), ExactVectors(library).search(filled, asked, 5))
        assert vectors.state(filled) == "chroma"
        assert vectors.sentence == "Passages are found by their vectors at camp:8000."
    finally:
        go.set()
        vectors.close()


def test_removed_documents_are_never_found_and_their_vectors_are_deleted_there(library: Library, filled: int, remote: Remote, chroma: Chroma) -> None:
    vectors = opened(remote(), filled)
    first = library.documents(filled)[0]
    gone = {str(chunk.id) for chunk in library.chunks_of(first.id)}
    library.remove_document(first.id)
    assert not {str(hit.chunk_id) for hit in vectors.search(filled, vectors_for(["Passage 7 of the first."])[0], 40)} & gone
    until(lambda: not {one.split("-")[0] for ids in chroma.held().values() for one in ids} & gone)
    until(lambda: "removed" not in vectors.sentence)


def test_vectors_of_documents_removed_while_it_was_away_are_said_and_deleted_later(
    library: Library, filled: int, remote: Remote, chroma: Chroma
) -> None:
    vectors = opened(remote(), filled)
    chroma.stop()
    gone = {str(chunk.id) for chunk in library.chunks_of(library.documents(filled)[0].id)}
    library.remove_document(library.documents(filled)[0].id)
    until(lambda: "can't be reached" in vectors.sentence)
    assert "Vectors of removed passages are still there until then." in vectors.sentence
    chroma.start()
    until(lambda: "Passages are found by their vectors" in vectors.sentence)
    assert not {one.split("-")[0] for ids in chroma.held().values() for one in ids} & gone


def test_what_was_removed_by_another_run_is_deleted_at_the_next_start(library: Library, filled: int, remote: Remote, chroma: Chroma) -> None:
    opened(remote(), filled).close()
    library.remove_collection("notes")
    remote()
    until(lambda: chroma.held() == {})


def test_a_server_that_goes_away_costs_no_search_and_is_taken_again(library: Library, filled: int, remote: Remote, chroma: Chroma) -> None:
    vectors, exact = opened(remote(), filled), ExactVectors(library)
    asked = vectors_for(["Passage 7 of the first."])[0]
    chroma.stop()
    assert alike(vectors.search(filled, asked, 5), exact.search(filled, asked, 5))
    assert vectors.state(filled) == "exact"
    assert "can't be reached" in vectors.sentence
    assert "exact search here" in vectors.sentence
    chroma.start()
    until(lambda: bool(vectors.search(filled, asked, 5)) and vectors.state(filled) == "chroma")


def test_two_libraries_on_one_server_dont_mix(library: Library, make: Maker, filled: int, remote: Remote, chroma: Chroma, tmp_path: Path) -> None:
    with Library.open(tmp_path / "other", write=True, purpose="test", fingerprint="test-model") as other:
        collection = other.ensure_collection("notes").id
        assert collection == filled, "the same number in both"
        make(other, collection, "z.txt", "\n\n".join(f"Quite another thing {number}." for number in range(30)))
        mine, theirs = opened(remote(), filled), opened(remote(other), collection)
        assert sorted(len(ids) for ids in chroma.held().values()) == [30, 80]
        asked = vectors_for(["Quite another thing 3."])[0]
        assert alike(theirs.search(collection, asked, 5), ExactVectors(other).search(collection, asked, 5))
        assert alike(mine.search(filled, asked, 5), ExactVectors(library).search(filled, asked, 5))
        theirs.close()


def test_a_copy_of_a_library_takes_a_place_of_its_own(
    library: Library, make: Maker, filled: int, remote: Remote, home: Path, tmp_path: Path, chroma: Chroma
) -> None:
    mine = opened(remote(), filled)
    # A backup brought back on another machine: the same identity, and from here on other documents under the same numbers.
    shutil.copytree(home, tmp_path / "copy", ignore=shutil.ignore_patterns("*.lock", "*-journal"))
    with Library.open(tmp_path / "copy", write=True, purpose="test", fingerprint="test-model") as copy:
        make(copy, filled, "c.txt", "\n\n".join(f"Only in the copy {number}." for number in range(20)))
        make(library, filled, "d.txt", "\n\n".join(f"Only in the original {number}." for number in range(10)))
        theirs = opened(remote(copy), filled)
        mine.refresh(filled)
        until(lambda: sorted(len(ids) for ids in chroma.held().values()) == [90, 100])
        for vectors, where in ((mine, library), (theirs, copy)):
            for text in ("Only in the copy 3.", "Only in the original 3.", "Passage 7 of the first."):
                asked = vectors_for([text])[0]
                assert alike(vectors.search(filled, asked, 5), ExactVectors(where).search(filled, asked, 5))
        theirs.close()


def test_a_collection_that_somebody_emptied_or_changed_is_made_anew(library: Library, filled: int, remote: Remote, chroma: Chroma, ask: Asks) -> None:
    vectors = opened(remote(), filled)
    (name,) = chroma.held()
    ask({"call": "delete", "name": name, "ids": chroma.held()[name][:50]}, 5)
    vectors.refresh(filled)
    until(lambda: [len(ids) for ids in chroma.held().values()] == [80])
    ask({"call": "remove", "name": name}, 5)
    asked = vectors_for(["Passage 7 of the first."])[0]
    exact = ExactVectors(library).search(filled, asked, 5)
    assert alike(vectors.search(filled, asked, 5), exact)
    until(lambda: bool(vectors.search(filled, asked, 5)) and vectors.state(filled) == "chroma")
    assert alike(vectors.search(filled, asked, 5), exact)
    assert list(chroma.held()) != [name]


def test_answers_that_cant_be_right_are_not_taken(library: Library, filled: int, chroma: Chroma, ask: Asks) -> None:
    lie = threading.Event()
    lies: list[Any] = []

    def lying(request: Mapping[str, Any], seconds: float) -> Any:
        return lies[-1] if lie.is_set() and request["call"] == "query" else ask(request, seconds)

    vectors, exact = RemoteVectors(library, lying, "camp:8000", pause=0.2, patience=0.05), ExactVectors(library)
    asked = vectors_for(["Passage 7 of the first."])[0]
    expected = exact.search(filled, asked, 5)
    real = library.chunks_of(library.documents(filled)[0].id)[0].id
    try:
        for one in (
            [[["999999-00000000", 0.9]]],
            [[[f"{real}-00000000", 0.9]]],
            [[["rubbish", 0.9]]],
            [[["1-aaaaaaaa", 7.0]]],
            [],
            None,
            [[3]],
            [[]] * 2,
        ):
            lie.clear()
            until(lambda: bool(vectors.search(filled, asked, 5)) and vectors.state(filled) == "chroma")
            lies.append(one)
            lie.set()
            assert alike(vectors.search(filled, asked, 5), expected), one
            assert vectors.state(filled) == "exact", one
            assert "The base camp at camp:8000 found something that" in vectors.sentence
    finally:
        vectors.close()


def test_a_server_that_loses_vectors_quietly_is_found_out_by_the_probes(library: Library, filled: int, chroma: Chroma, ask: Asks) -> None:
    def losing(request: Mapping[str, Any], seconds: float) -> Any:
        found = ask(request, seconds)
        return [row[:4] for row in found] if request["call"] == "query" else found

    vectors = RemoteVectors(library, losing, "camp:8000", pause=600, patience=0.05)
    try:
        vectors.refresh(filled)
        until(lambda: "doesn't find again what was put there" in vectors.sentence)
        assert vectors.state(filled) == "exact"
    finally:
        vectors.close()


FAULTS = {
    "is a web page": raw("HTTP/1.1 200 OK\r\nContent-Length: 6\r\n\r\n<html>"),
    "has another shape": reply({"collections": 3}),
    "is a list of rubbish": reply([{"id": 3, "name": 7}]),
    "closes at once": raw(b""),
    "is 500": status(500, "Oh", {"error": "InternalError", "message": "disk full"}),
    "drips for ever": endless(b" ", 0.1, begin="HTTP/1.1 200 OK\r\n\r\n"),
    "has no end": endless(b"[" + b"0," * 500_000, begin="HTTP/1.1 200 OK\r\n\r\n"),
    "redirects": status(307, "Elsewhere", Location="http://127.0.0.1:1/"),
}


@pytest.mark.parametrize("fault", FAULTS)
def test_a_server_that_is_none_leaves_exact_search_and_a_sentence(
    library: Library, filled: int, rogue: Misbehaving, link: Callable[..., Link], fault: str
) -> None:
    rogue.on("/collections", FAULTS[fault])
    connected = link("", rogue.url.removesuffix("/v1"), Limits())
    vectors = RemoteVectors(library, connected.vector_call, connected.hosts[0], pause=600, patience=0.05)
    try:
        asked = vectors_for(["Passage 7 of the first."])[0]
        assert alike(vectors.search(filled, asked, 5), ExactVectors(library).search(filled, asked, 5))
        until(lambda: f"The base camp at 127.0.0.1:{rogue.port} " in vectors.sentence)
        assert vectors.state(filled) == "exact"
        assert "exact search here" in vectors.sentence
    finally:
        vectors.close()


def test_a_slow_server_costs_a_search_no_more_than_its_limit(library: Library, filled: int, chroma: Chroma, ask: Asks) -> None:
    slow = threading.Event()

    def slowing(request: Mapping[str, Any], seconds: float) -> Any:
        if slow.is_set():
            time.sleep(seconds)
            raise BaseCampFailed(address="camp:8000", detail=f"gives no answer within {seconds:g} s")
        return ask(request, seconds)

    vectors = RemoteVectors(library, slowing, "camp:8000", pause=600, patience=0.05)
    try:
        opened(vectors, filled)
        slow.set()
        asked = vectors_for(["Passage 7 of the first."])[0]
        started = time.monotonic()
        assert vectors.search(filled, asked, 5)
        assert time.monotonic() - started < 6
        started = time.monotonic()
        assert vectors.search(filled, asked, 5)
        assert time.monotonic() - started < 1.4, "the second doesn't wait for it"
    finally:
        vectors.close()


def test_the_identity_is_made_once_and_kept(library: Library, filled: int, remote: Remote, home: Path, chroma: Chroma) -> None:
    opened(remote(), filled).close()
    (name,) = chroma.held()
    identity = name.split("-")[1]
    with contextlib.closing(sqlite3.connect(home / "library.sqlite3")) as connection:
        assert connection.execute("SELECT value FROM settings WHERE name = 'identity'").fetchone() == (identity,)
    opened(remote(), filled)
    assert list(chroma.held()) == [name], "what is there is used again"
