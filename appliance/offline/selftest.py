"""Tries to get out, in five ways, to prove that none leads out. The targets are harmless where the seal fails: addresses reserved
for documentation (RFC 5737, RFC 3849) and a name that can't exist (RFC 2606).
"""

from __future__ import annotations

import ctypes
import errno
import os
import socket
import subprocess
import sys
import threading
from collections.abc import Callable
from contextlib import AbstractContextManager
from dataclasses import dataclass

from appliance.errors import NetworkRefused

_TARGET = ("192.0.2.1", 9)
_TARGET_IPV6 = ("2001:db8::1", 9)
_NAME = "haversack.invalid"
_NO_ANSWER = 1.0
"""Seconds that a connection may take where nothing refuses it."""
_WHOLE_WAY = 10.0
"""Seconds after which a way counts as not tried: only a machine that is overloaded, or a resolver that hangs, takes so long."""
_REFUSALS = (errno.EACCES, errno.ENOSYS)
"""ENOSYS is what the kernel answers when the attendant is gone: refused all the same."""
_CHILD = f"""
import socket, sys
sys.stdin.readline()
try:
    attempt = socket.socket()
    attempt.settimeout({_NO_ANSWER})
except OSError as error:
    print(error.errno)
else:
    try:
        attempt.connect({_TARGET})
    except OSError:
        pass
    print(0)
"""

Exempt = Callable[[int], AbstractContextManager[None]]
Outcome = tuple[bool | None, str]
"""Refused by us or not (None: it could not be tried), and what happened. No network at all is not a refusal of ours."""


@dataclass(frozen=True, slots=True)
class Attempt:
    """One way that was tried."""

    name: str
    refused: bool
    detail: str


def run(exempt: Exempt, *, kernel: bool) -> tuple[tuple[Attempt, ...], bool]:
    """Try the five ways; `exempt` keeps a thread's tries out of the count. The attempts, and whether any of them led out.

    `kernel`: the kernel is said to refuse, so a look-up by the C library is tried too. Without it that would ask the network.
    """
    ways: tuple[tuple[str, Callable[[], Outcome]], ...] = (
        ("Python socket", lambda: _python(socket.AF_INET, _TARGET)),
        ("C library", _native),
        ("Name look-up", lambda: _look_up(kernel)),
        ("Child process", lambda: _child(exempt)),
        ("IPv6", lambda: _python(socket.AF_INET6, _TARGET_IPV6)),
    )
    outcomes = [(name, *_within(way, exempt)) for name, way in ways]
    attempts = tuple(Attempt(name, refused is True, detail) for name, refused, detail in outcomes)
    return attempts, any(refused is False for _, refused, _ in outcomes)


def native_socket_refused(kind: int = socket.SOCK_STREAM) -> Outcome:
    """Ask the C library for a socket, past everything that Python could see."""
    try:
        libc = ctypes.CDLL(None, use_errno=True)
        descriptor = libc.socket(int(socket.AF_INET), int(kind), 0)
    except (AttributeError, OSError, TypeError):
        return None, "can't be tried on this system"
    if descriptor >= 0:
        os.close(descriptor)
        return False, "a socket was made"
    return _by_number(ctypes.get_errno())


def _python(family: int, target: tuple[str, int]) -> Outcome:
    try:
        attempt = socket.socket(family, socket.SOCK_STREAM)
    except OSError as error:
        return _by_number(error.errno)
    with attempt:
        attempt.settimeout(_NO_ANSWER)
        try:
            attempt.connect(target)
        except NetworkRefused:
            return True, "refused by the app"
        except OSError as error:
            return False, f"not refused, though it led nowhere ({error.strerror or error})"
    return False, "a connection was made"


def _native() -> Outcome:
    return native_socket_refused()


def _look_up(kernel: bool) -> Outcome:
    try:
        socket.getaddrinfo(_NAME, _TARGET[1])
    except NetworkRefused:
        pass
    except OSError as error:
        return False, f"not refused, though it led nowhere ({error.strerror or error})"
    else:
        return False, "a name was looked up"
    if not kernel:
        return True, "refused by the app"
    libc, found = ctypes.CDLL(None), ctypes.c_void_p()
    if libc.getaddrinfo(_NAME.encode(), None, None, ctypes.byref(found)) == 0:
        return False, "the C library looked a name up"
    return native_socket_refused(socket.SOCK_DGRAM)


def _child(exempt: Exempt) -> Outcome:
    try:
        child = subprocess.Popen([sys.executable, "-I", "-S", "-c", _CHILD], stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True)
    except OSError as error:
        return None, f"could not be started ({error.strerror})"
    with child, exempt(child.pid):
        try:
            said, _ = child.communicate("go\n", timeout=_WHOLE_WAY)
        except subprocess.TimeoutExpired:
            child.kill()
            return None, "gave no answer"
    number = said.strip()
    if not number.isdigit():
        return None, "could not be started"
    return _by_number(int(number)) if number != "0" else (False, "a socket was made")


def _by_number(number: int | None) -> Outcome:
    if number in _REFUSALS:
        return True, "refused by the kernel"
    return False, f"not refused, though it led nowhere ({os.strerror(number or 0)})"


def _within(way: Callable[[], Outcome], exempt: Exempt) -> Outcome:
    """Try it in a thread of its own, exempt from the count, for a limited time."""
    outcome: list[Outcome] = []

    def attempt() -> None:
        with exempt(threading.get_native_id()):
            outcome.append(way())

    thread = threading.Thread(target=attempt, name="self-test", daemon=True)
    thread.start()
    thread.join(_WHOLE_WAY + 1)
    return outcome[0] if outcome else (None, "gave no answer")
