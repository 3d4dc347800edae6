"""A library takes no other folder for its own: nothing is removed there that it didn't make, and nothing through a link."""

from __future__ import annotations

from pathlib import Path

import pytest

from appliance.access import keys
from appliance.energy import saver
from appliance.errors import LibraryDamaged, NotALibrary
from appliance.library.backup import backup, restore
from appliance.library.store import Library
from appliance.packs.holdings import Holdings
from appliance.shelf import purposes, shelf
from tests.library.making import Maker

STRANGE = (
    "originals/2024/photo.raw",
    "originals/trip/a.jpg",
    "index/site/page.html",
    "index/photo.raw",
    "restoring/a",
    "inbox/mail/1.eml",
    "inbox/letters.part/1.txt",
    "packs/making-of/film.mp4",
    "spool/x",
)
THEIRS = (
    *STRANGE,
    "originals/ab/letter.txt",
    "index/7/x",
    "index/7/3/own.txt",
    "restoring/originals/a.txt",
    "packs/shown/a.png",
    "packs/making-a1b2c3d4/film.mp4",
)
"""In folders that are called like ours, too."""
OURS = ("originals", "index", "packs", "inbox", "spool", "restoring")


def put(folder: Path, *names: str) -> dict[str, bytes]:
    for name in names:
        (folder / name).parent.mkdir(parents=True, exist_ok=True)
        (folder / name).write_bytes(name.encode())
    return contents(folder)


def contents(folder: Path) -> dict[str, bytes]:
    return {path.relative_to(folder).as_posix(): path.read_bytes() for path in folder.rglob("*") if path.is_file()}


@pytest.fixture
def kept(home: Path, tmp_path: Path) -> Path:
    """A library with a document, closed."""
    with Library.open(home, write=True) as library:
        Maker(tmp_path / "incoming")(library, library.ensure_collection("papers").id, "letter.txt", "Dear Amina")
    return home


@pytest.mark.parametrize("name", STRANGE)
def test_a_folder_with_other_things_is_made_no_library_and_stays_as_it_is(home: Path, name: str) -> None:
    before = put(home, name)
    with pytest.raises(NotALibrary, match=r"there is something else in it .*, and no library\)?\. Name an empty folder"):
        Holdings.open(home, write=True)
    assert contents(home) == before


def test_another_persons_home_is_made_no_library(home: Path) -> None:
    before = put(home, "Documents/thesis.odt", ".ssh/id")
    with pytest.raises(NotALibrary):
        Library.open(home, write=True)
    assert contents(home) == before


def test_settings_keys_and_unpacked_software_may_be_there_before(home: Path) -> None:
    before = put(
        home,
        *("haversack.toml", "trusted-keys", "newest-bundles.json", "pack-key.pem", "runtime/linux-x64/bin/python", ".try-4711", ".DS_Store", "._x"),
        *(keys.FILE, keys.USED, keys.LOCK, purposes.CHOICES, purposes.SPEEDS, saver.FILE, f"{shelf.FOLDER}/mine/mine.gguf"),
    )
    (home / "writer.lock").write_bytes(b"")
    with Library.open(home, write=True) as library:
        library.ensure_collection("mine")
    assert contents(home).items() >= before.items()


def test_documents_whose_database_is_gone_are_left_until_a_backup_is_brought_back(kept: Path, tmp_path: Path) -> None:
    with Library.open(kept, write=False) as library:
        backup(library, tmp_path / "backup.zip")
    put(kept, purposes.SPEEDS, keys.FILE)  # as after a day of use
    (kept / "library.sqlite3").unlink()
    left = contents(kept)
    for _ in range(2):
        with pytest.raises(LibraryDamaged, match=r"its database is gone, and its documents are still there.* bring back a backup"):
            Holdings.open(kept, write=True)
    assert contents(kept) == left
    restore(kept, tmp_path / "backup.zip")
    with Library.open(kept, write=True) as library:
        [document] = library.documents(library.collection("papers").id)
        assert document.name == "letter.txt"
    assert contents(kept).items() >= left.items()


def test_what_others_put_into_a_library_stays(kept: Path) -> None:
    theirs = put(kept, *THEIRS)
    for _ in range(2):
        with Holdings.open(kept, write=True) as holdings:
            assert [one.documents for one in holdings.collections()] == [1]
    assert contents(kept).keys() >= theirs.keys()


def test_restoring_removes_nothing_that_is_not_ours(kept: Path, tmp_path: Path) -> None:
    with Library.open(kept, write=False) as library:
        backup(library, tmp_path / "backup.zip")
    theirs = put(kept, *THEIRS)
    restore(kept, tmp_path / "backup.zip")
    assert contents(kept).keys() >= theirs.keys() - {"library.sqlite3"}
    other = tmp_path / "other"
    before = put(other, "restoring/a", "Documents/thesis.odt")
    with pytest.raises(NotALibrary):
        restore(other, tmp_path / "backup.zip")
    assert contents(other) == before


def test_what_a_killed_one_left_goes(kept: Path) -> None:
    digest = "f" * 64
    put(
        kept,
        f"originals/ff/{digest}.pdf",
        f"originals/ff/{digest}.pdf.part",
        f"restoring/originals/ff/{digest}.txt",
        "restoring/library.sqlite3",
        f"packs/shown/ff-{digest}.pdf",
        "packs/making-a1b2c3d4/database",
        "index/99/1/chunks.json",
        "index/99/2.building/chroma.sqlite3",
    )
    with Holdings.open(kept, write=True):
        pass
    assert {path.name for path in kept.iterdir()} == {"library.sqlite3", "writer.lock", "originals", "index", "packs"}
    assert len(list((kept / "originals").rglob("*.*"))) == 1
    assert not list((kept / "index").iterdir())
    assert not list((kept / "packs").iterdir())


@pytest.mark.parametrize("name", [*OURS, "library.sqlite3", "library.sqlite3-journal", "library.sqlite3.new", "writer.lock"])
@pytest.mark.parametrize("is_there", [True, False])
def test_nothing_is_done_through_a_link(kept: Path, tmp_path: Path, name: str, is_there: bool) -> None:
    victim = tmp_path / "victim"
    theirs = put(victim, "Documents/thesis.odt", "ab/photo.raw", f"ab/{'b' * 64}", "database", "7/chunks.json")
    if is_there:
        if (kept / name).is_dir():
            (kept / name).rename(tmp_path / "moved")
        (kept / name).unlink(missing_ok=True)
    home = kept if is_there else tmp_path / "stick" / "data"
    home.mkdir(parents=True, exist_ok=True)
    (home / name).symlink_to(victim / "database" if name.startswith(("library", "writer")) else victim)
    with pytest.raises(NotALibrary, match=f"{name} can't hold a library: it is a link"):
        Holdings.open(home, write=True)
    with pytest.raises(NotALibrary, match="it is a link"):
        restore(home, tmp_path / "backup.zip")
    assert contents(victim) == theirs


@pytest.mark.parametrize("name", ["originals/zz", "index/7", "packs/shown", "packs/writer.lock", "inbox/00000000000000000001-00000000"])
def test_nor_through_one_in_its_folders(kept: Path, tmp_path: Path, name: str) -> None:
    victim = tmp_path / "victim"
    theirs = put(victim, "b" * 64, f"ab-{'b' * 64}", "3/chunks.json")
    (kept / name).parent.mkdir(parents=True, exist_ok=True)
    (kept / name).symlink_to(victim)
    with pytest.raises(NotALibrary, match=f"{name} can't hold a library: it is a link"):
        Holdings.open(kept, write=True)
    assert contents(victim) == theirs
