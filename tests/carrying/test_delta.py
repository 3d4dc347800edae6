"""A delta: as small as what changed, for one bundle and one key, and refused where anything in it isn't as it was signed."""

from __future__ import annotations

import hashlib
import json
import random
import shutil
import zipfile
from collections.abc import Callable
from pathlib import Path

import pytest

from appliance.carrying.carry import update, write
from appliance.carrying.delta import NOTE
from appliance.carrying.source import open_folder
from appliance.carrying.target import Terms
from appliance.errors import BundleMissing, BundleOlder, BundleOther, BundleUnreadable, DeltaUnfit, NotADelta, StickError
from appliance.integrity import differences
from appliance.manifest import MANIFEST, SIGNATURE, read_manifest
from appliance.minisign import SecretKey
from bundle.stick.delta import make_delta, read_old
from tests.carrying import making
from tests.carrying.making import Heard, library_is_whole, make_bundle, put_library
from tests.carrying.test_carry import snapshot
from tests.images import Stick

NOTHING = Terms()


def delta_of(old: Path, new: Path, file: Path) -> Path:
    make_delta(read_old(old), open_folder(new), file, NOTHING, Heard())
    return file


@pytest.fixture
def delta(tmp_path: Path, old: Path, new: Path) -> Path:
    return delta_of(old, new, tmp_path / "new.delta")


@pytest.fixture
def root(tmp_path: Path, old: Path) -> Path:
    write(old, tmp_path / "stick", Heard())
    put_library(tmp_path / "stick")
    return tmp_path / "stick"


def test_a_delta_of_one_changed_file_is_about_as_large_as_that_file(tmp_path: Path, old: Path, signer: SecretKey) -> None:
    new = Path(shutil.copytree(old, tmp_path / "new"))
    (new / "packs/guide.haversack").write_bytes(making.noise(5, 40_000))
    making.sign(new, signer, created=making.NEWER)
    delta = delta_of(old, new, tmp_path / "d")
    assert 40_000 < delta.stat().st_size < 40_000 + (new / MANIFEST).stat().st_size + 2_000
    assert delta.stat().st_size < 50_000


def test_a_delta_makes_the_older_bundle_the_newer_one_on_a_real_stick(stick: Stick, old: Path, new: Path, delta: Path) -> None:
    root = stick.mount / "haversack"
    write(old, root, Heard())
    put_library(root)
    done = update(delta, root, NOTHING, Heard())
    assert differences(root) == ()
    assert read_manifest(root).sha256 == read_manifest(new).sha256
    assert library_is_whole(root)
    assert done.removed
    assert update(delta, root, NOTHING, Heard()).files == 0  # twice is once


def test_the_older_manifest_alone_is_enough_to_make_one(tmp_path: Path, old: Path, new: Path, delta: Path) -> None:
    alone = Path(shutil.copy(old / MANIFEST, tmp_path / "from-afar.json"))
    assert delta_of(alone, new, tmp_path / "d").read_bytes() == delta.read_bytes()


def test_a_delta_goes_on_after_an_interruption(tmp_path: Path, root: Path, new: Path, delta: Path) -> None:
    model = next(file for file in read_manifest(new).files if file.path.endswith("model.gguf"))
    (root / model.path).parent.mkdir(parents=True)
    (root / (model.path + ".new")).write_bytes((new / model.path).read_bytes()[:200_000])
    update(delta, root, NOTHING, Heard())
    assert differences(root) == ()


def test_it_follows_one_bundle_and_no_other(tmp_path: Path, signer: SecretKey, delta: Path) -> None:
    other = make_bundle(tmp_path / "between", signer, created="2026-03-15T00:00:00Z", version=7)
    write(other, tmp_path / "stick", Heard())
    before = snapshot(tmp_path / "stick")
    with pytest.raises(DeltaUnfit, match="follows another bundle than the one of 2026-03-15"):
        update(delta, tmp_path / "stick", NOTHING, Heard())
    assert snapshot(tmp_path / "stick") == before


def test_a_note_that_lies_about_what_it_follows_helps_nobody(tmp_path: Path, signer: SecretKey, delta: Path) -> None:
    other = make_bundle(tmp_path / "between", signer, created="2026-03-15T00:00:00Z", version=7, size=1000)
    write(other, tmp_path / "stick", Heard())
    lied = rewritten(delta, tmp_path / "lied", {NOTE: json.dumps({"format": 1, "from": read_manifest(other).sha256}).encode()})
    before = snapshot(tmp_path / "stick")
    with pytest.raises(DeltaUnfit, match="the delta doesn't bring it"):
        update(lied, tmp_path / "stick", NOTHING, Heard())
    assert snapshot(tmp_path / "stick") == before


def test_a_bundle_that_lacks_what_the_delta_leaves_out_is_not_touched(root: Path, delta: Path) -> None:
    (root / "models/embedder-00000000/model.onnx").write_bytes(making.noise(8, 300_000))
    before = snapshot(root)
    with pytest.raises(DeltaUnfit, match="missing or altered"):
        update(delta, root, NOTHING, Heard())
    assert snapshot(root) == before


def test_an_older_bundle_s_delta_is_neither_made_nor_taken_unless_it_is_wanted(tmp_path: Path, old: Path, new: Path) -> None:
    with pytest.raises(BundleOlder):
        delta_of(new, old, tmp_path / "d")
    assert not (tmp_path / "d").exists()
    make_delta(read_old(new), open_folder(old), tmp_path / "d", Terms(allow_downgrade=True), Heard())
    write(new, tmp_path / "stick", Heard())
    with pytest.raises(BundleOlder):
        update(tmp_path / "d", tmp_path / "stick", NOTHING, Heard())
    update(tmp_path / "d", tmp_path / "stick", Terms(allow_downgrade=True), Heard())
    assert read_manifest(tmp_path / "stick").created == making.OLDER


def test_another_key_s_delta_is_neither_made_nor_taken(tmp_path: Path, old: Path, root: Path) -> None:
    foreign = make_bundle(tmp_path / "foreign", making.key(tmp_path, "stranger"), created=making.NEWER, version=2)
    with pytest.raises(BundleOther):
        delta_of(old, foreign, tmp_path / "d")
    forged = delta_of(old / MANIFEST, foreign, tmp_path / "d")  # from the manifest alone nobody knows the key
    before = snapshot(root)
    with pytest.raises(NotADelta, match="did not sign it"):
        update(forged, root, NOTHING, Heard())
    assert snapshot(root) == before


@pytest.mark.parametrize("tenth", range(10))
def test_a_delta_that_was_cut_off_is_refused(root: Path, delta: Path, tenth: int) -> None:
    content = delta.read_bytes()
    delta.write_bytes(content[: len(content) * tenth // 10])
    before = snapshot(root)
    with pytest.raises(NotADelta):
        update(delta, root, NOTHING, Heard())
    assert snapshot(root) == before


def test_a_flipped_byte_is_refused_or_changes_nothing(tmp_path: Path, old: Path, signer: SecretKey, new: Path) -> None:
    small_old = make_bundle(tmp_path / "o", signer, size=2_000)
    small_new = make_bundle(tmp_path / "n", signer, size=2_000, created=making.NEWER, version=2)
    delta = delta_of(small_old, small_new, tmp_path / "d")
    content, chance = delta.read_bytes(), random.Random(3)
    refused = 0
    places = [*range(0, len(content), 97), *range(len(content) - 200, len(content)), *(chance.randrange(len(content)) for _ in range(50))]
    stick = tmp_path / "stick"
    write(small_old, stick, Heard())
    pristine = snapshot(stick)
    for place in places:
        altered = bytearray(content)
        altered[place] ^= 1 << chance.randrange(8)
        delta.write_bytes(altered)
        try:
            update(delta, stick, NOTHING, Heard())
        except (StickError, BundleUnreadable):
            refused += 1
            assert snapshot(stick) == pristine, place
        else:  # it hit what nobody reads: a date, a version, the note's own comment
            assert read_manifest(stick).sha256 == read_manifest(small_new).sha256
            assert differences(stick) == (), place
            shutil.rmtree(stick)
            write(small_old, stick, Heard())
    assert refused > len(places) * 0.8


def rewritten(delta: Path, target: Path, changed: dict[str, bytes], method: int = zipfile.ZIP_STORED) -> Path:
    """The same delta with some members replaced or added."""
    with zipfile.ZipFile(delta) as source, zipfile.ZipFile(target, "w", method) as made:
        for member in source.infolist():
            made.writestr(member.filename, changed.get(member.filename, source.read(member)))
        for name in changed.keys() - set(source.namelist()):
            made.writestr(name, changed[name])
    return target


def linked(delta: Path, target: Path) -> Path:
    with zipfile.ZipFile(delta) as source, zipfile.ZipFile(target, "w") as made:
        for member in source.infolist():
            content = source.read(member)
            if member.filename == "start-linux.sh":
                member.external_attr = 0o120777 << 16
            made.writestr(member, content)
    return target


def doubled(delta: Path, target: Path) -> Path:
    shutil.copy(delta, target)
    with zipfile.ZipFile(target, "a") as made, pytest.warns(UserWarning, match="Duplicate name"):
        made.writestr("start-linux.sh", b"echo mine")
    return target


def overlapping(delta: Path, target: Path) -> Path:
    """A bomb without compression: two members share their bytes, so that they sum up to more than the file has."""
    content = bytearray(delta.read_bytes())
    with zipfile.ZipFile(delta) as source:
        big = max(source.infolist(), key=lambda member: member.file_size)
        others = [member for member in source.infolist() if member.filename not in (big.filename, NOTE, MANIFEST, SIGNATURE)]
        for member in others:
            at = content.rindex(b"PK\x01\x02", 0, content.rindex(member.filename.encode()))
            content[at + 20 : at + 28] = 2 * big.file_size.to_bytes(4, "little")
    target.write_bytes(content)
    return target


HOSTILE: dict[str, tuple[Callable[[Path, Path], Path], str]] = {
    "a member outside": (lambda d, t: rewritten(d, t, {"../../evil": b"x"}), "no part of the bundle"),
    "an absolute path": (lambda d, t: rewritten(d, t, {"/etc/evil": b"x"}), "no part of the bundle"),
    "into the library": (lambda d, t: rewritten(d, t, {"data/library.sqlite3": b"x"}), "no part of the bundle"),
    "an extra member": (lambda d, t: rewritten(d, t, {"models/extra.gguf": b"x"}), "no part of the bundle"),
    "another size": (lambda d, t: rewritten(d, t, {"start-linux.sh": b"rm -rf"}), "no part of the bundle"),
    "another content": (lambda d, t: rewritten(d, t, {"start-linux.sh": b"start 9\n"}), "not as the manifest says"),
    "compressed": (lambda d, t: rewritten(d, t, {"READ-ME-FIRST.html": b"0" * 9_000_000}, zipfile.ZIP_DEFLATED), "isn't stored as it is"),
    "a huge manifest": (lambda d, t: rewritten(d, t, {MANIFEST: b" " * ((16 << 20) + 1)}), "larger than any list"),
    "another manifest": (lambda d, t: rewritten(d, t, {MANIFEST: b"{}"}), "did not sign it"),
    "another format": (lambda d, t: rewritten(d, t, {NOTE: b'{"format": 9, "from": ""}'}), "format 9"),
    "a note of nonsense": (lambda d, t: rewritten(d, t, {NOTE: b"[" * 100_000}), "recursion"),
    "a note that is a list": (lambda d, t: rewritten(d, t, {NOTE: b"[]"}), "indices must be"),
    "a link": (linked, "is a link"),
    "two of one name": (doubled, "two members of one name"),
    "overlapping": (overlapping, "larger than itself"),
    "no zip at all": (lambda d, t: Path(shutil.copy(__file__, t)), "not a zip"),
    "nothing": (lambda d, t: Path(shutil.copy("/dev/null", t)), "not a zip"),
}


@pytest.mark.parametrize("kind", HOSTILE)
def test_a_hostile_delta_is_refused_and_nothing_is_changed(tmp_path: Path, root: Path, delta: Path, kind: str) -> None:
    make, because = HOSTILE[kind]
    hostile = make(delta, tmp_path / "hostile")
    before = snapshot(root)
    with pytest.raises(NotADelta, match=because):
        update(hostile, root, NOTHING, Heard())
    assert snapshot(root) == before


def test_a_delta_without_its_manifest_is_none(tmp_path: Path, root: Path) -> None:
    with zipfile.ZipFile(tmp_path / "d", "w") as made:
        made.writestr(NOTE, "{}")
    with pytest.raises(NotADelta):
        update(tmp_path / "d", root, NOTHING, Heard())


def test_what_can_not_be_read_as_an_older_bundle_is_refused(tmp_path: Path) -> None:
    with pytest.raises(NotADelta, match="No such file"):
        read_old(tmp_path / "nowhere")
    (tmp_path / "x.json").write_text("{}")
    with pytest.raises(BundleUnreadable):
        read_old(tmp_path / "x.json")
    with pytest.raises(BundleMissing):
        read_old(tmp_path)


def test_a_delta_that_does_not_come_to_its_end_leaves_nothing(tmp_path: Path, old: Path, new: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    class Stopped(Heard):
        def file(self, title: str, size: int, /) -> Callable[[int], None]:
            raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        make_delta(read_old(old), open_folder(new), tmp_path / "d", NOTHING, Stopped())
    assert sorted(path.name for path in tmp_path.iterdir() if path.is_file()) == ["maker.pem"]


def test_the_same_bundles_make_the_same_delta(tmp_path: Path, old: Path, new: Path, delta: Path) -> None:
    again = delta_of(old, new, tmp_path / "again")
    assert hashlib.sha256(again.read_bytes()).digest() == hashlib.sha256(delta.read_bytes()).digest()
