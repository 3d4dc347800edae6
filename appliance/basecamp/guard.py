"""The broker's own guard: it connects to the addresses that were looked up at its start, and to nothing else.

An audit hook can't be taken off again. It sees what Python code does, and nothing but Python code opens connections in the broker. On
Linux the kernel refuses besides to start programs and to listen; which address is connected to, no filter of the kernel's can read.
"""

from __future__ import annotations

import sys
from collections.abc import Iterable
from typing import Any

from appliance.basecamp.place import Address
from appliance.errors import NetworkRefused
from appliance.offline.filter import restrict

_NEVER = frozenset(
    {
        *("socket.bind", "socket.sendto", "socket.getaddrinfo", "socket.gethostbyname", "socket.gethostbyaddr", "socket.getnameinfo"),
        *("subprocess.Popen", "os.exec", "os.fork", "os.forkpty", "os.posix_spawn", "os.spawn", "os.system", "os.startfile", "pty.spawn"),
    }
)
_CALLS = ("execve", "execveat", "clone", "fork", "vfork", "bind", "listen", "ptrace", "process_vm_writev", "pidfd_getfd", "io_uring_setup")


def install(allowed: Iterable[Address]) -> None:
    """From now on, for the life of this process. What is refused raises NetworkRefused."""
    known = frozenset(where for _, where in allowed)

    def look(event: str, arguments: tuple[Any, ...]) -> None:
        if event == "socket.connect":
            where = arguments[1]
            if not isinstance(where, tuple) or tuple(where[:2]) not in known:
                raise NetworkRefused(address=where)
        elif event in _NEVER:
            raise NetworkRefused(address=event)

    sys.addaudithook(look)
    restrict(_CALLS)
