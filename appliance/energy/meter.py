"""What a piece of work takes, in joules: by the processor's counters, else by the battery's, else from processor time.

Each says less than one would wish, so each result carries its method and its uncertainty:
- counters: the processor alone (no memory, screen or disk), or the whole machine where it has a counter for that, shared out by processor
  time among all that ran meanwhile;
- battery: the whole machine while it runs on it, the screen included, shared out in the same way;
- processor time: seconds of one core × watts of a core. 15 W processors of laptops have 2 to 4 cores, 4 to 7.5 W each; the default of Green
  Algorithms for a processor that it doesn't know is 12 W a core (Lannelongue et al., Advanced Science 2021). So 8 W, half of it either way.
  Time is counted by hyperthread, of which two make a core: 4 cores with 8 of them take 15 to 28 W, not 64.
"""

from __future__ import annotations

import os
import time
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

from appliance.documents import Energy
from appliance.energy.battery import Battery, battery
from appliance.energy.rapl import Rapl, Reading

WATTS_OF_A_CORE = 8.0
COUNTERS = "measured by the processor's counters"
BATTERY = "measured by the battery"
ESTIMATE = "estimated from processor time"
_UNCERTAIN = {COUNTERS: 0.2, BATTERY: 0.3, ESTIMATE: 0.5}
"""As shares. Counters: RAPL agrees with a meter within some percent, sharing out by time does not. Battery: its chip is asked twice."""
_LEAST_SECONDS = 1.0
"""A battery's chip is asked at most so often by its driver: what took less can't be told by it."""
PROCESSORS = Path("/sys/devices/system/cpu")


def processor_seconds() -> float:
    """What this process used of all cores. Children tell of themselves: the system adds a child's whole life when it ends, and a model that is
    loaded anew has answered all afternoon."""
    return time.process_time()


def cores_of_a_processor(folder: Path = PROCESSORS) -> float | None:
    """How many real cores stand behind each processor that programs run on: a half where cores have hyperthreads. None where the system doesn't
    say, as Windows and macOS don't."""
    try:
        siblings = [path.read_text() for path in folder.glob("cpu[0-9]*/topology/thread_siblings_list")]
    except OSError:
        return None
    return len(set(siblings)) / len(siblings) if siblings else None


class Meter:
    """Safe from many threads: each `begin` is its own measurement."""

    def __init__(
        self,
        rapl: Rapl | None = None,
        look: Callable[[], Battery | None] = battery,
        stat: Path = Path("/proc/stat"),
        processors: Path = PROCESSORS,
    ) -> None:
        self._rapl = rapl or Rapl()
        self._look = look
        self._stat = stat
        self._cores = cores_of_a_processor(processors)
        self.watts_of_a_processor = WATTS_OF_A_CORE * (self._cores or 1.0)

    def begin(self) -> Period:
        return Period(self, time.monotonic(), self._rapl.read(), self.busy_seconds(), self._look())

    @property
    def method(self) -> str:
        """How it would be known now."""
        if self._rapl.read() is not None:
            return COUNTERS
        found = self._look()
        return BATTERY if found and found.discharging and found.watts else ESTIMATE

    @property
    def sentence(self) -> str:
        """How that is, for people."""
        match self.method:
            case method if method == COUNTERS:
                what = "the whole machine" if self._rapl.whole else "the processor alone"
                return f"Measured by the processor's own counters: {what}, shared out by processor time. About a fifth more or less."
            case method if method == BATTERY:
                return "Measured by the battery: the whole machine with its screen, shared out by processor time. About a third more or less."
        why = "This machine's energy counters may only be read by its administrator" if self._rapl.found else "This machine tells no energy"
        apart = "" if self._cores else " Where a core has two hyperthreads, half as much again: this system doesn't tell them apart."
        return f"{why}, so it is estimated: processor time × {WATTS_OF_A_CORE:g} W a core. It may be half as much, or half more.{apart}"

    def busy_seconds(self) -> float | None:
        """What all programs used of all cores since the start; None where the system doesn't say."""
        try:
            user, nice, system, _, _, irq, soft, steal = map(int, self._stat.read_text().split("\n", 1)[0].split()[1:9])
            return (user + nice + system + irq + soft + steal) / os.sysconf("SC_CLK_TCK")
        except (OSError, ValueError, AttributeError):
            return None

    def joules(self, first: Reading | None) -> float | None:
        last = self._rapl.read() if first else None
        return self._rapl.joules(first, last) if first and last else None

    def look(self) -> Battery | None:
        return self._look()


@dataclass(frozen=True, slots=True)
class Period:
    """A measurement under way."""

    meter: Meter
    began: float
    counters: Reading | None
    busy: float | None
    battery: Battery | None

    def end(self, used: float) -> Energy | None:
        """What the work took that used so many processor seconds; None where that is nothing."""
        seconds = time.monotonic() - self.began
        if used <= 0 or seconds <= 0:
            return None
        found = self._by_counters(used) or self._by_battery(seconds, used) or (used * self.meter.watts_of_a_processor, ESTIMATE)
        return Energy(round(found[0], 3), found[1], _UNCERTAIN[found[1]], round(seconds, 3))

    def _by_counters(self, used: float) -> tuple[float, str] | None:
        taken, share = self.meter.joules(self.counters), self._share(used)
        return (taken * share, COUNTERS) if taken and taken > 0 and share is not None else None

    def _share(self, used: float) -> float | None:
        """Ours of what all programs used meanwhile: two answers at the same time are not both the whole. None where the system doesn't say."""
        busy = self.meter.busy_seconds()
        return None if busy is None or self.busy is None else min(1.0, used / max(busy - self.busy, used))

    def _by_battery(self, seconds: float, used: float) -> tuple[float, str] | None:
        if seconds < _LEAST_SECONDS or not (self.battery and self.battery.discharging and self.battery.watts):
            return None
        last = self.meter.look()
        if not (last and last.discharging and last.watts):
            return None
        share = self._share(used)
        return (self.battery.watts + last.watts) / 2 * seconds * (1.0 if share is None else share), BATTERY
