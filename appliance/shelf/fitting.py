"""Whether a model fits into the memory of this machine, in figures and as a sentence, before it is loaded."""

from __future__ import annotations

import sys
from collections.abc import Iterable

from appliance.machine.facts import Memory
from appliance.machine.words import gigabytes
from appliance.shelf.entries import ShelfModel

_COUNTS_MAPPED_FILES = sys.platform.startswith("linux")
"""Linux calls the pages of a mapped file available, though they are in use: a loaded model's weights are still in the figure there."""


def free_for_models(memory: Memory, loaded: Iterable[tuple[ShelfModel, int]]) -> int | None:
    """Bytes that models may have together, those that are loaded (each with its context) included; None where the system says nothing.

    Where it tells the total alone, as macOS does, that is the limit.
    """
    if memory.available is None:
        return memory.total
    held = sum(model.memory(context) - (model.size if _COUNTS_MAPPED_FILES else 0) for model, context in loaded)
    return memory.available + held


def misfit(model: ShelfModel, memory: Memory, free: int | None, context: int | None = None) -> str:
    """Why the model doesn't fit, with the figures; "" where it fits, or where that isn't known. `free` is from `free_for_models`."""
    needed = model.memory(context)
    needs = f"It needs {gigabytes(needed)} of memory with {context or model.settings.context} tokens of context"
    if memory.total is not None and needed > memory.total:
        return f"{needs}, and this machine has {gigabytes(memory.total)}: take a smaller model."
    if free is not None and needed > free:
        return f"{needs}, and {gigabytes(free)} are free: close other programs, lower the context, or take a smaller model."
    return ""
