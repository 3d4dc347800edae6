"""What a long copy tells while it goes on, and how bytes are written for people."""

from __future__ import annotations

from collections.abc import Callable
from contextlib import AbstractContextManager
from typing import Protocol

Add = Callable[[int], None]
"""Takes the bytes that came since its last call; fewer than none where some were thrown away."""


class Bars(Protocol):
    def file(self, title: str, size: int, /) -> Add:
        """One file of `size` bytes begins."""


class Meter(Protocol):
    """Told of every step and every block. `bundle.progress.Progress` is one; `commands/updating.py` has one for the field."""

    def say(self, line: str, /) -> None: ...

    def bars(self, size: int, /) -> AbstractContextManager[Bars]:
        """A step of `size` bytes, over all its files."""


def size_text(count: int) -> str:
    """`83.5 MB`: powers of a thousand, as file managers and sticks count."""
    amount = float(count)
    for unit in ("B", "kB", "MB"):
        if amount < 1000:
            return f"{amount:.0f} {unit}" if unit in ("B", "kB") else f"{amount:.1f} {unit}"
        amount /= 1000
    return f"{amount:.2f} GB"
