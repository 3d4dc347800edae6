"""The server: waitress, on loopback, and on the local network where the library is shared. docs/decisions/0006-waitress.md says why waitress.

One loop takes in what comes by both sockets; each has threads of its own, so that guests can't hold those of the page. On the page's socket
programs ask too: only so many of them at a time that the page's threads stay free.
"""

from __future__ import annotations

import errno
import socket
import tempfile
from collections.abc import Callable, Iterable
from copy import copy
from functools import partial
from io import BytesIO
from pathlib import Path
from typing import Any

from flask import Flask
from waitress.channel import HTTPChannel
from waitress.parser import HTTPRequestParser
from waitress.server import create_server
from werkzeug.datastructures import EnvironHeaders

from appliance.config import Settings
from appliance.errors import BadSetting, PortTaken
from appliance.web import paths
from appliance.web.guests import DOOR
from appliance.web.programs.reading import LIMIT
from appliance.web.requests import MODEL_LIMIT, MODEL_UPLOAD, UPLOAD_LIMIT
from appliance.web.security import Page, strange
from appliance.web.turnstile import App, Turnstile

THREADS = 12
"""Of the page alone. A streaming answer holds one while it lasts, and a browser opens at most six connections."""
PROGRAMS = 64
"""Requests of programs that may be under way; more get 429. Each holds a thread of its own, whose stack is memory only as far as it is used."""
ONE_PROGRAM = 56
"""Of those, what one key may have: the rest is for others."""
GUESTS, ONE_GUEST, GUEST_THREADS = 12, 4, 16
"""The same for guests' questions, and the threads of their door."""
CONNECTIONS, GUEST_CONNECTIONS = 384, 160
"""Connections at the same time until no more are accepted, those at the page's door and those at the guests'; both are counted together."""
_NO_BODY = 1 << 16


def listen(settings: Settings) -> socket.socket:
    """The socket of the page, on loopback only. Raises PortTaken, BadSetting."""
    return _listen(settings.host, settings.port, "the page's")


def listen_for_guests(settings: Settings) -> socket.socket:
    """The guests' socket, on every interface: the port after the page's, so that nobody who comes by it can be taken for the page.

    Raises PortTaken, BadSetting.
    """
    if settings.port == 65535:
        raise BadSetting(name="port", value=settings.port, allowed="sharing needs the port after it too, so take one up to 65534")
    return _listen("0.0.0.0", settings.port + 1, "for guests and so one more than the page's")


def prepare(app: Flask, listener: socket.socket, guests: socket.socket | None = None) -> Callable[[], None]:
    """The server on those sockets, before the network is shut: waitress asks the system for addresses when it is made.

    What is returned serves until Ctrl+C or SIGTERM, and returns then.
    """
    # waitress keeps large requests in files until they are complete: on the library's disk, for the reason in `SpooledRequest`.
    spool: Path | None = app.config.get("SPOOL_FOLDER")
    if spool:
        spool.mkdir(parents=True, exist_ok=True, mode=0o700)
        tempfile.tempdir = str(spool)
    sockets: dict[int, Any] = {}
    # Where nothing is taken, nothing is kept on a disk either.
    body, page = (UPLOAD_LIMIT, app.extensions["page"]) if spool else (_NO_BODY, None)
    server = _server(_page_door(app), listener, sockets, threads=THREADS + PROGRAMS, connections=CONNECTIONS, body=body, page=page)
    others = []
    if guests is not None:
        # Whoever is on the network can send here without a password: little is taken, and the page's threads are left alone.
        others.append(_server(_guests_door(app), guests, sockets, threads=GUEST_THREADS, connections=GUEST_CONNECTIONS, body=_NO_BODY))
    stop_workers = server.task_dispatcher.shutdown

    def stop(*arguments: bool, **options: float) -> bool:
        if "answering" in app.extensions:
            app.extensions["answering"].stop_all()  # a server that ends must not wait for a model
        for other in others:
            other.task_dispatcher.shutdown(*arguments, **options)
        return bool(stop_workers(*arguments, **options))

    def run() -> None:
        try:
            server.run()
        finally:
            for one in (*others, server):
                one.close()

    server.task_dispatcher.shutdown = stop
    return run


class _Thrown:
    """A body that is read and kept nowhere: whoever sent it is there to hear why it isn't taken. What a channel asks of its receivers."""

    error = None

    def __init__(self, length: int) -> None:
        self._remain = length

    @property
    def completed(self) -> bool:
        return self._remain == 0

    def received(self, data: bytes) -> int:
        taken = min(len(data), self._remain)
        self._remain -= taken
        return taken

    def getfile(self) -> BytesIO:
        return BytesIO()

    getbuf = getfile


class _Parser(HTTPRequestParser):  # type: ignore[misc]  # waitress has no types
    """Decides by the headers how large a body is kept, before any of it is: any web page can send one here.

    The page's own uploads are as large as files are, and models as large as models are. Of all others as much is kept as programs may send
    (`LIMIT`); what is longer is read to its end and thrown away where a program or an outdated page may have sent it, for the application to
    refuse in words, and not read at all where another site did.
    """

    adj: Any

    def __init__(self, adj: Any, page: Page | None = None) -> None:
        super().__init__(adj)
        self._page = page

    def parse_header(self, header_plus: bytes) -> None:
        super().parse_header(header_plus)
        if self._page is None:
            return
        headers = EnvironHeaders({f"HTTP_{name}": value for name, value in self.headers.items()})
        if self._page.sent(self.path, headers):
            if self.command == "POST" and self.path == MODEL_UPLOAD:
                self._take(MODEL_LIMIT)
        elif self.content_length <= LIMIT or self.content_length >= UPLOAD_LIMIT or strange(self.path, headers, self._page.hosts):
            self._take(LIMIT + 1)
        else:
            self.body_rcv = _Thrown(self.content_length)

    def _take(self, size: int) -> None:
        """A body must have less than `size` bytes."""
        self.adj = copy(self.adj)
        self.adj.max_request_body_size = size


def _server(
    app: App, listener: socket.socket, sockets: dict[int, Any], *, threads: int, connections: int, body: int, page: Page | None = None
) -> Any:
    class Channel(HTTPChannel):  # type: ignore[misc]  # waitress has no types
        parser_class = staticmethod(partial(_Parser, page=page))

    server = create_server(
        app,
        map=sockets,
        sockets=[listener],
        threads=threads,
        channel_request_lookahead=1,  # without it a browser that goes away is noticed only at the next byte written
        connection_limit=connections,
        asyncore_use_poll=True,  # select() can't take file numbers above 1023
        max_request_body_size=body,
        ident="",
    )
    server.channel_class = Channel
    return server


def _page_door(app: Flask) -> App:
    def program(environ: dict[str, Any]) -> str | None:
        return str(environ.get("HTTP_AUTHORIZATION", "")) if paths.shape(environ.get("PATH_INFO", "")) else None

    return Turnstile(app, program, most=PROGRAMS, each=ONE_PROGRAM)


def _guests_door(app: Flask) -> App:
    def asking(environ: dict[str, Any]) -> str | None:
        return str(environ.get("REMOTE_ADDR", "")) if environ.get("REQUEST_METHOD") == "POST" else None

    def marked(environ: dict[str, Any], start_response: Callable[..., Any]) -> Iterable[bytes]:
        return app({**environ, DOOR: True}, start_response)

    return Turnstile(marked, asking, most=GUESTS, each=ONE_GUEST)


def _listen(host: str, port: int, whose: str) -> socket.socket:
    listener = socket.socket(socket.AF_INET, socket.SOCK_STREAM)
    try:
        # On Linux this only skips the wait after a stop; two can't listen at once.
        listener.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        listener.bind((host, port))
        listener.listen(CONNECTIONS)
    except OSError as error:
        listener.close()
        if error.errno == errno.EADDRINUSE:
            raise PortTaken(port=port, whose=whose) from error
        raise BadSetting(name="port", value=port, allowed="take one from 1024 to 65535 that is free") from error
    return listener
