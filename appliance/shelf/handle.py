"""A model of the shelf as those see it who ask it: loaded when it is asked, held while it answers, not theirs to close."""

from __future__ import annotations

import threading
from collections.abc import Callable, Iterator, Sequence
from dataclasses import replace
from types import TracebackType
from typing import TYPE_CHECKING, Self

from appliance.documents import Energy
from appliance.errors import BadParameter, GeneratorFailed
from appliance.models.catalogue import GeneratorSettings
from appliance.models.generator import Generator
from appliance.models.parameters import Parameters
from appliance.models.protocol import Done, GeneratorEvent, Message, Prompt, Waiting
from appliance.models.request import Request
from appliance.shelf.entries import ShelfModel

if TYPE_CHECKING:
    from appliance.shelf.loaded import Loaded
    from appliance.shelf.slots import Slot

PROBE = "probe"
"""The client that measures speed: what that takes is no answer's energy."""
_GLANCE = 0.05
"""Seconds between two looks at the cancel event while nothing else happens."""


def own_parameters(model: ShelfModel) -> Parameters:
    """What the model came with, its system prompt included."""
    return model.parameters.over(Parameters(system=model.system or None))


def check_context(model: ShelfModel, context: int | None) -> None:
    """For a context that was asked for together with the model. Raises BadParameter beyond what the model was made for."""
    if context and model.trained_context and context > model.trained_context:
        raise BadParameter(name="context", value=context, allowed=f"{model.title} was made for at most {model.trained_context} tokens")


def taken_off(title: str) -> GeneratorFailed:
    """For whoever holds a handle of a model that has gone since."""
    return GeneratorFailed(detail=f"{title} was taken off the shelf")


def unmeasured() -> Callable[[float], Energy | None]:
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
        self._ends: Callable[[float], Energy | None] | None = None

    @property
    def ready(self) -> bool:
        generator = self._generator()
        return generator is not None and generator.ready

    @property
    def waiting(self) -> int:
        generator = self._generator()
        return generator.waiting if generator else 0

    @property
    def pid(self) -> int | None:
        generator = self._generator()
        return generator.pid if generator else None

    @property
    def variant(self) -> str:
        generator = self._generator()
        return generator.variant if generator else ""

    def start(self, beginning: Sequence[Message] = (), *, client: str = "page", cancel: threading.Event | None = None) -> None:
        """Load the model, and read `beginning` ahead. Waits in line as `generate` does, and raises as that; ends soon after `cancel`."""
        cancel = cancel or threading.Event()
        with self.hold(client, cancel) as held:
            for _ in held.wait():
                pass
            held.start(beginning)

    def hold(self, client: str, cancel: threading.Event) -> Hold:
        """Waiting comes also while other models are busy in the memory that this one needs.

        Its `wait` raises ModelTooLarge, BundleAltered, ModelAltered and GeneratorFailed, the others as `Generator` does.
        """
        return Hold(self._loaded, self, client, cancel)

    def generate(self, request: Request, cancel: threading.Event) -> Iterator[GeneratorEvent]:
        """As `Generator.generate`, and as `hold`."""
        with self.hold(request.client, cancel) as held:
            yield from held.wait()
            yield from held.generate(request, cancel)

    def measured(self, request: Request) -> Callable[[float], Energy | None]:
        """Begins to measure what a request takes. All that is asked of one handle is one answer, in however many pieces it is written; the
        probe's measuring, and what is only read ahead, is none."""
        if request.client == PROBE or not request.max_tokens:
            return unmeasured()
        if self._ends is None:
            self._ends = self._loaded.measure()
        else:
            self._ends(0.0)
        return self._ends

    def close(self) -> None:
        """The model stays loaded, for whoever comes next; `Loaded.close` ends it."""

    def _generator(self) -> Generator | None:
        slot = self._loaded.slot(self)
        return slot.generator if slot else None


class Hold:
    """Implements `Held`: a place in the line first, then the model, which nobody unloads before this ends."""

    def __init__(self, loaded: Loaded, handle: Handle, client: str, cancel: threading.Event) -> None:
        self._loaded = loaded
        self._handle = handle
        self._client = client
        self._cancel = cancel
        self._slot: Slot | None = None

    def __enter__(self) -> Self:
        return self

    def __exit__(self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None) -> None:
        slot, self._slot = self._slot, None
        if slot is None:
            return
        failed = isinstance(error, GeneratorFailed) and not slot.removed
        self._loaded.give_back(slot, str(error) if failed else "")
        if isinstance(error, GeneratorFailed) and slot.removed:
            raise taken_off(self._handle.name) from error

    def wait(self) -> Iterator[Waiting]:
        ticket = self._loaded.join(self._client)
        told = 0
        try:
            while not self._cancel.is_set():
                self._slot = self._loaded.take(self._handle, ticket, _GLANCE)
                if self._slot is not None:
                    return
                ahead = self._loaded.ahead(ticket)
                if ahead != told:
                    told = ahead
                    yield Waiting(ahead)
        finally:
            self._loaded.leave(ticket)

    @property
    def threads(self) -> int:
        """Those that the held model was loaded with."""
        assert self._slot is not None
        return self._slot.threads

    def start(self, beginning: Sequence[Message]) -> None:
        if self._slot is not None:
            self._generator().start(beginning, client=self._client, cancel=self._cancel)

    def count_tokens(self, prompts: Sequence[Prompt]) -> list[int]:
        return self._generator().count_tokens(prompts)

    def generate(self, request: Request, cancel: threading.Event) -> Iterator[GeneratorEvent]:
        if self._slot is None:
            yield Done(0, 0, 0, "cancelled")
            return
        ends: Callable[[float], Energy | None] | None = None
        for event in self._generator().generate(request, cancel):
            if ends is None and not isinstance(event, Waiting):
                ends = self._handle.measured(request)  # until here others answered, or the model was loaded
            yield replace(event, energy=ends(event.processor_ms / 1000)) if isinstance(event, Done) and ends else event

    def _generator(self) -> Generator:
        assert self._slot is not None, "wait() was not called to its end, or was cancelled"
        assert self._slot.generator is not None
        return self._slot.generator
