"""The broker: the one process that talks to a base camp. `python -m appliance.basecamp.broker`, started before the network is shut.

It and the appliance say one JSON object a line, over its stdin and stdout. It does what is listed here and nothing else, with the hosts of
the first line and no other; when stdin ends, so does it.

```
to the broker    {"do": "open", "id": 0, "llm": "http://basecamp:8080/v1", "vectors": "http://basecamp:8000", "limits": {"connect": 4.0}}
                 {"do": "describe", "id": 1, "seconds": 8.0, "model": ""}       {"do": "count", "id": 2, "seconds": 8.0, "prompts": ["raw text"]}
                 {"do": "write", "id": 3, "prompt": [{"role": "user", "content": "…"}], "max_tokens": 160, "stop": [], "sampling": {}, "schema": null}
                 {"do": "vectors", "id": 4, "seconds": 1.0, "call": "query", "name": "…", "vectors": "base64", "limit": 10}
                 {"do": "cancel", "id": 3}                                      its connection is closed at once; nothing is answered
from the broker  {"is": "ready", "id": 0, "unknown": ["basecamp:8000"]}         names that nobody knows
                 {"is": "prepared", "id": 0}                                     Chroma's client is loaded
                 {"is": "described", "id": 1, "name": "…", "context": 4096}     {"is": "counts", "id": 2, "counts": [900]}
                 {"is": "piece", "id": 3, "text": "…"}   {"is": "done", "id": 3, "prompt_tokens": 900, …}   as in models/protocol.py
                 {"is": "too_long", "id": 3, "tokens": 3000, "limit": 2048}     {"is": "result", "id": 4, "result": …}
                 {"is": "failed", "id": 1, "detail": "can't be reached (connection refused)"}
```
The key is in HAVERSACK_LLM_KEY, which no child of the appliance but this one is given.
"""

from __future__ import annotations

import json
import os
import signal
import sys
import threading
import time
from collections.abc import Mapping
from typing import Any, BinaryIO

from appliance.basecamp import guard
from appliance.basecamp.engine import Engine
from appliance.basecamp.exchange import Exchange, Failed, Limits
from appliance.basecamp.place import Address, Place
from appliance.library.vectors_server import Server
from appliance.models.protocol import encode

KEY = "HAVERSACK_LLM_KEY"
MOST = 64
"""Requests at the same time: an answer at a time from each of several programs, and searches."""
_GLANCE = 0.1


class Broker:
    def __init__(self, requests: BinaryIO, replies: BinaryIO) -> None:
        self._requests = requests
        self._replies = replies
        self._sending = threading.Lock()
        self._running: dict[int, Exchange] = {}
        self._guard = threading.Lock()
        self._places: dict[str, tuple[Place, list[Address]]] = {}
        self._engine: Engine
        self._server: Server
        self._limits = Limits()

    def run(self) -> int:
        first = json.loads(self._requests.readline())
        self._limits = Limits(**first.get("limits", {}))
        unknown = []
        for role in ("llm", "vectors"):
            place = Place.of(first.get(role) or "http://nowhere")
            addresses: list[Address] = []
            if first.get(role):
                try:
                    addresses = place.look_up()
                except OSError:
                    unknown.append(place.shown)
            self._places[role] = (place, addresses)
        self._engine = Engine(self._places["llm"][0], os.environ.pop(KEY, ""))
        self._server = Server(first.get("vectors") or "", self._send_for_chroma)
        guard.install(where for _, found in self._places.values() for where in found)
        self._say(0, "ready", unknown=unknown)
        threading.Thread(target=self._watch, daemon=True).start()
        if self._places["vectors"][1]:
            threading.Thread(target=self._prepare, daemon=True).start()
        for line in self._requests:
            request = json.loads(line)
            if request["do"] == "cancel":
                self._cancel(request["id"])
            else:
                self._begin(request)
        return 0

    def _prepare(self) -> None:
        """Chroma's client takes a second to import, half a minute on a busy machine: not within a search's limit."""
        self._server.prepare()
        self._say(0, "prepared")

    def _begin(self, request: dict[str, Any]) -> None:
        place, addresses = self._places["vectors" if request["do"] == "vectors" else "llm"]
        exchange = Exchange(place, addresses, self._limits)
        with self._guard:
            # Known before its thread runs: a cancel that comes at once must find it.
            if len(self._running) >= MOST:
                self._say(request["id"], "failed", detail=f"has {MOST} requests of ours already")
                return
            self._running[request["id"]] = exchange
        threading.Thread(target=self._work, args=(request, exchange), daemon=True).start()

    def _work(self, request: dict[str, Any], exchange: Exchange) -> None:
        number = request["id"]

        def tell(kind: str, **values: Any) -> None:
            self._say(number, kind, **values)

        try:
            if "seconds" in request:  # for all of it, however many requests of HTTP that takes
                late = "takes too long to count tokens" if request["do"] == "count" else f"gives no answer within {request['seconds']:g} s"
                exchange.expect(request["seconds"], late)
            match request["do"]:
                case "describe":
                    tell("described", **self._engine.describe(exchange, request["model"]))
                case "count":
                    tell("counts", counts=[self._engine.count(exchange, prompt) for prompt in request["prompts"]])
                case "write":
                    self._engine.write(exchange, request, tell)
                case "vectors":
                    tell("result", result=self._server.call(request, exchange))
        except Failed as error:
            tell("failed", detail=str(error))
        except MemoryError:
            tell("failed", detail="sends more than this machine can hold")
        except Exception as error:  # whatever rubbish made of our code, this process goes on
            tell("failed", detail=f"answers what nobody here understands ({type(error).__name__})")
        finally:
            with self._guard:
                self._running.pop(number, None)

    def _cancel(self, number: int) -> None:
        with self._guard:
            exchange = self._running.get(number)
        if exchange is not None:
            exchange.end("was asked to stop")

    def _watch(self) -> None:
        """Ends what takes too long: a timeout of the socket would begin anew with each byte that drips in."""
        while True:
            time.sleep(_GLANCE)
            with self._guard:
                running = list(self._running.values())
            for exchange in running:
                if reason := exchange.expired:
                    exchange.end(reason)

    def _send_for_chroma(self, exchange: Any, method: str, path: str, headers: Mapping[str, str], body: bytes) -> tuple[int, dict[str, str], bytes]:
        """One request of Chroma's own client, by way of the guard. Raises Failed."""
        with exchange.request(method, path, headers, body or None) as response:
            return response.status, {"Content-Type": response.getheader("Content-Type", "")}, exchange.whole(response)

    def _say(self, number: int, kind: str, **values: Any) -> None:
        with self._sending:
            self._replies.write(encode({"is": kind, "id": number, **values}))
            self._replies.flush()


def main() -> int:
    # What a library prints must not break the protocol.
    replies = os.fdopen(os.dup(1), "wb")
    os.dup2(2, 1)
    signal.signal(signal.SIGINT, signal.SIG_IGN)  # Ctrl+C is for the parent, which then ends us
    return Broker(sys.stdin.buffer, replies).run()


if __name__ == "__main__":
    code = main()
    os._exit(code)  # threads may wait for the other end; nothing here needs tidying
