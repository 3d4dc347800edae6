"""A real language model of 70 kB for tests that load hundreds: the llama architecture with one layer, random weights, and a vocabulary of bytes.

What it writes is noise, but llama.cpp reads, tokenises and computes with it as with any other, in milliseconds.
"""

from __future__ import annotations

from collections.abc import Mapping
from contextlib import closing
from pathlib import Path
from typing import Any

import gguf
import numpy as np

TEMPLATE = (
    "{% for message in messages %}<|im_start|>{{ message.role }}\n{{ message.content }}<|im_end|>\n{% endfor %}"
    "{% if add_generation_prompt %}<|im_start|>assistant\n{% endif %}"
)
WIDTH = 32
HIDDEN = 64


def byte_tokens() -> list[str]:
    """The 256 bytes as GPT-2's vocabulary writes them: printable ones as they are, the others as letters from U+0100 on."""
    printable = {*range(33, 127), *range(161, 173), *range(174, 256)}
    others = iter(range(256, 512))
    return [chr(byte if byte in printable else next(others)) for byte in range(256)]


def tiny_model(path: Path, *, template: str = TEMPLATE, changed: Mapping[str, Any] | None = None, parts: int = 1, tensors: int = 4) -> Path:
    """Write it to `path`. `changed`: numbers or texts for keys of the header. `parts` above 1: split, and the first part's path is given."""
    numbers = np.random.default_rng(7)

    def weights(*shape: int) -> np.ndarray:
        return numbers.normal(0, 0.1, shape).astype(np.float32)

    tokens = [*byte_tokens(), "<|endoftext|>", "<|im_start|>", "<|im_end|>", "ab"]
    split = {"split_max_tensors": tensors, "small_first_shard": False} if parts > 1 else {}
    with closing(gguf.GGUFWriter(path, "llama", **split)) as writer:
        writer.add_name("Tiny")
        writer.add_license("mit")
        writer.add_context_length(512)
        writer.add_embedding_length(WIDTH)
        writer.add_block_count(1)
        writer.add_feed_forward_length(HIDDEN)
        writer.add_head_count(2)
        writer.add_head_count_kv(1)
        writer.add_rope_dimension_count(WIDTH // 2)
        writer.add_layer_norm_rms_eps(1e-5)
        writer.add_file_type(0)
        writer.add_tokenizer_model("gpt2")
        writer.add_tokenizer_pre("gpt-2")
        writer.add_token_list(tokens)
        writer.add_token_types([*[1] * 256, 3, 3, 3, 1])
        writer.add_token_merges(["a b"])
        writer.add_bos_token_id(256)
        writer.add_eos_token_id(258)
        if template:
            writer.add_chat_template(template)
        for key, value in (changed or {}).items():
            writer.add_key_value(key, value, gguf.GGUFValueType.get_type(value))
        writer.add_tensor("token_embd.weight", weights(len(tokens), WIDTH))
        for name, shape in (
            ("attn_q", (WIDTH, WIDTH)),
            ("attn_k", (WIDTH // 2, WIDTH)),
            ("attn_v", (WIDTH // 2, WIDTH)),
            ("attn_output", (WIDTH, WIDTH)),
            ("ffn_gate", (HIDDEN, WIDTH)),
            ("ffn_up", (HIDDEN, WIDTH)),
            ("ffn_down", (WIDTH, HIDDEN)),
        ):
            writer.add_tensor(f"blk.0.{name}.weight", weights(*shape))
        for name in ("blk.0.attn_norm.weight", "blk.0.ffn_norm.weight", "output_norm.weight"):
            writer.add_tensor(name, np.ones(WIDTH, np.float32))
        writer.write_header_to_file()
        writer.write_kv_data_to_file()
        writer.write_tensors_to_file()
    first = sorted(path.parent.glob(f"{path.stem}-00001-of-*.gguf")) if parts > 1 else [path]
    return first[0]
