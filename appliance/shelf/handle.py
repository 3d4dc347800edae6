"""A model of the shelf as those see it who ask it: loaded when it is asked, held while it answers, not theirs to close."""

from __future__ import annotations

import threading
from collections.abc import Callable, Iterator, Sequence
from collections.abc import Generator as Yields
from contextlib import contextmanager
from dataclasses import replace
from typing import TYPE_CHECKING

from appliance.documents import Energy
from appliance.errors import GeneratorFailed
from appliance.models.catalogue import GeneratorSettings
from appliance.models.generator import Generator
from appliance.models.parameters import Parameters
from appliance.models.protocol import Done, GeneratorEvent, Message, Prompt, Waiting
from appliance.models.request import Request
from appliance.shelf.entries import ShelfModel

if TYPE_CHECKING:
    from appliance.shelf.loaded import Loaded, Slot

PROBE = "probe"
"""The client that measures speed: what that takes is no answer's energy."""
_GLANCE = 0.05
"""Seconds between two looks at the cancel event while nothing else happens."""


def own_parameters(model: ShelfModel) -> Parameters:
    """What the model came with, its system prompt included."""
    return model.parameters.over(Parameters(system=model.system or None))


def _unmeasured() -> Callable[[float], Energy | None]:
    return lambda _: None


class Handle:
    """Implements `Writes`. Made by `Loaded.generator`; cheap, can be kept, and used from several threads."""

    def __init__(self, loaded: Loaded, model: ShelfModel, settings: GeneratorSettings, *, context: int | None, threads: int | None) -> None:
        """`context` and `threads` are None where nobody told them: then what the model is loaded with is taken, if it is enough."""
        self._loaded = loaded
        self.model = model
        self.name = model.title
        self.settings = settings
        self.own = own_parameters(model)
        self.note = ""
        self.context = context
        self.threads = threads

    @property
    def ready(self) -> bool:
        generator = self._generator()
        return generator is not None and generator.ready

    @property
    def waiting(self) -> int:
        generator = self._generator()
        return generator.waiting if generator else 0

    @property
    def waiters(self) -> tuple[tuple[str, int], ...]:
        generator = self._generator()
        return generator.waiters if generator else ()

    @property
    def pid(self) -> int | None:
        generator = self._generator()
        return generator.pid if generator else None

    @property
    def resident_bytes(self) -> int:
        generator = self._generator()
        return generator.resident_bytes if generator else 0

    @property
    def variant(self) -> str:
        generator = self._generator()
        return generator.variant if generator else ""

    @property
    def can_call_tools(self) -> bool:
        """As its chat template says; nothing is loaded for that."""
        return self.model.can_call_tools

    def start(self, beginning: Sequence[Message] = (), *, client: str = "page", cancel: threading.Event | None = None) -> None:
        """Load the model, and read `beginning` ahead. Waits in line as `generate` does, and raises as that; ends soon after `cancel`."""
        for _ in self._start(beginning, client, cancel or threading.Event()):
            pass

    def prompt_tokens(self, messages: Sequence[Message]) -> int:
        return self.count_tokens([messages])[0]

    def count_tokens(self, prompts: Sequence[Prompt]) -> list[int]:
        with self._held() as generator:
            return generator.count_tokens(prompts)

    def generate(self, request: Request, cancel: threading.Event) -> Iterator[GeneratorEvent]:
        """As `Generator.generate`; Waiting comes also while other models are busy in the memory that this one needs.

        Raises ModelTooLarge, BundleAltered and ModelAltered besides.
        """
        slot = yield from self._in_line(cancel)
        if slot is None:
            yield Done(0, 0, 0, "cancelled")
            return
        with self._using(slot) as generator:
            events = generator.generate(request, cancel)
            measure = self._loaded.measure if request.client != PROBE else _unmeasured
            ends = measure()
            for event in events:
                if isinstance(event, Waiting):
                    ends = measure()  # what others' answers take is theirs
                yield replace(event, energy=ends(event.processor_ms / 1000)) if isinstance(event, Done) else event

    def close(self) -> None:
        """The model stays loaded, for whoever comes next; `Loaded.close` ends it."""

    def _generator(self) -> Generator | None:
        slot = self._loaded.slot(self)
        return slot.generator if slot else None

    def _start(self, beginning: Sequence[Message], client: str, cancel: threading.Event) -> Iterator[Waiting]:
        slot = yield from self._in_line(cancel)
        if slot is not None:
            with self._using(slot) as generator:
                generator.start(beginning, client=client, cancel=cancel)

    def _in_line(self, cancel: threading.Event) -> Yields[Waiting, None, Slot | None]:
        """Waits until the model is held; None where it was cancelled before."""
        ticket = self._loaded.join()
        try:
            told = 0
            while (slot := self._loaded.take(self, ticket, _GLANCE)) is None and not cancel.is_set():
                ahead = self._loaded.ahead(ticket)
                if ahead != told:
                    told = ahead
                    yield Waiting(ahead)
        finally:
            self._loaded.leave(ticket)
        return slot

    @contextmanager
    def _held(self) -> Iterator[Generator]:
        while (slot := self._loaded.take(self, None, _GLANCE)) is None:
            continue
        with self._using(slot) as generator:
            yield generator

    @contextmanager
    def _using(self, slot: Slot) -> Iterator[Generator]:
        failure = ""
        try:
            assert slot.generator is not None
            yield slot.generator
        except GeneratorFailed as error:
            if slot.removed:
                raise GeneratorFailed(detail=f"{self.name} was taken off the shelf") from error
            failure = str(error)
            raise
        finally:
            self._loaded.give_back(slot, failure)
