"""Text → vectors, by onnxruntime and tokenizers. The one importer of both.

The model comes ready from `bundle/prepare.py`: exported, quantised, and compared with sentence-transformers' own output.
Its manifest `settings`:

```json
{"file": "model.onnx", "tokenizer": "tokenizer.json", "dimensions": 384, "max_tokens": 256, "pooling": "mean", "normalise": true,
 "prompts": {"query": "", "document": ""}, "fingerprint": "…", "parity": {"mean": 0.99, "least": 0.97, "texts": 64}}
```
"""

from __future__ import annotations

from collections.abc import Sequence
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import numpy
import onnxruntime
from tokenizers import Tokenizer

from appliance.errors import EmbedderFailed
from appliance.manifest import Model
from appliance.models.embeds import Vectors


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
            # Texts side by side, each on one thread: 48 passages/s where batches on two threads gave 23 (docs/decisions/0003).
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
        encoded = [encoding.ids for encoding in self._tokenizer.encode_batch(texts)]
        encoded = [ids if len(ids) <= self._max_tokens else [*ids[: self._max_tokens - 1], ids[-1]] for ids in encoded]
        result = numpy.zeros((len(texts), self._dimensions), dtype=numpy.float32)
        if len(texts) == 1:  # a question: handing it to another thread would only cost
            result[0] = self._run(encoded[0])
            return result
        for row, vector in enumerate(self._workers.map(self._run, encoded)):
            result[row] = vector
        return result

    def _run(self, ids: Sequence[int]) -> Vectors:
        """The vector of one text, on the calling thread.

        One text a run: int8 scales are taken over everything in it, so that in a batch a vector depends on its neighbours (cosine with
        itself alone 0.989 on average, 0.955 at worst); and on passages a batch is no faster (43 a second and core, against 44).
        """
        row = numpy.array([ids], dtype=numpy.int64)
        feed = {"input_ids": row, "attention_mask": numpy.ones_like(row), "token_type_ids": numpy.zeros_like(row)}
        try:
            hidden: Vectors = self._session.run(None, {name: feed[name] for name in self._inputs})[0][0]
        except Exception as error:  # onnxruntime raises bare Exceptions
            raise EmbedderFailed(detail=error) from error
        pooled: Vectors = hidden[0] if self._pooling == "cls" else hidden.mean(axis=0)
        if self._normalise:
            pooled = pooled / max(float(numpy.linalg.norm(pooled)), 1e-12)
        return pooled
