"""What a build says while it works: bytes, rate and time left, on stderr."""

from __future__ import annotations

import sys
import time
from collections.abc import Callable
from typing import TextIO

_PLAIN_SECONDS = 1.0
_TERMINAL_SECONDS = 0.1


def size_text(count: int) -> str:
    """`83.5 MB`: powers of a thousand, as file managers and sticks count."""
    amount = float(count)
    for unit in ("B", "kB", "MB"):
        if amount < 1000:
            return f"{amount:.0f} {unit}" if unit in ("B", "kB") else f"{amount:.1f} {unit}"
        amount /= 1000
    return f"{amount:.2f} GB"


def time_text(seconds: float) -> str:
    if seconds < 60:
        return f"{max(1, round(seconds))} s"
    return f"{round(seconds / 60)} min" if seconds < 5400 else f"{seconds / 3600:.1f} h"


class Progress:
    """One line that grows on a terminal; elsewhere a plain line a second at most."""

    def __init__(self, stream: TextIO | None = None, clock: Callable[[], float] = time.monotonic) -> None:
        self._stream = stream or sys.stderr
        self._clock = clock
        self._terminal = self._stream.isatty()
        self._title, self._total, self._done = "", 0, 0
        self._began = self._shown = clock()

    def say(self, line: str) -> None:
        """A line of its own: the name of the step."""
        self._write(line + "\n")

    def begin(self, title: str, total: int) -> None:
        self._title, self._total, self._done = title, total, 0
        self._began = self._clock()
        self._shown = self._began

    def add(self, count: int) -> None:
        self._done += count
        now = self._clock()
        if now - self._shown >= (_TERMINAL_SECONDS if self._terminal else _PLAIN_SECONDS):
            self._shown = now
            self._write(self.line(now) + ("" if self._terminal else "\n"))

    def end(self) -> None:
        now = self._clock()
        if self._done:
            self._write(f"  {self._title}: {size_text(self._done)} in {time_text(now - self._began)}\n")

    def line(self, now: float) -> str:
        rate = self._done / max(now - self._began, 1e-3)
        left = f", {time_text((self._total - self._done) / rate)} left" if rate and self._total > self._done else ""
        return f"  {self._title}: {size_text(self._done)} of {size_text(self._total)}, {size_text(int(rate))}/s{left}"

    def _write(self, text: str) -> None:
        self._stream.write(("\r\x1b[K" if self._terminal else "") + text)
        self._stream.flush()
