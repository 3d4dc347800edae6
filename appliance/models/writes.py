"""What everything that asks a language model depends on: `generator.py` here, or an engine at a base camp."""

from __future__ import annotations

import threading
from collections.abc import Iterator, Sequence
from typing import Protocol

from appliance.models.catalogue import GeneratorSettings
from appliance.models.parameters import NOTHING_TOLD, Parameters
from appliance.models.protocol import GeneratorEvent, Message, Prompt
from appliance.models.request import Request


class Writes(Protocol):
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

    @property
    def waiters(self) -> tuple[tuple[str, int], ...]: ...

    @property
    def pid(self) -> int | None: ...

    @property
    def resident_bytes(self) -> int: ...

    @property
    def variant(self) -> str: ...

    @property
    def can_call_tools(self) -> bool: ...

    def start(self, beginning: Sequence[Message] = (), *, client: str = "page", cancel: threading.Event | None = None) -> None: ...

    def prompt_tokens(self, messages: Sequence[Message]) -> int: ...

    def count_tokens(self, prompts: Sequence[Prompt]) -> list[int]: ...

    def generate(self, request: Request, cancel: threading.Event) -> Iterator[GeneratorEvent]: ...

    def close(self) -> None: ...


class ChoosesModel(Protocol):
    """Which language model writes, loaded or ready to be: the shelf's `Loaded.generator`, or a base camp before it."""

    def __call__(self, name: str = "", *, purpose: str = "answering", parameters: Parameters = NOTHING_TOLD) -> Writes: ...
