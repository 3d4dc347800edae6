"""A pack's documents become a collection's own: by content, nothing twice, nothing half, nothing embedded again without need."""

from __future__ import annotations

import os
import random
import signal
import subprocess
import sys
import time
from collections.abc import Iterator
from pathlib import Path

import pytest

from appliance.errors import HaversackError, PackAltered, PackReadOnly
from appliance.library import keywords
from appliance.library.exact import ExactVectors
from appliance.library.health import check
from appliance.library.ledger import ledger
from appliance.library.store import Library
from appliance.packs.creating import create, pack_key
from appliance.packs.file import PackFile, read_pack
from appliance.packs.finding import open_pack
from appliance.packs.holdings import Holdings
from appliance.packs.merging import embed_again, estimate, merge
from tests.library.making import Maker, vectors_for
from tests.packs.conftest import MODEL, PAGES
from tests.packs.other_embedder import OtherEmbedder


@pytest.fixture
def mine(home: Path) -> Iterator[Holdings]:
    with Holdings.open(home, write=True, fingerprint=MODEL) as library:
        yield library


def as_it_is(library: Library, name: str) -> dict[str, object]:
    collection = library.collection(name).id
    return {
        one.sha256: (
            library.conversion(one.id),
            library.passages(one.id),
            library.vectors_of(collection, documents=[one.id])[1].tolist(),
            (library.original(one.id) or Path()).read_bytes(),
        )
        for one in library.documents(collection)
    }


def test_everything_of_it_comes_and_the_library_is_whole(mine: Holdings, office: Library, pack: PackFile) -> None:
    lines = list(merge(mine, pack, "mine"))
    assert [(one.document, one.status) for one in lines] == [(name, "indexed") for name in sorted(PAGES)]
    assert as_it_is(mine, "mine") == as_it_is(office, "field")
    assert check(mine) == ()
    here = mine.collection("mine").id
    assert [(one.document, one.status, one.reason) for one in ledger(mine, here) if one.status == "failed"] == [
        ("broken.pdf", "failed", "It is cut off.")
    ]
    assert keywords.search(mine, here, "pump", 5)
    assert ExactVectors(mine).search(here, vectors_for(["It needs oil in May."])[0], 1)[0].score > 0.99
    assert not (mine.home / "packs" / "merging").exists()


def test_doing_it_twice_is_the_same_as_doing_it_once(mine: Holdings, pack: PackFile) -> None:
    list(merge(mine, pack, "mine"))
    before = mine.documents(mine.collection("mine").id)
    assert [one.status for one in merge(mine, pack, "mine")] == ["unchanged"] * 3
    assert mine.documents(mine.collection("mine").id) == before


def test_a_document_that_is_there_under_another_name_is_left(mine: Holdings, pack: PackFile, make: Maker) -> None:
    collection = mine.ensure_collection("mine").id
    make(mine, collection, "my wells.txt", *PAGES["wells.txt"])
    lines = {one.document: one for one in merge(mine, pack, "mine")}
    assert (lines["wells.txt"].status, lines["wells.txt"].reason) == ("unchanged", "Same content as my wells.txt.")
    assert [one.name for one in mine.documents(collection)] == ["my wells.txt", "notes/fuel.txt", "roads.txt"]


def test_another_document_of_the_same_name_does_not_give_way(mine: Holdings, pack: PackFile, make: Maker) -> None:
    collection = mine.ensure_collection("mine").id
    make(mine, collection, "notes/fuel.txt", "My own notes.")
    lines = {one.document: one for one in merge(mine, pack, "mine")}
    assert lines["notes/fuel.txt"].reason == "Another document is called notes/fuel.txt: this one is now notes/fuel (field).txt."
    assert [one.name for one in mine.documents(collection)] == ["notes/fuel (field).txt", "notes/fuel.txt", "roads.txt", "wells.txt"]
    mine_still = mine.find_document(collection, name="notes/fuel.txt")
    assert mine_still is not None
    assert mine.page(mine_still.id, 0).text == "My own notes."


def test_a_pack_is_no_place_to_merge_into(mine: Holdings, pack: PackFile) -> None:
    open_pack(mine, pack)
    mine.look(None, MODEL)
    with pytest.raises(PackReadOnly):
        list(merge(mine, pack, "field"))


def test_without_originals_the_texts_come(mine: Holdings, office: Library, tmp_path: Path) -> None:
    small = create(office, office.collection("field"), tmp_path / "small.haversack", pack_key(office.home), originals=False).pack
    assert not small.originals
    list(merge(mine, small, "mine"))
    for document in mine.documents(mine.collection("mine").id):
        assert not mine.has_original(document.id)
        assert mine.original(document.id) is None
        assert [one.text for one in mine.pages(document.id)] == list(PAGES[document.name])
    assert check(mine) == ()


def test_nothing_of_a_damaged_pack_comes(mine: Holdings, pack: PackFile) -> None:
    content = bytearray(pack.path.read_bytes())
    content[content.index(b"twelve")] ^= 1
    pack.path.write_bytes(content)
    with pytest.raises(PackAltered):
        list(merge(mine, read_pack(pack.path), "mine"))
    assert mine.collections() == ()


def test_a_damaged_original_stops_before_its_document(mine: Holdings, pack: PackFile) -> None:
    content = bytearray(pack.path.read_bytes())
    content[pack.originals[sorted(pack.originals)[-1]].start] ^= 1
    pack.path.write_bytes(content)
    with pytest.raises(PackAltered, match="one of its originals was changed"):
        list(merge(mine, read_pack(pack.path), "mine"))
    assert all(mine.has_original(one.id) for one in mine.documents(mine.collection("mine").id))
    assert check(mine) == ()


def test_killed_anywhere_nothing_is_half_there_and_the_next_run_ends_it(home: Path, office: Library, make: Maker, tmp_path: Path) -> None:
    field = office.collection("field").id
    for number in range(40):
        make(office, field, f"many/{number}.txt", *(f"document{number} page{page} " + "word " * 200 for page in range(4)))
    pack = create(office, office.collection("field"), tmp_path / "many.haversack", pack_key(office.home)).pack
    truth = as_it_is(office, "field")
    chance = random.Random(3)
    command = [sys.executable, "-m", "tests.packs.merger_to_kill", str(home), str(pack.path)]
    kills = 0
    for _ in range(8):
        with subprocess.Popen(command, stdout=subprocess.PIPE, text=True) as child:
            assert child.stdout is not None
            child.stdout.readline()
            time.sleep(chance.uniform(0, 0.15))
            os.kill(child.pid, signal.SIGKILL)
        kills += child.returncode == -signal.SIGKILL
        with Library.open(home, write=True, fingerprint=MODEL) as library:
            assert check(library) == ()
            got = as_it_is(library, "field")
            assert all(truth[sha256] == document for sha256, document in got.items())
            if len(got) == len(truth):
                library.remove_collection("field")  # begin anew: the next kill shall find something under way
    assert kills
    with Library.open(home, write=True, fingerprint=MODEL) as library:
        list(merge(library, pack, "field"))
        assert as_it_is(library, "field") == truth
        assert check(library) == ()


@pytest.fixture
def long_pack(tmp_path: Path, make: Maker) -> PackFile:
    """Its passages are larger than the other embedder's window."""
    with Library.open(tmp_path / "far", write=True, fingerprint=MODEL) as library:
        collection = library.ensure_collection("far")
        for name in "ab":
            make(library, collection.id, f"{name}.txt", " ".join(f"Sentence {number} of {name} has words in it." for number in range(60)), "The end.")
        return create(library, library.collection("far"), tmp_path / "far.haversack", pack_key(library.home)).pack


def test_for_another_embedder_the_pages_are_split_and_embedded_again(tmp_path: Path, long_pack: PackFile) -> None:
    embedder = OtherEmbedder()
    with Library.open(tmp_path / "other", write=True, fingerprint="other") as library:
        list(merge(library, long_pack, "far", embedder))
        collection = library.collection("far")
        assert collection.chunks > long_pack.chunks
        assert library.vectors_of(collection.id)[1].shape == (collection.chunks, embedder.dimensions)
        for document in library.documents(collection.id):
            pages = library.pages(document.id)
            assert all(pages[one.position].text[one.start : one.end] == one.text for one in library.chunks_of(document.id))
        assert check(library) == ()


def test_the_estimate_tells_documents_passages_and_time(tmp_path: Path, long_pack: PackFile) -> None:
    told = estimate(long_pack, tmp_path / "shown", OtherEmbedder())
    assert told.startswith("2 documents, 4 passages, about ")
    assert told.endswith(" seconds on this machine")


def test_a_pack_is_made_of_it_for_another_embedder_and_goes_on_where_it_was_stopped(home: Path, long_pack: PackFile) -> None:
    home.mkdir()
    first = OtherEmbedder()
    for _ in embed_again(home, long_pack, first, "other", pack_key(home)):
        break  # stopped after the first document
    second = OtherEmbedder()
    *lines, made = embed_again(home, long_pack, second, "other", pack_key(home))
    assert isinstance(made, PackFile)
    assert [getattr(one, "status", None) for one in lines] == ["unchanged", "indexed"]
    assert [any(f" of {name} has " in text for text in one.embedded) for one in (first, second) for name in "ab"] == [True, False, False, True]
    assert (made.title, made.embedder, made.documents) == ("far", "other", 2)
    assert not list((home / "packs").glob("embedding-*"))
    with Holdings.open(home, write=True, fingerprint="other") as holdings:
        open_pack(holdings, made)
        holdings.look(None, "other")
        collection = holdings.collection("far").id
        best = ExactVectors(holdings).search(collection, second.embed_query("The end."), 1)[0]
        assert holdings.chunks([best.chunk_id])[best.chunk_id].text == "The end."


def test_what_goes_wrong_is_one_of_our_sentences(mine: Holdings, pack: PackFile) -> None:
    pack.path.unlink()
    with pytest.raises(HaversackError, match="is not at"):
        list(merge(mine, pack, "mine"))
    assert mine.collections() == ()
