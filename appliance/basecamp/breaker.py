"""After a failure the base camp is left alone for a while, so that not every question waits for one that is away."""

from __future__ import annotations

import time

from appliance.errors import BaseCampFailed

PAUSE = 60.0
"""Seconds until it is tried again."""


class Breaker:
    """Safe from many threads: one assignment changes it."""

    def __init__(self, pause: float = PAUSE) -> None:
        self._pause = pause
        self._failure: tuple[float, BaseCampFailed] | None = None

    @property
    def open(self) -> BaseCampFailed | None:
        """Why it is left alone now; None where it may be asked."""
        failure = self._failure
        if failure is None or time.monotonic() > failure[0] + self._pause:
            return None
        # A new one each time: an error that is raised twice carries both ways that it came.
        return BaseCampFailed(**failure[1].details)

    @property
    def last(self) -> BaseCampFailed | None:
        """The last failure, until something worked again."""
        return self._failure[1] if self._failure else None

    def failed(self, error: BaseCampFailed) -> None:
        self._failure = (time.monotonic(), error)

    def worked(self) -> None:
        self._failure = None
