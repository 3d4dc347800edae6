"""What `Loaded` knows of a model that is loaded, and of who waits for room: its lock guards both."""

from __future__ import annotations

from dataclasses import dataclass

from appliance.models.generator import Generator
from appliance.shelf.entries import ShelfModel


@dataclass(frozen=True, slots=True)
class State:
    """How far a model is: `state` is idle, loading, ready, busy, or "failed: " and the sentence."""

    state: str
    resident_bytes: int = 0
    context: int = 0
    threads: int = 0
    waiting: int = 0


@dataclass(slots=True, eq=False)
class Slot:
    """A model that is loaded or being loaded."""

    model: ShelfModel
    context: int
    threads: int
    threads_told: bool = False
    """Somebody asked for so many; else they are what was usual when it was loaded."""
    leases: int = 1
    """Those who write with it, or wait for their turn to."""
    used: int = 0
    generator: Generator | None = None
    """None while the files are being compared."""
    removed: bool = False

    @property
    def busy(self) -> bool:
        return self.leases > 0 or bool(self.generator and self.generator.waiting)

    @property
    def needs(self) -> int:
        """Bytes of memory, as far as can be told beforehand."""
        return self.model.memory(self.context)

    @property
    def held(self) -> int:
        """Bytes that its end would add to the memory that is available: as the system tells, or else all that it needs."""
        private = self.generator.private_bytes if self.generator else 0
        return self.needs if private is None else private

    @property
    def state(self) -> State | None:
        """None where its process isn't there yet, and nobody waits for it."""
        generator = self.generator
        if not (self.leases or (generator and generator.ready)):
            return None
        if generator is None or not generator.ready:
            return State("loading", 0, self.context, self.threads)
        return State("busy" if self.busy else "ready", generator.resident_bytes, self.context, self.threads, generator.waiting)

    def close(self) -> None:
        if self.generator:
            self.generator.close()


@dataclass(slots=True, eq=False)
class Ticket:
    """A place in the line of those who need room."""

    client: str
