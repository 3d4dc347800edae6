"""Which files a path stands for, and what their documents are called."""

from __future__ import annotations

import os
from pathlib import Path

import pytest

from appliance.errors import NoSuchPath
from appliance.ingest.sources import find_sources


def write(path: Path, text: str = "x") -> Path:
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text(text)
    return path


def names(*paths: Path) -> list[str]:
    return [source.name for source in find_sources(paths)]


def test_a_folder_gives_its_files_by_name_relative_to_it(tmp_path: Path) -> None:
    for name in ("b.txt", "a.txt", "sub/c.txt", "sub/deep/d.txt", "alpha/z.txt"):
        write(tmp_path / "folder" / name)
    assert names(tmp_path / "folder") == ["a.txt", "b.txt", "alpha/z.txt", "sub/c.txt", "sub/deep/d.txt"]


def test_a_file_named_itself_has_its_bare_name(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    file = write(tmp_path / "folder" / "a.txt")
    assert names(file) == ["a.txt"]
    assert find_sources([file])[0].folder is None
    monkeypatch.chdir(file.parent)
    assert names(Path(".")) == names(Path("a.txt")) == ["a.txt"]


def test_a_path_that_is_not_there_is_refused_before_anything_is_read(tmp_path: Path) -> None:
    with pytest.raises(NoSuchPath, match="nowhere"):
        find_sources([write(tmp_path / "a.txt"), tmp_path / "nowhere"])


def test_hidden_files_and_folders_are_passed_over(tmp_path: Path) -> None:
    for name in ("a.txt", ".hidden", "._a.txt", ".git/config"):
        write(tmp_path / name)
    assert names(tmp_path) == ["a.txt"]


def test_links_that_lead_out_are_named_and_not_followed(tmp_path: Path) -> None:
    secret = write(tmp_path / "secret.txt")
    folder = tmp_path / "folder"
    write(folder / "a.txt")
    for name, target in (("out", secret), ("round", folder), ("in", folder / "a.txt"), ("nowhere", tmp_path / "gone"), ("loop", folder / "loop")):
        (folder / name).symlink_to(target)
    problems = {source.name: source.problem and source.problem.details["detail"] for source in find_sources([folder])}
    assert problems == {
        "a.txt": None,  # `in` leads to it, and a file is read once
        "out": "a link that leads out of the folder",
        "round": "a link to a folder",
        "nowhere": "a link that leads nowhere",
        "loop": "a link that leads nowhere",
    }


def test_a_pipe_is_never_opened(tmp_path: Path) -> None:
    os.mkfifo(tmp_path / "pipe")
    for path in (tmp_path, tmp_path / "pipe"):
        assert "a pipe or a device" in str(find_sources([path])[0].problem)


def test_odd_names_are_kept_apart_and_can_be_stored(tmp_path: Path) -> None:
    odd = [b"new\nline.txt", "rtl\u202etxt.exe".encode(), b"x" * 255, b"bad\xff.txt", b"bad\xfe.txt", "e\u0301.txt".encode()]
    for name in odd:
        with open(os.path.join(os.fsencode(tmp_path), name), "w") as file:
            file.write("x")
    found = names(tmp_path)
    assert len(set(found)) == len(odd)
    assert "bad\\xff.txt" in found
    assert all(name.encode() for name in found)


def test_two_files_of_one_name_keep_apart_and_one_file_comes_once(tmp_path: Path) -> None:
    first, second = write(tmp_path / "one" / "a.txt"), write(tmp_path / "two" / "a.txt")
    assert names(first, second, first) == ["a.txt", "two/a.txt"]
    assert names(first.parent, second.parent) == ["a.txt", "two/a.txt"]


def test_ten_thousand_files_are_found(tmp_path: Path) -> None:
    for number in range(10_000):
        (tmp_path / f"{number:05d}.txt").touch()
    assert names(tmp_path) == [f"{number:05d}.txt" for number in range(10_000)]
