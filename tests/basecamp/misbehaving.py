"""A server on loopback that does what it is told with each connection: what a real engine can't be made to do at will."""

from __future__ import annotations

import contextlib
import json
import socket
import threading
import time
from collections.abc import Callable
from typing import Self

Behaviour = Callable[[socket.socket, str], None]
"""(the connection, the first line and the rest of the request) → after it the connection is closed."""


class Misbehaving:
    def __init__(self) -> None:
        self.behaviours: dict[str, Behaviour] = {}
        """By the path's end; what is not named here is answered with 404."""
        self.requests: list[str] = []
        self.gone = threading.Event()
        """Set when a behaviour saw the other end close."""
        self._socket = socket.create_server(("127.0.0.1", 0))
        self._open: list[socket.socket] = []
        threading.Thread(target=self._serve, daemon=True).start()

    @property
    def port(self) -> int:
        return int(self._socket.getsockname()[1])

    @property
    def url(self) -> str:
        return f"http://127.0.0.1:{self.port}/v1"

    def on(self, path: str, behaviour: Behaviour) -> Self:
        self.behaviours[path] = behaviour
        return self

    def as_engine(self, answer: Behaviour, **model: object) -> Self:
        """One that names a model, and answers as told."""
        return self.on("/models", reply({"data": [{"id": "some-model", **model}]})).on("/chat/completions", answer)

    def close(self) -> None:
        for one in (self._socket, *self._open):
            with contextlib.suppress(OSError):
                one.shutdown(socket.SHUT_RDWR)
            one.close()

    def _serve(self) -> None:
        with contextlib.suppress(OSError):
            while True:
                connection, _ = self._socket.accept()
                self._open.append(connection)
                threading.Thread(target=self._handle, args=(connection,), daemon=True).start()

    def _handle(self, connection: socket.socket) -> None:
        with connection, contextlib.suppress(OSError):
            text = b""
            while b"\r\n\r\n" not in text:
                if not (part := connection.recv(65536)):
                    return
                text += part
            head, _, body = text.partition(b"\r\n\r\n")
            wanted = next((int(line.split(b":")[1]) for line in head.split(b"\r\n") if line.lower().startswith(b"content-length:")), 0)
            while len(body) < wanted:
                if not (part := connection.recv(65536)):
                    return
                body += part
            request = (head + b"\r\n\r\n" + body).decode("utf-8")
            self.requests.append(request)
            path = request.split(" ")[1].partition("?")[0]
            behaviour = next((one for end, one in self.behaviours.items() if path.endswith(end)), status(404, "Not Found"))
            try:
                behaviour(connection, request)
            except OSError:
                self.gone.set()


def send(connection: socket.socket, text: str | bytes) -> None:
    connection.sendall(text.encode() if isinstance(text, str) else text)


def reply(value: object) -> Behaviour:
    text = json.dumps(value).encode()
    return raw(b"HTTP/1.1 200 OK\r\nContent-Type: application/json\r\nContent-Length: %d\r\n\r\n%s" % (len(text), text))


def raw(answer: str | bytes) -> Behaviour:
    return lambda connection, _: send(connection, answer)


def status(number: int, text: str, body: object = None, **headers: str) -> Behaviour:
    sent = b"" if body is None else json.dumps(body).encode()
    lines = "".join(f"{name}: {value}\r\n" for name, value in headers.items())
    return raw(f"HTTP/1.1 {number} {text}\r\n{lines}Content-Length: {len(sent)}\r\n\r\n".encode() + sent)


STREAM = "HTTP/1.1 200 OK\r\nContent-Type: text/event-stream\r\n\r\n"


def event(text: str, finish: str | None = None) -> str:
    return "data: " + json.dumps({"choices": [{"delta": {"content": text}, "finish_reason": finish}]}) + "\n\n"


def stream(*events: str) -> Behaviour:
    return raw(STREAM + "".join(events))


def stays(*events: str) -> Behaviour:
    """Says that much, and then nothing, without closing. Notices when the other end has gone."""

    def behave(connection: socket.socket, _: str) -> None:
        send(connection, STREAM + "".join(events))
        if connection.recv(1) == b"":
            raise ConnectionResetError

    return behave


def endless(piece: bytes, pause: float = 0.0, begin: str = STREAM) -> Behaviour:
    def behave(connection: socket.socket, _: str) -> None:
        send(connection, begin)
        while True:
            send(connection, piece)
            time.sleep(pause)

    return behave
