"""A pack appears under its name whole and signed, or not at all; the same documents make the same bytes; it works from a real stick."""

from __future__ import annotations

import hashlib
import os
import stat
import subprocess
import sys
from pathlib import Path

import pytest

from appliance import minisign
from appliance.errors import DiskFull, LibraryDamaged, NotALibrary, PackGone, PackKeyUnusable, PackRefused, PackTooLarge
from appliance.library import keywords
from appliance.library.store import Library
from appliance.manifest import read_manifest
from appliance.minisign import parse_key
from appliance.packs import creating
from appliance.packs.creating import KEY, create, pack_key
from appliance.packs.file import FOOT, PackFile, is_pack, read_pack
from appliance.packs.holdings import Holdings
from appliance.runtime import carried_packs
from tests.images import exfat_image, fat_image, mounted
from tests.library.making import Maker
from tests.packs.bundles import carry
from tests.packs.conftest import MODEL, PAGES

MOMENT = "2026-11-24T00:00:00Z"


def test_it_says_what_is_in_it(pack: PackFile, office: Library) -> None:
    assert (pack.title, pack.documents, pack.pages, pack.chunks, pack.dimensions) == ("field", 3, 6, 8, 32)
    assert (pack.embedder, pack.size) == (MODEL, pack.path.stat().st_size)
    assert pack.signer == pack_key(office.home).public
    assert len(pack.originals) == 3
    assert is_pack(pack.path)


def test_plain_tools_can_check_the_signature(pack: PackFile) -> None:
    """The contents and their minisign signature stand at the end, one after the other; the contents hash the rest."""
    content = pack.path.read_bytes()
    length, signature, key, _ = FOOT.unpack(content[-FOOT.size :])
    assert key == pack.signer.raw
    end = len(content) - FOOT.size
    contents, text = content[end - signature - length : end - signature], content[end - signature : end].decode()
    assert minisign.verify(hashlib.blake2b(contents).digest(), text, parse_key(pack.signer.text())).startswith("haversack pack 2")
    assert hashlib.sha256(content[: pack.database]).hexdigest() == pack.blocks[0]


def test_the_key_is_made_once_and_is_its_owners_alone(office: Library) -> None:
    first = pack_key(office.home)
    assert pack_key(office.home).public == first.public
    assert stat.S_IMODE((office.home / KEY).stat().st_mode) == 0o600


def test_a_key_that_is_none_is_refused(office: Library, tmp_path: Path) -> None:
    for content in ("", "Dear Amina", "-----BEGIN PRIVATE KEY-----\nAAAA\n-----END PRIVATE KEY-----\n"):
        (tmp_path / "key.pem").write_text(content, encoding="utf-8")
        with pytest.raises(PackKeyUnusable, match="holds no Ed25519 key"):
            pack_key(office.home, tmp_path / "key.pem")
    with pytest.raises(PackKeyUnusable, match="no such file"):
        pack_key(office.home, tmp_path / "nowhere.pem")


def test_the_same_documents_make_the_same_bytes(tmp_path: Path, office: Library) -> None:
    key = pack_key(office.home)
    made = create(office, office.collection("field"), tmp_path / "one.haversack", key, moment=MOMENT).pack
    # In another library, put in at another time and in another order, beside other things.
    with Library.open(tmp_path / "twin", write=True, fingerprint=MODEL) as twin:
        make = Maker(tmp_path / "again")
        make(twin, twin.ensure_collection("something").id, "else.txt", "Something else.")
        field = twin.ensure_collection("field")
        gone = make(twin, field.id, "gone.txt", "It was here.")
        for name in sorted(PAGES, reverse=True):
            make(twin, field.id, name, *PAGES[name], title=name.upper(), heading=("Report", "Part"))
        twin.remove_document(gone.id)
        twin.record_failure(field.id, name="broken.pdf", sha256="", size=7, reason="It is cut off.")
        again = create(twin, twin.collection("field"), tmp_path / "two.haversack", key, moment=MOMENT).pack
    assert again.path.read_bytes() == made.path.read_bytes()
    assert made.created == MOMENT
    assert b"It was here" not in again.path.read_bytes()


def test_a_pack_of_a_pack_holds_the_same(home: Path, office: Library, pack: PackFile, tmp_path: Path) -> None:
    folder = tmp_path / "bundle" / "packs"
    folder.mkdir(parents=True)
    pack.path.rename(folder / "field.haversack")
    with Holdings.open(home, write=True) as holdings:
        holdings.look(carry(folder, pack_key(office.home)), MODEL)
        made = create(holdings, holdings.collection("field"), tmp_path / "copy.haversack", pack_key(home)).pack
    assert (made.blocks, made.originals, made.embedder) == (pack.blocks, pack.originals, pack.embedder)
    assert made.signer != pack.signer


def test_originals_that_are_missing_or_changed_are_left_out_and_named(office: Library, tmp_path: Path) -> None:
    wells, roads = (office.find_document(office.collection("field").id, name=name) for name in ("wells.txt", "roads.txt"))
    assert wells
    assert roads
    lost, changed = office.original(wells.id), office.original(roads.id)
    assert lost
    assert changed
    lost.unlink()
    changed.write_text("Something else.", encoding="utf-8")
    made = create(office, office.collection("field"), tmp_path / "x.haversack", pack_key(office.home))
    assert made.left_out == ("roads.txt", "wells.txt")
    assert len(made.pack.originals) == 1


def test_a_damaged_library_makes_no_pack(office: Library, tmp_path: Path) -> None:
    with office.database.writing() as connection:
        connection.execute("UPDATE pages SET text = replace(text, 'twelve', 'eleven')")
    with pytest.raises(LibraryDamaged):
        create(office, office.collection("field"), tmp_path / "x.haversack", pack_key(office.home))
    assert not list(tmp_path.glob("x.haversack*"))
    assert not list((office.home / "packs").glob("making-*"))


def test_what_is_no_pack_is_not_written_over(office: Library, pack: PackFile, tmp_path: Path) -> None:
    letter = tmp_path / "letter.haversack"
    letter.write_text("Dear Amina", encoding="utf-8")
    with pytest.raises(PackRefused, match="is there, and is no pack"):
        create(office, office.collection("field"), letter, pack_key(office.home))
    assert letter.read_text(encoding="utf-8") == "Dear Amina"
    assert create(office, office.collection("field"), pack.path, pack_key(office.home)).pack.path == pack.path


def test_an_empty_collection_and_a_missing_folder_are_refused(office: Library, tmp_path: Path) -> None:
    office.ensure_collection("empty")
    with pytest.raises(PackRefused, match="no document in 'empty'"):
        create(office, office.collection("empty"), tmp_path / "x.haversack", pack_key(office.home))
    with pytest.raises(PackRefused, match="there is no folder"):
        create(office, office.collection("field"), tmp_path / "nowhere" / "x.haversack", pack_key(office.home))


def test_a_pack_above_what_fat_takes_is_refused_before_a_byte_is_written(office: Library, tmp_path: Path) -> None:
    """An original of 4 GiB, as a sparse file: nothing of it is read before the disk is looked at."""
    from appliance.packs.creating import _check_room

    with fat_image(tmp_path) as stick:
        with pytest.raises(PackTooLarge, match=r"would have 4.3 GB, and the disk of .* takes no file above 4 GB"):
            _check_room(stick.mount / "x.haversack", 1 << 32)
        with pytest.raises(DiskFull):
            _check_room(stick.mount / "x.haversack", (1 << 32) - 1)
        assert not list(stick.mount.glob("x*"))


def test_more_originals_than_a_pack_may_list_are_refused(office: Library, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(creating, "LONGEST_CONTENTS", 500)
    with pytest.raises(PackRefused, match="more originals than a pack may"):
        create(office, office.collection("field"), tmp_path / "x.haversack", pack_key(office.home))
    assert not list(tmp_path.glob("x.haversack*"))


def test_it_is_not_made_through_a_link(office: Library, tmp_path: Path) -> None:
    victim = tmp_path / "victim"
    victim.mkdir()
    (office.home / "packs").symlink_to(victim)
    with pytest.raises(NotALibrary, match="it is a link"):
        create(office, office.collection("field"), tmp_path / "x.haversack", pack_key(office.home))
    assert not list(victim.iterdir())


def test_a_stick_without_room_keeps_what_it_had(office: Library, make: Maker, tmp_path: Path) -> None:
    with fat_image(tmp_path, size=40 << 20) as stick:
        target = stick.mount / "field.haversack"
        before = create(office, office.collection("field"), target, pack_key(office.home)).pack
        large = make.folder / "large.txt"
        make(office, office.collection("field").id, "large.txt", "Large. " + "x" * (50 << 20))
        assert large.exists()
        with pytest.raises(DiskFull):
            create(office, office.collection("field"), target, pack_key(office.home))
        assert read_pack(target) == before
        assert not list(stick.mount.glob("*.part"))


@pytest.mark.parametrize("kind", ["fat", "exfat"])
def test_it_is_read_in_place_from_a_stick_that_cannot_be_written_to(office: Library, home: Path, tmp_path: Path, kind: str) -> None:
    with (fat_image if kind == "fat" else exfat_image)(tmp_path) as stick:
        packs = stick.mount / "packs"
        packs.mkdir()
        create(office, office.collection("field"), packs / "field.haversack", pack_key(office.home))
        carry(packs, pack_key(office.home))
        image = stick.image
    before = hashlib.sha256(image.read_bytes()).hexdigest()
    with mounted(image, kind, read_only=True) as stick, Holdings.open(home, write=True, fingerprint=MODEL) as holdings:
        holdings.look(carried_packs(read_manifest(stick.mount)), MODEL)
        collection = holdings.collection("field")
        assert collection.documents == 3
        found = keywords.search(holdings, collection.id, "twelve metres", 1)
        chunk = holdings.chunks([found[0].chunk_id])[found[0].chunk_id]
        assert chunk.text == "The well of Goma is twelve metres deep."
        original = holdings.original(chunk.document_id)
        assert original is not None
        assert home in original.parents
        with pytest.raises(OSError, match="Read-only"):
            (stick.mount / "packs" / "x").write_text("x")
    assert hashlib.sha256(image.read_bytes()).hexdigest() == before


def test_killed_while_it_is_made_the_old_one_stands(office: Library, make: Maker, tmp_path: Path) -> None:
    target = tmp_path / "field.haversack"
    before = create(office, office.collection("field"), target, pack_key(office.home)).pack
    make(office, office.collection("field").id, "large.txt", *("word " * 20_000 for _ in range(40)))
    code = (
        "import os, sys\nfrom pathlib import Path\nfrom appliance.library.store import Library\nfrom appliance.packs import creating\n"
        "home, target, step = Path(sys.argv[1]), Path(sys.argv[2]), sys.argv[3]\n"
        "original = getattr(creating, step)\n"
        "def dying(*given, **named):\n    original(*given, **named)\n    os._exit(9)\n"
        "setattr(creating, step, dying)\n"
        "library = Library.open(home, write=False)\n"
        "creating.create(library, library.collection('field'), target, creating.pack_key(home))\n"
    )
    for step in ("build", "_copy_database", "_copy_original"):
        done = subprocess.run(
            [sys.executable, "-c", code, str(office.home), str(target), step], check=False, env={**os.environ, "PYTHONPATH": os.getcwd()}
        )
        assert done.returncode == 9
        assert read_pack(target) == before
    assert list((office.home / "packs").glob("making-*"))
    after = create(office, office.collection("field"), target, pack_key(office.home)).pack
    assert after.documents == before.documents + 1
    assert not list((office.home / "packs").glob("making-*"))


@pytest.mark.parametrize("kind", ["fat", "exfat"])
def test_a_stick_pulled_out_while_it_is_read_costs_a_sentence_and_may_come_back(office: Library, home: Path, tmp_path: Path, kind: str) -> None:
    with (fat_image if kind == "fat" else exfat_image)(tmp_path) as stick:
        (stick.mount / "packs").mkdir()
        create(office, office.collection("field"), stick.mount / "packs" / "field.haversack", pack_key(office.home))
        carry(stick.mount / "packs", pack_key(office.home))
        image, mount = stick.image, stick.mount
    with Holdings.open(home, write=True, fingerprint=MODEL) as holdings:
        with mounted(image, kind, read_only=True):
            holdings.look(carried_packs(read_manifest(mount)), MODEL)
            collection = holdings.collection("field")
            documents = holdings.documents(collection.id)
            subprocess.run(["umount", "-l", str(mount)], check=True)
            for read in (
                lambda: holdings.documents(collection.id),
                lambda: holdings.page(documents[0].id, 0),
                lambda: holdings.original(documents[0].id),
            ):
                with pytest.raises(PackGone, match="The pack 'field' is not at"):
                    read()
            assert holdings.ensure_collection("mine").documents == 0
        with mounted(image, kind, read_only=True):
            assert holdings.documents(collection.id) == documents
            holdings.close_pack("field")  # what is open can't be unmounted
