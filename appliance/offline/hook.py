"""The refusal inside Python: an audit hook that stops code which reaches for another machine, names it, and counts it.

On systems whose kernel can't be asked it is all there is, and it sees Python code only: a native connect() raises no audit event
(measured: 0 events). Where the kernel refuses, it gives Python code the clearer error, and stops look-ups before the C library starts one.
"""

from __future__ import annotations

import ipaddress
import sys
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

from appliance.errors import NetworkRefused

_ADDRESSES = {"socket.connect": 1, "socket.bind": 1, "socket.sendto": 1, "socket.sendmsg": 1, "socket.getnameinfo": 0}
_NAMES = {"socket.getaddrinfo": 0, "socket.gethostbyname": 0}
_NUMBERS = {"socket.gethostbyaddr": 0}
"""Audit events, and which of their arguments says where to: a socket's address, a name to look up, an address whose name is looked up."""


class Watch:
    """Refuses and counts what Python code of this process tries, from `install` on, for the life of the process."""

    def __init__(self) -> None:
        self._attempts = 0
        self._lock = threading.Lock()
        self._thread = threading.local()

    @property
    def attempts(self) -> int:
        return self._attempts

    def install(self) -> None:
        sys.addaudithook(self._look)

    @contextmanager
    def overlooked(self) -> Iterator[None]:
        """What this thread tries meanwhile is refused all the same, and not counted."""
        before = getattr(self._thread, "overlooked", False)
        self._thread.overlooked = True
        try:
            yield
        finally:
            self._thread.overlooked = before

    def _look(self, event: str, arguments: tuple[Any, ...]) -> None:
        # Called for every import and every file that is opened: two look-ups, and out.
        if event in _ADDRESSES:
            where = arguments[_ADDRESSES[event]]
            here = is_local_address(where)
        elif event in _NAMES:
            where = arguments[_NAMES[event]]
            here = is_loopback(where) or is_number(where)
        elif event in _NUMBERS:
            where = arguments[_NUMBERS[event]]
            here = is_loopback(where)
        else:
            return
        if here:
            return
        if not getattr(self._thread, "overlooked", False):
            with self._lock:
                self._attempts += 1
        raise NetworkRefused(address=_shown(where))


def is_local_address(address: object) -> bool:
    """Whether a socket address stays on this machine: loopback, the path of a Unix socket, or None (the one it is connected to)."""
    if isinstance(address, tuple):
        return bool(address) and is_loopback(address[0])
    return address is None or isinstance(address, (str, bytes))


def is_loopback(host: object) -> bool:
    """Whether a host is this machine without being looked up: a loopback address, "localhost", or None."""
    number = _number(host)
    return number.is_loopback if number else _text(host) in ("localhost", None)


def is_number(host: object) -> bool:
    """Whether a host is an address already: looking it up asks nobody (waitress looks "0.0.0.0" up even where it is given a socket)."""
    return _number(host) is not None


def _number(host: object) -> ipaddress.IPv4Address | ipaddress.IPv6Address | None:
    try:
        return ipaddress.ip_address(str(_text(host)).partition("%")[0])
    except ValueError:
        return None


def _text(host: object) -> object:
    return host.decode("ascii", "replace") if isinstance(host, (bytes, bytearray)) else host


def _shown(address: object) -> str:
    if isinstance(address, tuple):
        return ":".join(str(part) for part in address[:2])
    return address.decode("utf-8", "replace") if isinstance(address, bytes) else str(address)
