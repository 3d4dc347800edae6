"""How much memory a language model needs, from its file's own header: no library, no loading."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

from appliance.errors import BundleError
from appliance.manifest import Manifest
from appliance.models.catalogue import generator_settings
from appliance.models.gguf import NotAGguf, read_gguf

BUFFERS = 300_000_000
"""llama.cpp's own buffers, about (research/packaging.md §5)."""
PROGRAM = 150_000_000
"""Haversack with its search model, about: the same rule's runtime without PyTorch."""
_F16 = 2


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
    except (BundleError, NotAGguf, OSError):
        return None
    return memory_needed(model_size(manifest, "generator"), min(settings.context, shape.trained), shape.kv_width)


def model_size(manifest: Manifest, role: str) -> int:
    """Bytes of the first model of that role, as the manifest says; 0 where there is none."""
    folder = next((model.folder for model in manifest.models if model.role == role), None)
    return sum(file.size for file in manifest.files if folder is not None and file.path.startswith(f"{folder}/"))


def read_shape(path: Path) -> Shape:
    """Raises OSError, and NotAGguf where it is no GGUF or doesn't say."""
    model = read_gguf(path)
    return Shape(model.kv_width, model.context)
