"""A bundle onto a stick and onto another bundle: only what changed is brought, the library stays, and what can't be is refused before a byte."""

from __future__ import annotations

import os
import shutil
from collections.abc import Callable
from pathlib import Path

import pytest

from appliance.carrying import carry as module
from appliance.carrying.carry import Carried, update, write
from appliance.carrying.filesystem import FileSystem
from appliance.carrying.target import Terms
from appliance.errors import (
    BundleAltered,
    BundleMissing,
    BundleOlder,
    BundleOther,
    BundleThere,
    HaversackError,
    NameUnfit,
    NoSuchPath,
    StickBusy,
    TargetRefused,
    TargetTooSmall,
    TooLargeForStick,
)
from appliance.integrity import differences
from appliance.manifest import SUMS, read_manifest
from appliance.minisign import SecretKey
from tests.carrying import making
from tests.carrying.making import Heard, left_over, library_is_whole, make_bundle, put_library, write_bundle
from tests.images import MIB, Stick, fat_image, mounted

NOTHING = Terms()


def copied(bundle: Path, root: Path) -> Path:
    write(bundle, root, Heard())
    put_library(root)
    return root


def snapshot(root: Path) -> dict[str, bytes]:
    return {str(path.relative_to(root)): path.read_bytes() for path in sorted(root.rglob("*")) if path.is_file()}


def test_what_is_written_verifies_on_a_real_stick(stick: Stick, old: Path) -> None:
    root = stick.mount / "haversack"
    done = write(old, root, Heard())
    assert differences(root) == ()
    assert (done.files, done.size) == (10, sum(file.size for file in read_manifest(old).files))
    assert done.readings == {"direct"}
    assert (root / SUMS).read_bytes() == (old / SUMS).read_bytes()
    kind = "fat" if stick.image.name == "fat.img" else "exfat"
    twin = shutil.copy(stick.image, stick.image.with_name("twin.img"))
    with mounted(Path(twin), kind, read_only=True) as again:
        assert differences(again.mount / "haversack") == ()


def test_an_update_brings_only_what_changed_and_keeps_the_library(stick: Stick, old: Path, new: Path) -> None:
    root = copied(old, stick.mount / "haversack")
    gone = {file.path for file in read_manifest(old).files} - {file.path for file in read_manifest(new).files}
    heard = Heard()
    done = update(new, root, NOTHING, heard)
    changed = {file.path: file.size for file in read_manifest(new).files if file.sha256 not in {other.sha256 for other in read_manifest(old).files}}
    assert (done.files, done.size) == (len(changed), sum(changed.values()))
    assert heard.total == heard.done == 2 * done.size
    assert differences(root) == ()
    assert read_manifest(root).sha256 == read_manifest(new).sha256
    assert set(done.removed) == gone
    assert not any((root / path).exists() for path in gone)
    assert sorted(path.name for path in (root / "models").iterdir()) == sorted(path.name for path in (new / "models").iterdir())
    assert library_is_whole(root)
    assert left_over(root) == []


def test_files_that_did_not_change_are_not_written_again(tmp_path: Path, old: Path, new: Path) -> None:
    root = copied(old, tmp_path / "stick")
    stays = root / "models/embedder-00000000/model.onnx"
    before = stays.stat()
    update(new, root, NOTHING, Heard())
    assert (stays.stat().st_ino, stays.stat().st_mtime_ns) == (before.st_ino, before.st_mtime_ns)


def test_doing_it_twice_is_doing_it_once(tmp_path: Path, old: Path, new: Path) -> None:
    root = copied(old, tmp_path / "stick")
    for again in (lambda: write(old, root, Heard()), lambda: update(old, root, NOTHING, Heard())):
        before = {path: path.stat().st_mtime_ns for path in root.rglob("*")}
        done = again()
        assert (done.files, done.removed, done.strangers) == (0, (), ())
        assert {path: path.stat().st_mtime_ns for path in root.rglob("*") if path != root} == {p: t for p, t in before.items() if p != root}


@pytest.mark.parametrize("again", [lambda old, root: write(old, root, Heard()), lambda old, root: update(old, root, NOTHING, Heard())])
def test_what_was_damaged_is_brought_again(tmp_path: Path, old: Path, again: Callable[[Path, Path], Carried]) -> None:
    root = copied(old, tmp_path / "stick")
    (root / "models/embedder-00000000/model.onnx").write_bytes(making.noise(9, 300_000))
    (root / "start-linux.sh").unlink()
    (root / SUMS).write_bytes(b"?")
    assert again(old, root).files == 2
    assert differences(root) == ()


def test_files_of_nobody_s_manifest_are_left_and_named(tmp_path: Path, old: Path, new: Path) -> None:
    root = copied(old, tmp_path / "stick")
    (root / "holiday.jpg").write_bytes(b"mine")
    (root / "models/mine").mkdir()
    (root / "models/mine/notes.txt").write_bytes(b"mine")
    (root / "System Volume Information").mkdir()
    (root / "System Volume Information/x").write_bytes(b"Windows'")
    assert update(new, root, NOTHING, Heard()).strangers == ("holiday.jpg", "models/mine/notes.txt")
    assert (root / "models/mine/notes.txt").read_bytes() == b"mine"


def test_an_older_bundle_is_refused_unless_it_is_wanted(tmp_path: Path, old: Path, new: Path) -> None:
    root = copied(new, tmp_path / "stick")
    before = snapshot(root)
    with pytest.raises(BundleOlder, match="--allow-downgrade"):
        update(old, root, NOTHING, Heard())
    assert snapshot(root) == before
    update(old, root, Terms(allow_downgrade=True), Heard())
    assert read_manifest(root).created == making.OLDER
    assert differences(root) == ()


def test_another_key_s_and_another_profile_s_bundle_are_refused_unless_they_are_wanted(tmp_path: Path, old: Path, signer: SecretKey) -> None:
    foreign = make_bundle(tmp_path / "foreign", making.key(tmp_path, "stranger"), created=making.NEWER, version=2)
    other = make_bundle(tmp_path / "other", signer, created=making.NEWER, version=3, profile="field")
    root = copied(old, tmp_path / "stick")
    before = snapshot(root)
    for offered, because in ((foreign, "signed by the key"), (other, "of the profile 'field'")):
        with pytest.raises(BundleOther, match=because):
            update(offered, root, NOTHING, Heard())
        assert snapshot(root) == before
        update(offered, root, Terms(replace=True), Heard())
        assert differences(root) == ()
        assert library_is_whole(root)
        shutil.rmtree(root)
        copied(old, root)


def test_writing_does_not_update_and_updating_does_not_write(tmp_path: Path, old: Path, new: Path) -> None:
    root = copied(old, tmp_path / "stick")
    before = snapshot(root)
    with pytest.raises(BundleThere, match="haversack-bundle update"):
        write(new, root, Heard())
    assert snapshot(root) == before
    (tmp_path / "empty").mkdir()
    for place in (tmp_path / "empty", tmp_path / "nowhere"):
        with pytest.raises(TargetRefused, match="haversack-bundle write"):
            update(new, place, NOTHING, Heard())
    assert not (tmp_path / "nowhere").exists()


def test_a_folder_of_something_else_is_not_written_into(tmp_path: Path, old: Path) -> None:
    (tmp_path / "stick").mkdir()
    (tmp_path / "stick/holiday.jpg").write_bytes(b"mine")
    with pytest.raises(TargetRefused, match="no bundle; name a new folder"):
        write(old, tmp_path / "stick", Heard())
    with pytest.raises(TargetRefused, match="plug the stick in"):
        write(old, tmp_path / "unplugged" / "haversack", Heard())
    with pytest.raises(TargetRefused, match="file or a link"):
        write(old, tmp_path / "stick/holiday.jpg", Heard())
    assert snapshot(tmp_path / "stick") == {"holiday.jpg": b"mine"}


def test_a_bundle_that_is_not_whole_is_not_offered(tmp_path: Path, old: Path, new: Path) -> None:
    root = copied(old, tmp_path / "stick")
    before = snapshot(root)
    cases: list[tuple[Callable[[Path], object], type[HaversackError]]] = [
        (lambda b: (b / "models/embedder-00000000/model.onnx").write_bytes(making.noise(9, 300_000)), BundleAltered),  # altered
        (lambda b: os.truncate(b / "packs/guide.haversack", 100), BundleAltered),  # truncated
        (lambda b: (b / "START-Windows.cmd").unlink(), BundleAltered),
        (lambda b: shutil.copy(old / "manifest.json", b / "manifest.json"), BundleAltered),  # mixed
        (lambda b: [shutil.copy(old / n, b / n) for n in ("manifest.json", "manifest.json.minisig", "SHA256SUMS")], BundleAltered),
        (lambda b: (b / "manifest.json.minisig").unlink(), BundleAltered),
        (lambda b: (b / "SHA256SUMS").write_bytes(b"x"), BundleAltered),
        (lambda b: (b / "manifest.json").unlink(), BundleMissing),
        (lambda b: shutil.rmtree(b), NoSuchPath),
    ]
    for number, (harm, kind) in enumerate(cases):
        offered = Path(shutil.copytree(new, tmp_path / f"offered{number}"))
        harm(offered)
        with pytest.raises(kind):
            update(offered, root, NOTHING, Heard())
        if kind is not NoSuchPath:
            with pytest.raises(kind):
                write(offered, tmp_path / "fresh", Heard())
        assert not (tmp_path / "fresh").exists()
        assert snapshot(root) == before


def test_a_bundle_that_can_not_be_read_any_more_is_replaced_only_on_request(tmp_path: Path, old: Path, new: Path) -> None:
    root = copied(old, tmp_path / "stick")
    (root / "manifest.json").write_bytes(b"{}")
    with pytest.raises(BundleAltered):
        update(new, root, NOTHING, Heard())
    with pytest.raises(BundleOther, match="--replace"):
        write(new, root, Heard())
    assert "models/embedder" not in " ".join(update(new, root, Terms(replace=True), Heard()).strangers)
    assert differences(root) == () or {one.state for one in differences(root)} == {"extra"}
    assert library_is_whole(root)


def test_a_bundle_is_not_brought_onto_itself(old: Path) -> None:
    with pytest.raises(TargetRefused, match="the bundle itself"):
        update(old, old, NOTHING, Heard())


def test_a_stick_that_is_too_small_is_refused_by_its_own_clusters(tmp_path: Path, signer: SecretKey) -> None:
    many = write_bundle(tmp_path / "many", signer, {f"models/m-00000000/{number}": b"x" * 100 for number in range(1100)})
    large = make_bundle(tmp_path / "large", signer, size=30_000_000)
    with fat_image(tmp_path, 34 * MIB) as stick:
        for bundle in (many, large):  # 1,100 files of 100 bytes take 36 MB in clusters of 32 KiB
            with pytest.raises(TargetTooSmall, match=r"are needed there \(FAT32, in clusters of 33 kB\)"):
                write(bundle, stick.mount / "haversack", Heard())
            assert list(stick.mount.iterdir()) == []


def test_an_update_needs_room_beside_the_bundle_that_is_there(tmp_path: Path, signer: SecretKey) -> None:
    first = make_bundle(tmp_path / "first", signer, size=10_000_000)
    second = make_bundle(tmp_path / "second", signer, size=10_000_000, created=making.NEWER, version=2)
    with fat_image(tmp_path, 36 * MIB) as stick:
        root = copied(first, stick.mount / "haversack")
        with pytest.raises(TargetTooSmall):
            update(second, root, NOTHING, Heard())
        assert differences(root) == ()
        assert library_is_whole(root)


def test_a_file_of_four_gibibytes_is_refused_on_fat32_before_it_is_read(tmp_path: Path, signer: SecretKey) -> None:
    bundle = make_bundle(tmp_path / "bundle", signer)
    with (bundle / "models/huge.gguf").open("wb") as stream:
        stream.truncate(1 << 32)  # sparse: it takes no room here
    files = [{"path": "models/huge.gguf", "size": 1 << 32, "sha256": "0" * 64, "role": "generator"}]
    sign_as_is(bundle, signer, files)
    with fat_image(tmp_path) as stick:
        with pytest.raises(TooLargeForStick, match=r"huge\.gguf has 4\.29 GB.*FAT32.*exFAT"):
            write(bundle, stick.mount / "haversack", Heard())
        assert list(stick.mount.iterdir()) == []


def sign_as_is(bundle: Path, signer: SecretKey, files: list[dict[str, object]]) -> None:
    from bundle.sign import write_lists

    rest = {"format": 2, "profile": "tiny", "title": "t", "created": making.OLDER, "languages": [], "tool": {}, "versions": {}}
    write_lists(bundle, {**rest, "models": [], "runtimes": []}, signer, files)


def test_a_protected_stick_is_named_as_one(stick: Stick, old: Path, new: Path) -> None:
    copied(old, stick.mount / "haversack")
    twin = Path(shutil.copy(stick.image, stick.image.with_name("twin.img")))
    with mounted(twin, "fat" if stick.image.name == "fat.img" else "exfat", read_only=True) as protected:
        root = protected.mount / "haversack"
        before = snapshot(root)
        with pytest.raises(TargetRefused, match="write-protected"):
            update(new, root, NOTHING, Heard())
        with pytest.raises(TargetRefused, match="write-protected"):
            write(new, protected.mount / "another", Heard())
        assert snapshot(root) == before


def test_names_that_a_stick_can_not_hold_are_refused(tmp_path: Path, signer: SecretKey) -> None:
    bundle = write_bundle(tmp_path / "bundle", signer, {"models/Reader.gguf": b"1", "models/reader.gguf": b"2"})
    with pytest.raises(NameUnfit):
        write(bundle, tmp_path / "stick", Heard())
    assert not (tmp_path / "stick").exists()


def test_two_at_once_are_one_too_many(tmp_path: Path, old: Path, new: Path) -> None:
    root = copied(old, tmp_path / "stick")

    class Intruder(Heard):
        def say(self, line: str, /) -> None:
            with pytest.raises(StickBusy):
                update(new, root, NOTHING, Heard())
            super().say(line)

    intruder = Intruder()
    update(new, root, NOTHING, intruder)
    assert intruder.lines
    assert differences(root) == ()


def test_short_names_are_not_enough(tmp_path: Path, old: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    short = FileSystem("FAT with names of 8 + 3 letters", 4096, 1 << 30, read_only=False)
    monkeypatch.setattr("appliance.carrying.target.filesystem_of", lambda path: short)
    with pytest.raises(TargetRefused, match="mount it as vfat"):
        write(old, tmp_path / "stick", Heard())


def test_what_the_system_says_becomes_a_sentence(tmp_path: Path, old: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    def full(*_: object) -> None:
        raise OSError(28, "No space left on device")

    monkeypatch.setattr(module.copy, "copy", full)
    with pytest.raises(TargetRefused, match=r"it is full; .* Run the same command again"):
        write(old, tmp_path / "stick", Heard())


@pytest.mark.parametrize("path", ["./data/library.sqlite3", "data./library.sqlite3", "DATA /library.sqlite3", "holiday.jpg"])
@pytest.mark.parametrize("ending", [".old", ".new"])
def test_a_note_that_nobody_signed_removes_nothing(tmp_path: Path, signer: SecretKey, old: Path, new: Path, path: str, ending: str) -> None:
    """Nor does one with another key's signature, or one that our own key signed for the user's folder."""
    for number, writer in enumerate((None, making.key(tmp_path, "stranger"), signer)):
        root = copied(old, tmp_path / f"stick{number}")
        (root / "holiday.jpg").write_bytes(b"mine")
        planted = Path(shutil.copytree(old, tmp_path / f"planted{number}"))
        sign_as_is(planted, writer or signer, [{"path": path, "size": 1, "sha256": "0" * 64, "role": "notice"}])
        for name in ("manifest.json", *(("manifest.json.minisig", "haversack.pub") if writer else ())):
            shutil.copyfile(planted / name, root / (name + ending))
        update(new, root, NOTHING, Heard())
        assert library_is_whole(root)
        assert (root / "holiday.jpg").exists() or writer is signer
        assert read_manifest(root).sha256 == read_manifest(new).sha256


def test_a_stick_s_own_manifest_removes_nothing_of_the_user_s(stick: Stick, signer: SecretKey, new: Path) -> None:
    """On a real stick, where the name without its dot is the same folder."""
    root = stick.mount / "haversack"
    root.mkdir()
    theirs = ("data./library.sqlite3", "DATA/originals/ab/abcd.pdf")
    sign_as_is(root, signer, [{"path": path, "size": 15, "sha256": "0" * 64, "role": "notice"} for path in theirs])
    put_library(root)
    update(new, root, NOTHING, Heard())
    assert library_is_whole(root)
    assert differences(root) == ()


def test_a_hostile_note_of_an_older_manifest_removes_nothing_of_the_user_s(tmp_path: Path, old: Path, new: Path) -> None:
    root = copied(old, tmp_path / "stick")
    (tmp_path / "outside.txt").write_text("mine")
    text = (root / "manifest.json").read_text()
    for name in ("manifest.json.old", "manifest.json.new"):
        (root / name).write_text(text.replace("packs/guide.haversack", "data/library.sqlite3").replace("LICENSES/MIT.txt", "SHA256SUMS"))
    update(old, root, NOTHING, Heard())
    assert library_is_whole(root)
    for name in ("manifest.json.old", "manifest.json.new"):
        (root / name).write_text(text.replace("packs/guide.haversack", "../outside.txt"))
    update(new, root, NOTHING, Heard())
    assert (tmp_path / "outside.txt").read_text() == "mine"
    assert differences(root) == ()
