"""Made at the office, opened in the field: a pack reads like a collection of the library, and is not changed by it."""

from __future__ import annotations

import hashlib
from collections.abc import Iterator
from pathlib import Path

import pytest

from appliance.documents import Answer, Timings
from appliance.errors import NoSuchDocument, PackReadOnly
from appliance.library import keywords
from appliance.library.conversations import Conversations
from appliance.library.ledger import ledger
from appliance.library.store import Library
from appliance.library.vectors import ExactVectors, Vectors
from appliance.packs.file import PackFile
from appliance.packs.finding import open_pack
from appliance.packs.holdings import Holdings
from tests.library.making import Maker, vectors_for
from tests.packs.conftest import MODEL, PAGES


@pytest.fixture
def holdings(home: Path, make: Maker, pack: PackFile) -> Iterator[Holdings]:
    """A library with a document of its own and the pack open beside it."""
    with Holdings.open(home, write=True, fingerprint=MODEL) as library:
        make(library, library.ensure_collection("mine").id, "mine.txt", "My own well is three metres deep.")
        open_pack(library, pack)
        library.look(None, MODEL)
        yield library


def test_its_collection_stands_beside_the_others(holdings: Holdings) -> None:
    assert [(one.name, one.documents, one.chunks, one.pack) for one in holdings.collections()] == [("field", 3, 8, True), ("mine", 1, 1, False)]


def test_everything_of_a_document_is_what_it_was_at_the_office(holdings: Holdings, office: Library) -> None:
    here, there = holdings.collection("field").id, office.collection("field").id
    mine = {one.name: one for one in holdings.documents(here)}
    for original in office.documents(there):
        document = mine[original.name]
        assert (document.sha256, document.title, document.added, document.reader) == (
            original.sha256,
            original.title,
            original.added,
            original.reader,
        )
        assert holdings.conversion(document.id) == office.conversion(original.id)
        assert holdings.passages(document.id) == office.passages(original.id)
        assert (holdings.vectors_of(here, documents=[document.id])[1] == office.vectors_of(there, documents=[original.id])[1]).all()
        assert holdings.document(document.id) == document
        assert holdings.find_document(here, sha256=document.sha256) == document
        assert holdings.page(document.id, 0).text == PAGES[document.name][0]
        kept = holdings.original(document.id)
        assert kept is not None
        assert hashlib.sha256(kept.read_bytes()).hexdigest() == document.sha256
    assert [(one.document, one.status, one.reason) for one in ledger(holdings, here)] == [
        (one.document, one.status, one.reason) for one in ledger(office, there)
    ]


def test_nothing_else_of_the_library_is_in_it(pack: PackFile) -> None:
    content = pack.path.read_bytes()
    assert b"twelve metres" in content
    assert b"nobody's business" not in content
    assert b"secret.txt" not in content


def test_words_and_vectors_find_its_passages(holdings: Holdings, office: Library) -> None:
    here, there = holdings.collection("field").id, office.collection("field").id
    found, expected = keywords.search(holdings, here, "well deep pump", 5), keywords.search(office, there, "well deep pump", 5)
    assert [holdings.chunks([one.chunk_id])[one.chunk_id].text for one in found] == [
        office.chunks([one.chunk_id])[one.chunk_id].text for one in expected
    ]
    assert [one.score for one in found] == [one.score for one in expected]
    words = ["well", "fuel", "camel"]
    counted = {"well": 3, "fuel": 4, "camel": 0}
    assert keywords.document_frequency(holdings, here, words) == keywords.document_frequency(office, there, words) == counted
    wells = holdings.find_document(here, name="wells.txt")
    assert wells is not None
    within = keywords.search(holdings, here, "well fuel", 5, documents=[wells.id])
    assert {holdings.chunks([one.chunk_id])[one.chunk_id].document for one in within} == {"wells.txt"}
    nearest = ExactVectors(holdings).search(here, vectors_for(["Fuel is bought in Kigali."])[0], 1, documents=None)
    assert holdings.chunks([nearest[0].chunk_id])[nearest[0].chunk_id].text == "Fuel is bought in Kigali."


def test_chunks_of_the_library_and_of_packs_come_together_in_the_order_asked(holdings: Holdings) -> None:
    mine = holdings.chunks_of(holdings.documents(holdings.collection("mine").id)[0].id)[0]
    theirs = holdings.chunks_of(holdings.documents(holdings.collection("field").id)[0].id)[0]
    assert list(holdings.chunks([theirs.id, mine.id]).values()) == [theirs, mine]
    assert theirs.id < 2**53  # a browser's numbers are exact to there


def test_the_index_leaves_packs_to_exact_search(holdings: Holdings) -> None:
    vectors = Vectors(holdings, holdings.home / "index", patience=0.0)
    try:
        here = holdings.collection("field").id
        assert vectors.search(here, vectors_for(["The pump was made in Kampala."])[0], 1)[0].score > 0.99
        assert vectors.state(here) == "exact"
    finally:
        vectors.close()


def test_it_is_not_changed(holdings: Holdings, pack: PackFile, make: Maker) -> None:
    before = pack.path.read_bytes()
    here = holdings.collection("field").id
    document = holdings.documents(here)[0]
    for change in (
        lambda: make(holdings, here, "new.txt", "New."),
        lambda: holdings.remove_document(document.id),
        lambda: holdings.rename_document(document.id, "x"),
        lambda: holdings.record_failure(here, name="x", sha256="", size=1, reason="y"),
        lambda: holdings.ensure_collection("field"),
        lambda: holdings.remove_collection("field"),
    ):
        with pytest.raises(PackReadOnly, match="'field' is a pack, and packs are not changed"):
            change()
    assert pack.path.read_bytes() == before
    assert list(pack.path.parent.glob("field.haversack*")) == [pack.path]


def test_conversations_about_it_are_kept_in_the_library(holdings: Holdings, home: Path) -> None:
    conversations = Conversations(holdings)
    started = conversations.start(holdings.collection("field").id)
    conversations.append(started.id, Answer("How deep?", "How deep?", "Twelve.", "", (), (), (), False, "", Timings(0, None, 0)))
    number = holdings.collection("field").id
    holdings.close()
    with Holdings.open(home, write=True, fingerprint=MODEL) as again:
        again.look(None, MODEL)
        assert again.collection("field").id == number
        assert Conversations(again).answers(started.id)[0].answer == "Twelve."


def test_another_name_here_leaves_the_file_alone(holdings: Holdings, pack: PackFile) -> None:
    before = pack.path.read_bytes()
    holdings.rename_collection("field", "the field")
    assert [one.name for one in holdings.collections()] == ["mine", "the field"]
    holdings.look(None, MODEL)
    assert holdings.collection("the field").documents == 3
    assert pack.path.read_bytes() == before


def test_a_document_of_no_pack_is_not_there(holdings: Holdings) -> None:
    with pytest.raises(NoSuchDocument):
        holdings.document((77 << 32) + 1)
    with pytest.raises(NoSuchDocument):
        holdings.document((holdings.collection("field").id << 32) + 77)


def test_a_plain_library_sees_an_empty_collection_and_is_whole(holdings: Holdings, home: Path) -> None:
    from appliance.library.health import check

    holdings.close()
    with Library.open(home, write=True) as library:
        assert check(library) == ()
        assert library.collection("field").documents == 0
