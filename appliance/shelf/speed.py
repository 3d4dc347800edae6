"""How fast a model is on this machine: a short probe, run once and kept, so that people know before they wait."""

from __future__ import annotations

import secrets
import threading
from datetime import UTC, datetime

from appliance.errors import GeneratorFailed, HaversackError
from appliance.machine.look import processor_name
from appliance.models.parameters import Parameters
from appliance.models.protocol import Done, Message
from appliance.models.request import Request
from appliance.models.writes import Writes
from appliance.shelf.handle import PROBE
from appliance.shelf.loaded import Loaded
from appliance.shelf.purposes import Speed
from appliance.shelf.shelf import ModelShelf

_READ, _WRITE = 256, 32
"""Tokens, about: long enough that the call itself doesn't count, and done in a second by a model that is quick enough for this machine."""
_LEAST = 8
_WORDS = (
    "The well behind the school was dug in spring and gives water for forty families. Its pump is cleaned every month, and whoever fetches "
    "water writes the day and the number of cans into the book by the gate. "
)
_TASK = "\nCopy the words above, all of them, from the beginning."
_EXACT = Parameters(temperature=0.0, repeat_penalty=1.0)
_GLANCE, _IDLE = 2.0, 4.0
"""Seconds between two looks, and those without a question before the probe may begin."""


def measure(writes: Writes, threads: int, cancel: threading.Event | None = None) -> Speed | None:
    """Read about 256 tokens and write 32; None where it was cancelled, or gave way to a question that came meanwhile.

    Raises GeneratorFailed, and what the model's `generate` raises.
    """
    cancel = cancel or threading.Event()
    given_way = False
    repeats = max(1, _READ // max(1, writes.count_tokens([_WORDS])[0]))
    # What differs stands first, so that nothing of it is still in the model's memory from the last time.
    message = Message("user", f"Note {secrets.token_hex(4)}. {_WORDS * repeats}{_TASK}")
    done: Done | None = None
    for event in writes.generate(Request([message], _WRITE, parameters=_EXACT, client=PROBE), cancel):
        if isinstance(event, Done):
            done = event
        elif writes.waiting > 1 and not cancel.is_set():
            given_way = True
            cancel.set()
    if done is None or done.reason == "cancelled" or given_way:
        return None
    read, wrote = done.prompt_tokens - done.reused_tokens, done.completion_tokens
    if read < _LEAST or wrote < _LEAST or not done.reading_ms or not done.writing_ms:
        raise GeneratorFailed(detail=f"it wrote {wrote} words and stopped, too few to measure its speed")
    return Speed(
        reading=round(read / done.reading_ms * 1000, 1),
        writing=round(wrote / done.writing_ms * 1000, 1),
        when=datetime.now(UTC).strftime("%Y-%m-%dT%H:%M:%SZ"),
        threads=threads,
        processor=processor_name(),
    )


def measured_here(shelf: ModelShelf, name: str, threads: int) -> bool:
    """Whether the speed is known of this machine: a stick goes from one to the next."""
    speed = shelf.speed(name)
    return speed is not None and (speed.threads, speed.processor) == (threads, processor_name())


def measure_when_idle(loaded: Loaded, closing: threading.Event) -> None:
    """Measure the models that are loaded and not measured yet, one after the other, when nobody has asked for some seconds.

    Runs until `closing` is set, since others may be loaded later: give it a thread of its own after warm-up.
    What can't be measured is left; it can be asked for.
    """
    tried: set[str] = set()
    quiet = 0.0
    while not closing.wait(_GLANCE):
        states = loaded.states()
        busy = any(state.state in ("busy", "loading") for state in states.values())
        quiet = 0.0 if busy else quiet + _GLANCE
        ready = [name for name, state in states.items() if state.state == "ready" and name not in tried]
        if quiet < _IDLE or not ready:
            continue
        try:
            if measured_here(loaded.shelf, ready[0], loaded.threads):
                tried.add(ready[0])
                continue
            speed = measure(loaded.generator(ready[0]), loaded.threads, closing)
            if speed:
                loaded.shelf.keep_speed(ready[0], speed)
                tried.add(ready[0])
        except HaversackError:
            tried.add(ready[0])
