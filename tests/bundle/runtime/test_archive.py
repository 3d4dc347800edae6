from __future__ import annotations

import os
import tarfile
from pathlib import Path

import pytest

from appliance.durable import sha256_of
from bundle.runtime.archive import folder_size, named_by_content, pack


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    root = tmp_path / "folder"
    (root / "deep" / "er").mkdir(parents=True)
    (root / "deep" / "er" / "file.txt").write_bytes(b"x" * 5000)
    (root / "program").write_text("#!/bin/sh\n")
    (root / "program").chmod(0o755)
    os.link(root / "program", root / "twin")
    (root / "link").symlink_to("deep/er/file.txt")
    (root / "empty").mkdir()
    return root


def test_the_same_files_give_the_same_bytes_whatever_their_times_and_order(folder: Path, tmp_path: Path) -> None:
    pack(folder, tmp_path / "one.tar.gz")
    other = tmp_path / "other"
    for path in sorted(folder.rglob("*"), reverse=True):
        target = other / path.relative_to(folder)
        target.parent.mkdir(parents=True, exist_ok=True)
        if path.is_dir():
            target.mkdir(exist_ok=True)
        else:
            target.write_bytes(path.read_bytes())
            target.chmod(0o700 if path.stat().st_mode & 0o100 else 0o600)
            os.utime(target, (1, 1))
    pack(other, tmp_path / "two.tar.gz")
    assert (tmp_path / "one.tar.gz").read_bytes() == (tmp_path / "two.tar.gz").read_bytes()


def test_it_holds_no_links_owners_or_times(folder: Path, tmp_path: Path) -> None:
    pack(folder, tmp_path / "a.tar.gz")
    with tarfile.open(tmp_path / "a.tar.gz") as archive:
        entries = archive.getmembers()
        assert archive.extractfile("link").read() == b"x" * 5000
    assert [entry.name for entry in entries] == ["deep", "deep/er", "deep/er/file.txt", "empty", "link", "program", "twin"]
    assert {(entry.isfile() or entry.isdir(), entry.uid, entry.gid, entry.uname, entry.gname, entry.mtime) for entry in entries} == {
        (True, 0, 0, "", "", 0)
    }
    assert {entry.name: oct(entry.mode) for entry in entries if entry.isfile()} == {
        "deep/er/file.txt": "0o644",
        "link": "0o644",
        "program": "0o755",
        "twin": "0o755",
    }


def test_what_breaks_off_leaves_the_archive_before_it(folder: Path, tmp_path: Path) -> None:
    target = tmp_path / "a.tar.gz"
    target.write_bytes(b"the one before")
    (folder / "gone").symlink_to("nowhere")
    (folder / ("long" * 40)).write_text("ustar's names end at 100 letters, where no folder can be split off")
    with pytest.raises((OSError, ValueError)):
        pack(folder, target)
    assert target.read_bytes() == b"the one before"


def test_its_name_carries_its_content(tmp_path: Path) -> None:
    (tmp_path / "a").write_bytes(b"1")
    assert named_by_content(tmp_path / "a", "linux-x64") == f"linux-x64-{sha256_of(tmp_path / 'a')[:8]}.tar.gz"


def test_a_folder_is_as_large_as_its_blocks(folder: Path) -> None:
    assert folder_size(folder) == 4 * 4096 + 2 * 4096
