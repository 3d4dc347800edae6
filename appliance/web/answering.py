"""A question being answered: one thread works, the request's thread passes its events on and notices when nobody listens."""

from __future__ import annotations

import queue
import secrets
import threading
from collections.abc import Callable, Generator, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from typing import Any

from appliance.documents import Answer, AnswerEvent, Finished
from appliance.library.conversations import Conversation
from appliance.web.values import event_name, server_sent

_GLANCE = 0.25
"""Seconds between two looks whether the browser is still there: while the model reads a prompt, nothing is written for seconds."""
_HEARTBEAT = 8
"""Glances without an event until a comment is sent, so that nothing between here and the page takes silence for the end."""

Events = Callable[[threading.Event], Iterator[AnswerEvent]]
"""Begins to answer; stops soon after the event is set. The last event is Finished."""
Told = tuple[str, Any]
"""An event's name, and what goes with it."""
Explain = Callable[[Exception], dict[str, str]]


@dataclass(frozen=True, slots=True)
class Kept:
    """The answer, and the conversation that it was kept in: the stream's last event."""

    answer: Answer
    conversation: Conversation


class Answering:
    """The questions being answered now. Safe to use from many threads."""

    def __init__(self) -> None:
        self._running: dict[str, threading.Event] = {}

    def stream(
        self, events: Events, keep: Callable[[Answer], Conversation], explain: Explain, gone: Callable[[], bool]
    ) -> Generator[bytes, None, None]:
        """Server-sent events: `started` with a key for `stop`, one for each AnswerEvent, `kept` or `error` at the end."""

        def told(cancel: threading.Event) -> Iterator[Told]:
            for event in events(cancel):
                yield ("kept", Kept(event.answer, keep(event.answer))) if isinstance(event, Finished) else (event_name(event), event)

        return self.run(told, explain, gone)

    def run(
        self, told: Callable[[threading.Event], Iterator[Told]], explain: Explain, gone: Callable[[], bool], **started: Any
    ) -> Generator[bytes, None, None]:
        """Server-sent events of any work: `started` with a key for `stop` and what else is known, then what is `told`, `error` where it fails.

        Stops the work where `gone` or where the iterator is closed; what was done until then is the work's to keep.
        """
        key, cancel, sent = secrets.token_urlsafe(12), threading.Event(), queue.SimpleQueue[bytes | None]()

        def work() -> None:
            try:
                for name, value in told(cancel):
                    sent.put(server_sent(name, value))
            except Exception as error:  # the stream has begun: an error is an event of it
                sent.put(server_sent("error", explain(error)))
            finally:
                sent.put(None)

        thread = threading.Thread(target=work, name="answer", daemon=True)
        with self.counted(cancel, key):
            thread.start()
            yield server_sent("started", {"key": key, **started})
            yield from _pass_on(sent, gone)

    @contextmanager
    def counted(self, cancel: threading.Event, key: str = "") -> Iterator[None]:
        """What runs inside counts among what is being answered: `stop` and `stop_all` set its event, and so does its end."""
        key = key or secrets.token_urlsafe(12)
        self._running[key] = cancel
        try:
            yield
        finally:
            cancel.set()
            self._running.pop(key, None)

    def stop(self, key: str) -> bool:
        """Stop an answer; its stream still ends with `kept`. False where it is over already."""
        cancel = self._running.get(key)
        if cancel is not None:
            cancel.set()
        return cancel is not None

    def stop_all(self) -> None:
        for cancel in list(self._running.values()):
            cancel.set()


def _pass_on(sent: queue.SimpleQueue[bytes | None], gone: Callable[[], bool]) -> Iterator[bytes]:
    silent = 0
    while not gone():
        try:
            event = sent.get(timeout=_GLANCE)
        except queue.Empty:
            silent += 1
            if silent % _HEARTBEAT == 0:
                yield b": still here\n\n"
            continue
        if event is None:
            return
        silent = 0
        yield event
