"""Starts what is measured, talks to it, and weighs it with all its children."""

from __future__ import annotations

import http.client
import json
import os
import signal
import socket
import subprocess
import sys
import threading
import time
from collections.abc import Mapping, Sequence
from pathlib import Path
from types import TracebackType
from typing import Any

import psutil

_SAMPLES_A_SECOND = 10


def environment() -> dict[str, str]:
    """As a user's: compiled modules are kept, so that the second start is a second start."""
    return {name: value for name, value in os.environ.items() if name not in ("PYTHONDONTWRITEBYTECODE", "PYTHONUNBUFFERED")}


def free_port() -> int:
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        port: int = probe.getsockname()[1]
        return port


class Side:
    """A contender in its process, ready to be asked."""

    def __init__(self, name: str, folder: Path, models: Path, log: Path) -> None:
        command = [sys.executable, "-m", "scripts.benchmark.contenders", name, str(folder), str(models)]
        with log.open("a") as errors:
            self._process = subprocess.Popen(
                command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, stderr=errors, text=True, env=environment(), start_new_session=True
            )
        self._log = log
        self._answer()

    def __call__(self, action: str, **arguments: object) -> dict[str, Any]:
        assert self._process.stdin is not None
        print(json.dumps({"do": action, **arguments}), file=self._process.stdin, flush=True)
        return self._answer()

    def __enter__(self) -> Side:
        return self

    def __exit__(self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None) -> None:
        assert self._process.stdin is not None
        assert self._process.stdout is not None
        self._process.stdin.close()
        try:
            self._process.wait(60)
        except subprocess.TimeoutExpired:
            os.killpg(self._process.pid, signal.SIGKILL)
            self._process.wait()
        self._process.stdout.close()

    def _answer(self) -> dict[str, Any]:
        assert self._process.stdout is not None
        line = self._process.stdout.readline()
        if not line:
            raise RuntimeError(f"a side went away:\n{self._log.read_text()[-3000:]}")
        answer: dict[str, Any] = json.loads(line)
        return answer


class Server:
    """A server's process, from its start; `seconds` since then. `variables` is its whole environment: a user's, unless told."""

    def __init__(self, command: Sequence[str], log: Path, variables: Mapping[str, str] | None = None) -> None:
        self._log = log
        variables = environment() if variables is None else variables
        with log.open("a") as errors:
            self.started = time.perf_counter()
            self.process = subprocess.Popen(command, stdout=errors, stderr=errors, env=variables, start_new_session=True)

    @property
    def seconds(self) -> float:
        return time.perf_counter() - self.started

    def until_it_answers(self, port: int, patience: float = 180) -> float:
        """Seconds from its start until GET / is answered with 200."""
        while self.seconds < patience:
            if self.process.poll() is not None:
                break
            connection = http.client.HTTPConnection("127.0.0.1", port, timeout=60)
            try:
                connection.request("GET", "/")
                if connection.getresponse().status == 200:
                    return self.seconds
            except OSError:
                time.sleep(0.002)
            finally:
                connection.close()
        raise RuntimeError(f"a server does not answer:\n{self._log.read_text()[-3000:]}")

    def __enter__(self) -> Server:
        return self

    def __exit__(self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None) -> None:
        self.process.send_signal(signal.SIGTERM)
        try:
            self.process.wait(30)
        except subprocess.TimeoutExpired:
            os.killpg(self.process.pid, signal.SIGKILL)
            self.process.wait()


class Scales:
    """The peak of what a process and all its children hold together, in bytes: proportional shares, so that what they share counts once."""

    def __init__(self, pid: int) -> None:
        self.peak = 0
        self._pid = pid
        self._end = threading.Event()
        self._thread = threading.Thread(target=self._watch, daemon=True)

    def __enter__(self) -> Scales:
        self._thread.start()
        return self

    def __exit__(self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None) -> None:
        self._end.set()
        self._thread.join()

    def _watch(self) -> None:
        while not self._end.wait(1 / _SAMPLES_A_SECOND):
            self.peak = max(self.peak, weigh(self._pid))


def weigh(pid: int) -> int:
    """Proportional set size of a process and its descendants, in bytes."""
    try:
        family = [pid, *(child.pid for child in psutil.Process(pid).children(recursive=True))]
    except psutil.NoSuchProcess:
        return 0
    return sum(map(_share, family))


def _share(pid: int) -> int:
    try:
        lines = Path(f"/proc/{pid}/smaps_rollup").read_text().splitlines()
    except OSError:
        return 0  # it has ended
    return next((int(line.split()[1]) * 1024 for line in lines if line.startswith("Pss:")), 0)
