"""A folder or a file of this machine as a source."""

from __future__ import annotations

from pathlib import Path

import pytest

from bundle.errors import SourceAltered, SourceMissing, SourceUnsafe
from bundle.sources.folder import Folder
from bundle.spec import FolderSource, Item


def item(path: Path) -> Item:
    return Item("generator", "mine", "Mine", "MIT", FolderSource(path))


@pytest.fixture
def models(tmp_path: Path) -> Path:
    folder = tmp_path / "models"
    (folder / "deep").mkdir(parents=True)
    (folder / "mine.gguf").write_bytes(b"weights")
    (folder / "deep" / "config.json").write_bytes(b"{}")
    (folder / "train.py").write_bytes(b"code")
    (folder / "LICENSE.md").write_bytes(b"terms")
    return folder


def test_weights_settings_and_notices_are_copied_code_is_not(models: Path, tmp_path: Path) -> None:
    source = Folder()
    seen: list[int] = []
    resolved = source.resolve(item(models))
    fetched = source.fetch(resolved, tmp_path / "into", seen.append)
    found = {path.relative_to(tmp_path / "into").as_posix() for path in (tmp_path / "into").rglob("*") if path.is_file()}
    assert found == {"model/mine.gguf", "model/deep/config.json", "notices/LICENSE.md"}
    assert [path.name for path in fetched.notices] == ["LICENSE.md"]
    assert sum(seen) == resolved.unpacked == 9
    assert (models / "mine.gguf").read_bytes() == b"weights"  # the user's own stays


def test_one_file_is_enough(models: Path, tmp_path: Path) -> None:
    source = Folder()
    fetched = source.fetch(source.resolve(item(models / "mine.gguf")), tmp_path / "into", lambda count: None)
    assert [path.name for path in fetched.folder.iterdir()] == ["mine.gguf"]


def test_the_record_changes_with_the_content(models: Path) -> None:
    before = Folder().resolve(item(models)).record
    assert Folder().resolve(item(models)).record == before
    (models / "mine.gguf").write_bytes(b"others!")
    assert Folder().resolve(item(models)).record != before


def test_a_file_that_changes_under_the_copy_is_noticed(models: Path, tmp_path: Path) -> None:
    resolved = Folder().resolve(item(models))
    (models / "mine.gguf").write_bytes(b"others!")
    with pytest.raises(SourceAltered, match="changed"):
        Folder().fetch(resolved, tmp_path / "into", lambda count: None)


def test_what_is_not_there_or_holds_nothing_is_said(tmp_path: Path) -> None:
    with pytest.raises(SourceMissing, match="there is no"):
        Folder().resolve(item(tmp_path / "nowhere"))
    (tmp_path / "pytorch_model.bin").write_bytes(b"pickle")
    with pytest.raises(SourceMissing, match="no weights"):
        Folder().resolve(item(tmp_path))


def test_links_are_refused(models: Path) -> None:
    (models / "link.gguf").symlink_to("/etc/passwd")
    with pytest.raises(SourceUnsafe, match="is a link"):
        Folder().resolve(item(models))
