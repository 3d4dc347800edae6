"""Our end of the broker: starts it before the network is shut, routes what it says to who asked, and passes nothing on after a time limit."""

from __future__ import annotations

import contextlib
import itertools
import json
import os
import queue
import subprocess
import sys
import threading
import time
from collections.abc import Mapping, MutableMapping
from dataclasses import asdict
from pathlib import Path
from typing import Any

from appliance.basecamp.exchange import Limits
from appliance.basecamp.place import Place
from appliance.errors import BaseCampFailed
from appliance.models.protocol import encode

KEY = "HAVERSACK_LLM_KEY"
MODEL = "HAVERSACK_LLM_MODEL"
"""Which of an engine's models is asked, where it has several."""
Replies = queue.SimpleQueue[dict[str, Any]]
_ROOT = Path(__file__).resolve().parents[2]
_STARTS_WITHIN = 15.0
"""Seconds: a name server that doesn't answer takes ten of them."""
_PREPARES_WITHIN = 120.0
_LAST = frozenset({"described", "counts", "done", "too_long", "result", "failed"})
_GLANCE = 0.05
"""Seconds between two looks at the cancel event."""
_GONE = "can't be asked any more: the process that talked to it has ended; start Haversack again"


class Link:
    """One broker. It can't be started again once the network is shut: where it ends, the base camp is out of reach, and that is said."""

    def __init__(self, llm: str, vectors: str, *, limits: Limits | None = None, environment: MutableMapping[str, str] = os.environ) -> None:
        """Before the network is shut. Takes the key out of `environment`, so that no other child of ours has it. Raises nothing: a broker that
        can't be started is one that answers every request with BaseCampFailed."""
        self.limits = limits or Limits()
        self.llm = Place.of(llm) if llm else None
        self.vectors = Place.of(vectors) if vectors else None
        self.model = environment.pop(MODEL, "")
        self.unknown: tuple[str, ...] = ()
        """Named hosts whose name nobody knew when it started."""
        self._numbers = itertools.count(1)
        self._pending: dict[int, Replies] = {}
        self._lock = threading.Lock()
        self._sending = threading.Lock()
        self._gone = ""
        self._ready, self._prepared = threading.Event(), threading.Event()
        self._child = self._start(environment.pop(KEY, ""), environment)
        if self._child is None:
            return
        self._send({"do": "open", "id": 0, "llm": llm, "vectors": vectors, "limits": asdict(self.limits)})
        self._thread = threading.Thread(target=self._read, args=(self._child,), name="base camp", daemon=True)
        self._thread.start()
        if not self._ready.wait(_STARTS_WITHIN):
            self._child.kill()

    @property
    def hosts(self) -> tuple[str, ...]:
        """Every host that is connected to: what the page shows."""
        return tuple(dict.fromkeys(place.shown for place in (self.llm, self.vectors) if place))

    @property
    def sentence(self) -> str:
        """What leaves this machine, and where to."""
        parts = []
        if self.llm:
            parts.append(f"Questions and passages go to {self.llm.shown}")
        if self.vectors:
            parts.append(f"{'the' if parts else 'The'} vectors of passages and questions go to {self.vectors.shown}")
        return "; ".join([*parts, "nothing else leaves."])

    @property
    def pid(self) -> int | None:
        return self._child.pid if self._child else None

    def ask(self, request: Mapping[str, Any]) -> tuple[int, Replies]:
        """Send a request; its number, for `cancel` and `forget`, and the queue into which replies come. The last is one of `_LAST`."""
        number, replies = next(self._numbers), Replies()
        with self._lock:
            if not self._gone:
                self._pending[number] = replies
        if self._gone or not self._send({**request, "id": number}):
            replies.put({"is": "failed", "id": number, "detail": self._gone or _GONE})
        return number, replies

    def answer(self, request: Mapping[str, Any], seconds: float, place: Place, cancel: threading.Event | None = None) -> dict[str, Any]:
        """A request that has one reply, within so many seconds; {"is": "cancelled"} soon after `cancel`. Raises BaseCampFailed."""
        number, replies = self.ask(request)
        end, reply = time.monotonic() + seconds, {"is": "failed", "detail": f"gives no answer within {seconds:.0f} s"}
        try:
            while (left := end - time.monotonic()) > 0:
                if cancel is not None and cancel.is_set():
                    reply = {"is": "cancelled"}
                    break
                with contextlib.suppress(queue.Empty):
                    reply = replies.get(timeout=left if cancel is None else min(left, _GLANCE))
                    break
        finally:
            self.forget(number)
        if reply["is"] == "failed":
            raise BaseCampFailed(address=place.shown, detail=reply["detail"])
        return reply

    def vector_call(self, request: Mapping[str, Any], seconds: float) -> Any:
        """What `vectors_remote` asks of the Chroma server. Raises BaseCampFailed."""
        assert self.vectors is not None
        if not self._prepared.wait(_PREPARES_WITHIN):
            raise BaseCampFailed(address=self.vectors.shown, detail="can't be asked yet: Chroma's client is still being loaded")
        # The broker's own limit comes first: it closes the connection, too.
        return self.answer({"do": "vectors", "seconds": seconds, **request}, seconds + 1.0, self.vectors)["result"]

    def forget(self, number: int) -> None:
        """Nobody listens any more: its connection is closed, where it still runs."""
        with self._lock:
            running = self._pending.pop(number, None) is not None
        if running:
            self._send({"do": "cancel", "id": number})

    def close(self) -> None:
        """End the broker, whatever it does: it holds nothing that has to be saved."""
        self._gone = self._gone or "is not asked any more: Haversack is closing"
        if self._child:
            self._child.kill()
            self._thread.join(2)

    def _start(self, key: str, environment: Mapping[str, str]) -> subprocess.Popen[bytes] | None:
        own = {
            **environment,
            "PYTHONPATH": os.pathsep.join(filter(None, (str(_ROOT), environment.get("PYTHONPATH")))),
            "NO_PROXY": "*",  # no library in it may find a way of its own, not even in Windows' registry
            **({KEY: key} if key else {}),
        }
        try:
            return subprocess.Popen(
                [sys.executable, "-P", "-m", "appliance.basecamp.broker"],
                stdin=subprocess.PIPE,
                stdout=subprocess.PIPE,
                stderr=subprocess.DEVNULL,
                env=own,
                start_new_session=True,  # what the terminal sends to our group is not for it
            )
        except OSError as error:
            self._gone = f"can't be asked: the process that would talk to it can't be started ({error.strerror})"
            return None

    def _read(self, child: subprocess.Popen[bytes]) -> None:
        for line in child.stdout or ():
            try:
                reply = json.loads(line)
            except ValueError:  # it was killed in the middle of a line
                child.kill()
                break
            if reply["is"] == "ready":
                self.unknown = tuple(reply["unknown"])
                self._ready.set()
                if self.vectors is None or self.vectors.shown in self.unknown:
                    self._prepared.set()
                continue
            if reply["is"] == "prepared":
                self._prepared.set()
                continue
            with self._lock:
                last = reply["is"] in _LAST
                replies = (self._pending.pop if last else self._pending.get)(reply["id"], None)
            if replies is not None:
                replies.put(reply)
        child.wait()
        for pipe in (child.stdin, child.stdout):
            with contextlib.suppress(OSError):
                if pipe:
                    pipe.close()
        with self._lock:
            self._gone = self._gone or _GONE
            pending, self._pending = list(self._pending.values()), {}
        self._ready.set()
        self._prepared.set()
        for waiting in pending:
            waiting.put({"is": "failed", "detail": self._gone})

    def _send(self, request: Mapping[str, Any]) -> bool:
        child = self._child
        if child is None or child.stdin is None:
            return False
        try:
            with self._sending:
                child.stdin.write(encode(request))
                child.stdin.flush()
        except (OSError, ValueError):
            return False
        return True
