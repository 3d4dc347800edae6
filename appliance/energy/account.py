"""The account of a run: what the last answer took, today's sum, the battery, and how many answers it is good for."""

from __future__ import annotations

import datetime
import threading
from collections import deque
from collections.abc import Callable
from contextlib import suppress
from dataclasses import dataclass

from appliance.documents import Energy, both
from appliance.energy.battery import Battery
from appliance.energy.meter import Meter, Period, processor_seconds
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


@dataclass(slots=True)
class _Answer:
    """What an answer took so far, and what left the battery at its end, where that is known."""

    period: Period
    energy: Energy | None = None
    watts: float | None = None


class Account:
    """Safe from many threads. `kept` is None where nothing may be written: then only this run's last answer is known."""

    def __init__(self, meter: Meter, kept: Consumption | None) -> None:
        self.meter = meter
        self.last: Energy | None = None
        """What the last answer took."""
        self._kept = kept
        self._answers: deque[_Answer] = deque(maxlen=_REMEMBERED)
        self._lock = threading.Lock()

    def answering(self) -> Callable[[float], Energy | None]:
        """Begins to measure an answer. What it returns is told the processor seconds that a call of a model used, and says what that call took.

        An answer can take several calls, and is one all the same. Told 0, it begins the next one: what passed until then is nobody's.
        """
        answer = _Answer(self.meter.begin())

        def ends(used: float) -> Energy | None:
            energy = answer.period.end(used)
            if energy is None:
                answer.period = self.meter.begin()
            else:
                self._answered(answer, energy)
            return energy

        return ends

    def reading(self) -> Callable[[int, float], None]:
        """Begins to measure the reading of documents. What it returns is told how many were read, and the processor seconds of the workers that
        converted them."""
        period, used = self.meter.begin(), processor_seconds()

        def ends(count: int, workers: float) -> None:
            energy = period.end(processor_seconds() - used + workers)
            if count and energy is not None:
                self._keep("document", energy, count)

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
        """One after the other, at what left the battery while the last ones were written: the whole machine's, screen and all. Whoever looks
        between two answers sees an idle machine; what leaves it now counts where that is more, or where nothing else is known."""
        with self._lock:
            seconds = [one.energy.seconds for one in self._answers if one.energy]
            drawn = [one.watts for one in self._answers if one.watts]
        if not (seconds and found.watts and found.watt_hours is not None):
            return None
        watts = max(found.watts, sum(drawn) / len(drawn) if drawn else 0.0)
        return int(found.watt_hours * 3600 / watts / (sum(seconds) / len(seconds)))

    def _answered(self, answer: _Answer, energy: Energy) -> None:
        found = self.meter.look()
        with self._lock:
            first = answer.energy is None
            if first:
                self._answers.append(answer)
            answer.energy = self.last = both(answer.energy, energy)
            answer.watts = found.watts if found and found.discharging else None
        self._keep("answer", energy, int(first))

    def _keep(self, kind: Kind, energy: Energy, count: int) -> None:
        """What can't be kept (a full disk) is let go: no answer fails for it."""
        if self._kept is not None:
            with suppress(LibraryError):
                self._kept.add(today(), kind, count, energy)
