"""Starts worker processes and ends them: forked from a nursery on Linux, spawned anew elsewhere (with a spare one waiting)."""

from __future__ import annotations

import os
import signal
import socket
import subprocess
import sys
import threading
from collections.abc import Mapping, Sequence
from pathlib import Path, PurePosixPath
from typing import IO

from appliance.ingest import wire

_MODULE = "appliance.ingest.worker"
_ROOT = Path(__file__).resolve().parents[2]


class Worker:
    """One worker process: a request goes in, messages come out. `kill` is safe at any time and from any thread."""

    def __init__(self, requests: IO[bytes], replies: IO[bytes], process: subprocess.Popen[bytes] | None) -> None:
        self.requests = requests
        self.replies = replies
        self._process = process
        self._handle: int | None = None
        self._lock = threading.Lock()

    def begin(self, request: Mapping[str, object]) -> bool:
        """Send the request once the worker is up; False where it isn't."""
        try:
            hello = wire.receive(self.replies)
            if hello is None:
                return False
            if self._process is None:
                # The worker waits for our request, so this process id is still its own; the handle stays its own for ever.
                self._handle = os.pidfd_open(wire.number(hello.get("hello"), 2**31))
            wire.send(self.requests, request)
        except (OSError, wire.Untrustworthy):
            return False
        return True

    def kill(self) -> None:
        with self._lock:
            if self._process is not None:
                self._process.kill()
            elif self._handle is not None:
                try:
                    signal.pidfd_send_signal(self._handle, signal.SIGKILL)
                except ProcessLookupError:
                    return

    def close(self) -> None:
        """End the worker and give back its pipes."""
        self.kill()
        for stream in (self.requests, self.replies):
            try:
                stream.close()
            except OSError:
                continue  # what was still to be sent to a dead worker
        with self._lock:
            if self._process is not None:
                self._process.wait()
            if self._handle is not None:
                os.close(self._handle)
                self._handle = None


class Spawner:
    """A fresh interpreter for each worker; the next one is started ahead."""

    def __init__(self, command: Sequence[str] = ()) -> None:
        self._command = list(command) or worker_command()
        self._spare: Worker | None = None
        self._lock = threading.Lock()

    def worker(self, suffix: str) -> Worker:
        with self._lock:
            found = self._spare or self._start()
            self._spare = self._start()
            return found

    def close(self) -> None:
        with self._lock:
            if self._spare is not None:
                self._spare.close()
                self._spare = None

    def _start(self) -> Worker:
        process = subprocess.Popen(
            self._command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, stderr=subprocess.DEVNULL, env=environment(), start_new_session=True
        )
        assert process.stdin is not None
        assert process.stdout is not None
        return Worker(process.stdin, process.stdout, process)


class Nursery:
    """A process with the imports done, from which workers are forked in milliseconds. It never reads a document."""

    def __init__(self) -> None:
        self._process: subprocess.Popen[bytes] | None = None
        self._channel: socket.socket | None = None
        self._lock = threading.Lock()

    @staticmethod
    def works_here() -> bool:
        if sys.platform != "linux":
            return False
        try:
            os.close(os.pidfd_open(os.getpid()))
        except (OSError, AttributeError):  # a kernel before 5.3
            return False
        return True

    def worker(self, suffix: str) -> Worker:
        """Raises OSError where the nursery can't be started or has died twice."""
        with self._lock:
            for attempt in (1, 2):
                channel = self._channel or self._start()
                down_read, down_write = os.pipe()
                up_read, up_write = os.pipe()
                try:
                    socket.send_fds(channel, [suffix.encode("ascii", "replace")[:20] or b"."], [down_read, up_write])
                    return Worker(os.fdopen(down_write, "wb"), os.fdopen(up_read, "rb"), None)
                except OSError:
                    os.close(down_write)
                    os.close(up_read)
                    self._stop()
                    if attempt == 2:
                        raise
                finally:
                    os.close(down_read)
                    os.close(up_write)
        raise OSError("the nursery is gone")

    def close(self) -> None:
        with self._lock:
            self._stop()

    def _start(self) -> socket.socket:
        # Each message must arrive as one: a stream would run two requests together, and their pipes with them.
        ours, theirs = socket.socketpair(socket.AF_UNIX, socket.SOCK_SEQPACKET)
        with theirs:
            self._process = subprocess.Popen(
                [*worker_command(), str(theirs.fileno())],
                stdin=subprocess.DEVNULL,
                stdout=subprocess.DEVNULL,
                stderr=subprocess.DEVNULL,
                env=environment(),
                pass_fds=(theirs.fileno(),),
                start_new_session=True,
            )
        self._channel = ours
        return ours

    def _stop(self) -> None:
        if self._channel is not None:
            self._channel.close()
            self._channel = None
        if self._process is not None:
            self._process.kill()
            self._process.wait()
            self._process = None


def worker_command() -> list[str]:
    """-P and -s: neither the folder we stand in nor the user's own packages can put a module of theirs in the place of ours."""
    return [sys.executable, "-P", "-s", "-m", _MODULE]


def environment() -> dict[str, str]:
    """As little as Python needs: no proxies, no preloaded libraries, no secrets of the user's shell."""
    kept = {name: os.environ[name] for name in ("SYSTEMROOT", "LD_LIBRARY_PATH", "PYTHONHOME") if name in os.environ}
    paths = dict.fromkeys([str(_ROOT), *(entry for entry in sys.path if entry and Path(entry).exists())])
    return {**kept, "PYTHONPATH": os.pathsep.join(paths), "PYTHONUTF8": "1", "PYTHONHASHSEED": "0", "OMP_NUM_THREADS": "1"}


def suffix_of(name: str) -> str:
    return PurePosixPath(name).suffix.lower()
