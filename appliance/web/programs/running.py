"""One request of a program, whatever shape it came in: what is wanted, and what happens until it is answered."""

from __future__ import annotations

import secrets
import threading
import time
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field, replace
from typing import Any

from flask import g

from appliance.errors import ModelUnable, PromptTooLong
from appliance.models.parameters import MOST_SEED, Parameters
from appliance.models.protocol import Call, Done, Message, Piece, Reading, Waiting
from appliance.models.request import Request
from appliance.models.tools import CallReader, calling_schema, tool_names
from appliance.runtime import Appliance
from appliance.web.programs.naming import Named, served_context

MOST_MESSAGES = 2000
MOST_TOOLS = 128
OPEN = 1 << 20
"""Tokens of an answer where nobody says how long: it ends where the context is full."""
_CHARACTERS = 32
"""A token never stands for so many of them on average: a prompt that is longer is refused before anybody cuts it into tokens."""


@dataclass(frozen=True, slots=True)
class Wanted:
    """What a program asks for."""

    named: Named
    request: Request
    """As the program told it; what the model came with is laid around it when it is answered."""
    forced: bool = False
    """One of the request's tools must be called."""
    several: bool = True
    """More than one call may come back."""


@dataclass(frozen=True, slots=True)
class Source:
    """What a marker [n] of the answer stands for: the quote is `page.text[start:end]`, code points, of that page of that document."""

    marker: int
    document: str
    document_id: int
    page: int | None
    position: int
    quote: str
    start: int
    end: int
    score: float | None
    """Of the passage that it stands in, larger is better; None where it was not searched for."""
    supported: bool


@dataclass(frozen=True, slots=True)
class Ahead:
    """So many are before this request."""

    ahead: int


@dataclass(frozen=True, slots=True)
class Text:
    text: str


@dataclass(frozen=True, slots=True)
class Called:
    call: Call


@dataclass(frozen=True, slots=True)
class Ended:
    """The last event. Times are milliseconds."""

    reason: str
    """"stop", "length" or "tool_calls"."""
    prompt_tokens: int = 0
    completion_tokens: int = 0
    cached_tokens: int = 0
    loading: float = 0.0
    reading: float = 0.0
    writing: float = 0.0
    total: float = 0.0
    sources: tuple[Source, ...] | None = None
    """None where no collection was asked."""
    refused: bool = False
    """The collection holds no answer; the text says so."""
    note: str = ""
    """A sentence about the answer that the reader must know."""


Event = Ahead | Text | Called | Ended


@dataclass(slots=True)
class Whole:
    """An answer, all of it."""

    text: str = ""
    calls: list[Call] = field(default_factory=list)
    ended: Ended = field(default_factory=lambda: Ended("stop"))


def client() -> str:
    """The name of the key that the request came with, as the guard found it."""
    return str(g.get("client") or "program")


def gathered(events: Iterator[Event | None]) -> Whole:
    """All events of an answer as one."""
    whole = Whole()
    for event in events:
        match event:
            case Text(text=text):
                whole.text += text
            case Called(call=call):
                whole.calls.append(call)
            case Ended() as ended:
                whole.ended = ended
    return whole


def check(wanted: Wanted) -> None:
    """What can be refused before anything is loaded. Raises ModelUnable, PromptTooLong."""
    model, request = wanted.named.model, wanted.request
    assert model is not None
    if request.tools and not model.can_call_tools:
        raise ModelUnable(name=model.name, detail="its chat template has no place for tools; take a model that GET /v1/models lists with tools")
    size = len(request.prompt) if isinstance(request.prompt, str) else sum(len(message.content) for message in request.prompt)
    context = request.parameters.context or served_context(model)
    if wanted.named.collection is None and size > _CHARACTERS * context:
        raise PromptTooLong(tokens=f"more than {context}", limit=context - 1)


def write(appliance: Appliance, wanted: Wanted, cancel: threading.Event) -> Iterator[Event]:
    """The model's own answer, without a collection. Raises what `Writes.generate` raises."""
    model, told, began = wanted.named.model, wanted.request, time.perf_counter()
    assert model is not None
    generator = appliance.loaded.generator(model.name, parameters=told.parameters)
    own = told.parameters.over(generator.own)
    request = replace(
        told,
        prompt=told.prompt if isinstance(told.prompt, str) else _led(told.prompt, own.system or "", model.examples),
        parameters=_seeded(told.parameters, own, generator.settings.temperature),
        schema=_schema(wanted),
    )
    text = _Written(wanted)
    loading_since = None if generator.ready else began
    loading = 0.0
    for event in generator.generate(request, cancel):
        match event:
            case Waiting(ahead=ahead):
                loading_since = loading_since and time.perf_counter()
                yield Ahead(ahead)
            case Reading() if loading_since is not None:
                loading, loading_since = 1000 * (time.perf_counter() - loading_since), None
            case Piece(text=piece):
                yield from text.add(piece)
            case Done() as done:
                yield from text.rest()
                yield Ended(
                    "tool_calls" if text.called else "length" if done.reason == "length" else "stop",
                    done.prompt_tokens,
                    done.completion_tokens,
                    done.reused_tokens,
                    loading,
                    done.reading_ms,
                    done.writing_ms,
                    1000 * (time.perf_counter() - began),
                )


def _schema(wanted: Wanted) -> Mapping[str, Any] | None:
    """What the text must fit: a call where one must be made; where JSON is wished for beside tools, either of them."""
    told = wanted.request
    if wanted.forced:
        return calling_schema(told.tools)
    return calling_schema(told.tools, told.schema) if told.tools and told.schema is not None else told.schema


class _Written:
    """What the model writes, with the tool calls taken out of it."""

    def __init__(self, wanted: Wanted) -> None:
        self._reader = CallReader(tool_names(wanted.request.tools)) if wanted.request.tools else None
        self._several = wanted.several and not wanted.forced
        self.called = False

    def add(self, piece: str) -> Iterator[Text | Called]:
        yield from self._events(self._reader.add(piece) if self._reader else [piece])

    def rest(self) -> Iterator[Text | Called]:
        yield from self._events(self._reader.rest() if self._reader else [])

    def _events(self, found: Sequence[str | Call]) -> Iterator[Text | Called]:
        for one in found:
            if isinstance(one, str):
                yield Text(one)
            elif self._several or not self.called:
                self.called = True
                yield Called(one)


def _led(messages: Sequence[Message], system: str, examples: Sequence[Message]) -> Sequence[Message]:
    """The messages, behind what the model came with: its system prompt where they bring none, its examples.

    System messages at the beginning become one: many templates take no second.
    """
    first = next((index for index, message in enumerate(messages) if message.role != "system"), len(messages))
    told = "\n\n".join(message.content for message in messages[:first]) or system
    return [*([Message("system", told)] if told else []), *examples, *messages[first:]]


def _seeded(told: Parameters, own: Parameters, temperature: float) -> Parameters:
    """Where words are drawn and nobody told a seed, every answer gets one of its own, as with other servers."""
    drawn = temperature if own.temperature is None else own.temperature
    return told if drawn == 0 or own.seed is not None else replace(told, seed=secrets.randbelow(MOST_SEED + 1))
