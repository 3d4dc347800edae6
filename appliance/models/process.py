"""The appliance's end of the model's child process: starts it, routes what it says to who asked, and tells why it died."""

from __future__ import annotations

import contextlib
import json
import os
import queue
import signal
import subprocess
import sys
import threading
from collections import deque
from collections.abc import Callable, Iterable
from pathlib import Path
from typing import Any

from appliance.models.protocol import encode

Replies = queue.SimpleQueue[dict[str, Any]]
_ROOT = Path(__file__).resolve().parents[2]
_LAST = frozenset({"done", "failed", "refused", "too_long", "counts"})
_DEATHS: dict[int, str] = {
    signal.SIGKILL: "it was killed, most likely because the memory is full; close other programs",
    signal.SIGILL: "it was built for a newer processor than this one",
    signal.SIGABRT: "llama.cpp gave up",
    signal.SIGSEGV: "llama.cpp crashed",
    signal.SIGBUS: "the model file could not be read any more",
}


_PATIENCE = 8.0
"""Seconds that a loaded model is given to stop."""
_ILLEGAL = (-signal.SIGILL, 0xC000001D)  # the second is Windows'


class ModelProcess:
    """One child. `ask` never fails: a dead child answers `failed` with the reason."""

    def __init__(self, file: Path, context: int, threads: int, variant: str = "") -> None:
        # -P: the folder that the user happens to stand in is no place to import Python from.
        self._command = [sys.executable, "-P", "-m", "appliance.models.child", str(file), str(context), str(threads), variant]
        self._pending: dict[int, tuple[Replies, Callable[[], None] | None]] = {}
        self._lock = threading.Lock()
        self._sending = threading.Lock()
        self._errors: deque[str] = deque(maxlen=5)
        self._child: subprocess.Popen[bytes] | None = None
        self._reason: str | None = None
        self._closed = False
        self._hung = False
        self._open: set[int] = set()
        """Requests that were sent and had no last reply, those that nobody waits for any more included."""
        self.ready = False
        self.resident_bytes = 0
        self.variant = ""
        """The kind of processor whose instructions llama.cpp uses; empty until it is ready, or where it was built for one kind only."""
        self.too_new = False
        """True when it died of an instruction that this processor doesn't have, before it was ready."""
        started = threading.Event()
        self._thread = threading.Thread(target=self._run, args=(started,), name="generator", daemon=True)
        self._thread.start()
        started.wait()

    @property
    def ended(self) -> bool:
        return self._reason is not None

    @property
    def pid(self) -> int | None:
        return self._child.pid if self._child else None

    @property
    def private_bytes(self) -> int | None:
        """Memory that the child's end would give back; None where the system doesn't say.

        The pages of the mapped file are not in it: Linux calls them available all the while. What llama.cpp copied of them, laid out anew for
        this processor, is, and that is most of a Q4_K_M or Q4_0 file.
        """
        try:
            resident, shared = (int(pages) for pages in Path(f"/proc/{self.pid}/statm").read_text().split()[1:3])
            return (resident - shared) * os.sysconf("SC_PAGE_SIZE")
        except (OSError, ValueError):
            return None

    def ask(self, number: int, request: dict[str, Any], finished: Callable[[], None] | None = None) -> Replies:
        """The queue into which the replies to this request come. `finished` is called with the last of them."""
        replies: Replies = queue.SimpleQueue()
        with self._lock:
            reason = self._reason
            if reason is None:
                self._pending[number] = (replies, finished)
                self._open.add(number)
        if reason is None:
            self._send({**request, "id": number})
        else:
            replies.put({"is": "failed", "detail": reason})
        return replies

    def cancel(self, number: int) -> None:
        """The child stops within a second. One that doesn't, though it is loaded, hangs: it is ended, and the next question starts another."""
        self._send({"do": "cancel", "id": number})
        if self.ready:
            watch = threading.Timer(_PATIENCE, self._end_hanging, (number,))
            watch.daemon = True
            watch.start()

    def _end_hanging(self, number: int) -> None:
        if number in self._open and not self.ended and self._child:
            self._hung = True
            self._child.kill()

    def forget(self, number: int) -> None:
        """Nobody listens any more: cancel it where it still runs."""
        with self._lock:
            running = self._pending.pop(number, None) is not None
        if running:
            self.cancel(number)

    def close(self) -> None:
        """End the child at once, whatever it does: it holds nothing that has to be saved."""
        self._closed = True
        if self._child:
            self._child.kill()
        self._thread.join(1)

    def _run(self, started: threading.Event) -> None:
        environment = {
            # What Haversack is told is none of llama.cpp's affair, and a base camp's key (HAVERSACK_LLM_KEY) least of all.
            **{name: value for name, value in os.environ.items() if not name.startswith("HAVERSACK_")},
            "PYTHONPATH": os.pathsep.join(filter(None, (str(_ROOT), os.environ.get("PYTHONPATH")))),
            # Threads that spin while they wait for each other starve as soon as another program wants a core:
            # 900 tokens of prompt took 32 s instead of 7 s on 2 busy cores.
            "OMP_WAIT_POLICY": os.environ.get("OMP_WAIT_POLICY", "passive"),
            # Else an abort of llama.cpp starts gdb where there is one: 10 s, and its lines hide the reason.
            "GGML_NO_BACKTRACE": "1",
        }
        try:
            child = subprocess.Popen(self._command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, stderr=subprocess.PIPE, env=environment)
        except OSError as error:
            self._end(f"its process can't be started: {error}")
            started.set()
            return
        self._child = child
        started.set()
        errors = threading.Thread(target=self._collect, args=(child.stderr,), daemon=True)
        errors.start()
        refusal: str | None = None
        for line in child.stdout or ():
            try:
                reply = json.loads(line)
            except ValueError:  # it was killed in the middle of a line
                child.kill()
                break
            if reply["is"] == "ready":
                self.resident_bytes, self.variant = reply["resident_bytes"], reply["variant"]
                self.ready = True
            elif reply["id"] == 0:
                refusal = reply["detail"]
            else:
                self._route(reply)
        code = child.wait()
        errors.join(1)
        self.too_new = not self.variant and code in _ILLEGAL
        for pipe in (child.stdin, child.stdout, child.stderr):
            if pipe:
                with contextlib.suppress(OSError):
                    pipe.close()
        self._end(refusal or self._death(code))

    def _collect(self, lines: Iterable[bytes]) -> None:
        self._errors.extend(line.decode("utf-8", "replace").strip() for line in lines)

    def _route(self, reply: dict[str, Any]) -> None:
        with self._lock:
            last = reply["is"] in _LAST
            if last:
                self._open.discard(reply["id"])
            replies, finished = (self._pending.pop if last else self._pending.get)(reply["id"], None) or (None, None)
        if replies is not None:
            replies.put(reply)
        if last and finished:
            finished()

    def _end(self, reason: str) -> None:
        self.ready = False
        with self._lock:
            self._reason = reason
            pending = list(self._pending.values())
            self._pending.clear()
        for replies, finished in pending:
            replies.put({"is": "failed", "detail": reason})
            if finished:
                finished()

    def _death(self, code: int) -> str:
        if self._closed:
            return "Haversack is closing"
        if self._hung:
            return "it did not stop when it was told to, and was ended"
        last = next((line for line in reversed(self._errors) if line), "")
        sentence = _DEATHS.get(-code, f"signal {-code}") if code < 0 else f"its process ended with code {code}"
        return f"{sentence}: {last}" if last and code != -signal.SIGKILL else sentence

    def _send(self, request: dict[str, Any]) -> None:
        child = self._child
        if child is None or child.stdin is None:
            return
        try:
            with self._sending:
                child.stdin.write(encode(request))
                child.stdin.flush()
        except (OSError, ValueError):
            pass  # it is gone, or being closed: the reading thread says so to everybody who waits
