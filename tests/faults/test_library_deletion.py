"""What is deleted is gone from the disk: 300 canaries, none left in any byte under the home."""

from __future__ import annotations

import time
from pathlib import Path

import numpy

from appliance.documents import Answer, Citation, Timings
from appliance.library.conversations import Conversations
from appliance.library.store import Library
from appliance.library.vectors import Vectors
from tests.library.making import Maker, vectors_for

CANARIES = 300


def canary(number: int) -> str:
    return f"zq{number:03d}xkanarie"


def left(home: Path, wanted: list[bytes]) -> dict[str, int]:
    """In which files how many of the byte strings can be found, in any case."""
    found = {}
    for path in sorted(path for path in home.rglob("*") if path.is_file()):
        content = path.read_bytes().lower()
        count = sum(one.lower() in content for one in wanted)
        if count:
            found[path.relative_to(home).as_posix()] = count
    return found


def settle(vectors: Vectors, collection_id: int) -> None:
    end = time.monotonic() + 60
    while vectors.state(collection_id) == "building" and time.monotonic() < end:
        time.sleep(0.02)


def test_three_hundred_canaries_are_deleted_without_a_trace(home: Path, tmp_path: Path) -> None:
    make = Maker(tmp_path / "incoming")
    words = [canary(number).encode() for number in range(CANARIES)]
    # A deleted word would also betray itself by its bigrams, its stem in the index, or its vector.
    pages = [f"{canary(number)} stands among other words {number}" for number in range(CANARIES)]
    rows = [row.astype("<f2").tobytes() for row in vectors_for(pages)] + [row.tobytes() for row in _as_chroma_has_them(pages)]
    with Library.open(home, write=True) as library:
        collection, removed = library.ensure_collection("a"), library.ensure_collection("removed")
        make(library, collection.id, "stays.txt", "this stays", "and this")
        names = [f"{canary(number)}.txt" for number in range(0, CANARIES, 10)]
        documents = []
        for index, name in enumerate(names):
            into = collection if index < 20 else removed
            own = pages[index * 10 : index * 10 + 10]
            documents.append(make(library, into.id, name, *own, title=f"Title {own[0]}", heading=(own[1],)))
        vectors = Vectors(library, home / "index", patience=0)
        for one in (collection, removed):
            vectors.refresh(one.id)
            settle(vectors, one.id)
            assert vectors.state(one.id) == "chroma"
        conversations = Conversations(library)
        conversation = conversations.start(collection.id, "kept")
        cited = Citation(1, documents[0].id, documents[0].name, 1, 0, pages[0], 0, len(pages[0]))
        conversations.append(conversation.id, Answer("?", "?", pages[0], "", (), (cited,), (), False, "", Timings(1, None, 1)))
        assert sum(left(home, words).values()) >= CANARIES, "the canaries must have been there"
        # Chroma scales each vector once more: about two thirds keep every bit.
        assert sum(left(home, rows).values()) >= CANARIES + CANARIES // 3, "their vectors too, in both stores"
        for number, document in enumerate(documents[:10]):
            library.rename_document(document.id, f"renamed {number}.txt")
        for document in documents[10:20]:
            make(library, collection.id, document.name, "a newer version")
        for document in library.documents(collection.id):
            if document.name != "stays.txt":
                library.remove_document(document.id)
        library.remove_collection("removed")
        for one in (collection, removed):
            settle(vectors, one.id)
        assert left(home, words) == {}
        assert left(home, rows) == {}
        vectors.close()
        assert [document.name for document in library.documents(collection.id)] == ["stays.txt"]
        assert conversations.answers(conversation.id)[0].citations == ()
    assert left(home, words) == {}
    assert left(home, rows) == {}


def _as_chroma_has_them(pages: list[str]) -> numpy.ndarray:
    """The vectors as they go into Chroma: rounded to half precision by the library, then unit float32."""
    halves = vectors_for(pages).astype("<f2").astype(numpy.float32)
    lengths = numpy.sqrt(numpy.einsum("ij,ij->i", halves, halves))
    return halves / lengths[:, None]
