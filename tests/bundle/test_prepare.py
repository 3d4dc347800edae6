"""What is refused when an embedder is prepared: real sentence-transformers models, tiny and made here."""

from __future__ import annotations

import json
import shutil
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from appliance.errors import CannotPrepare, ParityFailed
from appliance.manifest import Model
from appliance.models.embedder import Embedder
from bundle import prepare as module
from bundle.parity_texts import TEXTS
from bundle.prepare import prepare
from bundle.sources import Fetched, Resolved
from bundle.spec import FolderSource, Item

pytestmark = pytest.mark.slow


@pytest.fixture(scope="session")
def tiny(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A BERT of one layer with random weights, in sentence-transformers' own layout."""
    folder = tmp_path_factory.mktemp("tiny")
    with module._quiet():
        import torch
        from tokenizers import Tokenizer, models, normalizers, pre_tokenizers, processors
        from transformers import BertConfig, BertModel, PreTrainedTokenizerFast

        torch.manual_seed(7)
        letters = sorted({letter for text in TEXTS for letter in text.lower() if not letter.isspace()})
        names = ["[PAD]", "[UNK]", "[CLS]", "[SEP]", "[MASK]", *letters, *(f"##{letter}" for letter in letters)]
        tokenizer = Tokenizer(models.WordPiece({name: index for index, name in enumerate(names)}, unk_token="[UNK]"))
        tokenizer.normalizer = normalizers.Lowercase()
        tokenizer.pre_tokenizer = pre_tokenizers.BertPreTokenizer()
        tokenizer.post_processor = processors.TemplateProcessing(single="[CLS] $A [SEP]", special_tokens=[("[CLS]", 2), ("[SEP]", 3)])
        special = {"unk_token": "[UNK]", "pad_token": "[PAD]", "cls_token": "[CLS]", "sep_token": "[SEP]", "mask_token": "[MASK]"}
        PreTrainedTokenizerFast(tokenizer_object=tokenizer, **special).save_pretrained(folder)
        shape = {"hidden_size": 64, "num_hidden_layers": 1, "num_attention_heads": 4, "intermediate_size": 128, "max_position_embeddings": 128}
        BertModel(BertConfig(vocab_size=len(names), **shape)).save_pretrained(folder, safe_serialization=True)
    modules = [("", "Transformer"), ("1_Pooling", "Pooling"), ("2_Normalize", "Normalize")]
    listed = [{"idx": n, "name": str(n), "path": path, "type": f"sentence_transformers.models.{kind}"} for n, (path, kind) in enumerate(modules)]
    (folder / "modules.json").write_text(json.dumps(listed))
    (folder / "sentence_bert_config.json").write_text('{"max_seq_length": 64, "do_lower_case": false}')
    prompts = {"prompts": {"query": "ask: ", "document": "text: "}, "default_prompt_name": None, "similarity_fn_name": "cosine"}
    (folder / "config_sentence_transformers.json").write_text(json.dumps(prompts))
    pooling(folder, "cls")
    return folder


def pooling(folder: Path, mode: str) -> None:
    (folder / "1_Pooling").mkdir(exist_ok=True)
    modes = {"pooling_mode_cls_token": "cls", "pooling_mode_mean_tokens": "mean", "pooling_mode_max_tokens": "max"}
    config = {"word_embedding_dimension": 64} | {name: known == mode for name, known in modes.items()}
    (folder / "1_Pooling" / "config.json").write_text(json.dumps(config))


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
    pooling(folder, "max")


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
