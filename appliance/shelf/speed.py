"""How fast a model is on this machine: a short probe, run once and kept, so that people know before they wait."""

from __future__ import annotations

import secrets
import threading
from collections.abc import Callable
from datetime import UTC, datetime
from functools import partial

from appliance.errors import GeneratorFailed, HaversackError
from appliance.machine.look import processor_name
from appliance.models.parameters import Parameters
from appliance.models.protocol import Done, Message
from appliance.models.request import Request
from appliance.shelf.handle import PROBE, Handle
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


def measure(handle: Handle, cancel: threading.Event | None = None, *, busy: Callable[[], bool] = lambda: False) -> Speed | None:
    """Read about 256 tokens and write 32; None where it was cancelled, or gave way to a question that came meanwhile, or to what `busy`
    tells of: then it would be the speed of a machine that does something else.

    Raises GeneratorFailed, and what the model's `generate` raises.
    """
    stop = threading.Event()

    def gives_way() -> bool:
        if handle.waiting > 1 or busy() or (cancel is not None and cancel.is_set()):
            stop.set()
        return stop.is_set()

    done: Done | None = None
    with handle.hold(PROBE, stop) as held:
        for _ in held.wait():
            gives_way()
        if gives_way():
            return None
        threads = held.threads
        repeats = max(1, _READ // max(1, held.count_tokens([_WORDS])[0]))
        # What differs stands first, so that nothing of it is still in the model's memory from the last time.
        message = Message("user", f"Note {secrets.token_hex(4)}. {_WORDS * repeats}{_TASK}")
        for event in held.generate(Request([message], _WRITE, parameters=_EXACT, client=PROBE), stop):
            if isinstance(event, Done):
                done = event
            else:
                gives_way()
    if done is None or stop.is_set():
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


def measure_when_idle(loaded: Loaded, closing: threading.Event, busy: Callable[[], bool] = lambda: False) -> None:
    """Measure the models that are loaded and not measured yet, one after the other, when nobody has asked for some seconds.

    `busy` tells of other work on all cores, as reading documents is. Runs until `closing` is set, since others may be loaded later: give it
    a thread of its own after warm-up. What can't be measured is left; it can be asked for.
    """
    tried: set[str] = set()
    quiet = 0.0

    def others(name: str) -> bool:
        return busy() or any(state.state in ("busy", "loading") for other, state in loaded.states().items() if other != name)

    while not closing.wait(_GLANCE):
        quiet = 0.0 if others("") else quiet + _GLANCE
        ready = [(name, state.threads) for name, state in loaded.states().items() if state.state == "ready" and name not in tried]
        if quiet < _IDLE or not ready:
            continue
        name, threads = ready[0]
        known = measured_here(loaded.shelf, name, threads)
        try:
            if not known and (speed := measure(loaded.generator(name), closing, busy=partial(others, name))):
                loaded.shelf.keep_speed(name, speed)
                known = True
        except HaversackError:
            known = True  # as far as it ever will be
        if known:
            tried.add(name)
