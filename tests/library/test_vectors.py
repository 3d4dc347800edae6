"""One contract for both vector searches, and Chroma's generations: sealed, swapped, dropped, made again."""

from __future__ import annotations

import shutil
import time
from collections.abc import Callable, Iterator
from pathlib import Path

import numpy
import pytest

from appliance.library import generation
from appliance.library.exact import best, unit, within
from appliance.library.store import Library
from appliance.library.vectors import ExactVectors, Vectors
from tests.library.making import DIMENSIONS, Maker, vectors_for

Searches = ExactVectors | Vectors


def settle(vectors: Vectors, collection_id: int, seconds: float = 60) -> str:
    """Wait until the background thread is done with the collection."""
    end = time.monotonic() + seconds
    while vectors.state(collection_id) == "building":
        assert time.monotonic() < end, "the index was not built in time"
        time.sleep(0.02)
    return vectors.state(collection_id)


def generations(home: Path) -> list[str]:
    return sorted(path.relative_to(home / "index").as_posix() for path in (home / "index").glob("*/*"))


@pytest.fixture
def vectors(library: Library, home: Path) -> Iterator[Vectors]:
    made = Vectors(library, home / "index", patience=0)
    yield made
    made.close()


@pytest.fixture(params=["exact", "chroma"])
def searching(request: pytest.FixtureRequest, library: Library) -> Iterator[Callable[[int], Searches]]:
    """The search to test, settled on a collection."""
    opened: list[Searches] = []

    def settled(collection_id: int) -> Searches:
        if request.param == "exact":
            opened.append(ExactVectors(library))
        else:
            made = Vectors(library, library.home / "index", patience=0)
            opened.append(made)
            made.refresh(collection_id)
            assert settle(made, collection_id) == "chroma"
        return opened[-1]

    yield settled
    for one in opened:
        one.close()


def test_stored_vectors_find_themselves_with_cosine_one(library: Library, make: Maker, searching: Callable[[int], Searches]) -> None:
    collection = library.ensure_collection("a")
    texts = [f"text {number}" for number in range(60)]
    documents = [make(library, collection.id, f"{start}.txt", *texts[start : start + 20]) for start in (0, 20, 40)]
    search = searching(collection.id)
    by_text = {chunk.text: chunk.id for document in documents for chunk in library.chunks_of(document.id)}
    for text, vector in zip(texts, vectors_for(texts), strict=True):
        hits = search.search(collection.id, 3 * vector, 5)
        assert hits[0].chunk_id == by_text[text]
        assert hits[0].score == pytest.approx(1, abs=1e-3)
        assert [hit.score for hit in hits] == sorted((hit.score for hit in hits), reverse=True)
        assert len(hits) == 5
    within_one = library.chunks(hit.chunk_id for hit in search.search(collection.id, vectors_for(["x"])[0], 50, [documents[1].id]))
    assert {chunk.document_id for chunk in within_one.values()} == {documents[1].id}
    assert len(within_one) == 20
    assert search.search(collection.id, vectors_for(["x"])[0], 5, []) == []
    assert search.search(collection.id, vectors_for(["x"])[0], 0) == []
    assert search.search(collection.id, numpy.zeros(DIMENSIONS, dtype=numpy.float32), 5) == []
    assert len(search.search(collection.id, vectors_for(["x"])[0], 500)) == 60
    assert search.search(999, vectors_for(["x"])[0], 5) == []


def test_changes_are_seen_at_once(library: Library, make: Maker, searching: Callable[[int], Searches]) -> None:
    collection = library.ensure_collection("a")
    first = make(library, collection.id, "a.txt", "first", "other")
    search = searching(collection.id)

    def top(text: str) -> str:
        (hit,) = search.search(collection.id, vectors_for([text])[0], 1)
        return library.chunks([hit.chunk_id])[hit.chunk_id].text

    assert top("first") == "first"
    make(library, collection.id, "b.txt", "second")
    assert top("second") == "second"
    make(library, collection.id, "b.txt", "third")
    assert top("third") == "third"
    assert top("second") != "second"
    library.remove_document(first.id)
    assert top("first") == "third"


def test_both_searches_agree_on_a_thousand_chunks(library: Library, make: Maker, vectors: Vectors) -> None:
    collection = library.ensure_collection("a")
    for number in range(10):
        make(library, collection.id, f"{number}.txt", *(f"{number} {page}" for page in range(100)))
    vectors.refresh(collection.id)
    assert settle(vectors, collection.id) == "chroma"
    exact = ExactVectors(library)
    for query in vectors_for([f"query {number}" for number in range(30)]):
        wanted, found = exact.search(collection.id, query, 10), vectors.search(collection.id, query, 10)
        assert len({hit.chunk_id for hit in wanted} & {hit.chunk_id for hit in found}) >= 9
        assert found[0].score == pytest.approx(wanted[0].score, abs=1e-4)


def test_a_generation_is_used_again_after_a_restart(library: Library, make: Maker, home: Path) -> None:
    collection = library.ensure_collection("a")
    make(library, collection.id, "a.txt", "one", "two")
    for _ in range(2):
        vectors = Vectors(library, home / "index", patience=0)
        vectors.search(collection.id, vectors_for(["one"])[0], 1)
        assert settle(vectors, collection.id) == "chroma"
        assert generations(home) == [f"{collection.id}/1"]
        vectors.close()


def test_an_altered_generation_is_made_again(library: Library, make: Maker, home: Path, vectors: Vectors) -> None:
    collection = library.ensure_collection("a")
    make(library, collection.id, "a.txt", "one", "two")
    vectors.refresh(collection.id)
    assert settle(vectors, collection.id) == "chroma"
    vectors.close()
    sealed = generation.newest_generation(home / "index" / str(collection.id))
    assert sealed is not None
    for path in sorted(path for path in sealed.folder.rglob("*") if path.is_file() and path.name != "chroma.sqlite3"):
        content = path.read_bytes()
        path.write_bytes(content[:-1] if content else b"x")
        assert generation.newest_generation(sealed.folder.parent) is None, path.name
        path.unlink()
        assert generation.newest_generation(sealed.folder.parent) is None, path.name
        path.write_bytes(content)
    (sealed.folder / "stray.bin").write_bytes(b"")
    again = Vectors(library, home / "index", patience=0)
    again.refresh(collection.id)
    assert settle(again, collection.id) == "chroma"
    assert generations(home) == [f"{collection.id}/2"]
    assert again.search(collection.id, vectors_for(["two"])[0], 1)[0].score == pytest.approx(1, abs=1e-3)
    again.close()


def test_a_small_tail_waits_and_a_large_one_is_worth_a_new_generation(library: Library, make: Maker, home: Path, vectors: Vectors) -> None:
    collection = library.ensure_collection("a")
    make(library, collection.id, "a.txt", *map(str, range(100)))
    for name, pages, expected in (("b.txt", 5, "1"), ("c.txt", 30, "2")):
        vectors.refresh(collection.id)
        settle(vectors, collection.id)
        make(library, collection.id, name, *(f"{name} {page}" for page in range(pages)))
        vectors.refresh(collection.id)
        assert settle(vectors, collection.id) == "chroma"
        assert generations(home) == [f"{collection.id}/{expected}"]


def test_removing_a_document_deletes_the_index_at_once_and_it_comes_back_without_it(
    library: Library, make: Maker, home: Path, vectors: Vectors
) -> None:
    collection = library.ensure_collection("a")
    document = make(library, collection.id, "a.txt", "one", "two")
    make(library, collection.id, "b.txt", "three", "four")
    vectors.refresh(collection.id)
    settle(vectors, collection.id)
    library.remove_document(document.id)
    assert settle(vectors, collection.id) == "chroma"
    sealed = generation.newest_generation(home / "index" / str(collection.id))
    assert sealed is not None
    assert sealed.missing_from(library.chunk_ranges(collection.id)) == 0
    assert sealed.chunks == 2
    library.remove_collection("a")
    assert settle(vectors, collection.id) == "exact"
    assert generations(home) == []


def test_an_index_of_another_state_of_the_library_is_removed_at_the_start(library: Library, make: Maker, home: Path, vectors: Vectors) -> None:
    collection = library.ensure_collection("a")
    document = make(library, collection.id, "a.txt", "one", "two")
    vectors.refresh(collection.id)
    settle(vectors, collection.id)
    vectors.close()
    shutil.copytree(home / "index", home.parent / "kept")
    library.remove_document(document.id)
    library.close()
    shutil.copytree(home.parent / "kept", home / "index", dirs_exist_ok=True)
    (home / "index" / str(collection.id) / "7.building").mkdir()
    with Library.open(home, write=True):
        assert generations(home) == []


def test_a_builder_that_fails_leaves_exact_search_and_is_not_tried_for_ever(
    library: Library, make: Maker, home: Path, vectors: Vectors, monkeypatch: pytest.MonkeyPatch
) -> None:
    tried = []
    monkeypatch.setattr(vectors, "_in_child", lambda *arguments: tried.append(arguments) is not None)
    collection = library.ensure_collection("a")
    make(library, collection.id, "a.txt", "one", "two")
    for _ in range(5):
        assert vectors.search(collection.id, vectors_for(["one"])[0], 1)[0].score == pytest.approx(1, abs=1e-3)
        assert settle(vectors, collection.id) == "exact"
    assert len(tried) == 2
    assert generations(home) == []


def test_an_index_that_breaks_while_it_is_open_costs_no_answer(library: Library, make: Maker, vectors: Vectors) -> None:
    collection = library.ensure_collection("a")
    make(library, collection.id, "a.txt", "one", "two")
    vectors.refresh(collection.id)
    assert settle(vectors, collection.id) == "chroma"
    vectors._opened[collection.id].index.close()
    assert vectors.search(collection.id, vectors_for(["two"])[0], 1)[0].score == pytest.approx(1, abs=1e-3)
    assert settle(vectors, collection.id) == "chroma"


def test_a_read_only_library_is_searched_exactly(library: Library, make: Maker, home: Path) -> None:
    collection = library.ensure_collection("a")
    make(library, collection.id, "a.txt", "one")
    with Library.open(home, write=False) as reader:
        vectors = Vectors(reader, home / "index", patience=0)
        assert len(vectors.search(collection.id, vectors_for(["one"])[0], 1)) == 1
        vectors.refresh(collection.id)
        assert vectors.state(collection.id) == "exact"
        vectors.close()
    assert not (home / "index").exists()


def test_no_text_and_no_name_goes_into_the_index(library: Library, make: Maker, home: Path, vectors: Vectors) -> None:
    collection = library.ensure_collection("Secret collection")
    make(library, collection.id, "secret-name.txt", "secret text", "secret page", title="secret title")
    vectors.refresh(collection.id)
    assert settle(vectors, collection.id) == "chroma"
    for path in (home / "index").rglob("*"):
        assert path.is_dir() or b"secret" not in path.read_bytes().lower(), path


def test_the_exact_parts() -> None:
    ids = numpy.array([3, 4, 9], dtype=numpy.int64)
    assert generation.runs(ids).tolist() == [[3, 5], [9, 10]]
    assert within(ids, numpy.array([[4, 5], [9, 12]], dtype=numpy.int64)).tolist() == [False, True, True]
    assert within(ids, numpy.zeros((0, 2), dtype=numpy.int64)).tolist() == [False, False, False]
    rows = unit(numpy.array([[3, 4], [0, 0], [0, 2]], dtype=numpy.float32))
    assert rows.tolist() == [[pytest.approx(0.6), pytest.approx(0.8)], [0, 0], [0, 1]]
    same = numpy.array([[1, 0], [1, 0], [1, 0]], dtype=numpy.float32)
    assert len(best(ids, same, numpy.array([1, 0], dtype=numpy.float32), 2)) == 2
