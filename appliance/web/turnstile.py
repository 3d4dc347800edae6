"""How many requests of one kind may be under way: whoever comes after is told so at once, and holds no thread that others need."""

from __future__ import annotations

import threading
from collections import Counter
from collections.abc import Callable, Iterable, Iterator
from typing import Any

FULL = "haversack.full"
"""In a request's environment: how many were under way when there was no place for it."""
App = Callable[[dict[str, Any], Callable[..., Any]], Iterable[bytes]]


class Turnstile:
    """A WSGI application around another: counts those under way, each until its answer is sent or its client is gone."""

    def __init__(self, app: App, who: Callable[[dict[str, Any]], str | None], *, most: int, each: int) -> None:
        """`who`: a name for whoever asks, None for requests that aren't counted. `most` of all together, `each` of one name."""
        self._app, self._who, self._most, self._each = app, who, most, each
        self._guard = threading.Lock()
        self._under_way: Counter[str] = Counter()

    def __call__(self, environ: dict[str, Any], start_response: Callable[..., Any]) -> Iterable[bytes]:
        who = self._who(environ)
        if who is None:
            return self._app(environ, start_response)
        with self._guard:
            there = self._under_way.total()
            if there >= self._most or self._under_way[who] >= self._each:
                environ[FULL] = there
                who = None
            else:
                self._under_way[who] += 1
        if who is None:
            return self._app(environ, start_response)
        try:
            return _Leaving(self._app(environ, start_response), lambda: self._leave(who))
        except BaseException:
            self._leave(who)
            raise

    def _leave(self, who: str) -> None:
        with self._guard:
            self._under_way[who] -= 1
            if self._under_way[who] <= 0:
                del self._under_way[who]


class _Leaving:
    """An answer that says when it is over. The server closes it in any case, once."""

    def __init__(self, answer: Iterable[bytes], leave: Callable[[], None]) -> None:
        self._answer, self._leave = answer, leave

    def __iter__(self) -> Iterator[bytes]:
        return iter(self._answer)

    def close(self) -> None:
        try:
            close = getattr(self._answer, "close", None)
            if close is not None:
                close()
        finally:
            self._leave()
