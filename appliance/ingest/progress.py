"""How far a batch of documents is, and how long it will still take."""

from __future__ import annotations

import threading
import time
from collections.abc import Callable
from dataclasses import dataclass

_INTERVAL = 0.2
"""Seconds between two reports: as often as an eye follows."""


@dataclass(frozen=True, slots=True)
class IngestProgress:
    documents_done: int
    documents_total: int
    pages_done: int
    pages_per_second: float
    seconds_left: float | None
    """None until there is something to judge by."""
    document: str
    """The document being worked on, "" where there is none."""


class Meter:
    """Counts what is done, from any thread; reports from the caller's, five times a second at most."""

    def __init__(self, sizes: list[int], report: Callable[[IngestProgress], None]) -> None:
        """`sizes` in bytes, document by document: the time left is judged by them."""
        self._sizes = sizes
        self._report = report
        self._total = sum(sizes)
        self._started = time.monotonic()
        self._shown = 0.0
        self._guard = threading.Lock()
        self._documents = self._pages = self._bytes = self._worked_bytes = 0
        self._underway: dict[int, tuple[str, int, float]] = {}

    def working(self, index: int, name: str, pages: int, part: float) -> None:
        """`part` (0 to 1) of the document at `index` is done, `pages` pages of it."""
        with self._guard:
            self._underway[index] = (name, pages, part)

    def finished(self, index: int, pages: int, *, worked: bool) -> None:
        """The document is done. `worked` is False where there was nothing to do: that says nothing about the rest."""
        with self._guard:
            self._underway.pop(index, None)
            self._documents += 1
            self._pages += pages if worked else 0
            self._bytes += self._sizes[index]
            self._worked_bytes += self._sizes[index] if worked else 0

    def show(self, *, now: bool = False) -> None:
        """Report, unless that was done a moment ago."""
        moment = time.monotonic()
        if now or moment - self._shown >= _INTERVAL:
            self._shown = moment
            self._report(self._state(moment - self._started))

    def _state(self, elapsed: float) -> IngestProgress:
        with self._guard:
            pages = self._pages + sum(pages for _, pages, _ in self._underway.values())
            part = sum(share * self._sizes[index] for index, (_, _, share) in self._underway.items())
            worked = self._worked_bytes + part
            left: float | None = None
            if self._documents == len(self._sizes):
                left = 0.0
            elif worked > 0 and elapsed >= 1:
                left = elapsed * (self._total - self._bytes - part) / worked
            first = self._underway[min(self._underway)][0] if self._underway else ""
            return IngestProgress(self._documents, len(self._sizes), pages, pages / elapsed if elapsed > 0 else 0.0, left, first)
