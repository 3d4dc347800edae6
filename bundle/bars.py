"""Bytes, rate and time left, of each file and of all: bars on a terminal, a plain line a second elsewhere. rich counts, reckons and draws."""

from __future__ import annotations

import math
from collections.abc import Callable
from threading import RLock
from types import TracebackType
from typing import TextIO

from rich.console import Console
from rich.progress import BarColumn, ProgressColumn, Task, TextColumn
from rich.progress import Progress as Table
from rich.text import Text

from bundle.progress import size_text, time_text

_PLAIN_SECONDS = 1.0
_TITLE = 32
_BAR = 20


class Bars:
    """A bar a file while it comes, and one for all. Threads may add to them at once."""

    def __init__(self, stream: TextIO, clock: Callable[[], float], size: int, have: int) -> None:
        self._stream, self._clock = stream, clock
        console = Console(file=stream)
        self._terminal = stream.isatty() and console.is_interactive  # some terminals can't go back over a line, and TERM says so
        columns = (TextColumn("  {task.description}", markup=False), BarColumn(_BAR), _State())
        # Where there is no terminal it is disabled: then it counts all the same, and draws nothing.
        self._table = Table(*columns, console=console, get_time=clock, disable=not self._terminal, transient=True)
        self._all = self._table.add_task("all", total=size, completed=have, visible=False)
        self._lock = RLock()
        self._came = 0
        self._began = clock()
        self._told: float = self._began

    def __enter__(self) -> Bars:
        self._table.start()
        return self

    def __exit__(self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None) -> None:
        self._table.stop()
        self._told = math.inf  # a thread that ends late has nothing more to say
        if self._came:
            self._stream.write(f"  {size_text(self._came)} came in {time_text(self._clock() - self._began)}\n")
            self._stream.flush()

    def file(self, title: str, size: int, have: int = 0) -> Callable[[int], None]:
        """A bar of its own. What is returned takes the bytes that came since its last call: fewer than none where some were thrown away."""
        one = self._table.add_task(_short(title), total=size, completed=have, visible=False)

        def add(count: int) -> None:
            with self._lock:
                self._came += count
                self._table.advance(one, count)
                self._table.advance(self._all, count)
                self._table.update(one, visible=not self._task(one).finished)
                self._table.update(self._all, visible=True)
                now = self._clock()
                if not self._terminal and now - self._told >= _PLAIN_SECONDS:
                    self._told = now
                    self._stream.write(self._line() + "\n")
                    self._stream.flush()

        return add

    def _task(self, number: int) -> Task:
        return next(task for task in self._table.tasks if task.id == number)

    def _line(self) -> str:
        """All of them, and how far each is that is under way."""
        files = [task for task in self._table.tasks if task.id != self._all and task.visible]
        each = ", ".join(f"{task.description} {task.percentage:.0f} %" for task in files)
        return f"  {_state(self._task(self._all))}" + (f" ({each})" if each else "")


class _State(ProgressColumn):
    """`40.0 MB of 98.0 MB, 20.0 MB/s, 3 s left`"""

    def render(self, task: Task) -> Text:
        return Text(_state(task), no_wrap=True)


def _state(task: Task) -> str:
    parts = [f"{size_text(int(task.completed))} of {size_text(int(task.total or 0))}"]
    if task.speed and task.speed > 0:
        parts.append(f"{size_text(int(task.speed))}/s")
        if not task.finished:
            parts.append(f"{time_text(task.time_remaining or 0)} left")
    return ", ".join(parts)


def _short(title: str) -> str:
    return title if len(title) <= _TITLE else "…" + title[1 - _TITLE :]
