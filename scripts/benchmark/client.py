"""Asks a serving appliance as its page does: over HTTP, with the cookie and the header. The standard library alone, so that it starts at once."""

from __future__ import annotations

import http.client
import json
import time
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Any

_BOUNDARY = "----haversack-benchmark"


class Failed(Exception):
    """The appliance answered with an error."""


class Client:
    """One page, open on one appliance."""

    def __init__(self, port: int, *, patience: float = 60) -> None:
        """Wait until the page answers, at most `patience` seconds. Raises TimeoutError."""
        self.port = port
        self._headers = {"X-Haversack": "1"}
        end = time.monotonic() + patience
        while True:
            try:
                response, _ = self._send("GET", "/")
                break
            except OSError as error:
                if time.monotonic() > end:
                    raise TimeoutError(f"no page on port {port}") from error
                time.sleep(0.005)
        self._headers["Cookie"] = str(response.headers["Set-Cookie"]).partition(";")[0]

    def get(self, path: str) -> Any:
        return json.loads(self._send("GET", path)[1])

    def post(self, path: str, value: object) -> Any:
        return json.loads(self._send("POST", path, json.dumps(value).encode(), "application/json")[1])

    def collection(self, name: str) -> int:
        """A new collection's id."""
        return int(self.post("/api/collections", {"name": name})["id"])

    def upload(self, collection: int, files: Sequence[Path]) -> dict[str, Any]:
        """Upload files and wait until each is through; the job's last state."""
        parts = [f'--{_BOUNDARY}\r\nContent-Disposition: form-data; name="names"\r\n\r\n{json.dumps([file.name for file in files])}\r\n'.encode()]
        for file in files:
            about = f'Content-Disposition: form-data; name="files"; filename="{file.name}"\r\nContent-Type: application/octet-stream'
            parts += [f"--{_BOUNDARY}\r\n{about}\r\n\r\n".encode(), file.read_bytes(), b"\r\n"]
        parts.append(f"--{_BOUNDARY}--\r\n".encode())
        path = f"/api/collections/{collection}/uploads"
        job = json.loads(self._send("POST", path, b"".join(parts), f"multipart/form-data; boundary={_BOUNDARY}")[1])
        while job["status"] in ("waiting", "running"):
            time.sleep(0.05)
            job = self.get(f"/api/jobs/{job['id']}")
        return dict(job)

    def ask(self, collection: int, question: str, conversation: int | None = None) -> Iterator[tuple[str, Any, float]]:
        """The stream's events as they come: name, value, seconds since the question was sent."""
        started = time.perf_counter()
        connection = http.client.HTTPConnection("127.0.0.1", self.port, timeout=300)
        body = json.dumps({"question": question, "conversation": conversation})
        try:
            connection.request("POST", f"/api/collections/{collection}/ask", body, {**self._headers, "Content-Type": "application/json"})
            response = connection.getresponse()
            if response.status != 200:
                raise Failed(response.read().decode())
            name = ""
            for line in response:
                text = line.decode().rstrip("\n")
                if text.startswith("event: "):
                    name = text.removeprefix("event: ")
                elif text.startswith("data: "):
                    yield name, json.loads(text.removeprefix("data: ")), time.perf_counter() - started
        finally:
            connection.close()

    def _send(self, method: str, path: str, body: bytes | None = None, kind: str | None = None) -> tuple[http.client.HTTPResponse, bytes]:
        connection = http.client.HTTPConnection("127.0.0.1", self.port, timeout=300)
        try:
            connection.request(method, path, body, self._headers | ({"Content-Type": kind} if kind else {}))
            response = connection.getresponse()
            content = response.read()
        finally:
            connection.close()
        if response.status >= 400:
            raise Failed(content.decode("utf-8", "replace"))
        return response, content
