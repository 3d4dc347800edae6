"""What is put together, staging and the last rename: what was there stays until the new bundle is whole."""

from __future__ import annotations

import fcntl
import os
from dataclasses import replace
from pathlib import Path

import pytest

from appliance.integrity import differences
from appliance.manifest import read_manifest
from bundle import staging as module
from bundle.assemble import Contents, Packer, assemble, now, recipe, up_to_date
from bundle.errors import BuildBusy, FileTooLarge, OutputRefused, SourceAltered
from bundle.sign import load_key
from bundle.sources import Fetched
from bundle.sources.folder import Folder
from bundle.spec import FolderSource, Item, Spec
from bundle.staging import put_in_place, staging

SETTINGS = {"file": "tiny.gguf", "family": "llama", "context": 512, "evidence": {"passages": 1, "tokens": 100}}


def spec_of(tmp_path: Path, content: bytes = b"weights", **settings: object) -> Spec:
    source = tmp_path / "source"
    source.mkdir(exist_ok=True)
    (source / "tiny.gguf").write_bytes(content)
    (source / "LICENSE").write_bytes(b"terms")
    return Spec("tiny", "Tiny", (Item("generator", "tiny", "Tiny", "Apache-2.0", FolderSource(source), SETTINGS | settings),))


def mark_of(spec: Spec) -> str:
    return recipe(spec, [Folder().resolve(item) for item in spec.items], [], [], load_key().public)


def make(spec: Spec, output: Path, packer: Packer | None = None) -> None:
    """A build without an embedder and a runtime: the same steps."""
    source = Folder()
    resolved = [source.resolve(item) for item in spec.items]
    with staging(output) as folder:
        fetched: list[Fetched] = [source.fetch(one, folder / "sources" / one.item.id, lambda count: None) for one in resolved]
        models = tuple((one, one.folder, one.resolved.item.settings) for one in fetched)
        contents = Contents(spec, models, (), now(), mark_of(spec), load_key())
        assemble(contents, folder / "bundle", folder / "scratch", packer)
        put_in_place(folder / "bundle", output)


def weights(output: Path) -> Path:
    (model,) = read_manifest(output).models
    return output / model.folder / "tiny.gguf"


def test_a_bundle_is_made_and_replaced_whole(tmp_path: Path) -> None:
    output = tmp_path / "dist" / "tiny"
    make(spec_of(tmp_path), output)
    first = read_manifest(output)
    papers = {"LICENSES/NOTICE.txt", "LICENSES/haversack.txt", "LICENSES/models.txt", "READ-ME-FIRST.html", "haversack.pub", "sbom.cdx.json"}
    assert {file.path for file in first.files} == papers | {f"{first.models[0].folder}/tiny.gguf"}
    assert {file.role for file in first.files} == {"notice", "readme", "sbom", "key", "generator"}
    make(spec_of(tmp_path, b"other weights"), output)
    assert differences(output) == ()
    assert weights(output).read_bytes() == b"other weights"
    assert read_manifest(output).models[0].folder != first.models[0].folder, "what is large is named by its content"
    assert [path.name for path in output.parent.iterdir()] == ["tiny"]


def test_a_model_too_large_for_fat32_is_split_or_refused(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("bundle.assemble.FAT32_LIMIT", 6)
    with pytest.raises(FileTooLarge, match="exFAT"):
        make(spec_of(tmp_path), tmp_path / "tiny")
    make(replace(spec_of(tmp_path), filesystem="exfat"), tmp_path / "tiny")
    assert weights(tmp_path / "tiny").read_bytes() == b"weights"


def test_packs_are_made_from_a_bundle_that_is_whole_and_are_listed(tmp_path: Path) -> None:
    def packer(bundle: Path, into: Path) -> None:
        assert differences(bundle) == ()
        into.mkdir()
        (into / "field.haversack").write_bytes(b"pack")

    make(spec_of(tmp_path), tmp_path / "tiny", packer)
    assert {file.path: file.role for file in read_manifest(tmp_path / "tiny").files}["packs/field.haversack"] == "pack"
    assert differences(tmp_path / "tiny") == ()


def test_without_an_exchange_of_folders_two_renames_do(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    output = tmp_path / "tiny"
    make(spec_of(tmp_path), output)
    monkeypatch.setattr(module, "_exchange", lambda one, other: False)
    make(spec_of(tmp_path, b"other weights"), output)
    assert weights(output).read_bytes() == b"other weights"


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
    assert weights(output).read_bytes() == b"weights"
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
    mark = mark_of(spec)
    assert not up_to_date(output, mark)
    make(spec, output)
    assert up_to_date(output, mark)
    changed = spec_of(tmp_path, context=1024)
    assert not up_to_date(output, mark_of(changed))
    weights(output).write_bytes(b"WEIGHTS")
    assert not up_to_date(output, mark)


def test_the_date_can_be_told(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("SOURCE_DATE_EPOCH", "0")
    make(spec_of(tmp_path), tmp_path / "one")
    make(spec_of(tmp_path), tmp_path / "two")
    assert read_manifest(tmp_path / "one").created == "1970-01-01T00:00:00Z"
    assert (tmp_path / "one" / "manifest.json").read_bytes() == (tmp_path / "two" / "manifest.json").read_bytes()
