"""The account of a run: what the last answer took, today's sum, the battery, and how many answers it is good for."""

from __future__ import annotations

import datetime
import threading
from collections import deque
from collections.abc import Callable
from dataclasses import dataclass

from appliance.documents import Energy
from appliance.energy.battery import Battery
from appliance.energy.meter import Meter, processor_seconds
from appliance.errors import LibraryError
from appliance.library.consumption import Consumption, Day, Kind

_REMEMBERED = 20
"""Answers that the rate is reckoned by."""
LOW = 20
"""Percent from which the saver is offered aloud."""


def today() -> str:
    return datetime.date.today().isoformat()


@dataclass(frozen=True, slots=True)
class Charge:
    """The battery as it is shown. `answers_left`: None where the system says too little, or nothing was answered yet."""

    percent: int
    discharging: bool
    answers_left: int | None
    sentence: str


class Account:
    """Safe from many threads. `kept` is None where nothing may be written: then only this run's last answer is known."""

    def __init__(self, meter: Meter, kept: Consumption | None) -> None:
        self.meter = meter
        self.last: Energy | None = None
        """What the last answer took."""
        self._kept = kept
        self._seconds: deque[float] = deque(maxlen=_REMEMBERED)
        self._lock = threading.Lock()

    def add(self, kind: Kind, energy: Energy | None, count: int = 1) -> None:
        """Of an answer that was written, or of documents that were read. What can't be kept (a full disk) is let go: no answer fails for it."""
        if energy is None:
            return
        if kind == "answer":
            with self._lock:
                self.last = energy
                self._seconds.append(energy.seconds)
        if self._kept is not None:
            try:
                self._kept.add(today(), kind, count, energy)
            except LibraryError:
                return

    def answering(self) -> Callable[[float], Energy | None]:
        """Begins to measure an answer; what it returns is told the processor seconds that were used, and says what it took."""
        period = self.meter.begin()

        def ends(used: float) -> Energy | None:
            energy = period.end(used)
            self.add("answer", energy)
            return energy

        return ends

    def reading(self) -> Callable[[int], None]:
        """Begins to measure the reading of documents; what it returns is told how many were read."""
        period, used = self.meter.begin(), processor_seconds()

        def ends(count: int) -> None:
            if count:
                self.add("document", period.end(processor_seconds() - used), count)

        return ends

    def days(self, limit: int = 31) -> tuple[Day, ...]:
        return self._kept.days(limit) if self._kept is not None else ()

    def charge(self, look: Callable[[], Battery | None] | None = None) -> Charge | None:
        """None where there is no battery, or the system doesn't say."""
        found = (look or self.meter.look)()
        if found is None:
            return None
        if not found.discharging:
            return Charge(found.percent, False, None, f"Plugged in, the battery is at {found.percent} %.")
        left = self._answers_left(found)
        told = f"good for about {left:,} more answers like the last ones" if left is not None else "how long it lasts is known after the first answer"
        if found.watts is None or found.watt_hours is None:
            told = "this system doesn't say how fast it empties"
        return Charge(found.percent, True, left, f"On battery: {found.percent} %, {told}.")

    def _answers_left(self, found: Battery) -> int | None:
        """One after the other, at what leaves the battery now: the whole machine's, screen and all."""
        with self._lock:
            mean = sum(self._seconds) / len(self._seconds) if self._seconds else 0.0
        if not (mean and found.watts and found.watt_hours is not None):
            return None
        return int(found.watt_hours * 3600 / found.watts / mean)
