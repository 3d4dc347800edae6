"""Guessing made slow: some wrong tries are free, then each one doubles the time until the next is looked at."""

from __future__ import annotations

import math
import threading
import time
from collections import OrderedDict
from collections.abc import Callable

_REMEMBERED = 1000
_FORGOTTEN_AFTER = 900.0
"""Seconds without a wrong try until all are free again."""


class Tries:
    """Wrong tries of each source (an address, say). Safe to use from many threads; holds at most 1,000 sources."""

    def __init__(self, *, free: int, longest: float, clock: Callable[[], float] = time.monotonic) -> None:
        """`longest`: seconds that one wrong try can cost at most."""
        self._free, self._longest, self._clock = free, longest, clock
        self._guard = threading.Lock()
        self._wrong: OrderedDict[str, tuple[int, float]] = OrderedDict()

    def wait(self, source: str) -> float:
        """Seconds until a try of `source` is looked at; 0 where it is now."""
        with self._guard:
            count, last = self._wrong.get(source, (0, 0.0))
            passed = self._clock() - last
            if count < self._free or passed > max(_FORGOTTEN_AFTER, self._longest):
                return 0.0
            return max(0.0, min(self._longest, math.ldexp(1.0, min(count - self._free, 30))) - passed)

    def wrong(self, source: str) -> None:
        with self._guard:
            count, last = self._wrong.pop(source, (0, 0.0))
            now = self._clock()
            self._wrong[source] = (1 if now - last > _FORGOTTEN_AFTER else count + 1, now)
            while len(self._wrong) > _REMEMBERED:
                self._wrong.popitem(last=False)

    def right(self, source: str) -> None:
        with self._guard:
            self._wrong.pop(source, None)
