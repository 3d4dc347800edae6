"""Guests on the local network: who is in, since when, and how one gets in. Sessions live in memory and end with the server."""

from __future__ import annotations

import hashlib
import secrets
import threading
import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from datetime import UTC, datetime

from appliance.access.password import Password
from appliance.access.tries import Tries
from appliance.errors import PasswordRefused
from appliance.printable import counted

MOST = 60
"""Guests at the same time; who was away longest makes room for one more."""
IDLE = 12 * 3600.0
"""Seconds after which a guest who did nothing has to give the password again."""
_ALL = "everybody"


@dataclass(slots=True)
class Guest:
    """One who gave the password. `since` and `last` are UTC, ISO 8601."""

    address: str
    since: str
    last: str
    seen: float
    conversations: set[int] = field(default_factory=set)
    """Those that this guest began: no others are shown to him."""

    @property
    def client(self) -> str:
        """What the queue calls him."""
        return f"guest {self.address}"


class Sharing:
    """The door for guests. Safe to use from many threads."""

    def __init__(self, password: Password, addresses: Sequence[str], port: int, clock: Callable[[], float] = time.monotonic) -> None:
        """`addresses`: this machine's own on the local network, the likeliest first."""
        self.port = port
        self.addresses = tuple(addresses)
        self.hosts = frozenset(_host(address, port) for address in addresses)
        self._password = password
        self._clock = clock
        self._guard = threading.Lock()
        self._guests: dict[str, Guest] = {}
        self._tries = Tries(free=5, longest=300, clock=clock)
        self._everybodys = Tries(free=50, longest=10, clock=clock)

    @property
    def urls(self) -> tuple[str, ...]:
        return tuple(f"http://{_host(address, self.port)}" for address in self.addresses)

    def enter(self, address: str, password: str) -> str:
        """Let a guest in; what is returned is to be shown with each request, from the same address. Raises PasswordRefused."""
        wait = max(self._tries.wait(address), self._everybodys.wait(_ALL))
        if wait > 0:
            raise PasswordRefused(detail=f"There were too many wrong passwords. Try again in {wait_words(wait)}.")
        # Counted before it is compared: many at once would all be looked at else.
        self._tries.wrong(address)
        self._everybodys.wrong(_ALL)
        if not self._password.fits(password):
            raise PasswordRefused(detail="That is not the password. Ask whoever shares this library for it.")
        self._tries.right(address)
        self._everybodys.right(_ALL)
        token = secrets.token_urlsafe(32)
        now = _now()
        with self._guard:
            self._forget_idle()
            while len(self._guests) >= MOST:
                del self._guests[min(self._guests, key=lambda one: self._guests[one].seen)]
            self._guests[_digest(token)] = Guest(address, now, now, self._clock())
        return token

    def guest(self, token: str, address: str) -> Guest | None:
        """Whose session it is, None where there is none. A cookie that another overheard is of no use from his address."""
        with self._guard:
            self._forget_idle()
            # Found by its digest: how long that takes says nothing about the token.
            found = self._guests.get(_digest(token))
            if found is None or found.address != address:
                return None
            found.seen, found.last = self._clock(), _now()
            return found

    def guests(self) -> tuple[Guest, ...]:
        """Those who are in, who came first first."""
        with self._guard:
            self._forget_idle()
            return tuple(self._guests.values())

    def _forget_idle(self) -> None:
        late = self._clock() - IDLE
        for token in [token for token, guest in self._guests.items() if guest.seen < late]:
            del self._guests[token]


def wait_words(seconds: float) -> str:
    return counted(max(1, round(seconds)), "second")


def _host(address: str, port: int) -> str:
    return address if port == 80 else f"{address}:{port}"


def _digest(token: str) -> str:
    return hashlib.sha256(token.encode("utf-8", "surrogatepass")).hexdigest()


def _now() -> str:
    return datetime.now(UTC).isoformat(timespec="seconds")
