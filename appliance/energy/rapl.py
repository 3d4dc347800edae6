"""The processor's own energy counters (RAPL), as Linux shows them under /sys/class/powercap.

`energy_uj` counts microjoules since the start and begins anew at `max_energy_range_uj`. Since Linux 5.10 only root may read it
(CVE-2020-8694), so on most laptops there is nothing to be had here. AMD's processors are under the name of Intel's, too.
"""

from __future__ import annotations

import re
from dataclasses import dataclass
from pathlib import Path

POWERCAP = Path("/sys/class/powercap")
_PACKAGE = re.compile(r"intel-rapl:\d+")
"""A whole processor. Those with a second number are parts of one, counted in it, or the memory beside it ("dram"), which is not: few laptops tell
of that, and what is shown would be another thing on each."""


@dataclass(frozen=True, slots=True)
class Reading:
    """Microjoules by counter."""

    counters: dict[str, int]


class Rapl:
    """The counters of every processor package."""

    def __init__(self, folder: Path = POWERCAP) -> None:
        self._folder = folder
        self._ranges = self._read("max_energy_range_uj")

    @property
    def found(self) -> bool:
        """Whether this machine has such counters, readable or not."""
        return bool(self._packages())

    @property
    def whole(self) -> bool:
        """Whether they count the whole machine ("psys") and not the processor alone."""
        return any(_is_whole(entry) for entry in self._packages())

    def read(self) -> Reading | None:
        """None where there are none, or they may not be read."""
        counters = self._read("energy_uj")
        return Reading(counters) if counters else None

    def joules(self, first: Reading, last: Reading) -> float | None:
        """What was taken between two readings; None where a counter went away, or began anew and its range is not known."""
        total = 0
        for name, began in first.counters.items():
            if name not in last.counters:
                return None
            taken = last.counters[name] - began
            if taken < 0:
                if name not in self._ranges:
                    return None
                taken += self._ranges[name]
            total += taken
        return total / 1e6

    def _packages(self) -> list[Path]:
        try:
            found = sorted(entry for entry in self._folder.iterdir() if _PACKAGE.fullmatch(entry.name))
        except OSError:
            return []
        # The packages are in it.
        whole = [entry for entry in found if _is_whole(entry)]
        return whole or found

    def _read(self, file: str) -> dict[str, int]:
        found = {entry.name: _text(entry / file) for entry in self._packages()}
        return {name: int(text) for name, text in found.items() if text.isdigit()}


def _is_whole(zone: Path) -> bool:
    return _text(zone / "name") == "psys"


def _text(path: Path) -> str:
    try:
        return path.read_text(encoding="ascii", errors="replace").strip()
    except OSError:
        return ""
