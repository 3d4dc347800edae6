"""Folders of documents become packs by the product itself, with the bundle's models and the builder's key."""

from __future__ import annotations

import json
import subprocess
import sys
from pathlib import Path

import pytest

from bundle.errors import PackFailed
from bundle.packs import make_packs
from bundle.progress import Progress
from bundle.sign import load_key
from tests.bundle.conftest import Silent
from tests.clinic import NOTES, make_pdf

CREATED = "2026-11-24T03:00:00Z"
pytestmark = pytest.mark.slow


def test_a_folder_becomes_a_pack_that_the_appliance_opens(tmp_path: Path, bundle_root: Path) -> None:
    said = Silent()
    progress = Progress(said)
    folder = tmp_path / "goma"
    folder.mkdir()
    (folder / "clinic.pdf").write_bytes(make_pdf())
    (folder / "roads.md").write_text(NOTES, encoding="utf-8")
    (folder / "torn.pdf").write_bytes(b"%PDF-1.7 torn")
    bundle = tmp_path / "bundle"
    bundle.symlink_to(bundle_root)
    fingerprint = load_key().public.fingerprint  # made here on first use, as a build makes it before its packs
    make_packs([folder], CREATED, progress)(bundle, tmp_path / "packs")
    assert "not read: torn.pdf" in said.text
    pack = tmp_path / "packs" / "goma.haversack"
    home = ["--home", str(tmp_path / "home"), "--bundle", str(bundle_root), "--json"]
    haversack = [sys.executable, "-m", "appliance.cli"]
    subprocess.run([*haversack, "pack", "open", str(pack), *home], check=True, capture_output=True)
    (shown,) = (json.loads(subprocess.run([*haversack, "pack", "list", *home], check=True, capture_output=True, text=True).stdout.splitlines()[0]),)
    assert fingerprint in json.dumps(shown)
    answer = subprocess.run([*haversack, "ask", "Who opened the clinic?", "--collection", "goma", *home], check=True, capture_output=True, text=True)
    assert "Amina Kasongo" in json.loads(answer.stdout)["answer"]
    make_packs([folder], CREATED, progress)(bundle, tmp_path / "again")
    assert (tmp_path / "again" / pack.name).read_bytes() == pack.read_bytes()
    assert sorted(path.name for path in tmp_path.iterdir()) == ["again", "bundle", "goma", "home", "packs"], "its own home is gone"


def test_a_folder_that_holds_nothing_readable_is_said(tmp_path: Path, bundle_root: Path, progress: Progress) -> None:
    folder = tmp_path / "nothing"
    folder.mkdir()
    bundle = tmp_path / "bundle"
    bundle.symlink_to(bundle_root)
    with pytest.raises(PackFailed, match="nothing"):
        make_packs([folder], CREATED, progress)(bundle, tmp_path / "packs")
