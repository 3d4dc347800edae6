"""Where a base camp is: the named host, taken apart, and its addresses, looked up once."""

from __future__ import annotations

import socket
from dataclasses import dataclass
from urllib.parse import urlsplit

Address = tuple[int, tuple[str, int]]
"""Family of the socket, and the number and port to connect to."""


@dataclass(frozen=True, slots=True)
class Place:
    """One named host. `path` is what comes before every request's own: "/v1", or nothing."""

    host: str
    port: int
    path: str
    secure: bool

    @classmethod
    def of(cls, url: str) -> Place:
        """Of an address that `config` has checked: "http://basecamp:8080/v1"."""
        parts = urlsplit(url)
        secure = parts.scheme == "https"
        return cls(parts.hostname or "", parts.port or (443 if secure else 80), parts.path.rstrip("/"), secure)

    @property
    def shown(self) -> str:
        """As people name it: "basecamp:8080"."""
        return f"[{self.host}]:{self.port}" if ":" in self.host else f"{self.host}:{self.port}"

    @property
    def root(self) -> str:
        """The path without OpenAI's "/v1", under which engines have their own requests."""
        return self.path.removesuffix("/v1")

    def look_up(self) -> list[Address]:
        """Every address of the host. Raises OSError where the name is not known."""
        found = socket.getaddrinfo(self.host, self.port, type=socket.SOCK_STREAM)
        return list(dict.fromkeys((int(family), (str(where[0]), int(where[1]))) for family, _, _, _, where in found))
