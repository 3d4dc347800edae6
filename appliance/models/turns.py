"""Whose turn it is: one at a time, and the clients in rotation, so that one with fifty requests keeps nobody else waiting for them."""

from __future__ import annotations

import threading
from collections.abc import Iterator

PAGE = "page"
"""The client that is whoever sits at the machine."""
_GLANCE = 0.05
"""Seconds between two looks at the cancel event while nothing else happens."""
_REMEMBERED = 256
"""Clients whose last turn is known."""


class Turns:
    """Safe from many threads."""

    def __init__(self) -> None:
        self._changed = threading.Condition()
        self._current: int | None = None
        self._waiting: dict[int, str] = {}
        self._order: tuple[int, ...] = ()
        self._served: dict[str, int] = {}
        self._clock = 0

    def __len__(self) -> int:
        """Those that wait, and the one whose turn it is."""
        return len(self._waiting) + (self._current is not None)

    def waiting(self) -> tuple[tuple[str, int], ...]:
        """Each one that waits, as (client, how many are before it), the next one first."""
        with self._changed:
            busy = int(self._current is not None)
            return tuple((self._waiting[number], place + busy) for place, number in enumerate(self._order))

    def join(self, number: int, client: str) -> None:
        with self._changed:
            self._waiting[number] = client
            self._rearrange()

    def until(self, number: int, cancel: threading.Event) -> Iterator[int]:
        """How many are before `number`, whenever that changes; ends when it is its turn, or it is cancelled."""
        told = 0
        while not cancel.is_set():
            with self._changed:
                if self._current is None and self._order[:1] == (number,):
                    self._current = number
                    self._served[self._waiting.pop(number)] = self._clock = self._clock + 1
                    self._rearrange()
                    return
                ahead = self._order.index(number) + (self._current is not None)
                if ahead == told or not ahead:
                    self._changed.wait(_GLANCE)
                    continue
            told = ahead
            yield ahead

    def leave(self, number: int) -> None:
        """Its turn is over, or it waits no more."""
        with self._changed:
            if self._current == number:
                self._current = None
            elif self._waiting.pop(number, None) is None:
                return
            self._rearrange()

    def wake(self) -> None:
        with self._changed:
            self._changed.notify_all()

    def _rearrange(self) -> None:
        """Rotation: the client whose last turn is longest ago is next; of one client's requests, the oldest.

        Whoever sits at the machine is one among fifty in a rotation, and would wait for all of them: the page has every second turn.
        """
        while len(self._served) > _REMEMBERED:
            del self._served[min(self._served, key=self._served.__getitem__)]
        last, clock, order = dict(self._served), self._clock, []
        left = dict(self._waiting)
        before = max(last, key=last.__getitem__, default="")
        while left:
            pages = PAGE in left.values() and before != PAGE
            number = min((one for one in left if not pages or left[one] == PAGE), key=lambda one: (last.get(left[one], 0), one))
            clock += 1
            before = left.pop(number)
            last[before] = clock
            order.append(number)
        self._order = tuple(order)
        self._changed.notify_all()
