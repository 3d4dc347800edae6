"""Work whose client may hang up: one thread works, the request's own looks every quarter of a second whether anybody still listens."""

from __future__ import annotations

import queue
import threading
from collections.abc import Callable, Generator, Iterator
from itertools import chain
from typing import TypeVar

from flask import request

from appliance.web.answering import Answering
from appliance.web.programs.errors import ClientGone

Item = TypeVar("Item")
_GLANCE = 0.25
"""Seconds between two looks: a client that hung up frees the processor within half a second and the step being computed."""
_PATIENCE = 40
"""Glances that a stream waits for its first event before it begins: until then an error still has a status of its own."""


def gone() -> Callable[[], bool]:
    """Tells whether this request's client has hung up, from any thread. Never, where the server can't say."""
    found: Callable[[], bool] | None = request.environ.get("waitress.client_disconnected")
    return found or (lambda: False)


def watched(
    answering: Answering, work: Callable[[threading.Event], Iterator[Item]], is_gone: Callable[[], bool]
) -> Generator[Item | None, None, None]:
    """What `work` yields, and None for each silent glance. Raises what it raises, and ClientGone.

    The event that `work` is given is set when the client is gone, the iterator is closed, or the server ends.
    """
    cancel = threading.Event()
    sent: queue.SimpleQueue[tuple[Item] | Exception | None] = queue.SimpleQueue()

    def run() -> None:
        try:
            for item in work(cancel):
                sent.put((item,))
        except Exception as error:
            sent.put(error)
        finally:
            sent.put(None)

    with answering.counted(cancel):
        threading.Thread(target=run, name="program", daemon=True).start()
        while True:
            if is_gone():
                raise ClientGone
            try:
                found = sent.get(timeout=_GLANCE)
            except queue.Empty:
                yield None
                continue
            if found is None:
                return
            if isinstance(found, Exception):
                raise found
            yield found[0]


def begun(events: Generator[Item | None, None, None]) -> Iterator[Item | None]:
    """The same events, once the first has come or it takes long. Raises here what goes wrong before it."""
    first: Item | None = None
    for _ in range(_PATIENCE):
        first = next(events, None)
        if first is not None:
            break
    return chain([first], events)
