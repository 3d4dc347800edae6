"""A real `haversack serve` in a process of its own, sealed as always, and requests to it."""

from __future__ import annotations

import http.client
import os
import signal
import subprocess
import sys
import time
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

from tests.ports import free_port

COMMAND = [sys.executable, "-m", "appliance.cli", "serve"]


@dataclass(frozen=True, slots=True)
class Answer:
    status: int
    headers: dict[str, str]
    text: str


@dataclass(slots=True)
class Server:
    process: subprocess.Popen[str]
    port: int
    home: Path

    def fetch(self, method: str, path: str, *, host: str = "127.0.0.1", port: int = 0, body: bytes | None = None, **headers: str) -> Answer:
        connection = http.client.HTTPConnection(host, port or self.port, timeout=60)
        try:
            connection.request(method, path, body=body, headers={name.replace("_", "-"): value for name, value in headers.items()})
            answer = connection.getresponse()
            return Answer(answer.status, {name.lower(): value for name, value in answer.getheaders()}, answer.read().decode())
        finally:
            connection.close()

    def stop(self) -> str:
        """Stop it as Ctrl+C does; what it had printed."""
        self.process.send_signal(signal.SIGINT)
        return self.process.communicate(timeout=30)[1]


@contextmanager
def serving(home: Path, bundle: Path, *flags: str, **environment: str) -> Iterator[Server]:
    port = free_port()
    settings = {"HAVERSACK_HOME": str(home), "HAVERSACK_BUNDLE": str(bundle), "HAVERSACK_PORT": str(port), "DISPLAY": "", **environment}
    command = [*COMMAND, *flags]
    with subprocess.Popen(command, env={**os.environ, **settings}, stdin=subprocess.DEVNULL, stderr=subprocess.PIPE, text=True) as process:
        server = Server(process, port, home)
        try:
            end = time.monotonic() + 60
            while True:
                assert process.poll() is None, process.stderr and process.stderr.read()
                try:
                    server.fetch("GET", "/")
                    break
                except OSError:
                    assert time.monotonic() < end, "the page did not come"
                    time.sleep(0.05)
            yield server
        finally:
            process.kill()
