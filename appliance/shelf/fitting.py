"""Whether a model fits into the memory of this machine, in figures and as a sentence, before it is loaded."""

from __future__ import annotations

from collections.abc import Iterable

from appliance.machine.facts import Memory
from appliance.machine.words import gigabytes
from appliance.shelf.entries import ShelfModel


def free_for_models(memory: Memory, held: Iterable[int]) -> int | None:
    """Bytes that models may have together, those that are loaded included; None where the system says nothing.

    `held`: what each loaded model's end would add to the memory that is available. Where the system tells the total alone, as macOS does,
    that is the limit.
    """
    return memory.total if memory.available is None else memory.available + sum(held)


def misfit(model: ShelfModel, memory: Memory, free: int | None, context: int | None = None) -> str:
    """Why the model doesn't fit, with the figures; "" where it fits, or where that isn't known. `free` is from `free_for_models`."""
    needed = model.memory(context)
    needs = f"It needs {gigabytes(needed)} of memory with {context or model.settings.context} tokens of context"
    if memory.total is not None and needed > memory.total:
        return f"{needs}, and this machine has {gigabytes(memory.total)}: take a smaller model."
    if free is not None and needed > free:
        return f"{needs}, and {gigabytes(free)} are free: close other programs, lower the context, or take a smaller model."
    return ""
