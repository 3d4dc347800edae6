"""The server: waitress, on loopback. docs/decisions/0006-waitress.md says why."""

from __future__ import annotations

import errno
import socket
import tempfile
from collections.abc import Callable

from flask import Flask
from waitress.server import create_server

from appliance.config import Settings
from appliance.errors import BadSetting, PortTaken
from appliance.web.requests import UPLOAD_LIMIT

THREADS = 12
"""A streaming answer holds one while it lasts, and a browser opens at most six connections."""
CONNECTIONS = 256
_NO_BODY = 1 << 16


def listen(settings: Settings) -> socket.socket:
    """The socket of the page, on loopback only. Raises PortTaken, BadSetting."""
    listener = socket.socket(socket.AF_INET, socket.SOCK_STREAM)
    try:
        # On Linux this only skips the wait after a stop; two can't listen at once.
        listener.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        listener.bind((settings.host, settings.port))
        listener.listen(CONNECTIONS)
    except OSError as error:
        listener.close()
        if error.errno == errno.EADDRINUSE:
            raise PortTaken(port=settings.port) from error
        raise BadSetting(name="port", value=settings.port, allowed="take one from 1024 to 65535 that is free") from error
    return listener


def prepare(app: Flask, listener: socket.socket) -> Callable[[], None]:
    """The server on that socket, before the network is shut: waitress asks the system for addresses when it is made.

    What is returned serves until Ctrl+C or SIGTERM, and returns then.
    """
    # waitress keeps large requests in files until they are complete: on the library's disk, for the reason in `SpooledRequest`.
    spool = app.config.get("SPOOL_FOLDER")
    if spool:
        spool.mkdir(parents=True, exist_ok=True, mode=0o700)
        tempfile.tempdir = str(spool)
    server = create_server(
        app,
        sockets=[listener],
        threads=THREADS,
        channel_request_lookahead=1,  # without it a browser that goes away is noticed only at the next byte written
        connection_limit=CONNECTIONS,
        asyncore_use_poll=True,  # select() can't take file numbers above 1023
        max_request_body_size=UPLOAD_LIMIT if spool else _NO_BODY,  # where nothing is taken, nothing is kept on a disk either
        ident="",
    )
    workers, stop_workers = server.task_dispatcher, server.task_dispatcher.shutdown

    def stop(*arguments: bool, **options: float) -> bool:
        if "answering" in app.extensions:
            app.extensions["answering"].stop_all()  # a server that ends must not wait for a model
        return bool(stop_workers(*arguments, **options))

    def run() -> None:
        try:
            server.run()
        finally:
            server.close()

    workers.shutdown = stop
    return run
