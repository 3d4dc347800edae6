"""The small process outside the seal: started before the network is shut, it answers and counts what the kernel refuses, and opens the browser.

Run by its path, `python -I -S attendant.py CONTROL COUNTER PARENT`, with the standard library alone: it lies outside, so it loads
nothing that could use that. CONTROL is one end of a socket pair, COUNTER eight bytes of shared memory that hold the count, PARENT the
process that it serves.

Requests are JSON, one a packet; each is answered by one packet, `true` or `false`:
`{"do": "listen"}` with the listener's descriptor · `{"do": "overlook", "thread": N}` · `{"do": "heed", "thread": N}` · `{"do": "open", "url": …}`.
It ends when the other end is closed or the parent is gone.
"""

from __future__ import annotations

import contextlib
import errno
import fcntl
import json
import mmap
import os
import re
import select
import signal
import socket
import struct
import sys
import threading
from typing import Any

# struct seccomp_notif: u64 id, u32 pid, u32 flags, then struct seccomp_data; struct seccomp_notif_resp: u64 id, s64 value, s32 error, u32 flags.
_NOTICE = struct.Struct("=QII64x")
_ANSWER = struct.Struct("=QqiI")
_RECEIVE, _SEND = 0xC0502100, 0xC0182101
_PACKET = 4096
_OWN_PAGE = re.compile(r"http://127\.0\.0\.1:[0-9]{1,5}/?")
"""All that is ever opened: otherwise the sealed side could send things out in an address."""


class Tally:
    """How many calls were refused, in shared memory, so that the sealed side reads it without asking."""

    def __init__(self, descriptor: int) -> None:
        self._memory = mmap.mmap(descriptor, 8)
        self._overlooked: set[int] = set()
        self._lock = threading.Lock()

    def overlook(self, thread: int) -> None:
        with self._lock:
            self._overlooked.add(thread)

    def heed(self, thread: int) -> None:
        with self._lock:
            self._overlooked.discard(thread)

    def add(self, thread: int, how_many: int) -> None:
        with self._lock:
            if thread not in self._overlooked:
                (count,) = struct.unpack_from("=Q", self._memory)
                struct.pack_into("=Q", self._memory, 0, count + how_many)


def refuse_all(listener: int, tally: Tally) -> None:
    """Answer every waiting call with EACCES. A call is counted before it is answered: who was refused finds itself counted."""
    while True:
        notice = bytearray(_NOTICE.size)
        try:
            fcntl.ioctl(listener, _RECEIVE, notice, True)
        except OSError as error:
            if error.errno in (errno.EINTR, errno.ENOENT):
                continue  # the caller was killed while it waited
            return
        number, thread, _ = _NOTICE.unpack(notice)
        tally.add(thread, 1)
        try:
            fcntl.ioctl(listener, _SEND, _ANSWER.pack(number, 0, -errno.EACCES, 0))
        except OSError:
            tally.add(thread, -1)  # a signal broke the call off: it comes again, or its caller is gone


def answer(request: dict[str, Any], descriptors: list[int], tally: Tally) -> bool:
    match request:
        case {"do": "listen"} if descriptors:
            threading.Thread(target=refuse_all, args=(descriptors[0], tally), daemon=True).start()
        case {"do": "overlook", "thread": int(thread)}:
            tally.overlook(thread)
        case {"do": "heed", "thread": int(thread)}:
            tally.heed(thread)
        case {"do": "open", "url": str(url)} if _OWN_PAGE.fullmatch(url) and has_screen():
            threading.Thread(target=open_page, args=(url,), daemon=True).start()
        case _:
            return False
    return True


def open_page(url: str) -> None:
    import webbrowser  # with all that it imports it doubles the time until the first call can be answered

    webbrowser.open(url)


def has_screen() -> bool:
    """Without one, `webbrowser` would start a text browser in a terminal that isn't ours to take."""
    return any(os.environ.get(name) for name in ("DISPLAY", "WAYLAND_DISPLAY", "BROWSER"))


def main() -> int:
    signal.signal(signal.SIGINT, signal.SIG_IGN)  # Ctrl+C is for the parent, which then ends us
    control, tally, parent = socket.socket(fileno=int(sys.argv[1])), Tally(int(sys.argv[2])), int(sys.argv[3])
    watched = select.poll()
    watched.register(control, select.POLLIN)
    # A forked child of the parent may hold its end of the pair open: the parent's own end is watched too. Not by PR_SET_PDEATHSIG,
    # which fires already when the thread ends that started us.
    alive = -1
    with contextlib.suppress(AttributeError, OSError):  # kernels before 5.3
        alive = os.pidfd_open(parent)
        watched.register(alive, select.POLLIN)
    while os.getppid() == parent:
        if any(descriptor == alive for descriptor, _ in watched.poll()):
            return 0
        packet, descriptors, _, _ = socket.recv_fds(control, _PACKET, 1)
        if not packet:
            return 0
        control.send(json.dumps(answer(json.loads(packet), descriptors, tally)).encode())
    return 0


if __name__ == "__main__":
    os._exit(main())  # a thread may wait in the kernel for a call to refuse; nothing here needs tidying
