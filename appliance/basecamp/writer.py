"""The base camp's language model, as the appliance asks any: it implements `Writes`."""

from __future__ import annotations

import itertools
import queue
import threading
import time
from collections.abc import Iterator, Mapping, Sequence
from typing import Any

from appliance.basecamp.breaker import Breaker
from appliance.basecamp.link import Link, Replies
from appliance.errors import BaseCampFailed, ModelUnable, PromptTooLong
from appliance.models.catalogue import GeneratorSettings
from appliance.models.parameters import NOTHING_TOLD, Parameters
from appliance.models.protocol import Done, GeneratorEvent, Message, Piece, Prompt, Waiting, pack
from appliance.models.request import Request
from appliance.models.stops import StopFilter
from appliance.models.turns import Turns
from appliance.models.writes import There

_GLANCE = 0.05
_PASSAGES = 6
_EVIDENCE_TOKENS, _ANSWER_TOKENS = 1600, 400
"""At most, and not more than half and an eighth of the context."""
_SAMPLED = ("temperature", "top_p", "top_k", "min_p", "repeat_penalty", "presence_penalty", "frequency_penalty", "seed")
COUNTED = {
    "exact": "It counts tokens itself.",
    "text": "It counts the tokens of texts; what its template adds is estimated.",
    "estimate": "It can't count tokens beforehand: they are estimated, rather too many than too few.",
}


class RemoteWriter:
    """Safe from several threads: questions are answered one at a time, clients in rotation, as here (llama_cpp.server breaks an answer off
    where another is asked for). What the base camp's machine does with other people's questions is its own affair."""

    own = NOTHING_TOLD
    note = ""

    def __init__(self, link: Link, breaker: Breaker | None = None) -> None:
        assert link.llm is not None
        self.place = link.llm
        self.breaker = breaker or Breaker()
        self._link = link
        self._turns = Turns()
        self._numbers = itertools.count(1)
        self._describing = threading.Lock()
        self._described: dict[str, Any] | None = None

    @property
    def name(self) -> str:
        """The model and where it is: "qwen3-8b at basecamp:8080"."""
        model = self._described["name"].replace("\\", "/").rsplit("/", 1)[-1] if self._described else "the language model"
        return f"{model} at {self.place.shown}"

    @property
    def settings(self) -> GeneratorSettings:
        """What is known of the model; what the engine doesn't tell is empty, or a cautious figure that `advice` names."""
        told = self._described or {"context": 4096, "told": False, "counts": "estimate"}
        context = told["context"]
        sentences = [f"It runs at {self.place.shown}; how good it is, is not known here.", COUNTED[told["counts"]]]
        if not told["told"]:
            sentences.append(f"It doesn't tell its context: {context} tokens are taken.")
        return GeneratorSettings(
            file="",
            family="",
            parameters=told.get("parameters", ""),
            quantisation=told.get("quantisation", ""),
            context=context,
            evidence_passages=_PASSAGES,
            evidence_tokens=min(_EVIDENCE_TOKENS, context // 2),
            temperature=0.0,
            max_tokens=min(_ANSWER_TOKENS, context // 8),
            advice=" ".join(sentences),
        )

    @property
    def ready(self) -> bool:
        return self._described is not None and not self.breaker.open

    @property
    def waiting(self) -> int:
        return len(self._turns)

    @property
    def waiters(self) -> tuple[tuple[str, int], ...]:
        return self._turns.waiting()

    def start(self, beginning: Sequence[Message] = (), *, client: str = "page", cancel: threading.Event | None = None) -> None:
        """Ask the engine who it is, where that is not known. After a failure it is left alone for a while: then this raises at once.

        Nobody waits for a turn here: that takes seconds at most, and is the same for every `client`. Ends soon after `cancel`.

        Raises BaseCampFailed.
        """
        while not self._describing.acquire(timeout=_GLANCE):
            if cancel is not None and cancel.is_set():
                return
        try:
            self._refuse_while_open()
            if self._described is None:
                told = self._answer({"do": "describe", "model": self._link.model}, self._link.limits.short, cancel)
                self._described = told if told["is"] == "described" else None
        finally:
            self._describing.release()

    def hold(self, client: str, cancel: threading.Event) -> There:
        """The engine's machine has it loaded or not: that is its own affair."""
        return There(_Asked(self, self._link.limits.short, cancel))

    def count_tokens(self, prompts: Sequence[Prompt], *, seconds: float | None = None, cancel: threading.Event | None = None) -> list[int]:
        """By the engine where it can, else rather too many: `settings.advice` says which. After `cancel` soon, and then nothing is counted: all
        are 0. Raises BaseCampFailed, also where it takes more than so many seconds."""
        self.start(cancel=cancel)
        request = {"do": "count", "prompts": [pack(prompt) for prompt in prompts]}
        told = self._answer(request, self._link.limits.short if seconds is None else seconds, cancel)
        return [int(count) for count in told["counts"]] if told["is"] == "counts" else [0] * len(prompts)

    def generate(self, request: Request, cancel: threading.Event) -> Iterator[GeneratorEvent]:
        """As `Generator.generate`, but for Reading, which engines don't tell. `context` and `threads` are the base camp's own affair.

        Raises BaseCampFailed: where nothing was written yet, whoever asked may ask another model; else what was written stays, and the
        sentence says that it ends there. Raises PromptTooLong, ModelUnable.
        """
        if request.tools:
            raise ModelUnable(name=self.name, detail="tools are not passed on to a base camp")
        self.start(cancel=cancel)
        number = next(self._numbers)
        self._turns.join(number, request.client)
        try:
            for ahead in self._turns.until(number, cancel):
                yield Waiting(ahead)
            if cancel.is_set():
                yield Done(0, 0, 0, "cancelled")
                return
            self._refuse_while_open()  # it may have failed those who were before
            if request.max_tokens < 1:
                yield Done(0, 0, 0, "length")
                return
            yield from self._write(request, cancel)
        finally:
            self._turns.leave(number)

    def close(self) -> None:
        """The link is closed by whoever opened it."""

    def _write(self, request: Request, cancel: threading.Event) -> Iterator[GeneratorEvent]:
        told = request.parameters.over(Parameters(temperature=self.settings.temperature)).told()
        number, replies = self._link.ask(
            {
                "do": "write",
                "prompt": pack(request.prompt),
                "max_tokens": request.max_tokens,
                "stop": list(request.stop),
                "sampling": {name: told[name] for name in _SAMPLED if name in told},
                "schema": request.schema,
            }
        )
        stops, began, written = StopFilter(list(request.stop)), False, 0
        try:
            while True:
                reply = self._next(replies, cancel)
                if reply is None:
                    yield Done(0, written, 0, "cancelled")
                    return
                match reply["is"]:
                    case "piece":
                        written += 1
                        if text := stops.add(reply["text"]):
                            began = True
                            yield Piece(text)
                        if stops.found:
                            yield Done(0, written, 0, "end")
                            return
                    case "done":
                        if text := stops.rest():
                            yield Piece(text)
                        self.breaker.worked()
                        counts = (reply["prompt_tokens"], reply["completion_tokens"], reply["reused_tokens"])
                        yield Done(*counts, reply["reason"], reply["reading_ms"], reply["writing_ms"])
                        return
                    case "too_long":
                        raise PromptTooLong(tokens=reply["tokens"] or "too many", limit=reply["limit"] or self.settings.context)
                    case _:
                        raise self._failed(reply["detail"] + (": what it wrote until then stays" if began else ""))
        finally:
            self._link.forget(number)  # closes its connection, where it still runs

    def _next(self, replies: Replies, cancel: threading.Event) -> dict[str, Any] | None:
        """The next reply; None where it was cancelled. The broker watches the time."""
        while not cancel.is_set():
            try:
                return replies.get(timeout=_GLANCE)
            except queue.Empty:
                continue
        return None

    def _answer(self, request: Mapping[str, Any], seconds: float, cancel: threading.Event | None) -> dict[str, Any]:
        """The one reply; {"is": "cancelled"} soon after `cancel`. Raises BaseCampFailed."""
        try:
            # The broker's own limit comes first: it knows why.
            return self._link.answer({"seconds": seconds, **request}, self._link.limits.connect + seconds + 1.0, self.place, cancel)
        except BaseCampFailed as error:
            raise self._failed(str(error.details["detail"])) from error

    def _failed(self, detail: str) -> BaseCampFailed:
        self._described = None  # it may be another engine when it is there again
        error = BaseCampFailed(address=self.place.shown, detail=detail)
        self.breaker.failed(error)
        return error

    def _refuse_while_open(self) -> None:
        if (error := self.breaker.open) is not None:
            raise error


class _Asked:
    """The writer while one prompt is made and written: all that is counted for it has one limit, and ends with the question. A prompt is
    counted up to eight times; an engine that takes seconds for each would trip no limit of a single one."""

    def __init__(self, writer: RemoteWriter, seconds: float, cancel: threading.Event) -> None:
        self._writer = writer
        self._left = seconds
        self._cancel = cancel

    def count_tokens(self, prompts: Sequence[Prompt]) -> list[int]:
        began = time.monotonic()
        try:
            return self._writer.count_tokens(prompts, seconds=self._left, cancel=self._cancel)
        finally:
            self._left = max(0.0, self._left - (time.monotonic() - began))

    def generate(self, request: Request, cancel: threading.Event) -> Iterator[GeneratorEvent]:
        return self._writer.generate(request, cancel)
