"""The memory that a model needs, from its file's own header; a header that lies is not believed, nor does it cost anything."""

from __future__ import annotations

import struct
from pathlib import Path

import pytest

from appliance.machine.weights import generator_memory, memory_needed, model_size
from appliance.manifest import Manifest
from appliance.models.gguf import NotAGguf, read_gguf
from tests.machine.making import QWEN_4B, gguf, make_bundle


def written(tmp_path: Path, content: bytes) -> Path:
    path = tmp_path / "model.gguf"
    path.write_bytes(content)
    return path


def test_the_cache_of_the_starters_own_model_is_what_its_engine_takes(manifest: Manifest) -> None:
    model = manifest.model("generator")
    found = read_gguf(manifest.folder(model) / model.settings["file"])
    assert (found.kv_width, found.context) == (30 * 3 * 2 * 64, 8192), "23 KiB a token"
    needed = generator_memory(manifest)
    assert needed == memory_needed(model_size(manifest, "generator"), 2048, found.kv_width)
    assert needed is not None
    assert 0.55e9 < needed < 0.65e9


def test_the_header_is_read(tmp_path: Path) -> None:
    found = read_gguf(written(tmp_path, gguf(QWEN_4B)))
    assert (found.kv_width, found.context) == (36 * 8 * 256, 40960)


def test_heads_may_differ_from_layer_to_layer(tmp_path: Path) -> None:
    values = QWEN_4B | {"qwen3.attention.head_count_kv": [8, 0, 4], "qwen3.block_count": 3}
    assert read_gguf(written(tmp_path, gguf(values))).kv_width == 12 * 256


def test_what_is_not_said_is_what_the_specification_says(tmp_path: Path) -> None:
    values = {
        key: value for key, value in QWEN_4B.items() if not key.endswith(("_length", "_kv")) or key.endswith(("context_length", "embedding_length"))
    }
    assert read_gguf(written(tmp_path, gguf(values))).kv_width == 36 * 32 * (2 * 2560 // 32)


def test_no_more_context_is_counted_than_the_model_was_made_for(tmp_path: Path) -> None:
    manifest = make_bundle(tmp_path / "bundle", model=gguf(QWEN_4B | {"qwen3.context_length": 100}), context=6144)
    assert generator_memory(manifest) == memory_needed(model_size(manifest, "generator"), 100, 36 * 8 * 256)


HEADER = b"GGUF" + struct.pack("<IQQ", 3, 0, 1)


@pytest.mark.parametrize(
    "content",
    [
        b"",
        b"GGUF",
        b"PK\3\4" + bytes(100),
        gguf(QWEN_4B, version=1),
        gguf(QWEN_4B)[:90],
        gguf(QWEN_4B | {"qwen3.block_count": 0}),
        gguf({key: value for key, value in QWEN_4B.items() if key != "general.architecture"}),
        HEADER + struct.pack("<Q", 1 << 60),
        HEADER + struct.pack("<Q1sI", 1, b"k", 77),
        HEADER + struct.pack("<Q1sIQ", 1, b"k", 8, 1 << 60),
        HEADER + struct.pack("<Q1sIIQ", 1, b"k", 9, 4, 1 << 60),
        HEADER + struct.pack("<Q1sIIQ", 1, b"k", 9, 9, 1) * 50,
    ],
    ids=["empty", "cut", "zip", "old", "short", "no layers", "no family", "long key", "odd type", "long text", "long list", "lists of lists"],
)
def test_a_header_that_cannot_be_believed_leaves_the_need_unknown(tmp_path: Path, content: bytes) -> None:
    with pytest.raises(NotAGguf):
        read_gguf(written(tmp_path, content))
    assert generator_memory(make_bundle(tmp_path / "bundle", model=content or b"\0")) is None
