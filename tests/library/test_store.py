"""The store: what goes in comes out, durably; doing it twice is doing it once; what is removed is gone."""

from __future__ import annotations

import hashlib
import os
from pathlib import Path

import numpy
import pytest

from appliance.documents import Conversion, Heading, Page, Passage, UnreadPage
from appliance.errors import BadRequest, EmbedderChanged, FileUnreadable, LibraryReadOnly, NameTaken, NoSuchCollection, NoSuchDocument
from appliance.library.store import Library
from tests.library.making import Maker, vectors_for


def snapshot(home: Path) -> dict[str, bytes]:
    return {path.relative_to(home).as_posix(): path.read_bytes() for path in home.rglob("*") if path.is_file()}


def test_a_document_comes_back_as_it_was_put_in(library: Library, make: Maker) -> None:
    collection = library.ensure_collection("Field notes")
    text = "Wells were dug in 1987.\n\nTwo ran dry. 東京 – café 👍🏽"
    document = make(library, collection.id, "notes/wells.txt", text, "Second page", title="Wells", heading=("Water", "Wells"))
    assert (document.name, document.pages, document.chunks, document.status, document.title) == ("notes/wells.txt", 2, 3, "indexed", "Wells")
    assert library.document(document.id) == document == library.documents(collection.id)[0]
    assert library.page(document.id, 0) == Page(1, text)
    assert [page.text for page in library.pages(document.id)] == [text, "Second page"]
    chunks = library.chunks_of(document.id)
    assert [text[chunk.start : chunk.end] for chunk in chunks[:2]] == [chunk.text for chunk in chunks[:2]]
    assert chunks[2].page == 2
    assert chunks[2].position == 1
    assert chunks[0].heading == ("Water", "Wells")
    assert chunks[0].title == "Wells"
    assert library.chunks([chunks[1].id, 99999, chunks[0].id]) == {chunks[1].id: chunks[1], chunks[0].id: chunks[0]}
    original = library.original(document.id)
    assert original is not None
    assert original.read_text(encoding="utf-8") == f"{text}\fSecond page"
    assert library.collection("Field notes").chunks == 3


def test_vectors_come_back_in_reading_order_within_half_precision(library: Library, make: Maker) -> None:
    collection = library.ensure_collection("a")
    document = make(library, collection.id, "a.txt", "one\n\ntwo\n\nthree")
    other = make(library, collection.id, "b.txt", "four")
    ids, rows = library.vectors_of(collection.id)
    assert ids.tolist() == [chunk.id for one in (document, other) for chunk in library.chunks_of(one.id)]
    assert numpy.allclose(rows, vectors_for(["one", "two", "three", "four"]), atol=1e-3)
    newer, _ = library.vectors_of(collection.id, newer_than=int(ids[2]))
    assert newer.tolist() == [ids[3]]
    only, _ = library.vectors_of(collection.id, documents=[document.id])
    assert only.tolist() == ids[:3].tolist()
    assert library.vectors_of(999)[1].shape == (0, 0)


def test_headings_metadata_and_unread_pages_are_kept(library: Library) -> None:
    collection = library.ensure_collection("a")
    pages = (Page(1, "Text", label="iv"), Page(2, "", reason="no text: probably a scan"))
    conversion = Conversion("pdf", pages, "Title", (Heading(0, 0, "Chapter", 1),), {"author": "A. Writer"}, "pypdfium2")
    passage = Passage(0, 1, 0, 4, "Text")
    document = library.add_document(
        collection.id, name="a.pdf", sha256="0" * 64, size=9, original=None, conversion=conversion, passages=[passage], vectors=vectors_for(["Text"])
    )
    assert document.status == "partial"
    assert library.unread(document.id) == (UnreadPage(2, "no text: probably a scan"),)
    assert library.headings(document.id) == conversion.headings
    assert library.metadata(document.id) == conversion.metadata
    assert library.page(document.id, 0).label == "iv"
    assert library.original(document.id) is None


def test_a_document_without_passages_is_kept_too(library: Library) -> None:
    collection = library.ensure_collection("a")
    conversion = Conversion("pdf", (Page(1, "", reason="no text: probably a scan"),))
    nothing = numpy.zeros((0, 32), dtype=numpy.float32)
    added = library.add_document(
        collection.id, name="scan.pdf", sha256="1" * 64, size=1, original=None, conversion=conversion, passages=[], vectors=nothing
    )
    assert added.chunks == 0
    assert library.documents(collection.id) == (added,)
    library.remove_document(added.id)
    assert library.documents(collection.id) == ()


def test_a_newer_version_replaces_the_older_and_ids_are_never_used_twice(library: Library, make: Maker) -> None:
    collection = library.ensure_collection("a")
    first = make(library, collection.id, "a.txt", "old text")
    old_chunk = library.chunks_of(first.id)[0].id
    second = make(library, collection.id, "a.txt", "new text")
    assert [document.id for document in library.documents(collection.id)] == [second.id] != [first.id]
    assert library.chunks([old_chunk]) == {}
    assert library.chunks_of(second.id)[0].id > old_chunk
    library.remove_document(second.id)
    third = make(library, collection.id, "a.txt", "new text")
    assert third.id > second.id
    with pytest.raises(NoSuchDocument):
        library.document(first.id)


def test_the_original_is_shared_and_leaves_with_its_last_document(library: Library, make: Maker, home: Path) -> None:
    one, other = library.ensure_collection("a"), library.ensure_collection("b")
    first, second = make(library, one.id, "a.txt", "same"), make(library, other.id, "b.txt", "same")
    path = library.original(first.id)
    assert path == library.original(second.id)
    library.remove_document(first.id)
    assert path is not None
    assert path.is_file()
    library.remove_collection("b")
    assert list((home / "originals").glob("*")) == []


def test_a_file_that_changed_after_it_was_hashed_is_refused_and_leaves_nothing(library: Library, make: Maker, home: Path) -> None:
    collection = library.ensure_collection("a")
    before = snapshot(home)
    path = make.file("a.txt", "changed meanwhile")
    conversion, passage = Conversion("text", (Page(None, "x"),)), Passage(0, None, 0, 1, "x")
    with pytest.raises(FileUnreadable, match="changed while"):
        library.add_document(
            collection.id, name="a.txt", sha256="2" * 64, size=1, original=path, conversion=conversion, passages=[passage], vectors=vectors_for(["x"])
        )
    assert snapshot(home) == before


def test_passages_that_are_not_the_text_of_their_page_are_refused(library: Library) -> None:
    collection = library.ensure_collection("a")
    conversion = Conversion("text", (Page(None, "right words"),))
    for passage in (Passage(0, None, 0, 5, "wrong"), Passage(0, 7, 0, 5, "right")):
        with pytest.raises(ValueError, match="is not the text"):
            library.add_document(
                collection.id, name="a", sha256="3" * 64, size=1, original=None, conversion=conversion, passages=[passage], vectors=vectors_for(["x"])
            )
    assert library.documents(collection.id) == ()
    assert library.vectors_of(collection.id)[0].tolist() == []


def test_a_failure_is_noted_and_never_replaces_a_good_version(library: Library, make: Maker) -> None:
    collection = library.ensure_collection("a")
    good = make(library, collection.id, "a.txt", "good")
    library.record_failure(collection.id, name="a.txt", sha256="4" * 64, size=1, reason="it is empty")
    assert library.documents(collection.id) == (good,)


def test_a_document_is_found_by_name_and_by_content(library: Library, make: Maker) -> None:
    collection = library.ensure_collection("a")
    document = make(library, collection.id, "a.txt", "text")
    assert library.find_document(collection.id, name="a.txt") == document
    assert library.find_document(collection.id, sha256=document.sha256) == document
    assert library.find_document(collection.id, name="a.txt", sha256="5" * 64) is None
    assert library.find_document(collection.id + 1, name="a.txt") is None


def test_a_moved_file_keeps_its_document_under_the_new_name(library: Library, make: Maker) -> None:
    collection = library.ensure_collection("a")
    document = make(library, collection.id, "a.txt", "text")
    moved = library.rename_document(document.id, "sub/b.txt")
    assert (moved.id, moved.name) == (document.id, "sub/b.txt")
    assert library.chunks_of(document.id)[0].document == "sub/b.txt"
    assert library.find_document(collection.id, name="a.txt") is None


def test_collections_are_made_renamed_and_removed(library: Library, make: Maker) -> None:
    collection = library.ensure_collection("  Field   notes ")
    assert library.ensure_collection("Field notes") == collection
    library.ensure_collection("other")
    with pytest.raises(NameTaken):
        library.rename_collection("other", "Field notes")
    library.rename_collection("other", "letters")
    assert [one.name for one in library.collections()] == ["Field notes", "letters"]
    library.remove_collection("letters")
    with pytest.raises(NoSuchCollection, match="letters"):
        library.collection("letters")
    for name in ("", "  ", "x" * 201, "a\0b"):
        with pytest.raises(BadRequest):
            library.ensure_collection(name)
    assert library.ensure_collection("letters").id > collection.id + 1


def test_the_revision_grows_with_every_change(library: Library, make: Maker) -> None:
    collection = library.ensure_collection("a")
    seen = [library.revision(collection.id)]
    document = make(library, collection.id, "a.txt", "text")
    seen.append(library.revision(collection.id))
    library.rename_document(document.id, "b.txt")
    seen.append(library.revision(collection.id))
    library.remove_document(document.id)
    seen.append(library.revision(collection.id))
    assert seen == sorted(set(seen))


def test_names_that_are_not_text_are_kept_as_well_as_can_be(library: Library, make: Maker) -> None:
    collection = library.ensure_collection("a")
    names = ["line\nbreak.txt", "\u202egnp.txt", os.fsdecode(b"caf\xe9.txt"), "é" * 120 + ".txt", "'; DROP TABLE documents; --.txt"]
    documents = [make(library, collection.id, name, f"text {number}") for number, name in enumerate(names)]
    assert {document.name for document in library.documents(collection.id)} == {name.encode("utf-8", "replace").decode() for name in names}
    assert library.find_document(collection.id, name="caf?.txt") == documents[2]


def test_an_embedder_is_remembered_once_vectors_are_there(home: Path, make: Maker) -> None:
    with Library.open(home, write=True, fingerprint="one") as library:
        collection = library.ensure_collection("a")
    with Library.open(home, write=True, fingerprint="two") as library:
        make(library, collection.id, "a.txt", "text")
    for write in (True, False):
        with pytest.raises(EmbedderChanged, match="two"):
            Library.open(home, write=write, fingerprint="three")
    with Library.open(home, write=True) as library:
        assert library.documents(collection.id)


def test_a_reader_of_no_library_sees_an_empty_one_and_makes_nothing(home: Path) -> None:
    with Library.open(home, write=False, fingerprint="x") as library:
        assert library.collections() == ()
        assert library.documents_ever() == 0
        with pytest.raises(NoSuchCollection):
            library.collection("a")
        with pytest.raises(LibraryReadOnly):
            library.ensure_collection("a")
    assert not home.exists()


def test_a_reader_changes_no_byte(library: Library, make: Maker, home: Path) -> None:
    collection = library.ensure_collection("a")
    document = make(library, collection.id, "a.txt", "text")
    before = snapshot(home)
    with Library.open(home, write=False) as reader:
        assert reader.documents(collection.id) == (document,)
        assert reader.chunks_of(document.id)[0].text == "text"
        with pytest.raises(LibraryReadOnly):
            reader.remove_document(document.id)
    assert snapshot(home) == before


def test_what_a_killed_ingest_left_behind_is_swept(library: Library, make: Maker, home: Path) -> None:
    collection = library.ensure_collection("a")
    document = make(library, collection.id, "a.txt", "text")
    library.close()
    stray = home / "originals" / "ff" / ("f" * 64 + ".pdf")
    stray.parent.mkdir()
    stray.write_bytes(b"copied, never committed")
    stray.with_suffix(".part").write_bytes(b"half copied")
    with Library.open(home, write=True) as again:
        assert not stray.parent.exists()
        original = again.original(document.id)
        assert original is not None
        assert hashlib.sha256(original.read_bytes()).hexdigest() == document.sha256
