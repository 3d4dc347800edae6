"""Seccomp filters through ctypes: the kernel itself refuses the named system calls to this process and to all that it starts.

No package is needed for it (the `seccomp` binding wants libseccomp on the machine), no root, no user namespace: it works where
`unshare --net` doesn't (Ubuntu 24.04 restricts those to AppArmor profiles). A filter can't be taken off again, only added to.
"""

from __future__ import annotations

import ctypes
import errno
import os
import socket
import struct
from collections.abc import Iterable, Sequence
from dataclasses import dataclass

from appliance.offline.calls import Architecture, architecture, numbers

_PR_SET_NO_NEW_PRIVS = 38
_SET_MODE_FILTER = 1
# Flags of seccomp(2). TSYNC: every thread, also those that run already. SPEC_ALLOW: kernels before 5.16 otherwise slow the whole process
# down with mitigations that are meant for interpreters of foreign code. WAIT_KILLABLE: a signal must not make a call be counted twice.
_TSYNC, _SPEC_ALLOW, _NEW_LISTENER, _TSYNC_ESRCH, _WAIT_KILLABLE = 1, 4, 8, 16, 32

ALLOW = 0x7FFF0000
REFUSE = 0x00050000 | errno.EACCES
ASK = 0x7FC00000
"""SECCOMP_RET_USER_NOTIF: the call waits for an answer from whoever holds the listener."""
_NOT_THERE = 0x00050000 | errno.ENOSYS

_LOAD, _EQUAL, _AT_LEAST, _HAS_BIT, _RETURN = 0x20, 0x15, 0x35, 0x45, 0x06
_NUMBER, _INTERFACE, _FIRST_ARGUMENT = 0, 4, 16
"""Offsets in struct seccomp_data. Both processors are little-endian, and int arguments count in their low 32 bits only, as in the kernel."""
_CLONE_THREAD = 0x00010000


@dataclass(frozen=True, slots=True)
class Rule:
    """What is to become of one system call; with `unless_first`, calls whose first argument has that value go through."""

    call: str
    action: int
    unless_first: int | None = None


class FilterFailed(Exception):
    """The kernel took no filter. For this package only: what the user is told is the level of the seal."""


class _Program(ctypes.Structure):
    _fields_ = [("length", ctypes.c_ushort), ("filter", ctypes.c_char_p)]


def restrict(deny: Iterable[str]) -> bool:
    """Have the kernel refuse the calls named in `deny` (keys of calls.NUMBERS) with EACCES from now on, in every thread and child.

    Denying "clone" leaves threads possible and new processes not. Calls by a foreign interface (i386, x32) are refused altogether.
    False where this platform can't: not Linux on x86_64 or aarch64, or a kernel without seccomp. Raises KeyError for an unknown name.
    """
    names = sorted(set(deny))
    if "clone" in names:
        names.append("clone3")
    try:
        install([Rule(name, REFUSE) for name in dict.fromkeys(names)])
    except FilterFailed:
        return False
    return True


def shut_network(*, listener: bool) -> int | None:
    """No sockets but AF_UNIX ones from now on, in every thread and child, and no other way to come by one.

    Sockets that are there go on: one that listens accepts. With `listener`, calls that would make a socket wait for an answer, and
    the descriptor where they arrive is returned; without it they are refused at once. Raises FilterFailed.
    """
    unless_unix = int(socket.AF_UNIX)
    action = ASK if listener else REFUSE
    descriptor = install(
        [
            Rule("socket", action, unless_first=unless_unix),
            Rule("socketpair", action, unless_first=unless_unix),
            # An accepted socket can be turned round: connect(AF_UNSPEC) parts it from its peer, then it connects anew. And a connection to
            # systemd-resolved or nscd by their Unix sockets looks names up from outside the seal. So nothing connects, whatever to.
            Rule("connect", REFUSE),
            # A ring does socket and connect by itself, unseen by any filter.
            *(Rule(name, REFUSE) for name in ("io_uring_setup", "io_uring_enter", "io_uring_register")),
            # Sockets of other programs, ready made.
            *(Rule(name, REFUSE) for name in ("pidfd_getfd", "ptrace", "process_vm_writev")),
        ],
        listener=listener,
    )
    return descriptor if listener else None


def install(rules: Sequence[Rule], *, listener: bool = False) -> int:
    """Install the rules; 0, or the listener's descriptor (close-on-exec). Raises FilterFailed with what the system said."""
    here = architecture()
    program = None if here is None else filter_program(rules, here)
    if here is None or program is None:
        raise FilterFailed("no filter can be made for this system")
    libc = ctypes.CDLL(None, use_errno=True)
    if libc.prctl(_PR_SET_NO_NEW_PRIVS, 1, 0, 0, 0) != 0:
        raise FilterFailed(os.strerror(ctypes.get_errno()))
    block = _Program(len(program) // 8, program)
    if listener:
        # With a listener TSYNC must say by an error that a thread was missed: the positive result is the descriptor.
        every = _TSYNC | _NEW_LISTENER | _TSYNC_ESRCH
        tries = (every | _SPEC_ALLOW | _WAIT_KILLABLE, every | _SPEC_ALLOW)
    else:
        tries = (_TSYNC | _SPEC_ALLOW, _TSYNC)
    for flags in tries:
        result = int(libc.syscall(here.seccomp, _SET_MODE_FILTER, flags, ctypes.byref(block)))
        if result == 0 or (listener and result > 0):
            return result
        # Older kernels don't know every flag. A positive result without a listener is the thread that could not be covered.
        reason = os.strerror(ctypes.get_errno()) if result < 0 else f"thread {result} has a filter of its own"
        if result > 0 or ctypes.get_errno() != errno.EINVAL:
            break
    raise FilterFailed(reason)


def filter_program(rules: Sequence[Rule], here: Architecture) -> bytes:
    """The classic BPF program: instructions of 8 bytes (code, jump if true, jump if false, value)."""
    steps = [(_LOAD, 0, 0, _INTERFACE), (_EQUAL, 1, 0, here.audit), (_RETURN, 0, 0, REFUSE), (_LOAD, 0, 0, _NUMBER)]
    if here.foreign_from is not None:
        steps += [(_AT_LEAST, 0, 1, here.foreign_from), (_RETURN, 0, 0, REFUSE)]
    for rule in rules:
        then = _then(rule)
        for number in numbers(rule.call, here):
            steps += [(_EQUAL, 0, len(then), number), *then]
    steps.append((_RETURN, 0, 0, ALLOW))
    return b"".join(struct.pack("=HBBI", *step) for step in steps)


def _then(rule: Rule) -> list[tuple[int, int, int, int]]:
    """What is done with the call of `rule`, ending in a return."""
    if rule.call == "clone3":
        # Its flags lie behind a pointer that a filter can't follow. "Not there" makes the C library take clone, which can be looked at.
        return [(_RETURN, 0, 0, _NOT_THERE)]
    if rule.call == "clone":
        return [(_LOAD, 0, 0, _FIRST_ARGUMENT), (_HAS_BIT, 0, 1, _CLONE_THREAD), (_RETURN, 0, 0, ALLOW), (_RETURN, 0, 0, rule.action)]
    if rule.unless_first is None:
        return [(_RETURN, 0, 0, rule.action)]
    return [(_LOAD, 0, 0, _FIRST_ARGUMENT), (_EQUAL, 0, 1, rule.unless_first), (_RETURN, 0, 0, ALLOW), (_RETURN, 0, 0, rule.action)]
