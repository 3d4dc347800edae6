"""Ports for the servers that tests start."""

from __future__ import annotations

import random
import socket
from collections.abc import Iterator


def free_port() -> int:
    """One that no program has, whose next, for guests, is free too. None is given twice."""
    return next(_PORTS)


def _free() -> Iterator[int]:
    # Below what any system gives to connections by itself: a port of those, found free, can be some connection's when the server comes to take it.
    for port in random.sample(range(20_000, 32_000, 2), 6_000):
        with socket.socket() as page, socket.socket() as guests:
            try:
                page.bind(("127.0.0.1", port))
                guests.bind(("0.0.0.0", port + 1))
            except OSError:
                continue
        yield port


_PORTS = _free()
