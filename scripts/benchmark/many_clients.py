"""Fifty programs at once, each with a key of its own, and the page asked meanwhile: waiting, memory, and whether anybody is starved.

`python -m scripts.benchmark.many_clients [--clients 50] [--tokens 32]` starts a server on a new library with dist/starter, and prints a table.
"""

from __future__ import annotations

import argparse
import http.client
import json
import statistics
import sys
import tempfile
import threading
import time
from dataclasses import dataclass, field
from itertools import pairwise
from pathlib import Path

import psutil

from appliance.access.keys import Keys
from scripts.benchmark.client import Client
from scripts.benchmark.processes import Server, environment, free_port

BUNDLE = Path(__file__).resolve().parents[2] / "dist" / "starter"
NOTES = "The north well was tested on 3 March and is safe. The south well was closed on 9 March for chlorination.\n" * 20
_EVERY = 0.1


@dataclass
class Asked:
    """What one client lived through. Seconds from its request on."""

    status: int = 0
    places: list[int] = field(default_factory=list)
    first: float = 0.0
    whole: float = 0.0
    pieces: int = 0
    error: str = ""


class Memory:
    """Resident bytes of the server's process and of its children (the engine), sampled."""

    def __init__(self, pid: int) -> None:
        self._process = psutil.Process(pid)
        self.peak = (0, 0)
        self.most_threads = 0

    def now(self) -> tuple[int, int]:
        children = 0
        for child in self._process.children(recursive=True):
            try:
                children += child.memory_info().rss
            except psutil.NoSuchProcess:
                continue
        found = (self._process.memory_info().rss, children)
        self.peak = (max(self.peak[0], found[0]), max(self.peak[1], found[1]))
        self.most_threads = max(self.most_threads, self._process.num_threads())
        return found


def ask(port: int, key: str, model: str, number: int, tokens: int, asked: Asked) -> None:
    body = {"model": model, "stream": True, "max_tokens": tokens, "messages": [{"role": "user", "content": f"Tell me about the number {number}."}]}
    connection = http.client.HTTPConnection("127.0.0.1", port, timeout=900)
    began = time.perf_counter()
    try:
        connection.request("POST", "/v1/chat/completions", json.dumps(body), {"Authorization": f"Bearer {key}", "Content-Type": "application/json"})
        answer = connection.getresponse()
        asked.status = answer.status
        for line in answer:
            if line.startswith(b": ") and line.endswith(b" before you\n"):
                asked.places.append(int(line.split()[1]))
            elif line.startswith(b"data: {") and json.loads(line[6:]).get("choices", [{}])[0:1]:
                text = json.loads(line[6:])["choices"][0].get("delta", {}).get("content")
                if text:
                    asked.pieces += 1
                    asked.first = asked.first or time.perf_counter() - began
        asked.whole = time.perf_counter() - began
    except (OSError, ValueError, KeyError, http.client.HTTPException) as error:
        asked.error = repr(error)
    finally:
        connection.close()


def watch(client: Client, collection: int, memory: Memory, over: threading.Event, taken: dict[str, list[float]]) -> None:
    """Ask for what the page shows, again and again, as somebody does who uses it meanwhile."""
    while not over.is_set():
        for name, call in (
            ("status", lambda: client.get("/api/status")),
            ("documents", lambda: client.get(f"/api/collections/{collection}/documents")),
            ("search", lambda: client.post(f"/api/collections/{collection}/search", {"query": "Which well is safe?"})),
        ):
            began = time.perf_counter()
            call()
            taken[name].append(time.perf_counter() - began)
        memory.now()
        over.wait(_EVERY)


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--clients", type=int, default=50)
    parser.add_argument("--tokens", type=int, default=32)
    parser.add_argument("--rounds", type=int, default=3, help="one after the other on the same server: memory must not grow from one to the next")
    given = parser.parse_args()
    with tempfile.TemporaryDirectory() as folder:
        home, notes = Path(folder) / "home", Path(folder) / "notes.md"
        notes.write_text(NOTES, encoding="utf-8")
        keys = [Keys(home).add(f"client {number}") for number in range(given.clients)]
        port = free_port()
        command = [sys.executable, "-m", "appliance.cli", "serve", "--home", str(home), "--bundle", str(BUNDLE), "--port", str(port)]
        with Server(command, Path(folder) / "log", {**environment(), "DISPLAY": ""}) as server:
            server.until_it_answers(port)
            client = Client(port)
            collection = client.collection("notes")
            client.upload(collection, [notes])
            while set(client.get("/api/status")["readiness"].values()) != {"ready"}:
                time.sleep(0.2)
            model = str(client.get("/api/models")["purposes"]["answering"])
            ask(port, keys[0], model, 0, given.tokens, Asked())
            for number in range(given.rounds):
                print(f"\nRound {number + 1}")
                show(given.clients, measure(given.clients, given.tokens, port, keys, model, client, collection, Memory(server.process.pid)))
    return 0


def measure(
    clients: int, tokens: int, port: int, keys: list[str], model: str, client: Client, collection: int, memory: Memory
) -> tuple[list[Asked], dict[str, list[float]], dict[str, list[float]], list[tuple[int, int]], int, float]:
    """Those asked, the page's seconds alone and meanwhile, resident bytes before, at most and after, most threads, seconds of all."""
    alone: dict[str, list[float]] = {"status": [], "documents": [], "search": []}
    meanwhile: dict[str, list[float]] = {name: [] for name in alone}
    quiet, over = threading.Event(), threading.Event()
    watching = threading.Thread(target=watch, args=(client, collection, memory, quiet, alone))
    watching.start()
    time.sleep(5)
    quiet.set()
    watching.join()
    before = memory.now()
    asked = [Asked() for _ in range(clients)]
    threads = [threading.Thread(target=ask, args=(port, keys[number], model, number, tokens, asked[number])) for number in range(clients)]
    watching = threading.Thread(target=watch, args=(client, collection, memory, over, meanwhile))
    began = time.perf_counter()
    for thread in [watching, *threads]:
        thread.start()
    time.sleep(3)  # by now all of them wait
    question: dict[str, float] = {}
    for name, _, passed in client.ask(collection, "Which well is safe?"):
        question.setdefault(name, passed)
    meanwhile["a question's evidence"] = [question["evidence_ready"]]
    meanwhile["a question's first word"] = [question.get("delta", 0.0)]
    meanwhile["a question's whole answer"] = [question["kept"]]
    for thread in threads:
        thread.join()
    seconds = time.perf_counter() - began
    over.set()
    watching.join()
    time.sleep(2)
    return asked, alone, meanwhile, [before, memory.peak, memory.now()], memory.most_threads, seconds


def show(clients: int, found: tuple[list[Asked], dict[str, list[float]], dict[str, list[float]], list[tuple[int, int]], int, float]) -> None:
    asked, alone, meanwhile, memory, threads, seconds = found
    whole = [one for one in asked if one.status == 200 and one.pieces and not one.error]
    print(f"{clients} clients at once: {len(whole)} answered whole in {seconds:.1f} s, {clients - len(whole)} not")
    for one in asked:
        if one not in whole:
            print(f"  not: status {one.status}, {one.pieces} pieces, {one.error}")
    told = [one for one in whole if one.places]
    most = max((place for one in told for place in one.places), default=0)
    rise = max((later - earlier for one in told for earlier, later in pairwise(one.places)), default=0)
    print(f"told their place: {len(told)}, from {most} before them down; it rose by at most {rise} at a time, say for the page")
    firsts = sorted(one.first for one in whole)
    print(f"first word after: {firsts[0]:.1f} s, median {statistics.median(firsts):.1f} s, last {firsts[-1]:.1f} s")
    print("page, ms | alone p50 | alone p95 | meanwhile p50 | meanwhile p95 | meanwhile most | asked")
    for name in alone:
        low, high = sorted(alone[name]), sorted(meanwhile[name])
        figures = (at(low, 0.5), at(low, 0.95), at(high, 0.5), at(high, 0.95), high[-1])
        print(f"{name} | " + " | ".join(f"{1000 * figure:.0f}" for figure in figures) + f" | {len(high)}")
    for name in [name for name in meanwhile if name not in alone]:
        print(f"{name}, asked on the page while all waited: {meanwhile[name][0]:.2f} s")
    for name, (server, engine) in zip(("before", "peak", "after"), memory, strict=True):
        print(f"memory {name}: server {server / 1e6:.0f} MB, engine {engine / 1e6:.0f} MB")
    print(f"threads of the server at most: {threads}")


def at(values: list[float], share: float) -> float:
    return values[min(len(values) - 1, int(share * len(values)))]


if __name__ == "__main__":
    sys.exit(main())
