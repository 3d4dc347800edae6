"""The first key that a home meets is the one it keeps to."""

from __future__ import annotations

import hashlib
import shutil
from pathlib import Path

import pytest

from appliance.errors import BundleAltered, BundleForeign
from appliance.manifest import Manifest, read_manifest
from appliance.minisign import load_key
from appliance.trust import check_software, check_trust, trust, trusted
from bundle.sign import write_lists

EMPTY = {"format": 2, "profile": "p", "title": "P", "created": "2026", "languages": ["en"], "tool": {}, "versions": {}, "models": [], "runtimes": []}


def signed(folder: Path, key: Path) -> Manifest:
    folder.mkdir()
    (folder / "text").write_bytes(b"words")
    write_lists(folder, EMPTY, load_key(key))
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
