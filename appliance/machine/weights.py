"""How much memory a language model needs, from its file's own header: no library, no loading."""

from __future__ import annotations

from appliance.errors import BundleError
from appliance.manifest import Manifest
from appliance.models.catalogue import generator_settings
from appliance.models.gguf import NotAGguf, read_gguf

BUFFERS = 300_000_000
"""llama.cpp's own buffers, about (research/packaging.md §5)."""
PROGRAM = 150_000_000
"""Haversack with its search model, about: the same rule's runtime without PyTorch."""
_F16 = 2


def memory_needed(weights: int, context: int, kv_width: int) -> int:
    """Bytes that answering takes: the rule of research/packaging.md §5, without what the system itself takes.

    `weights` is the model's file in bytes, `context` its tokens, `kv_width` the numbers (f16) that a token adds to the cache.
    """
    return weights + context * kv_width * _F16 + BUFFERS + PROGRAM


def generator_memory(manifest: Manifest) -> int | None:
    """What the bundle's language model needs, in bytes; None where there is none, or its file doesn't say."""
    try:
        model = manifest.model("generator")
        settings = generator_settings(model)
        gguf = read_gguf(manifest.folder(model) / settings.file)
    except (BundleError, NotAGguf, OSError):
        return None
    return memory_needed(model_size(manifest, "generator"), min(settings.context, gguf.context), gguf.kv_width)


def model_size(manifest: Manifest, role: str) -> int:
    """Bytes of the first model of that role, as the manifest says; 0 where there is none."""
    folder = next((model.folder for model in manifest.models if model.role == role), None)
    return sum(file.size for file in manifest.files if folder is not None and file.path.startswith(f"{folder}/"))
