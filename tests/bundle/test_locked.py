"""The same bundle twice: built by its lock, at another place and from an empty cache, every file has the same bytes."""

from __future__ import annotations

import shutil
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

from appliance.integrity import differences
from bundle.build import build
from bundle.errors import LicenceRefused, LicenceTextMissing, LockDisagrees
from bundle.lock import lock_path, read_lock
from bundle.progress import Progress
from bundle.spec import Spec, read_spec
from tests.bundle.hub_server import Repository
from tests.bundle.tiny_embedder import write_tiny

pytestmark = pytest.mark.slow
PROFILE = """
title = "Small"
embedder = "near"
generator = "far"
reranker = "aside"
[catalogue.aside]
role = "reranker"
title = "Aside"
licence = "Apache-2.0"
source = { kind = "hub", repository = "someone/aside" }
[catalogue.near]
role = "embedder"
title = "Near"
licence = "MIT"
source = { kind = "folder", path = "near" }
[catalogue.far]
role = "generator"
title = "Far"
licence = "Apache-2.0"
source = { kind = "hub", repository = "someone/far", files = ["far.gguf"] }
settings = { file = "far.gguf", family = "llama", parameters = "1B", quantisation = "Q4_0", context = 512, evidence = { passages = 1, tokens = 100 } }
"""


@pytest.fixture
def spec(tmp_path: Path, hub: Any, monkeypatch: pytest.MonkeyPatch) -> Spec:
    monkeypatch.setenv("HAVERSACK_SIGNING_KEY", str(tmp_path / "key.pem"))
    write_tiny(tmp_path / "near")
    (tmp_path / "small.toml").write_text(PROFILE, encoding="utf-8")
    hub.repositories["someone/far"] = Repository({"far.gguf": b"GGUF" + bytes(range(256)) * 4000, "README.md": b"# Far"}, revision="ab" * 20)
    hub.repositories["someone/aside"] = Repository({"model.safetensors": b"weights" * 1000, "tokenizer.json": b"{}", "modeling.py": b"code"})
    return read_spec(str(tmp_path / "small.toml"))


def contents(folder: Path) -> dict[str, bytes]:
    return {path.relative_to(folder).as_posix(): path.read_bytes() for path in folder.rglob("*") if path.is_file()}


def test_locked_makes_the_same_bundle_byte_for_byte(
    spec: Spec, hub: Any, tmp_path: Path, progress: Progress, monkeypatch: pytest.MonkeyPatch
) -> None:
    first, second = tmp_path / "one" / "small", tmp_path / "two" / "small"
    assert build(spec, first, tmp_path / "cache", progress).fresh
    lock = read_lock(lock_path(first))
    assert not build(spec, first, tmp_path / "cache", progress, locked=True).fresh  # it is there already
    second.parent.mkdir()
    shutil.copyfile(lock_path(first), lock_path(second))
    hub.repositories["someone/far"].licence = "mit"  # what the Hub says of it today doesn't count
    monkeypatch.setenv("SOURCE_DATE_EPOCH", "0")  # nor does the clock
    asked = len([path for _, path, _ in hub.requests if path.startswith("/api/")])
    made = build(spec, second, tmp_path / "empty", progress, locked=True)
    assert len([path for _, path, _ in hub.requests if path.startswith("/api/")]) == asked
    assert (made.fresh, made.manifest.created) == (True, lock.created)
    assert differences(second) == ()
    here, there = contents(first), contents(second)
    assert set(here) == set(there)
    assert [name for name in here if here[name] != there[name]] == []
    assert any(name.endswith(".onnx") for name in here)
    reranker = made.manifest.model("reranker")  # carried as files, though nothing reads it yet
    assert {path.name for path in made.manifest.folder(reranker).iterdir()} == {"model.safetensors", "tokenizer.json"}
    assert read_lock(lock_path(second)) == lock
    assert lock_path(second).read_bytes() == lock_path(first).read_bytes()


def test_a_lock_that_fits_no_more_leaves_the_bundle_as_it_is(spec: Spec, tmp_path: Path, progress: Progress) -> None:
    output = tmp_path / "small"
    build(spec, output, tmp_path / "cache", progress)
    before = contents(output) | {"lock": lock_path(output).read_bytes()}
    (tmp_path / "near" / "config_sentence_transformers.json").write_text('{"prompts": {"query": "now: ", "document": ""}}')
    with pytest.raises(LockDisagrees, match="not what it was when Near was locked"):
        build(spec, output, tmp_path / "cache", progress, locked=True)
    assert contents(output) | {"lock": lock_path(output).read_bytes()} == before
    assert build(spec, output, tmp_path / "cache", progress).fresh
    assert lock_path(output).read_bytes() != before["lock"]


def test_a_licence_that_was_accepted_but_has_no_text_anywhere_stops_the_build(spec: Spec, hub: Any, tmp_path: Path, progress: Progress) -> None:
    hub.repositories["someone/far"].licence = "cc-by-nc-4.0"
    unsaid = replace(spec, items=tuple(replace(item, licence="") if item.role == "generator" else item for item in spec.items))
    with pytest.raises(LicenceRefused, match=r"--accept-licence CC-BY-NC-4\.0"):
        build(unsaid, tmp_path / "small", tmp_path / "cache", progress)
    assert hub.downloads() == []
    accepted = replace(unsaid, accepted=("CC-BY-NC-4.0",))
    with pytest.raises(LicenceTextMissing, match=r"CC-BY-NC-4\.0 can't travel with Far"):
        build(accepted, tmp_path / "small", tmp_path / "cache", progress)
    assert not (tmp_path / "small").exists()
    assert not lock_path(tmp_path / "small").exists()
