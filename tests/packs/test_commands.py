"""`haversack pack …` and the commands that meet packs, as a user types them, with the starter bundle and its real embedder."""

from __future__ import annotations

import json
import os
import shutil
import subprocess
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import pytest

from appliance.library.store import Library
from appliance.manifest import LISTS, MANIFEST, PUBLIC_KEY, read_manifest
from appliance.minisign import load_key
from appliance.packs.creating import create, pack_key
from bundle.sign import entry_of, write_lists
from tests.clinic import NOTES, make_pdf
from tests.library.making import Maker

Run = Any


class Haversack:
    """The program in a process of its own, one home a machine, the bundle on a stick."""

    def __init__(self, bundle: Path) -> None:
        self.bundle = bundle

    def __call__(self, home: Path, *words: str, code: int = 0, **environment: str) -> list[dict[str, Any]]:
        done = self.run(home, *words, "--json", **environment)
        assert done.returncode == code, done.stderr
        return [json.loads(line) for line in done.stdout.splitlines()]

    def run(self, home: Path, *words: str, **environment: str) -> subprocess.CompletedProcess[str]:
        command = [sys.executable, "-m", "appliance.cli", *words, "--home", str(home), "--bundle", str(self.bundle)]
        return subprocess.run(command, capture_output=True, text=True, check=False, env={**os.environ, **environment}, timeout=300)

    def says(self, home: Path, *words: str, code: int = 1) -> str:
        done = self.run(home, *words)
        assert done.returncode == code, (done.stdout, done.stderr)
        assert "Traceback" not in done.stderr
        return done.stderr


@pytest.fixture(scope="module")
def papers(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("papers")
    (folder / "clinic.pdf").write_bytes(make_pdf())
    (folder / "road.txt").write_text(NOTES, encoding="utf-8")
    (folder / "broken.pdf").write_bytes(b"%PDF-1.4\n%cut off")
    return folder


@pytest.fixture(scope="module")
def stick(tmp_path_factory: pytest.TempPathFactory, bundle_root: Path) -> Path:
    """The starter bundle with room for packs: its files by hard link, so that nothing is copied."""
    root = tmp_path_factory.mktemp("stick") / "starter"
    shutil.copytree(bundle_root, root, copy_function=lambda source, target: os.link(os.path.realpath(source), target) or target)
    for name in (*LISTS, PUBLIC_KEY):  # these are written anew: never through the link
        content = (root / name).read_bytes()
        (root / name).unlink()
        (root / name).write_bytes(content)
    (root / "packs").mkdir()
    return root


@contextmanager
def carried(stick: Path, pack: Path, *, key: str = "builder") -> Iterator[Path]:
    """The stick as if its builder had put that pack on it, and signed for it."""
    before = {name: (stick / name).read_bytes() for name in (*LISTS, PUBLIC_KEY)}
    target = stick / "packs" / pack.name
    shutil.copyfile(pack, target)
    told = json.loads(before[MANIFEST])
    entries = [entry for entry in told["files"] if entry["path"] != PUBLIC_KEY]
    write_lists(stick, told, load_key(stick.parent / f"{key}.pem"), [*entries, entry_of(stick, f"packs/{pack.name}", "pack")])
    try:
        yield target
    finally:
        target.unlink(missing_ok=True)
        for name, content in before.items():
            (stick / name).write_bytes(content)


@pytest.fixture(scope="module")
def haversack(stick: Path) -> Haversack:
    return Haversack(stick)


@pytest.fixture(scope="module")
def office(tmp_path_factory: pytest.TempPathFactory, haversack: Haversack, papers: Path) -> Path:
    home = tmp_path_factory.mktemp("office") / "home"
    haversack(home, "ingest", str(papers), "--collection", "clinic", code=1)  # one file is broken
    return home


@pytest.fixture(scope="module")
def pack(tmp_path_factory: pytest.TempPathFactory, haversack: Haversack, office: Path) -> Path:
    file = tmp_path_factory.mktemp("made") / "clinic.haversack"
    haversack(office, "pack", "create", "clinic", str(file))
    return file


def test_create_says_what_it_made_and_who_signed(haversack: Haversack, office: Path, tmp_path: Path) -> None:
    (made,) = haversack(office, "pack", "create", "clinic", str(tmp_path / "a.haversack"))
    assert (made["title"], made["documents"], made["originals"], made["originals_left_out"]) == ("clinic", 2, 2, [])
    assert made["bytes"] == (tmp_path / "a.haversack").stat().st_size
    (small,) = haversack(office, "pack", "create", "clinic", str(tmp_path / "b.haversack"), "--without-originals")
    assert small["originals"] == 0
    assert small["bytes"] < made["bytes"]
    text = haversack.run(office, "pack", "create", "clinic", str(tmp_path / "c.haversack")).stdout
    assert f"It is signed by the key {made['signer']}" in text


def test_with_one_key_and_one_date_two_builds_give_the_same_bytes(haversack: Haversack, office: Path, papers: Path, tmp_path: Path) -> None:
    key = office / "pack-key.pem"
    again = tmp_path / "again"
    haversack(again, "ingest", str(papers), "--collection", "clinic", code=1)
    for home, name in ((office, "one"), (again, "two")):
        haversack(home, "pack", "create", "clinic", str(tmp_path / name), "--key", str(key), SOURCE_DATE_EPOCH="1763942400")
    assert (tmp_path / "one").read_bytes() == (tmp_path / "two").read_bytes()


def test_opened_in_the_field_it_is_asked_like_a_collection(haversack: Haversack, pack: Path, home: Path, papers: Path) -> None:
    (opened,) = haversack(home, "pack", "open", str(pack))
    assert (opened["collection"], opened["state"], opened["documents"]) == ("clinic", "open", 2)
    assert [(one["name"], one["documents"], one["pack"]) for one in haversack(home, "collections", "list")] == [("clinic", 2, True)]
    (found,) = haversack(home, "search", "How many beds has the clinic?", "--collection", "clinic", "--limit", "1")
    (best,) = found["results"]
    assert (best["document"], best["page"]) == ("clinic.pdf", 1)
    assert "forty beds" in best["text"]
    (listed,) = haversack(home, "pack", "list")
    assert (listed["state"], listed["signer"], listed["note"]) == ("open", opened["signer"], "")
    ledger = {one["document"]: one["status"] for one in haversack(home, "documents", "ledger", "--collection", "clinic")}
    assert ledger == {"broken.pdf": "failed", "clinic.pdf": "indexed", "road.txt": "indexed"}
    for words in (
        ("ingest", str(papers / "road.txt"), "--collection", "clinic"),
        ("documents", "remove", "road.txt", "--collection", "clinic"),
        ("collections", "remove", "clinic"),
    ):
        assert "'clinic' is a pack, and packs are not changed." in haversack.says(home, *words)
    haversack(home, "pack", "close", "clinic")
    assert haversack(home, "collections", "list") == []
    assert "There is no open pack named 'clinic'" in haversack.says(home, "search", "beds", "--collection", "clinic")


def test_packs_on_the_bundle_need_no_opening(haversack: Haversack, stick: Path, pack: Path, home: Path) -> None:
    with carried(stick, pack):
        (found,) = haversack(home, "search", "beds", "--collection", "clinic", "--limit", "1")
        assert found["results"][0]["document"] == "clinic.pdf"
        assert not (home / "library.sqlite3").exists()  # whoever only reads writes nothing down
        assert [(one["state"], one["on_bundle"]) for one in haversack(home, "pack", "list")] == [("open", True)]


def test_no_document_is_read_from_a_bundle_that_is_altered_or_a_strangers(
    haversack: Haversack, stick: Path, pack: Path, home: Path, papers: Path, tmp_path: Path
) -> None:
    own = tmp_path / "own.haversack"
    with carried(stick, pack, key="thief"):
        thief = read_manifest(stick).signer
    haversack(home, "ingest", str(papers / "road.txt"), "--collection", "mine")  # by the bundle's true key, which is kept
    haversack(home, "pack", "create", "mine", str(own))

    def meets(why: str) -> None:
        for words in (("collections", "list"), ("documents", "list", "--collection", "mine"), ("pack", "list"), ("pack", "open", str(own))):
            done = haversack.run(home, *words, "--json")
            assert done.returncode == 0, done.stderr
            assert done.stderr.startswith("The packs of the bundle were left out: ")
            assert why in done.stderr
            assert "Traceback" not in done.stderr
            assert "clinic" not in done.stdout
        assert [one["name"] for one in haversack(home, "collections", "list")] == ["mine", "mine (2)"]
        haversack(home, "pack", "create", "mine", str(tmp_path / "again.haversack"))
        haversack(home, "pack", "close", "mine (2)")
        assert "no collection named 'clinic'" in haversack.says(home, "documents", "list", "--collection", "clinic")
        assert why in haversack.says(home, "pack", "merge", str(own), code=3)
        status = haversack.run(home, "status").stdout.splitlines()
        assert [why in line and "were left out" in line for line in status if line.startswith("Bundle")] == [True]
        (told,) = haversack(home, "status", "--json")
        assert ([one["name"] for one in told["collections"]], told["profile"]) == (["mine"], None)

    with carried(stick, pack, key="thief"):
        assert thief is not None
        meets(f"is signed by {thief.fingerprint}")
    with carried(stick, pack):
        (stick / MANIFEST).write_bytes((stick / MANIFEST).read_bytes() + b" ")
        meets("manifest.json in the bundle is altered")
        (stick / MANIFEST).unlink()
        meets("There is no bundle at")


def test_a_pack_that_was_dropped_onto_the_bundle_is_named_and_not_opened(haversack: Haversack, stick: Path, pack: Path, home: Path) -> None:
    dropped = stick / "packs" / "dropped.haversack"
    shutil.copyfile(pack, dropped)
    try:
        assert haversack(home, "collections", "list") == []
        (listed,) = haversack(home, "pack", "list")
        assert (listed["state"], listed["sentence"]) == ("not listed", "not part of this bundle; open it with `haversack pack open FILE`")
        assert "There is no open pack named 'dropped'" in haversack.says(home, "search", "beds", "--collection", "dropped")
        (opened,) = haversack(home, "pack", "open", str(dropped))
        assert (opened["collection"], opened["state"]) == ("clinic", "open")
    finally:
        dropped.unlink()


def test_merged_it_is_a_collection_of_ones_own(haversack: Haversack, pack: Path, home: Path) -> None:
    lines = haversack(home, "pack", "merge", str(pack), "--collection", "mine")
    assert [(one["document"], one["status"]) for one in lines] == [("clinic.pdf", "indexed"), ("road.txt", "indexed")]
    assert {one["status"] for one in haversack(home, "pack", "merge", str(pack), "--collection", "mine")} == {"unchanged"}
    haversack(home, "documents", "remove", "road.txt", "--collection", "mine")
    (found,) = haversack(home, "search", "yearly budget", "--collection", "mine", "--limit", "1")
    assert "84,500 dollars" in found["results"][0]["text"]
    assert haversack.run(home, "pack", "merge", str(pack), "--collection", "mine").stdout.endswith(
        "mine has 1 document more; 1 that it had already stayed as they were.\n"
    )


@pytest.fixture(scope="module")
def foreign(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A pack whose maker had another embedder."""
    folder = tmp_path_factory.mktemp("foreign")
    make = Maker(folder / "incoming")
    with Library.open(folder / "home", write=True, fingerprint="Another model (0123456789ab)") as library:
        collection = library.ensure_collection("wells")
        make(library, collection.id, "wells.txt", "The well of Goma is twelve metres deep.\n\nIts water was tested in June.")
        return create(library, library.collection("wells"), folder / "wells.haversack", pack_key(library.home)).pack.path


def test_one_of_another_embedder_says_what_it_would_take_and_is_done_on_request(haversack: Haversack, foreign: Path, home: Path) -> None:
    for action in ("open", "merge"):
        said = haversack.says(home, "pack", action, str(foreign))
        assert "was made with Another model (0123456789ab)" in said
        assert "(1 document, 2 passages, about " in said
        assert "Add --re-embed" in said
    before = foreign.read_bytes()
    (opened,) = haversack(home, "pack", "open", str(foreign), "--re-embed")
    assert (opened["collection"], opened["state"]) == ("wells", "open")
    haversack(home, "pack", "merge", str(foreign), "--re-embed", "--collection", "mine")
    for collection in ("wells", "mine"):
        (found,) = haversack(home, "search", "How deep is it in Goma?", "--collection", collection, "--limit", "1")
        assert "twelve metres" in found["results"][0]["text"]
    assert foreign.read_bytes() == before


def test_check_reads_every_byte_of_the_packs(haversack: Haversack, pack: Path, home: Path, tmp_path: Path) -> None:
    own = tmp_path / "own.haversack"
    shutil.copyfile(pack, own)
    haversack(home, "pack", "open", str(own))

    def said() -> list[dict[str, Any]]:
        """Of the packs alone: what is found on the machine is the machine's."""
        found: list[dict[str, Any]] = json.loads(haversack.run(home, "check", "--json").stdout)["packs"]
        return found

    assert said() == []
    flipped = bytearray(pack.read_bytes())
    flipped[flipped.index(b"%PDF")] ^= 1
    own.write_bytes(flipped)
    assert [(one["severity"], "one of its originals was changed" in one["sentence"]) for one in said()] == [("error", True)]
    assert haversack.run(home, "check").returncode == 1
    own.unlink()
    assert [one["severity"] for one in said()] == ["warning"]


def test_bad_files_cost_one_sentence(haversack: Haversack, office: Path, pack: Path, home: Path, tmp_path: Path) -> None:
    bad = tmp_path / "bad.haversack"
    bad.write_bytes(pack.read_bytes()[:-500])
    for action in ("open", "merge"):
        assert "is not a whole Haversack pack (its end is missing)" in haversack.says(home, "pack", action, str(bad))
        assert "There is no file or folder" in haversack.says(home, "pack", action, str(tmp_path / "nowhere"))
    flipped = bytearray(pack.read_bytes())
    flipped[flipped.index(b"forty beds")] ^= 1
    bad.write_bytes(flipped)
    for action in ("open", "merge"):
        assert "is not as it was signed (its database was changed" in haversack.says(home, "pack", action, str(bad))
    assert "no collection named 'nothing'" in haversack.says(office, "pack", "create", "nothing", str(tmp_path / "x"))
    assert "There is no open pack named 'nothing'" in haversack.says(home, "pack", "close", "nothing")
    assert haversack(home, "collections", "list") == []


def test_list_has_a_hint_where_there_is_none(haversack: Haversack, home: Path) -> None:
    assert "haversack pack create" in haversack.run(home, "pack", "list").stdout
