"""Who waits for an answer: of the models that are loaded here, and of the base camp's."""

from __future__ import annotations

from appliance.runtime import Appliance


def queue(appliance: Appliance) -> tuple[tuple[str, int], ...]:
    """As (client, how many are before it)."""
    return (*appliance.loaded.queue(), *(appliance.camp.writer.waiters if appliance.camp else ()))


def waiting(appliance: Appliance) -> int:
    """How many ask, those included that are being answered."""
    return sum(state.waiting for state in appliance.loaded.states().values()) + (appliance.camp.writer.waiting if appliance.camp else 0)
