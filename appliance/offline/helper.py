"""Our end of the attendant: starts it, hands it the kernel's listener, reads its count, has it open the browser."""

from __future__ import annotations

import json
import mmap
import os
import socket
import struct
import subprocess
import sys
import threading
from collections.abc import Sequence
from pathlib import Path

_PROGRAM = Path(__file__).resolve().with_name("attendant.py")
_ANSWERS_WITHIN = 5.0
"""Seconds: the attendant does nothing that takes time, but a busy machine may let it wait."""


class HelperFailed(Exception):
    """The attendant is not there. For this package only: what the user is told is what can't be counted."""


class Helper:
    """The attendant process. Start it before the network is shut: what it does must lie outside."""

    def __init__(self) -> None:
        """Raises HelperFailed where it can't be started."""
        self._lock = threading.Lock()
        try:
            ours, theirs = socket.socketpair(socket.AF_UNIX, socket.SOCK_SEQPACKET)
            with theirs:
                counter = os.memfd_create("haversack-refused-calls")
                os.ftruncate(counter, 8)
                self._memory = mmap.mmap(counter, 8, prot=mmap.PROT_READ)
                kept = (theirs.fileno(), counter)
                self._process = subprocess.Popen(
                    [sys.executable, "-I", "-S", str(_PROGRAM), *map(str, kept), str(os.getpid())],
                    stdin=subprocess.DEVNULL,
                    stdout=subprocess.DEVNULL,
                    stderr=subprocess.DEVNULL,
                    pass_fds=kept,
                    cwd="/",  # must not keep a stick from being taken out
                    start_new_session=True,  # what the terminal sends to our group is not for it
                )
                os.close(counter)
        except (AttributeError, OSError) as error:
            raise HelperFailed(str(error)) from error
        ours.settimeout(_ANSWERS_WITHIN)
        self._control = ours

    @property
    def alive(self) -> bool:
        return self._process.poll() is None

    @property
    def count(self) -> int:
        """Calls that the kernel refused to this process and its children, those of overlooked threads left out."""
        (count,) = struct.unpack_from("=Q", self._memory)
        return int(count)

    def listen(self, listener: int) -> None:
        """Hand over the listener's descriptor; it is closed here. Raises HelperFailed."""
        try:
            self._ask({"do": "listen"}, [listener])
        finally:
            os.close(listener)

    def overlook(self, thread: int) -> None:
        """Calls of that thread (a system-wide thread id) are refused all the same, and not counted, until `heed`. Raises HelperFailed."""
        self._ask({"do": "overlook", "thread": thread})

    def heed(self, thread: int) -> None:
        """Count that thread's calls again. Raises HelperFailed."""
        self._ask({"do": "heed", "thread": thread})

    def open(self, url: str) -> bool:
        """Open our own page in the user's browser; False where there is no screen to open it on."""
        return self._ask({"do": "open", "url": url})

    def close(self) -> None:
        with self._lock:
            self._control.close()
        try:
            self._process.wait(_ANSWERS_WITHIN)
        except subprocess.TimeoutExpired:
            self._process.kill()
            self._process.wait()

    def _ask(self, request: dict[str, object], descriptors: Sequence[int] = ()) -> bool:
        with self._lock:
            try:
                socket.send_fds(self._control, [json.dumps(request).encode()], list(descriptors))
                return json.loads(self._control.recv(64)) is True
            except (OSError, ValueError) as error:
                raise HelperFailed(str(error)) from error
