"""The first key that a home meets is the one it keeps to."""

from __future__ import annotations

import hashlib
import os
import resource
import shutil
import signal
from pathlib import Path

import pytest

from appliance.errors import BundleAltered, BundleForeign, DiskFull, KeysUnreadable
from appliance.manifest import Manifest, read_manifest
from appliance.minisign import load_key
from appliance.trust import NEWEST, TRUSTED, check_software, check_trust, remember, trust, trusted
from bundle.sign import write_lists

EMPTY = {"format": 2, "profile": "p", "title": "P", "created": "2026", "languages": ["en"], "tool": {}, "versions": {}, "models": [], "runtimes": []}


def signed(folder: Path, key: Path, **other: str) -> Manifest:
    folder.mkdir()
    (folder / "text").write_bytes(b"words")
    write_lists(folder, {**EMPTY, **other}, load_key(key))
    return read_manifest(folder)


def test_the_first_bundle_is_taken_with_its_fingerprint_to_be_compared(tmp_path: Path, home: Path) -> None:
    manifest = signed(tmp_path / "one", tmp_path / "a.pem")
    found = check_trust(manifest, home)
    assert found.first
    assert manifest.signer is not None
    assert manifest.signer.fingerprint in found.sentence
    assert not home.exists(), "looking writes nothing"


def test_later_bundles_must_have_the_same_key(tmp_path: Path, home: Path) -> None:
    home.mkdir()
    one, again, other = (signed(tmp_path / name, tmp_path / f"{key}.pem") for name, key in (("1", "a"), ("2", "a"), ("3", "b")))
    assert one.signer is not None
    assert other.signer is not None
    trust(one.signer, home)
    assert not check_trust(again, home).first
    with pytest.raises(BundleForeign, match=other.signer.fingerprint):
        check_trust(other, home)
    trust(other.signer, home)
    assert trusted(home) == (one.signer.fingerprint, other.signer.fingerprint)
    assert not check_trust(other, home).first


@pytest.mark.parametrize("content", [b"", b"\n", b"\xff\xfe", b"any key\n", b"1a2b 3c4d\n"])
def test_a_damaged_list_of_keys_does_not_make_the_next_key_the_first(tmp_path: Path, home: Path, content: bytes) -> None:
    home.mkdir()
    manifest = signed(tmp_path / "one", tmp_path / "a.pem")
    (home / TRUSTED).write_bytes(content)
    with pytest.raises(KeysUnreadable, match=r"trusted-keys says whose bundles are opened here"):
        check_trust(manifest, home)
    with pytest.raises(KeysUnreadable):
        remember(manifest, home)
    assert (home / TRUSTED).read_bytes() == content


def test_a_full_disk_takes_no_key_away(tmp_path: Path, home: Path) -> None:
    home.mkdir()
    one, other = signed(tmp_path / "1", tmp_path / "a.pem"), signed(tmp_path / "2", tmp_path / "b.pem")
    remember(one, home)
    child = os.fork()
    if child == 0:
        signal.signal(signal.SIGXFSZ, signal.SIG_IGN)
        resource.setrlimit(resource.RLIMIT_FSIZE, (0, 0))
        try:
            remember(other, home)
        except DiskFull:
            os._exit(7)
        os._exit(1)
    assert os.waitstatus_to_exitcode(os.waitpid(child, 0)[1]) == 7
    assert one.signer is not None
    assert trusted(home) == (one.signer.fingerprint,)


def test_an_older_bundle_of_the_same_profile_is_warned_of(tmp_path: Path, home: Path) -> None:
    home.mkdir()
    newer, older = (signed(tmp_path / created, tmp_path / "a.pem", created=created) for created in ("2027", "2026"))
    other = signed(tmp_path / "other", tmp_path / "a.pem", created="2026", profile="q")
    remember(older, home)
    assert check_trust(newer, home).notices == ()
    remember(newer, home)
    remember(older, home)
    found = check_trust(older, home)
    assert found.warning == found.notices[0]
    assert found.warning.startswith("This bundle was made on 2026, and a newer one, of 2027, ")
    assert [check_trust(one, home).warning for one in (newer, other)] == ["", ""]
    (home / NEWEST).write_bytes(b"[" * 100_000)
    assert check_trust(older, home).warning == "", "no more than a warning rests on it"


def test_each_reason_for_trust_has_its_own_words(tmp_path: Path, home: Path) -> None:
    home.mkdir()
    one, other = signed(tmp_path / "1", tmp_path / "a.pem"), signed(tmp_path / "2", tmp_path / "b.pem")
    assert other.signer is not None
    remember(one, home)
    told = check_trust(other, home, other.signer.fingerprint)
    assert told.told
    assert "is taken because --trust names it" in told.sentence
    assert told.notices == (told.sentence,)
    remember(other, home)
    again = check_trust(other, home, other.signer.fingerprint)
    assert again.sentence.endswith("the same as before.")
    assert again.notices == ()


def test_a_fingerprint_that_is_told_is_taken_however_it_is_written(tmp_path: Path, home: Path) -> None:
    home.mkdir()
    one, other = signed(tmp_path / "1", tmp_path / "a.pem"), signed(tmp_path / "2", tmp_path / "b.pem")
    assert one.signer is not None
    assert other.signer is not None
    trust(one.signer, home)
    assert check_trust(other, home, other.signer.fingerprint.replace(" ", "").upper()).fingerprint == other.signer.fingerprint
    with pytest.raises(BundleForeign):
        check_trust(other, home, one.signer.fingerprint)


def test_software_that_the_signed_list_does_not_name_is_refused(tmp_path: Path) -> None:
    manifest = signed(tmp_path / "one", tmp_path / "a.pem")
    listed, other = manifest.files[0].sha256, "0" * 64
    started = {"HAVERSACK_STARTED_FROM": str(manifest.root), "HAVERSACK_ARCHIVES": f"{listed}:runtime/linux-x64.tar.gz"}
    check_software(manifest, started)
    check_software(manifest, {})
    exchanged = started | {"HAVERSACK_ARCHIVES": f"{listed}:runtime/linux-x64.tar.gz {other}:runtime/haversack.tar.gz"}
    with pytest.raises(BundleAltered, match=r"runtime/haversack\.tar\.gz in the bundle is not in the signed list"):
        check_software(manifest, exchanged)
    check_software(manifest, exchanged | {"HAVERSACK_STARTED_FROM": str(tmp_path / "another")})
    (tmp_path / "media").symlink_to(tmp_path)
    for spelled in (tmp_path / "media" / "one", tmp_path / "another" / ".." / "one"):
        (tmp_path / "another").mkdir(exist_ok=True)
        with pytest.raises(BundleAltered):
            check_software(manifest, exchanged | {"HAVERSACK_STARTED_FROM": str(spelled)})


def test_in_the_middle_of_an_update_the_newer_software_is_listed_too(tmp_path: Path) -> None:
    manifest = signed(tmp_path / "one", tmp_path / "a.pem")
    newer = tmp_path / "newer"
    shutil.copytree(manifest.root, newer)
    (newer / "software").write_bytes(b"newer")
    write_lists(newer, {**EMPTY, "created": "2027"}, load_key(tmp_path / "a.pem"))
    digest = hashlib.sha256(b"newer").hexdigest()
    started = {"HAVERSACK_STARTED_FROM": str(manifest.root), "HAVERSACK_ARCHIVES": f"{digest}:software"}
    with pytest.raises(BundleAltered):
        check_software(manifest, started)
    for name in ("manifest.json", "manifest.json.minisig"):
        shutil.copyfile(newer / name, manifest.root / f"{name}.new")
    check_software(read_manifest(manifest.root), started)
