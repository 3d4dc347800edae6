"""Staging and the last rename: what was there stays until the new bundle is whole."""

from __future__ import annotations

import fcntl
import os
from pathlib import Path

import pytest

from appliance.manifest import differences, read_manifest
from bundle import assemble as module
from bundle.assemble import assemble, now, put_in_place, recipe, staging, up_to_date
from bundle.errors import BuildBusy, OutputRefused, SourceAltered
from bundle.sources import Fetched
from bundle.sources.folder import Folder
from bundle.spec import FolderSource, Item, Spec

SETTINGS = {"file": "tiny.gguf", "family": "llama", "context": 512, "evidence": {"passages": 1, "tokens": 100}}


def spec_of(tmp_path: Path, content: bytes = b"weights", **settings: object) -> Spec:
    source = tmp_path / "source"
    source.mkdir(exist_ok=True)
    (source / "tiny.gguf").write_bytes(content)
    (source / "LICENSE").write_bytes(b"terms")
    return Spec("tiny", "Tiny", (Item("generator", "tiny", "Tiny", "Apache-2.0", FolderSource(source), SETTINGS | settings),))


def make(spec: Spec, output: Path) -> None:
    """A build without an embedder: the same steps."""
    source = Folder()
    resolved = [source.resolve(item) for item in spec.items]
    with staging(output) as folder:
        fetched: list[Fetched] = [source.fetch(one, folder / "sources" / one.item.id, lambda count: None) for one in resolved]
        assemble(spec, [(one, one.resolved.item.settings) for one in fetched], folder / "bundle", recipe(spec, resolved), now())
        put_in_place(folder / "bundle", output)


def test_a_bundle_is_made_and_replaced_whole(tmp_path: Path) -> None:
    output = tmp_path / "dist" / "tiny"
    make(spec_of(tmp_path), output)
    first = read_manifest(output)
    assert [file.path for file in first.files] == ["LICENSES/Apache-2.0.txt", "LICENSES/tiny/LICENSE", "models/tiny/tiny.gguf"]
    make(spec_of(tmp_path, b"other weights"), output)
    assert differences(output) == ()
    assert (output / "models" / "tiny" / "tiny.gguf").read_bytes() == b"other weights"
    assert [path.name for path in output.parent.iterdir()] == ["tiny"]


def test_without_an_exchange_of_folders_two_renames_do(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    output = tmp_path / "tiny"
    make(spec_of(tmp_path), output)
    monkeypatch.setattr(module, "_exchange", lambda one, other: False)
    make(spec_of(tmp_path, b"other weights"), output)
    assert (output / "models" / "tiny" / "tiny.gguf").read_bytes() == b"other weights"


def test_a_build_stopped_between_the_two_renames_is_mended_by_the_next(tmp_path: Path) -> None:
    output = tmp_path / "tiny"
    make(spec_of(tmp_path), output)
    (tmp_path / ".tiny.building").mkdir()
    output.rename(tmp_path / ".tiny.building" / "old")
    with pytest.raises(KeyboardInterrupt), staging(output):
        raise KeyboardInterrupt
    assert differences(output) == ()


def test_a_build_that_fails_leaves_the_old_bundle_and_its_own_work(tmp_path: Path) -> None:
    output = tmp_path / "tiny"
    make(spec_of(tmp_path), output)
    with pytest.raises(SourceAltered, match=r"other\.gguf"):
        make(spec_of(tmp_path, b"newer", file="other.gguf"), output)
    assert differences(output) == ()
    assert (output / "models" / "tiny" / "tiny.gguf").read_bytes() == b"weights"
    make(spec_of(tmp_path, b"newer"), output)
    assert differences(output) == ()
    assert [path.name for path in tmp_path.iterdir() if path.name.startswith(".")] == []


def test_nothing_of_another_profile_travels(tmp_path: Path) -> None:
    output = tmp_path / "tiny"
    left = tmp_path / ".tiny.building" / "bundle" / "models" / "other"
    left.mkdir(parents=True)
    (left / "old.gguf").write_bytes(b"from a build that was stopped")
    make(spec_of(tmp_path), output)
    assert not (output / "models" / "other").exists()


def test_two_builds_into_one_folder_the_second_is_refused(tmp_path: Path) -> None:
    (tmp_path / ".tiny.building").mkdir()
    handle = os.open(tmp_path / ".tiny.building", os.O_RDONLY)
    fcntl.flock(handle, fcntl.LOCK_EX)
    with pytest.raises(BuildBusy), staging(tmp_path / "tiny"):
        pass
    os.close(handle)


def test_what_is_no_bundle_is_never_replaced(tmp_path: Path) -> None:
    output = tmp_path / "papers"
    output.mkdir()
    (output / "thesis.txt").write_text("years of work")
    with pytest.raises(OutputRefused, match="no bundle"), staging(output):
        pass
    with pytest.raises(OutputRefused, match="a file"), staging(output / "thesis.txt"):
        pass
    (tmp_path / "link").symlink_to(output)
    with pytest.raises(OutputRefused, match="link"), staging(tmp_path / "link"):
        pass
    assert (output / "thesis.txt").read_text() == "years of work"


def test_up_to_date_means_same_recipe_and_whole(tmp_path: Path) -> None:
    output, spec = tmp_path / "tiny", spec_of(tmp_path)
    mark = recipe(spec, [Folder().resolve(item) for item in spec.items])
    assert not up_to_date(output, mark)
    make(spec, output)
    assert up_to_date(output, mark)
    changed = spec_of(tmp_path, context=1024)
    assert not up_to_date(output, recipe(changed, [Folder().resolve(item) for item in changed.items]))
    (output / "models" / "tiny" / "tiny.gguf").write_bytes(b"WEIGHTS")
    assert not up_to_date(output, mark)


def test_the_date_can_be_told(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("SOURCE_DATE_EPOCH", "0")
    make(spec_of(tmp_path), tmp_path / "one")
    make(spec_of(tmp_path), tmp_path / "two")
    assert read_manifest(tmp_path / "one").created == "1970-01-01T00:00:00Z"
    assert (tmp_path / "one" / "manifest.json").read_bytes() == (tmp_path / "two" / "manifest.json").read_bytes()
