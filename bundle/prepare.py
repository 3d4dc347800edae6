"""sentence-transformers → ONNX, int8, checked: an embedder that runs without PyTorch and gives the same vectors.

The recipe and what decided it: docs/decisions/0003-embedder-export.md.
"""

from __future__ import annotations

import errno
import hashlib
import json
import logging
import os
import shutil
import warnings
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

from filelock import FileLock

from appliance.durable import sha256_of
from appliance.manifest import Model
from bundle.errors import CannotPrepare, ParityFailed
from bundle.parity_texts import TEXTS
from bundle.sources import Fetched

RECIPE = 4
"""Grows when the same source would give another model: bundles made by an older recipe are then not up to date."""
WANTED = 0.985
"""The least mean cosine between what the appliance computes and what sentence-transformers computes, over all texts."""
_FILES = ("model.onnx", "tokenizer.json")
_RECORD = "prepared.json"
_INPUTS = ("input_ids", "attention_mask", "token_type_ids")
_OPSET = 17
# Read once, when onnxruntime is imported: it would report to its maker.
os.environ["ORT_DISABLE_TELEMETRY"] = "1"


def prepared(fetched: Fetched, cache: Path, into: Path) -> dict[str, Any]:
    """`prepare` in the cache, where it is done once for all builds, and its files copied into `into`."""
    folder = cache / "prepared" / f"{fetched.resolved.item.id}-{_key(fetched)[:16]}"
    folder.mkdir(parents=True, exist_ok=True)
    with FileLock(folder / "lock"):
        settings = prepare(fetched, folder / "model", folder / "work")
        shutil.copytree(folder / "model", into, dirs_exist_ok=True)
    return settings


def _key(fetched: Fetched) -> str:
    made_of = [RECIPE, fetched.resolved.item.id, dict(fetched.resolved.record)]
    return hashlib.sha256(json.dumps(made_of, sort_keys=True).encode()).hexdigest()


def prepare(fetched: Fetched, into: Path, work: Path) -> dict[str, Any]:
    """The embedder's files in `into`, and its manifest `settings` (see appliance/models/embedder.py).

    `work` is scratch. What an interrupted build had finished is taken up again. Raises CannotPrepare, ParityFailed.
    """
    key = _key(fetched)
    done = _finished(into, work, key)
    if done is not None:
        return done
    into.mkdir(parents=True, exist_ok=True)
    work.mkdir(parents=True, exist_ok=True)
    with _quiet():
        settings = _prepare(fetched, into, work)
    record = {"key": key, "files": {name: sha256_of(into / name) for name in _FILES}, "settings": settings}
    (work / _RECORD).write_text(json.dumps(record), encoding="utf-8")
    return settings


def _finished(into: Path, work: Path, key: str) -> dict[str, Any] | None:
    try:
        record = json.loads((work / _RECORD).read_text(encoding="utf-8"))
        if record["key"] == key and all(sha256_of(into / name) == digest for name, digest in record["files"].items()):
            settings: dict[str, Any] = record["settings"]
            return settings
    except (OSError, ValueError, KeyError, TypeError):
        pass
    return None


def _prepare(fetched: Fetched, into: Path, work: Path) -> dict[str, Any]:
    title = fetched.resolved.item.title
    original = _load(fetched.folder, title)
    pooling, normalise = _shape(original, title)
    exported = work / "exported.onnx"
    _export(original, exported, title)
    _quantise(exported, into / "model.onnx", title)
    exported.unlink()
    tokenizer = original.tokenizer.backend_tokenizer
    tokenizer.no_truncation()
    tokenizer.no_padding()
    tokenizer.save(str(into / "tokenizer.json"), pretty=False)
    prompts = {name: text or "" for name, text in original.prompts.items()}
    settings: dict[str, Any] = {
        "file": "model.onnx",
        "tokenizer": "tokenizer.json",
        "dimensions": int(original.get_embedding_dimension()),
        "max_tokens": int(original.max_seq_length),
        "pooling": pooling,
        "normalise": normalise,
        "prompts": {"query": prompts.get("query", ""), "document": prompts.get("document") or prompts.get("passage", "")},
        "fingerprint": hashlib.sha256("".join(sha256_of(into / name) for name in _FILES).encode()).hexdigest(),
        "quantisation": "int8",
    }
    return settings | {"parity": _parity(original, into, settings, title)}


def _load(folder: Path, title: str) -> Any:
    """The model in sentence-transformers: safetensors only, no code of the model's own, nothing fetched."""
    if not any(folder.glob("**/*.safetensors")):
        raise CannotPrepare(title=title, detail="it has no weights as safetensors")
    from sentence_transformers import SentenceTransformer

    # Eager attention is plain matrix products: exported, it runs a third faster than scaled_dot_product_attention's graph.
    how = {"use_safetensors": True, "attn_implementation": "eager"}
    try:
        return SentenceTransformer(str(folder), device="cpu", local_files_only=True, trust_remote_code=False, model_kwargs=how)
    except Exception as error:  # the loader raises whatever its parts raise
        raise _refusal(title, error) from error


def _shape(original: Any, title: str) -> tuple[str, bool]:
    """Pooling ("mean" or "cls") and whether vectors are normalised, where the runtime knows how to do the same."""
    modules = list(original)
    kinds = [type(module).__name__ for module in modules]
    if kinds[:2] != ["Transformer", "Pooling"] or kinds[2:] not in ([], ["Normalize"]):
        raise CannotPrepare(title=title, detail=f"its modules are {', '.join(kinds)}; known are Transformer, Pooling, Normalize")
    pooling = modules[1].pooling_mode
    if pooling not in ("mean", "cls"):
        raise CannotPrepare(title=title, detail=f"it pools by {pooling}; known are mean and cls")
    if not modules[1].include_prompt:
        raise CannotPrepare(title=title, detail="it leaves its prompt out of the pooling")
    if original.tokenizer is None or not getattr(original.tokenizer, "is_fast", False):
        raise CannotPrepare(title=title, detail="its tokenizer has no tokenizer.json")
    if str(original.similarity_fn_name) not in ("cosine", "None") and len(kinds) == 2:
        raise CannotPrepare(title=title, detail=f"its vectors are compared by {original.similarity_fn_name}; the library compares by cosine")
    return pooling, True


def _export(original: Any, path: Path, title: str) -> None:
    """The transformer as ONNX, fp32, with batch and sequence free."""
    import torch

    transformer = original[0].auto_model.eval()

    class Hidden(torch.nn.Module):
        """Token vectors alone; pooling is the runtime's."""

        def __init__(self) -> None:
            super().__init__()
            self.transformer = transformer

        def forward(self, *inputs: Any) -> Any:
            return self.transformer(**dict(zip(names, inputs, strict=True))).last_hidden_state

    sample = original.tokenizer(["one text", "and another that is longer"], padding=True, return_tensors="pt")
    names = [name for name in _INPUTS if name in sample]
    axes = {name: {0: "batch", 1: "sequence"} for name in [*names, "hidden"]}
    try:
        with torch.no_grad():
            # The TorchScript exporter: torch's newer one took 8.7 s instead of 2.6 s, and its graph ran slower.
            torch.onnx.export(
                Hidden().eval(),
                tuple(sample[name] for name in names),
                str(path),
                input_names=names,
                output_names=["hidden"],
                dynamic_axes=axes,
                opset_version=_OPSET,
                dynamo=False,
            )
    except Exception as error:  # the exporter raises whatever the model's code raises
        raise _refusal(title, error) from error


def _quantise(exported: Path, path: Path, title: str) -> None:
    """Weights as int8, a scale per channel: with one scale per tensor the least cosine falls from 0.97 to 0.78.

    `reduce_range` keeps a bit free: without VNNI the products saturate otherwise (mean cosine 0.9845 against 0.9877 with AVX2 alone).
    """
    from onnxruntime.quantization import QuantType, quantize_dynamic

    try:
        quantize_dynamic(str(exported), str(path), weight_type=QuantType.QInt8, per_channel=True, reduce_range=True)
    except Exception as error:  # so does the quantiser
        raise _refusal(title, error) from error


def _parity(original: Any, folder: Path, settings: dict[str, Any], title: str) -> dict[str, Any]:
    """Cosine of the runtime's own vectors with sentence-transformers', as documents and as queries. Raises ParityFailed."""
    from appliance.models.embedder import Embedder

    embedder = Embedder(folder, Model("embedder", "", title, "", "", {}, settings), threads=os.cpu_count() or 1)
    texts = list(TEXTS)
    cosines = (embedder.embed_documents(texts) * original.encode_document(texts, normalize_embeddings=True)).sum(axis=1)
    if settings["prompts"]["query"]:
        queries = [float(embedder.embed_query(text) @ original.encode_query(text, normalize_embeddings=True)) for text in texts]
        cosines = [*cosines, *queries]
    mean, least = float(sum(cosines) / len(cosines)), float(min(cosines))
    if not mean >= WANTED:
        raise ParityFailed(title=title, mean=f"{mean:.4f}", wanted=WANTED)
    return {"mean": round(mean, 5), "least": round(least, 5), "texts": len(texts)}


def _refusal(title: str, error: Exception) -> Exception:
    """The model's fault, in a sentence; a full disk is not, and stays what it is."""
    if isinstance(error, OSError) and error.errno in (errno.ENOSPC, errno.EDQUOT):
        return error
    return CannotPrepare(title=title, detail=(str(error).strip() or type(error).__name__).splitlines()[0][:200])


@contextmanager
def _quiet() -> Iterator[None]:
    """Exporter and quantiser warn about their own future, and the loader draws a bar; none of that is for the user."""
    from transformers.utils import logging as loader

    bars: Any = loader  # the module is untyped
    bars.disable_progress_bar()
    before = logging.root.manager.disable
    logging.disable(logging.WARNING)
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")
            yield
    finally:
        logging.disable(before)
