"""Questions to the language model, one after the other, each streamed as it is answered.

The model lives in a child process (`child.py`, `process.py`): if llama.cpp crashes, one answer is lost and the next question
starts a new child. No llama_cpp is imported here.
"""

from __future__ import annotations

import itertools
import queue
import threading
from collections.abc import Callable, Iterator, Sequence
from pathlib import Path
from typing import Any

from appliance.errors import GeneratorFailed, PromptTooLong
from appliance.manifest import Model
from appliance.models.catalogue import GeneratorSettings, generator_settings
from appliance.models.process import ModelProcess
from appliance.models.processors import variants
from appliance.models.protocol import Done, GeneratorEvent, Message, Piece, Reading, Waiting, pack

__all__ = ["Done", "Generator", "GeneratorEvent", "Message", "Piece", "Reading", "Waiting"]

_GLANCE = 0.05
"""Seconds between two looks at the cancel event while nothing else happens."""


class Generator:
    """The bundle's language model. Safe to use from several threads: questions are answered in the order of their arrival."""

    def __init__(self, folder: Path, model: Model, threads: int, verify: Callable[[], None] = lambda: None) -> None:
        """Nothing is loaded yet: that comes with the first question or `start`. Raises BundleUnreadable on wrong settings.

        `verify` compares the model's files with the manifest. The caller has done so before; it is done again each time that a child has
        ended and another is to load them: meanwhile the stick may have been out, and another one in.
        """
        self.name = model.title
        self.settings: GeneratorSettings = generator_settings(model)
        self._file = folder / self.settings.file
        self._threads = threads
        self._verify = verify
        self._numbers = itertools.count(1)
        self._turn = threading.Condition()
        self._line: list[int] = []
        self._process: ModelProcess | None = None
        self._variants = list(variants())
        self._closed = False

    @property
    def ready(self) -> bool:
        """The model is loaded: the next question need not wait for that."""
        process = self._process
        return process is not None and process.ready

    @property
    def waiting(self) -> int:
        """Questions in the queue, the one that is being answered included."""
        return len(self._line)

    @property
    def pid(self) -> int | None:
        """The child's process id; None where none was started yet."""
        process = self._process
        return process.pid if process else None

    @property
    def resident_bytes(self) -> int:
        """Memory that the child held when the model was loaded, its mapped file included; 0 before."""
        process = self._process
        return process.resident_bytes if process else 0

    @property
    def variant(self) -> str:
        """The kind of processor whose instructions are used ("haswell"); empty before the model is loaded, or where there is only one."""
        process = self._process
        return process.variant if process else ""

    def start(self, beginning: Sequence[Message] = ()) -> None:
        """Load the model and read `beginning` ahead (say, the system message), so that the first question finds it in memory.

        Returns when that is done. Raises GeneratorFailed.
        """
        messages = list(beginning) or [Message("user", "Hello")]
        for _ in self.generate(messages, max_tokens=1, cancel=threading.Event()):
            pass

    def prompt_tokens(self, messages: Sequence[Message]) -> int:
        """The length of the prompt in the model's own tokens, its template's included. Raises GeneratorFailed."""
        return self.count_tokens([messages])[0]

    def count_tokens(self, prompts: Sequence[Sequence[Message]]) -> list[int]:
        """`prompt_tokens` of several prompts in one go (about 1 ms each), even while an answer is being written."""
        number = next(self._numbers)
        while True:
            process = self._child()
            reply = process.ask(number, {"do": "count", "prompts": [pack(messages) for messages in prompts]}).get()
            if reply["is"] == "counts":
                return [int(count) for count in reply["counts"]]
            if not self._try_older(process):
                raise GeneratorFailed(detail=reply["detail"])

    def generate(
        self, messages: Sequence[Message], *, max_tokens: int, cancel: threading.Event, stop: Sequence[str] = (), seed: int = 0
    ) -> Iterator[GeneratorEvent]:
        """Answer: Waiting and Reading events first, then the text in Pieces, and Done at the end, also after `cancel`.

        Closing the iterator early cancels, too. `max_tokens` 0 reads the prompt and stops. `stop`: texts that end the answer
        and are not shown. `seed` matters only where the model's temperature is above 0.
        Raises GeneratorFailed, PromptTooLong.
        """
        number = next(self._numbers)
        with self._turn:
            self._line.append(number)
        try:
            yield from self._queue_up(number, cancel)
            if cancel.is_set():
                yield Done(0, 0, 0, "cancelled")
                return
            request = {
                "do": "generate",
                "messages": pack(messages),
                "max_tokens": max_tokens,
                "stop": list(stop),
                "temperature": self.settings.temperature,
                "seed": seed,
            }
            while True:
                process = self._child()
                replies = process.ask(number, request, finished=lambda: self._leave(number))
                try:
                    yield from self._listen(number, process, replies, cancel)
                    return
                except GeneratorFailed:
                    if not self._try_older(process):
                        raise
                finally:
                    process.forget(number)
        finally:
            self._leave(number)

    def close(self) -> None:
        """End the child, whatever it is doing, within a second. Questions in the queue fail."""
        self._closed = True
        with self._turn:
            process, self._process = self._process, None
            self._turn.notify_all()
        if process:
            process.close()

    def _queue_up(self, number: int, cancel: threading.Event) -> Iterator[Waiting]:
        told = 0
        while not cancel.is_set():
            with self._turn:
                ahead = self._line.index(number)
                if ahead and ahead == told:
                    self._turn.wait(_GLANCE)
                    continue
            if not ahead:
                return
            told = ahead
            yield Waiting(ahead)

    def _leave(self, number: int) -> None:
        """Also called as soon as the child is done, so that a reader who takes his time keeps nobody waiting."""
        with self._turn:
            if number in self._line:
                self._line.remove(number)
                self._turn.notify_all()

    def _listen(
        self, number: int, process: ModelProcess, replies: queue.SimpleQueue[dict[str, Any]], cancel: threading.Event
    ) -> Iterator[GeneratorEvent]:
        cancelled = False
        while True:
            if cancel.is_set() and not cancelled:
                process.cancel(number)
                cancelled = True
            try:
                reply = replies.get(timeout=_GLANCE)
            except queue.Empty:
                continue
            match reply["is"]:
                case "reading":
                    yield Reading(reply["done"], reply["total"])
                case "piece":
                    yield Piece(reply["text"])
                case "done":
                    yield Done(reply["prompt_tokens"], reply["completion_tokens"], reply["reused_tokens"], reply["reason"])
                    return
                case "too_long":
                    raise PromptTooLong(tokens=reply["tokens"], limit=reply["limit"])
                case _:
                    raise GeneratorFailed(detail=reply["detail"])

    def _child(self) -> ModelProcess:
        with self._turn:
            if self._closed:
                raise GeneratorFailed(detail="Haversack is closing")
            if self._process is None or self._process.ended:
                if self._process is not None:
                    self._verify()
                self._process = ModelProcess(self._file, self.settings.context, self._threads, self._variants[0])
            return self._process

    def _try_older(self, process: ModelProcess) -> bool:
        """Whether an older kind of processor is worth a try: this one died of an illegal instruction before it had said anything."""
        with self._turn:
            if not process.too_new or len(self._variants) == 1:
                return False
            if process is self._process:
                del self._variants[0]
                self._process = None
            return True
