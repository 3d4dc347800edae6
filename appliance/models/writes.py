"""What everything that asks a language model depends on: `generator.py` here, or an engine at a base camp."""

from __future__ import annotations

import threading
from collections.abc import Iterator, Sequence
from types import TracebackType
from typing import Protocol, Self

from appliance.models.catalogue import GeneratorSettings
from appliance.models.parameters import NOTHING_TOLD, Parameters
from appliance.models.protocol import GeneratorEvent, Message, Prompt, Waiting
from appliance.models.request import Request


class Counts(Protocol):
    def count_tokens(self, prompts: Sequence[Prompt]) -> list[int]: ...


class Asked(Protocol):
    def generate(self, request: Request, cancel: threading.Event) -> Iterator[GeneratorEvent]: ...


class Held(Counts, Asked, Protocol):
    """A model that stays loaded for whoever holds it: `with model.hold(client, cancel) as held`, `wait`, and then as often as need be
    the others. What is counted and then written waits once, and for one loading."""

    def __enter__(self) -> Self: ...

    def __exit__(self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None) -> None: ...

    def wait(self) -> Iterator[Waiting]:
        """Ends when the model is held, or soon after `cancel`, which is to be looked at then: nothing may be counted."""


class Writes(Asked, Protocol):
    """See `Generator` for what each does and raises."""

    own: Parameters
    """What the model came with: it holds where a question says nothing."""
    note: str
    """One sentence that an answer of it must carry ("" mostly): it stands in for a base camp that fails."""

    @property
    def name(self) -> str: ...

    @property
    def settings(self) -> GeneratorSettings: ...

    @property
    def ready(self) -> bool: ...

    @property
    def waiting(self) -> int: ...

    def start(self, beginning: Sequence[Message] = (), *, client: str = "page", cancel: threading.Event | None = None) -> None: ...

    def hold(self, client: str, cancel: threading.Event) -> Held: ...

    def close(self) -> None: ...


def prompt_tokens(model: Counts, messages: Sequence[Message]) -> int:
    """The length of the prompt in the model's own tokens, its template's included. Raises as `count_tokens`."""
    return model.count_tokens([messages])[0]


class Whole(Counts, Asked, Protocol):
    """A model that counts and writes, held or not."""


class There:
    """Implements `Held` for a model that nobody takes away: there is nothing to wait for."""

    def __init__(self, model: Whole) -> None:
        self.count_tokens = model.count_tokens
        self.generate = model.generate

    def __enter__(self) -> Self:
        return self

    def __exit__(self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None) -> None:
        """It stays."""

    def wait(self) -> Iterator[Waiting]:
        return iter(())


class ChoosesModel(Protocol):
    """Which language model writes, loaded or ready to be: the shelf's `Loaded.generator`, or a base camp before it."""

    def __call__(self, name: str = "", *, purpose: str = "answering", parameters: Parameters = NOTHING_TOLD) -> Writes: ...
