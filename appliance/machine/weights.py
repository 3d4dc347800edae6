"""How much memory a language model needs, from its file's own header: no library, no loading.

GGUF's header, after its specification: magic, version, counts, then key, type and value, again and again. What is wanted stands before
the vocabulary, which is not read.
"""

from __future__ import annotations

import struct
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import BinaryIO

from appliance.errors import BundleError
from appliance.manifest import Manifest
from appliance.models.catalogue import generator_settings

BUFFERS = 300_000_000
"""llama.cpp's own buffers, about (research/packaging.md §5)."""
PROGRAM = 150_000_000
"""Haversack with its search model, about: the same rule's runtime without PyTorch."""
_F16 = 2
_SIZES = {0: "B", 1: "b", 2: "H", 3: "h", 4: "I", 5: "i", 6: "f", 7: "?", 10: "Q", 11: "q", 12: "d"}
_TEXT, _ARRAY = 8, 9
_LONGEST = 1 << 16
"""A key or an array that is longer is none of those before the vocabulary: whoever made that file is not believed."""


@dataclass(frozen=True, slots=True)
class Shape:
    """What of a model decides the size of its KV cache."""

    kv_width: int
    """Numbers that a token adds to the cache, over all layers."""
    trained: int
    """The longest context that it was made for."""


def memory_needed(weights: int, context: int, kv_width: int) -> int:
    """Bytes that answering takes: the rule of research/packaging.md §5, without what the system itself takes.

    `weights` is the model's file in bytes, `context` its tokens, `kv_width` the numbers (f16) that a token adds to the cache:
    layers × heads × (key's + value's length).
    """
    return weights + context * kv_width * _F16 + BUFFERS + PROGRAM


def generator_memory(manifest: Manifest) -> int | None:
    """What the bundle's language model needs, in bytes; None where there is none, or its file doesn't say."""
    try:
        model = manifest.model("generator")
        settings = generator_settings(model)
        shape = read_shape(manifest.folder(model) / settings.file)
    except (BundleError, OSError, ValueError, struct.error):
        return None
    return memory_needed(model_size(manifest, "generator"), min(settings.context, shape.trained), shape.kv_width)


def model_size(manifest: Manifest, role: str) -> int:
    """Bytes of the models of that role, as the manifest says."""
    return sum(file.size for file in manifest.files if file.role == role)


def read_shape(path: Path) -> Shape:
    """Raises OSError, and ValueError or struct.error where it is no GGUF or doesn't say."""
    with path.open("rb") as stream:
        values = dict(_metadata(stream))
    family = values.get("general.architecture")

    def number(name: str, default: int | None = None) -> int:
        value = values.get(f"{family}.{name}", default)
        if not isinstance(value, int) or not 0 < value < 1 << 31:
            raise ValueError(f"{name} is {value!r}")
        return value

    layers, heads = number("block_count"), number("attention.head_count")
    each = number("embedding_length") // heads
    told = values.get(f"{family}.attention.head_count_kv")
    # A list where the layers differ: some need no cache at all.
    kv_heads = sum(told) if isinstance(told, list) else layers * number("attention.head_count_kv", heads)
    width = number("attention.key_length", each) + number("attention.value_length", each)
    return Shape(kv_heads * width, number("context_length"))


def _metadata(stream: BinaryIO) -> Iterator[tuple[str, object]]:
    magic, version, _, count = struct.unpack("<4sIQQ", stream.read(24))
    if magic != b"GGUF" or version not in (2, 3):
        raise ValueError("not a GGUF file that we know")
    for _ in range(count):
        key = _text(stream)
        if key.startswith("tokenizer."):
            return
        (kind,) = struct.unpack("<I", stream.read(4))
        yield key, _value(stream, kind)


def _value(stream: BinaryIO, kind: int) -> object:
    if kind == _TEXT:
        return _text(stream)
    if kind == _ARRAY:
        inner, count = struct.unpack("<IQ", stream.read(12))
        if count > _LONGEST or inner == _ARRAY:
            raise ValueError("a list that is too long")
        return [_value(stream, inner) for _ in range(count)]
    form = struct.Struct("<" + _SIZES[kind]) if kind in _SIZES else None
    if form is None:
        raise ValueError(f"type {kind}")
    return form.unpack(stream.read(form.size))[0]


def _text(stream: BinaryIO) -> str:
    (length,) = struct.unpack("<Q", stream.read(8))
    if length > _LONGEST:
        raise ValueError("a text that is too long")
    return stream.read(length).decode("utf-8", "replace")
