"""Packs are found again where they are now; of two editions the newer is open; another's key is said."""

from __future__ import annotations

import math
from dataclasses import replace
from pathlib import Path

import pytest

from appliance.documents import Collection
from appliance.errors import NoSuchPack, PackGone, PackOfAnotherEmbedder
from appliance.library import mounts
from appliance.library.conversations import Conversations
from appliance.library.store import Library
from appliance.minisign import SecretKey, load_key
from appliance.packs import finding
from appliance.packs.creating import create, pack_key
from appliance.packs.file import PackFile, read_pack
from appliance.packs.finding import Listed, open_pack
from appliance.packs.holdings import Holdings
from tests.library.making import Maker
from tests.packs.bundles import carry
from tests.packs.conftest import MODEL
from tests.packs.forging import forge


@pytest.fixture
def packs(tmp_path: Path) -> Path:
    """The folder of packs on the bundle."""
    folder = tmp_path / "bundle" / "packs"
    folder.mkdir(parents=True)
    return folder


def look(home: Path, packs: Path | None, *, write: bool = True, embedder: str = MODEL) -> tuple[tuple[Listed, ...], tuple[Collection, ...]]:
    with Holdings.open(home, write=write) as holdings:
        holdings.look(carry(packs, builder(packs)) if packs else None, embedder)
        return holdings.packs, holdings.collections()


def builder(packs: Path) -> SecretKey:
    """Whose bundle it is: another one than the packs' maker."""
    return load_key(packs.parent.parent / "builder.pem")


def remember(home: Path, pack: PackFile) -> None:
    with Holdings.open(home, write=True, fingerprint=MODEL) as holdings:
        open_pack(holdings, pack)


def test_packs_of_the_bundle_are_open_by_themselves(home: Path, pack: PackFile, packs: Path) -> None:
    pack.path.rename(packs / "field.haversack")
    for write in (False, True, False, True):  # where nothing can be written down, too
        listed, collections = look(home, packs, write=write)
        assert [(one.collection, one.state, one.on_bundle) for one in listed] == [("field", "open", True)]
        assert [(one.name, one.documents, one.pack) for one in collections] == [("field", 3, True)]


def test_a_pack_that_moved_is_gone_and_is_found_again_on_the_bundle(home: Path, pack: PackFile, packs: Path) -> None:
    remember(home, pack)
    (first,), _ = look(home, packs)
    moved = pack.path.rename(packs / "renamed.haversack")
    (gone,), _ = look(home, None)
    assert gone.state == "gone"
    assert gone.sentence == str(PackGone(name="field", path=pack.path))
    with Holdings.open(home, write=False) as holdings:
        holdings.look(None, MODEL)
        assert holdings.collections() == ()
        with pytest.raises(PackGone):
            holdings.collection("field")
        with pytest.raises(PackGone):
            holdings.document((first.collection_id << 32) + 1)
    (found,), _ = look(home, packs)
    assert (found.state, found.path, found.collection_id) == ("open", str(moved), first.collection_id)


def test_one_in_the_home_moves_with_it(home: Path, pack: PackFile) -> None:
    """With --portable the home is on the stick, and that is somewhere else on each machine."""
    (home / "packs").mkdir(parents=True)
    inside = read_pack(pack.path.rename(home / "packs" / "field-12345678.haversack"))
    remember(home, inside)
    moved = home.rename(home.with_name("elsewhere"))
    (listed,), collections = look(moved, None)
    assert (listed.state, listed.path) == ("open", str(moved / "packs" / inside.path.name))
    assert [one.documents for one in collections] == [3]


def test_another_file_in_its_place_is_not_opened(home: Path, office: Library, pack: PackFile, make: Maker) -> None:
    remember(home, pack)
    make(office, office.collection("field").id, "new.txt", "New.")
    create(office, office.collection("field"), pack.path, pack_key(office.home))
    (listed,), collections = look(home, None)
    assert (listed.state, collections) == ("altered", ())
    assert "another file lies there now" in listed.sentence


def test_a_newer_edition_takes_the_place_of_the_older(home: Path, office: Library, pack: PackFile, packs: Path, make: Maker) -> None:
    pack.path.rename(packs / "a.haversack")
    look(home, packs)
    make(office, office.collection("field").id, "new.txt", "New.")
    create(office, office.collection("field"), packs / "b.haversack", pack_key(office.home), moment="2099-01-01T00:00:00Z")
    for write in (False, True, True):
        listed, collections = look(home, packs, write=write)
        assert [(one.name, one.documents) for one in collections] == [("field", 4)]
        assert {Path(one.path).name: one.state for one in listed if one.state == "open"} == {"b.haversack": "open"}
    assert {Path(one.path).name: one.state for one in listed} == {"a.haversack": "older edition", "b.haversack": "open"}


def test_conversations_about_an_older_edition_stay(home: Path, office: Library, pack: PackFile, packs: Path, make: Maker) -> None:
    pack.path.rename(packs / "a.haversack")
    (older,), _ = look(home, packs)
    with Holdings.open(home, write=True) as holdings:
        kept = Conversations(holdings).start(older.collection_id, "About wells")
    make(office, office.collection("field").id, "new.txt", "New.")
    create(office, office.collection("field"), packs / "b.haversack", pack_key(office.home), moment="2099-01-01T00:00:00Z")
    _, collections = look(home, packs)
    assert [(one.name, one.documents) for one in collections] == [("field", 4)]
    assert collections[0].id != older.collection_id
    with Holdings.open(home, write=True) as holdings:
        holdings.look(carry(packs, builder(packs)), MODEL)
        assert Conversations(holdings).get(kept.id).collection_id == older.collection_id
        with pytest.raises(NoSuchPack):
            holdings.collection("field (older)")


def test_a_pack_of_the_same_name_by_another_key_stands_beside_it_and_is_said(
    home: Path, office: Library, pack: PackFile, packs: Path, tmp_path: Path
) -> None:
    remember(home, pack)
    create(office, office.collection("field"), packs / "field.haversack", load_key(tmp_path / "stranger.pem"))
    listed, collections = look(home, packs)
    assert [one.name for one in collections] == ["field", "field (2)"]
    assert [bool(one.note) for one in listed] == [False, True]
    assert pack.signer.fingerprint in listed[1].note


def test_a_collection_of_that_name_keeps_it(home: Path, pack: PackFile, packs: Path, make: Maker) -> None:
    with Library.open(home, write=True) as library:
        make(library, library.ensure_collection("field").id, "mine.txt", "Mine.")
    pack.path.rename(packs / "field.haversack")
    for write in (False, True):
        _, collections = look(home, packs, write=write)
        assert [(one.name, one.documents) for one in collections] == [("field", 1), ("field (2)", 3)]


def test_what_was_closed_stays_closed(home: Path, pack: PackFile, packs: Path) -> None:
    pack.path.rename(packs / "field.haversack")
    (listed,), _ = look(home, packs)
    with Holdings.open(home, write=True) as holdings:
        mounts.set_open(holdings.database, listed.collection_id, is_open=False)
    (closed,), collections = look(home, packs)
    assert (closed.state, closed.sentence, collections) == ("closed", "closed", ())
    with Holdings.open(home, write=True) as holdings:
        holdings.look(carry(packs, builder(packs)), MODEL)
        with pytest.raises(NoSuchPack):
            holdings.ensure_collection("field")


def test_one_of_another_embedder_is_listed_and_not_searched(home: Path, pack: PackFile, packs: Path) -> None:
    pack.path.rename(packs / "field.haversack")
    for write in (False, True):
        (listed,), collections = look(home, packs, write=write, embedder="another")
        assert (listed.state, collections) == ("other embedder", ())
        assert isinstance(listed.error, PackOfAnotherEmbedder)
        with Holdings.open(home, write=write) as holdings:
            holdings.look(carry(packs, builder(packs)), "another")
            with pytest.raises(PackOfAnotherEmbedder, match="was made with test-model, and the bundle holds another"):
                holdings.collection("field")
    with Holdings.open(home, write=True) as holdings:
        holdings.look(carry(packs, builder(packs)), "another")
        assert not holdings.ensure_collection("field").pack  # one of that name may be made, to merge into


def test_broken_files_on_the_bundle_are_named_and_the_others_open(home: Path, pack: PackFile, packs: Path) -> None:
    content = pack.path.read_bytes()
    (packs / "cut.haversack").write_bytes(content[:-100])
    (packs / "flipped.haversack").write_bytes(content.replace(b'"documents":3', b'"documents":4'))
    (packs / "letter.haversack").write_text("Dear Amina", encoding="utf-8")
    (packs / "._whole.haversack").write_bytes(b"what macOS leaves")
    pack.path.rename(packs / "whole.haversack")
    listed, collections = look(home, packs)
    assert {Path(one.path).stem: one.state for one in listed} == {
        "cut": "unreadable",
        "flipped": "altered",
        "letter": "unreadable",
        "whole": "open",
    }
    assert [one.name for one in collections] == ["field"]


def test_a_flip_in_a_database_is_said_when_it_is_asked_and_costs_the_others_nothing(home: Path, pack: PackFile, packs: Path) -> None:
    content = bytearray(pack.path.read_bytes())
    content[content.index(b"twelve")] ^= 1
    (packs / "field.haversack").write_bytes(content)
    with Holdings.open(home, write=True, fingerprint=MODEL) as holdings:
        holdings.ensure_collection("mine")
        holdings.look(carry(packs, builder(packs)), MODEL)
        holdings.check_packs()
        assert [one.name for one in holdings.collections()] == ["field", "mine"]
        with pytest.raises(Exception, match="not as it was signed"):
            holdings.documents(holdings.collection("field").id)
        assert holdings.documents(holdings.collection("mine").id) == ()


def test_a_pack_that_the_bundles_list_does_not_name_is_named_and_not_read(
    home: Path, office: Library, pack: PackFile, packs: Path, tmp_path: Path
) -> None:
    """Put there by whoever had the stick: of the true one's title, and newer."""
    create(office, office.collection("field"), packs / "true.haversack", pack_key(office.home), moment="2026-01-01T00:00:00Z")
    carried = carry(packs, builder(packs))
    forge(
        pack, packs / "Alien.haversack", load_key(tmp_path / "stranger.pem"), change=lambda contents: contents.update(created="2099-01-01T00:00:00Z")
    )
    forge(pack, packs / "huge.haversack", load_key(tmp_path / "stranger.pem"), change=lambda contents: contents.update(documents=math.inf))
    (packs / "letter.haversack").write_bytes(b"Dear Amina")
    for write in (False, True, True):
        with Holdings.open(home, write=write) as holdings:
            holdings.look(carried, MODEL)
            named = {Path(one.path).name: (one.collection, one.state) for one in holdings.packs}
            assert named == {
                "true.haversack": ("field", "open"),
                "Alien.haversack": ("Alien", "not listed"),
                "huge.haversack": ("huge", "not listed"),
                "letter.haversack": ("letter", "not listed"),
            }
            assert {one.sentence for one in holdings.packs if one.state == "not listed"} == {
                "not part of this bundle; open it with `haversack pack open FILE`"
            }
            assert [(one.name, one.documents) for one in holdings.collections()] == [("field", 3)]
            assert [one.note for one in holdings.packs if one.state == "open"] == [""], "the first key is that of the list"
            with pytest.raises(NoSuchPack):
                holdings.collection("Alien")
    with Holdings.open(home, write=True) as holdings:
        holdings.look(carried, MODEL)
        opened = holdings.open_pack(read_pack(packs / "Alien.haversack"))
        assert (opened.collection, opened.state) == ("field (2)", "open")
        assert pack.signer.fingerprint in opened.note
        assert sorted(one.name for one in holdings.collections()) == ["field", "field (2)"]


def test_another_file_under_the_name_of_a_listed_one_is_not_opened(home: Path, pack: PackFile, packs: Path, tmp_path: Path) -> None:
    pack.path.rename(packs / "field.haversack")
    true = replace(pack, path=packs / "field.haversack")
    carried = carry(packs, builder(packs))
    forge(
        true, packs / "field.haversack", load_key(tmp_path / "stranger.pem"), change=lambda contents: contents.update(created="2099-01-01T00:00:00Z")
    )
    for write in (False, True):
        with Holdings.open(home, write=write) as holdings:
            holdings.look(carried, MODEL)
            assert [(one.state, one.path) for one in holdings.packs] == [("altered", str(true.path))]
            assert "the bundle's list names another file" in holdings.packs[0].sentence
            assert holdings.collections() == ()


def test_each_file_is_read_once_however_many_there_are(
    home: Path, pack: PackFile, packs: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(finding, "MOST", 12)  # each is remembered in a transaction of its own
    for number in range(finding.MOST + 3):
        forge(pack, packs / f"{number:03}.haversack", load_key(tmp_path / "k.pem"), change=lambda it, number=number: it.update(title=f"t{number:03}"))
    carried = carry(packs, builder(packs))
    (packs / "!.haversack").write_bytes(b"what sorts before them")
    read: list[Path] = []

    def counted(path: Path) -> PackFile:
        read.append(path)
        return read_pack(path)

    monkeypatch.setattr(finding, "read_pack", counted)
    for write in (True, False, True):
        read.clear()
        with Holdings.open(home, write=write) as holdings:
            holdings.look(carried, MODEL)
            assert [one.name for one in holdings.collections()] == [f"t{number:03}" for number in range(finding.MOST)]
            assert [one.sentence for one in holdings.packs if one.state == "not listed"] == [
                f"there are {finding.MOST + 4} packs, and {finding.MOST} are looked at; open another with `haversack pack open FILE`"
            ]
        assert len(read) == len(set(read)) == finding.MOST
