"""One HTTP request over a connection of its own: the only place that opens one.

No redirect is followed and no proxy is asked: `http.client` does neither.
"""

from __future__ import annotations

import contextlib
import http.client
import json
import socket
import ssl
import threading
import time
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from appliance.basecamp.place import Address, Place

LONGEST_LINE = 1 << 20
"""Bytes of one line of a stream: a token with everything that engines tell about it has some hundred."""
LARGEST_REPLY = 1 << 24
"""Bytes of one reply: 10,000 ids of a Chroma server are 0.3 MB, a long answer with all its events 2 MB."""
_TOLD = 160
"""Characters of an engine's own words that are passed on."""


class Failed(Exception):
    """The other end failed. The text ends the sentence "The base camp at … "."""


@dataclass(frozen=True, slots=True)
class Limits:
    """Seconds."""

    connect: float = 4.0
    first: float = 120.0
    """Until the first word: on a slow machine, reading 2,000 tokens of prompt takes a minute and more."""
    idle: float = 30.0
    """From one word to the next."""
    whole: float = 900.0
    """One answer."""
    short: float = 8.0
    """What has a short answer, from beginning to end: who is there, and all that is counted for one prompt."""


class Exchange:
    """`end` and `expired` may be called from any thread; the rest belongs to one."""

    def __init__(self, place: Place, addresses: Sequence[Address], limits: Limits) -> None:
        self.limits = limits
        self._place = place
        self._addresses = addresses
        self._socket: socket.socket | None = None
        self._guard = threading.Lock()
        self._ended = ""
        self._last = time.monotonic() + limits.whole
        self._due = self._last
        self._late = ""

    def expect(self, seconds: float, late: str) -> None:
        """Something must come within so many seconds, or the exchange ends with `late`."""
        self._late = late
        self._due = time.monotonic() + seconds

    @property
    def expired(self) -> str:
        """Why it has to end now; "" where all is well."""
        now = time.monotonic()
        return self._late if now > self._due else "takes too long" if now > self._last else ""

    def end(self, reason: str) -> None:
        """Close the connection at once; whoever reads gets `reason`."""
        with self._guard:
            self._ended = self._ended or reason
            if self._socket is not None:
                with contextlib.suppress(OSError):
                    # Past TLS, which would wait for the other end to agree.
                    socket.socket.shutdown(self._socket, socket.SHUT_RDWR)

    @contextlib.contextmanager
    def request(self, method: str, path: str, headers: Mapping[str, str], body: bytes | None) -> Iterator[http.client.HTTPResponse]:
        """Send it; gives the response with its body still to be read. Raises Failed, also for what goes wrong while it is read."""
        connection = http.client.HTTPConnection(self._place.host, self._place.port)
        try:
            connection.sock = self._connect()
            connection.request(method, path, body, dict(headers))
            yield connection.getresponse()
        except (http.client.HTTPException, OSError, ValueError) as error:
            raise Failed(self._ended or _reason(error)) from error
        finally:
            with self._guard:
                self._socket = None
            connection.close()

    def json(self, method: str, path: str, headers: Mapping[str, str], body: Any = None) -> Any:
        """A request and its JSON, within what `expect` was told. Raises Failed."""
        sent = None if body is None else json.dumps(body).encode("ascii")
        with self.request(method, path, {"Content-Type": "application/json", **headers}, sent) as response:
            text = self.whole(response)
            if response.status != 200:
                raise Failed(refusal(response.status, text))
        return parsed(text)

    def whole(self, response: http.client.HTTPResponse) -> bytes:
        """All of a body. Raises Failed where it has no end."""
        parts: list[bytes] = []
        while part := response.read(1 << 16):
            parts.append(part)
            if sum(map(len, parts)) > LARGEST_REPLY:
                raise Failed("sends more than any answer can have")
        if self._ended:
            raise Failed(self._ended)
        return b"".join(parts)

    def lines(self, response: http.client.HTTPResponse) -> Iterator[bytes]:
        """A body line by line. Raises Failed where a line or the whole has no end."""
        size = 0
        while line := response.readline(LONGEST_LINE + 1):
            size += len(line)
            if len(line) > LONGEST_LINE or size > LARGEST_REPLY:
                raise Failed("sends more than any answer can have")
            yield line
        if self._ended:
            raise Failed(self._ended)

    def _connect(self) -> socket.socket:
        reason: OSError | None = None
        for family, where in self._addresses:
            made = socket.socket(family, socket.SOCK_STREAM)
            made.settimeout(self.limits.connect)
            try:
                made.connect(where)
                made.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
                if self._place.secure:
                    made = ssl.create_default_context().wrap_socket(made, server_hostname=self._place.host)
            except OSError as error:
                made.close()
                reason = error
                continue
            made.settimeout(self.limits.whole)  # what is shorter, the watch ends
            with self._guard:
                self._socket = made
            if self._ended:
                made.close()
                raise Failed(self._ended)
            return made
        if reason is None:
            raise Failed("has a name that nobody knew when Haversack was started")
        if isinstance(reason, ssl.SSLError):
            raise Failed(f"shows a certificate that this machine doesn't trust ({plain(str(reason))})") from reason
        raise Failed(f"can't be reached ({plain(reason.strerror or str(reason)).lower()})") from reason


def parsed(text: bytes) -> Any:
    """JSON from the other end. Raises Failed."""
    try:
        return json.loads(text)
    except (ValueError, RecursionError) as error:
        raise Failed("answers something that is not JSON") from error


def refusal(status: int, text: bytes) -> str:
    """What is told of an HTTP error: what can be done, where the number says it, and the other end's own words."""
    said = _said(text)
    tail = f" ({said})" if said else ""
    if status in (401, 403):
        return f"refuses the key{tail}; set HAVERSACK_LLM_KEY to one that it takes"
    if status in (404, 405):
        return f"has nothing at that address{tail}; see whether it has to end in /v1"
    if status in (429, 503):
        return f"is too busy{tail}"
    if 300 <= status < 400:
        return "points to another address, which is not followed: name that one"
    return f"answers with the error {status}{tail}"


def plain(text: object) -> str:
    """Somebody else's words, made fit for one sentence of ours."""
    shown = "".join(letter if letter.isprintable() else " " for letter in str(text))
    return " ".join(shown.encode("utf-8", "replace").decode().split())[:_TOLD].rstrip(".")


def _said(text: bytes) -> str:
    try:
        body = json.loads(text)
        error = body.get("error", body)
        return plain(error if isinstance(error, str) else error.get("message") or error.get("detail") or "")
    except (ValueError, AttributeError, RecursionError):
        return ""


def _reason(error: Exception) -> str:
    if isinstance(error, TimeoutError):
        return "takes too long"
    if isinstance(error, (http.client.RemoteDisconnected, http.client.IncompleteRead, OSError)):
        return "went away before its answer was whole"
    return "answers something that is not HTTP"
