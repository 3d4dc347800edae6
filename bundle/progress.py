"""What a build says while it works, on stderr."""

from __future__ import annotations

import sys
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import TYPE_CHECKING, TextIO

from appliance.carrying.meter import size_text as size_text

if TYPE_CHECKING:
    from bundle.bars import Bars


def time_text(seconds: float) -> str:
    if seconds < 60:
        return f"{max(1, round(seconds))} s"
    return f"{round(seconds / 60)} min" if seconds < 5400 else f"{seconds / 3600:.1f} h"


class Progress:
    """The steps by name; and bars for what takes long."""

    def __init__(self, stream: TextIO | None = None, clock: Callable[[], float] = time.monotonic) -> None:
        self._stream = stream or sys.stderr
        self._clock = clock

    def say(self, line: str) -> None:
        """A line of its own: the name of the step."""
        self._stream.write(line + "\n")
        self._stream.flush()

    @contextmanager
    def bars(self, size: int, have: int = 0) -> Iterator[Bars]:
        """Bars for files that are worked on at once, and one for all of them: `size` bytes, of which `have` are here."""
        from bundle.bars import Bars  # rich takes its time, and steps that only say their name don't need it

        with Bars(self._stream, self._clock, size, have) as bars:
            yield bars
