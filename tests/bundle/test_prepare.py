"""What is refused when an embedder is prepared: real sentence-transformers models, tiny and made here."""

from __future__ import annotations

import json
import shutil
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from appliance.manifest import Model
from appliance.models.embedder import Embedder
from bundle import prepare as module
from bundle.errors import CannotPrepare, ParityFailed
from bundle.parity_texts import TEXTS
from bundle.prepare import prepare
from bundle.sources import Fetched, Resolved
from bundle.spec import FolderSource, Item
from tests.bundle.tiny_embedder import WINDOW, write_pooling, write_tiny

pytestmark = pytest.mark.slow


@pytest.fixture(scope="session")
def tiny(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A BERT of one layer with random weights."""
    return write_tiny(tmp_path_factory.mktemp("tiny"))


@pytest.fixture
def folder(tiny: Path, tmp_path: Path) -> Path:
    return shutil.copytree(tiny, tmp_path / "model")


def fetched(folder: Path) -> Fetched:
    item = Item("embedder", "tiny", "Tiny", "MIT", FolderSource(folder))
    return Fetched(Resolved(item, "MIT", {"kind": "folder", "name": "tiny", "sha256": "0" * 64}, (), 0, 0, 0), folder, ())


@pytest.fixture(scope="session")
def prepared(tiny: Path, tmp_path_factory: pytest.TempPathFactory) -> tuple[Path, dict[str, Any]]:
    """The place (`into` and `work` in it) and the settings."""
    place = tmp_path_factory.mktemp("prepared")
    return place, prepare(fetched(tiny), place / "into", place / "work")


def test_prompts_pooling_and_window_are_those_of_the_model(prepared: tuple[Path, dict[str, Any]]) -> None:
    place, settings = prepared
    assert settings["prompts"] == {"query": "ask: ", "document": "text: "}
    assert (settings["pooling"], settings["normalise"], settings["max_tokens"], settings["dimensions"]) == ("cls", True, 64, 64)
    assert settings["parity"]["mean"] > 0.985
    embedder = Embedder(place / "into", Model("embedder", "tiny", "Tiny", "", "MIT", {}, settings), threads=1)
    assert embedder.fingerprint == settings["fingerprint"]
    assert not (embedder.embed_query("water") == embedder.embed_documents(["water"])[0]).all()  # the prompts differ


def test_the_architecture_of_the_field_profiles_embedders_can_be_exported(tmp_path: Path) -> None:
    """ModernBERT: local and global layers, cls pooling. The windows must move with a text that is longer than the one it was exported with."""
    model = write_tiny(tmp_path / "model", "modernbert")
    settings = prepare(fetched(model), tmp_path / "into", tmp_path / "work")
    assert (settings["pooling"], settings["max_tokens"]) == ("cls", 512)
    assert settings["parity"]["mean"] > 0.999
    long = " ".join(TEXTS[:20])
    embedder = Embedder(tmp_path / "into", Model("embedder", "tiny", "Tiny", "", "MIT", {}, settings), threads=1)
    original = module._load(model, "Tiny")
    assert len(original.tokenizer(long)["input_ids"]) > 8 * WINDOW
    together = embedder.embed_documents([long, TEXTS[0]])
    assert (together * original.encode_document([long, TEXTS[0]], normalize_embeddings=True)).sum(axis=1).min() > 0.999


def test_what_was_prepared_is_taken_up_again_unless_it_was_damaged(
    tiny: Path, prepared: tuple[Path, dict[str, Any]], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    place = shutil.copytree(prepared[0], tmp_path / "place")
    monkeypatch.setattr(module, "_prepare", lambda *_: {"prepared": "again"})
    assert prepare(fetched(tiny), place / "into", place / "work") == prepared[1]
    model = place / "into" / "model.onnx"
    model.write_bytes(model.read_bytes()[:-1] + b"?")
    assert prepare(fetched(tiny), place / "into", place / "work") == {"prepared": "again"}


def test_a_model_that_loses_too_much_is_refused(folder: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(module, "WANTED", 1.01)
    with pytest.raises(ParityFailed, match=r"1\.01 is needed"):
        prepare(fetched(folder), tmp_path / "into", tmp_path / "work")
    assert not (tmp_path / "work" / "prepared.json").exists()


def other_pooling(folder: Path) -> None:
    write_pooling(folder, "max")


def dense(folder: Path) -> None:
    listed = json.loads((folder / "modules.json").read_text())
    listed.pop()
    listed.append({"idx": 2, "name": "2", "path": "2_LayerNorm", "type": "sentence_transformers.models.LayerNorm"})
    (folder / "modules.json").write_text(json.dumps(listed))
    import torch
    from safetensors.torch import save_file

    (folder / "2_LayerNorm").mkdir()
    (folder / "2_LayerNorm" / "config.json").write_text('{"dimension": 64}')
    save_file({"norm.weight": torch.ones(64), "norm.bias": torch.zeros(64)}, folder / "2_LayerNorm" / "model.safetensors")


def pickle_only(folder: Path) -> None:
    (folder / "model.safetensors").rename(folder / "pytorch_model.bin")


def damaged(folder: Path) -> None:
    (folder / "model.safetensors").write_bytes(b"no weights")


def own_code(folder: Path) -> None:
    config = json.loads((folder / "config.json").read_text())
    config["model_type"] = "mine"
    config["auto_map"] = {"AutoConfig": "mine.Config", "AutoModel": "mine.Model"}
    (folder / "config.json").write_text(json.dumps(config))
    (folder / "mine.py").write_text("raise SystemExit('code of the model ran')")


@pytest.mark.parametrize(
    ("change", "words"),
    [(other_pooling, "pools by max"), (dense, "LayerNorm"), (pickle_only, "safetensors"), (damaged, "PyTorch"), (own_code, "PyTorch")],
)
def test_a_model_that_the_runtime_could_not_run_is_refused_with_the_reason(
    folder: Path, tmp_path: Path, change: Callable[[Path], Any], words: str
) -> None:
    change(folder)
    with pytest.raises(CannotPrepare, match=words) as caught:
        prepare(fetched(folder), tmp_path / "into", tmp_path / "work")
    assert "\n" not in str(caught.value)
