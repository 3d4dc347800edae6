"""Text → vectors, by onnxruntime and tokenizers. The one importer of both.

The model comes ready from `bundle/prepare.py`: exported, quantised, and compared with sentence-transformers' own output.
Its manifest `settings`:

```json
{"file": "model.onnx", "tokenizer": "tokenizer.json", "dimensions": 384, "max_tokens": 256, "pooling": "mean", "normalise": true,
 "prompts": {"query": "", "document": ""}, "fingerprint": "…", "parity": {"mean": 0.99, "least": 0.97, "texts": 64}}
```
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Protocol

import numpy
import onnxruntime
from numpy.typing import NDArray
from tokenizers import Tokenizer

from appliance.errors import EmbedderFailed
from appliance.manifest import Model

Vectors = NDArray[numpy.float32]
_BATCH_TOKENS = 512
"""Padded tokens in one run of the model. On one core: 512 gave 51 chunks/s, 1024 49, 2048 45, 4096 36, for larger ones leave the cache."""


class Embeds(Protocol):
    """What the library and the answers need of an embedder; tests may bring their own."""

    @property
    def dimensions(self) -> int: ...
    @property
    def max_tokens(self) -> int: ...
    @property
    def fingerprint(self) -> str: ...
    def embed_documents(self, texts: Sequence[str]) -> Vectors: ...
    def embed_query(self, text: str) -> Vectors: ...
    def token_starts(self, text: str) -> list[int]: ...


class Embedder:
    """A sentence-transformers model without PyTorch. Safe to use from several threads at once."""

    def __init__(self, folder: Path, model: Model, threads: int) -> None:
        """Load it. Raises EmbedderFailed with the reason."""
        settings = model.settings
        try:
            self._tokenizer = Tokenizer.from_file(str(folder / settings["tokenizer"]))
            self._tokenizer.no_truncation()
            self._tokenizer.no_padding()
            options = onnxruntime.SessionOptions()
            # Batches side by side, each on one thread: 45 chunks/s where one batch on two threads gave 23 (docs/decisions/0003).
            options.intra_op_num_threads = 1
            options.inter_op_num_threads = 1
            # An arena keeps the largest batch's memory for ever; without one the peak goes back to the system.
            options.enable_cpu_mem_arena = False
            options.log_severity_level = 3
            self._session = onnxruntime.InferenceSession(str(folder / settings["file"]), options, providers=["CPUExecutionProvider"])
            self._workers = ThreadPoolExecutor(max(1, threads), thread_name_prefix="embedder")
            self._inputs = {item.name for item in self._session.get_inputs()}
            self._dimensions = int(settings["dimensions"])
            self._max_tokens = int(settings["max_tokens"])
            self._prompts = dict(settings["prompts"])
            self._pooling = str(settings["pooling"])
            self._normalise = bool(settings["normalise"])
            self._fingerprint = str(settings["fingerprint"])
        except Exception as error:  # onnxruntime and tokenizers raise bare Exceptions
            raise EmbedderFailed(detail=error) from error

    @property
    def dimensions(self) -> int:
        return self._dimensions

    @property
    def max_tokens(self) -> int:
        """The window in tokens, the special ones included: longer text would be cut."""
        return self._max_tokens

    @property
    def fingerprint(self) -> str:
        """Stored with every library: vectors of different embedders can't be compared."""
        return self._fingerprint

    def embed_documents(self, texts: Sequence[str]) -> Vectors:
        """Vectors of shape (len(texts), dimensions), float32, in the order given."""
        return self._embed([self._prompts.get("document", "") + text for text in texts])

    def embed_query(self, text: str) -> Vectors:
        """One vector of shape (dimensions,), float32."""
        vector: Vectors = self._embed([self._prompts.get("query", "") + text])[0]
        return vector

    def token_starts(self, text: str) -> list[int]:
        """The code point at which each token of `text` begins, special tokens left out: its length is the token count."""
        return [start for start, _ in self._tokenizer.encode(text, add_special_tokens=False).offsets]

    def _embed(self, texts: list[str]) -> Vectors:
        result = numpy.zeros((len(texts), self._dimensions), dtype=numpy.float32)
        encoded = [encoding.ids for encoding in self._tokenizer.encode_batch(texts)]
        encoded = [ids if len(ids) <= self._max_tokens else [*ids[: self._max_tokens - 1], ids[-1]] for ids in encoded]
        batches = list(_batches(encoded))
        if len(batches) == 1:  # a question: no other thread is faster than this one
            result[batches[0]] = self._run([encoded[index] for index in batches[0]])
            return result
        for batch, vectors in zip(batches, self._workers.map(lambda batch: self._run([encoded[index] for index in batch]), batches), strict=True):
            result[batch] = vectors
        return result

    def _run(self, batch: Sequence[Sequence[int]]) -> Vectors:
        """One run of the model, on the calling thread."""
        width = max(len(row) for row in batch)
        ids = numpy.zeros((len(batch), width), dtype=numpy.int64)
        mask = numpy.zeros((len(batch), width), dtype=numpy.int64)
        for number, row in enumerate(batch):
            ids[number, : len(row)] = row
            mask[number, : len(row)] = 1
        feed = {"input_ids": ids, "attention_mask": mask, "token_type_ids": numpy.zeros_like(ids)}
        try:
            hidden = self._session.run(None, {name: feed[name] for name in self._inputs})[0]
        except Exception as error:  # onnxruntime raises bare Exceptions
            raise EmbedderFailed(detail=error) from error
        return self._pool(hidden, mask)

    def _pool(self, hidden: Vectors, mask: NDArray[numpy.int64]) -> Vectors:
        if self._pooling == "cls":
            pooled: Vectors = hidden[:, 0]
        else:
            weights = mask[:, :, None].astype(numpy.float32)
            pooled = (hidden * weights).sum(axis=1) / numpy.maximum(weights.sum(axis=1), 1e-9)
        if self._normalise:
            pooled = pooled / numpy.maximum(numpy.linalg.norm(pooled, axis=1, keepdims=True), 1e-12)
        return pooled


def _batches(encoded: Sequence[Sequence[int]]) -> Iterator[list[int]]:
    """Indices in batches of like length, so that little is padded."""
    batch: list[int] = []
    for index in sorted(range(len(encoded)), key=lambda position: len(encoded[position])):
        if batch and (len(batch) + 1) * len(encoded[index]) > _BATCH_TOKENS:
            yield batch
            batch = []
        batch.append(index)
    if batch:
        yield batch
