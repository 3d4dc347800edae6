"""Questions to the language model, one after the other, each streamed as it is answered.

The model lives in a child process (`child.py`, `process.py`): if llama.cpp crashes, one answer is lost and the next question
starts a new child. No llama_cpp is imported here.
"""

from __future__ import annotations

import itertools
import queue
import threading
from collections.abc import Callable, Iterator, Sequence
from dataclasses import asdict
from pathlib import Path
from typing import Any, Self

from appliance.errors import GeneratorFailed, ModelUnable, PromptTooLong
from appliance.manifest import Model
from appliance.models.catalogue import GeneratorSettings, generator_settings
from appliance.models.parameters import NOTHING_TOLD, Parameters, sampling
from appliance.models.process import ModelProcess
from appliance.models.processors import variants
from appliance.models.protocol import Call, Done, GeneratorEvent, Message, Piece, Prompt, Reading, Waiting, pack
from appliance.models.request import Request
from appliance.models.turns import Turns
from appliance.models.writes import There

__all__ = ["Call", "Done", "Generator", "GeneratorEvent", "Message", "Piece", "Reading", "Waiting"]

_GLANCE = 0.05
"""Seconds between two looks at the cancel event while nothing else happens."""


class Generator:
    """A language model of the shelf. Safe to use from several threads: questions are answered one at a time, clients in rotation (`turns.py`)."""

    def __init__(
        self,
        name: str,
        file: Path,
        settings: GeneratorSettings,
        threads: int,
        verify: Callable[[], None] = lambda: None,
        own: Parameters = NOTHING_TOLD,
    ) -> None:
        """Nothing is loaded yet: that comes with the first question or `start`. `name` is what people know the model by, `own` the parameters
        that it came with.

        `verify` compares the model's files with what is known of them. The caller has done so before; it is done again each time that a child
        has ended and another is to load them: meanwhile the stick may have been out, and another one in.
        """
        self.name = name
        self.settings = settings
        self.own = own
        self.note = ""
        self._file = file
        self._threads = threads
        self._verify = verify
        self._numbers = itertools.count(1)
        self._turns = Turns()
        self._guard = threading.Lock()
        self._process: ModelProcess | None = None
        self._variants = list(variants())
        self._closed = False

    @classmethod
    def carried(cls, folder: Path, model: Model, threads: int, verify: Callable[[], None] = lambda: None) -> Self:
        """One of the bundle, which lies in `folder`. Raises BundleUnreadable on wrong settings."""
        settings = generator_settings(model)
        return cls(model.title, folder / settings.file, settings, threads, verify)

    @property
    def ready(self) -> bool:
        """The model is loaded: the next question need not wait for that."""
        process = self._process
        return process is not None and process.ready

    @property
    def waiting(self) -> int:
        """Questions in the queue, the one that is being answered included."""
        return len(self._turns)

    @property
    def waiters(self) -> tuple[tuple[str, int], ...]:
        """Those that wait, as (client, how many are before it)."""
        return self._turns.waiting()

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
    def private_bytes(self) -> int | None:
        """Memory that its end would give back, 0 before it is loaded; None where the system doesn't say."""
        process = self._process
        return process.private_bytes if process and not process.ended else 0

    @property
    def variant(self) -> str:
        """The kind of processor whose instructions are used ("haswell"); empty before the model is loaded, or where there is only one."""
        process = self._process
        return process.variant if process else ""

    def start(self, beginning: Sequence[Message] = (), *, client: str = "page", cancel: threading.Event | None = None) -> None:
        """Load the model and read `beginning` ahead (say, the system message), so that the first question finds it in memory.

        Waits for its turn as a question of `client` does. Returns when that is done, or soon after `cancel`. Raises GeneratorFailed.
        """
        messages = list(beginning) or [Message("user", "Hello")]
        for _ in self.generate(Request(messages, 1, client=client), cancel or threading.Event()):
            pass

    def hold(self, client: str, cancel: threading.Event) -> There:
        """Its turn comes with `generate`, and counting waits for nobody."""
        return There(self)

    def count_tokens(self, prompts: Sequence[Prompt]) -> list[int]:
        """The length of each prompt in the model's own tokens, its template's included (about 1 ms each), even while an answer is written.

        Raises GeneratorFailed.
        """
        number = next(self._numbers)
        while True:
            process = self._child()
            reply = process.ask(number, {"do": "count", "prompts": [pack(prompt) for prompt in prompts]}).get()
            if reply["is"] == "counts":
                return [int(count) for count in reply["counts"]]
            if not self._try_older(process):
                raise GeneratorFailed(detail=reply["detail"])

    def generate(self, request: Request, cancel: threading.Event) -> Iterator[GeneratorEvent]:
        """Answer: Waiting and Reading events first, then the text in Pieces, and Done at the end, also after `cancel`.

        Closing the iterator early cancels, too. Raises GeneratorFailed, PromptTooLong, ModelUnable.
        """
        number = next(self._numbers)
        self._turns.join(number, request.client)
        try:
            for ahead in self._turns.until(number, cancel):
                yield Waiting(ahead)
            if cancel.is_set():
                yield Done(0, 0, 0, "cancelled")
                return
            told = {
                "do": "generate",
                "prompt": pack(request.prompt),
                "max_tokens": request.max_tokens,
                "stop": list(request.stop),
                "sampling": asdict(sampling(request.parameters.over(self.own), self.settings)),
                "schema": request.schema,
                "tools": list(request.tools),
            }
            while True:
                process = self._child()
                replies = process.ask(number, told, finished=lambda: self._turns.leave(number))
                try:
                    yield from self._listen(number, process, replies, cancel)
                    return
                except GeneratorFailed:
                    if not self._try_older(process):
                        raise
                finally:
                    process.forget(number)
        finally:
            self._turns.leave(number)

    def close(self) -> None:
        """End the child, whatever it is doing, within a second. Questions in the queue fail."""
        self._closed = True
        with self._guard:
            process, self._process = self._process, None
        self._turns.wake()
        if process:
            process.close()

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
                    yield Done(**{name: value for name, value in reply.items() if name not in ("is", "id")})
                    return
                case "refused":
                    raise ModelUnable(name=self.name, detail=reply["detail"])
                case "too_long":
                    raise PromptTooLong(tokens=reply["tokens"], limit=reply["limit"])
                case _:
                    raise GeneratorFailed(detail=reply["detail"])

    def _child(self) -> ModelProcess:
        with self._guard:
            if self._closed:
                raise GeneratorFailed(detail="Haversack is closing")
            if self._process is None or self._process.ended:
                if self._process is not None:
                    self._verify()
                self._process = ModelProcess(self._file, self.settings.context, self._threads, self._variants[0])
            return self._process

    def _try_older(self, process: ModelProcess) -> bool:
        """Whether an older kind of processor is worth a try: this one died of an illegal instruction before it had said anything."""
        with self._guard:
            if not process.too_new or len(self._variants) == 1:
                return False
            if process is self._process:
                del self._variants[0]
                self._process = None
            return True
