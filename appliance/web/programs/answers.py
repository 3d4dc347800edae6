"""The one way from what a program wants to its answer, for every shape."""

from __future__ import annotations

import threading
from collections.abc import Callable, Generator, Iterator
from contextlib import suppress

from flask import Response

from appliance.models.parameters import Parameters
from appliance.runtime import Appliance
from appliance.web.answering import Answering
from appliance.web.programs import asking, running
from appliance.web.programs.errors import ClientGone
from appliance.web.programs.running import Event, Wanted, Whole
from appliance.web.programs.watching import begun, gone, watched


class Answers:
    """Answers what programs want, and stops where they hang up."""

    def __init__(self, appliance: Appliance, answering: Answering) -> None:
        self._appliance = appliance
        self._answering = answering

    def check(self, wanted: Wanted) -> None:
        """Raises what can be known to be wrong before any work: BadRequest, ModelUnable, PromptTooLong, TextTooLong."""
        if wanted.named.collection is not None:
            asking.check(wanted)
        running.check(wanted)

    def whole(self, wanted: Wanted) -> Whole:
        """The answer at once. Raises what can go wrong, and ClientGone."""
        self.check(wanted)
        return running.gathered(self._events(wanted))

    def stream(self, wanted: Wanted, lines: Callable[[Iterator[Event | None]], Iterator[bytes]], mimetype: str) -> Response:
        """The answer as it comes: `lines` writes each event (None: nothing happened for a glance) in its shape.

        What goes wrong before the first event is raised here, while there is a status to tell it by.
        """
        self.check(wanted)
        events = self._events(wanted)
        response = Response(lines(_while_there(begun(events))), mimetype=mimetype)
        response.call_on_close(events.close)  # also where the client went away before the first line was sent
        return response

    def load(self, name: str, parameters: Parameters) -> None:
        """A model made ready to answer, in its turn. Raises what can go wrong, and ClientGone."""
        handle, whose = self._appliance.loaded.generator(name, parameters=parameters), running.client()  # read here: a thread does the work

        def work(cancel: threading.Event) -> Iterator[None]:
            handle.start(client=whose, cancel=cancel)
            return iter(())

        for _ in watched(self._answering, work, gone()):
            pass

    def _events(self, wanted: Wanted) -> Generator[Event | None, None, None]:
        def work(cancel: threading.Event) -> Iterator[Event]:
            return (asking.ask if wanted.named.collection is not None else running.write)(self._appliance, wanted, cancel)

        return watched(self._answering, work, gone())


def _while_there(events: Iterator[Event | None]) -> Iterator[Event | None]:
    """A stream whose client has gone just ends: there is nobody to tell."""
    with suppress(ClientGone):
        yield from events
