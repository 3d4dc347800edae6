"""What is measured, each in one function: both sides in turn, so that a busy moment of the machine hits both."""

from __future__ import annotations

import http.client
import json
import statistics
import sys
from collections.abc import Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import numpy

from scripts.benchmark import machine
from scripts.benchmark.client import Client
from scripts.benchmark.processes import Scales, Server, Side, free_port
from scripts.benchmark.texts import Fact, passages

LARGE = 20_000
COLLECTION = "field"


@dataclass(frozen=True, slots=True)
class Row:
    """One line of the table. Figures in `unit`; `gain` is how many times better ours is."""

    what: str
    unit: str
    ours: float
    theirs: float
    target: str
    reached: bool

    @property
    def gain(self) -> float:
        return self.theirs / self.ours if self.ours else float("inf")


@dataclass(slots=True)
class Bench:
    """Where things are, what is asked, and what was seen besides the rows."""

    work: Path
    models: Path
    documents: Sequence[Path]
    facts: Sequence[Fact]
    rounds: int
    data: Path | None = None
    notes: dict[str, Any] = field(default_factory=dict)

    @property
    def folder(self) -> Path:
        return self.documents[0].parent

    def side(self, name: str, folder: str) -> Side:
        return Side(name, self.work / folder, self.models, self.work / f"{name}.log")


def ingest(bench: Bench) -> Row:
    """The mixed folder, models loaded, into a new collection each time. What it leaves behind is what the later measures ask."""
    ours, theirs = [], []
    letter = bench.work / "warm"
    letter.mkdir()
    small = min(bench.documents, key=lambda path: path.stat().st_size if "letter" in path.name else 1 << 40)
    (letter / small.name).write_bytes(small.read_bytes())
    with bench.side("ours", "home") as mine, bench.side("theirs", "chroma") as plain:
        mine("ingest", folder=str(letter), name="warm-up")
        plain("ingest", folder=str(letter), name="warm-up")
        for number in range(bench.rounds):
            name = COLLECTION if number == 0 else f"{COLLECTION}-{number}"
            first = mine("ingest", folder=str(bench.folder), name=name)
            second = plain("ingest", folder=str(bench.folder), name=name if number else "documents")
            ours.append(first["seconds"])
            theirs.append(second["seconds"])
    bench.notes |= {"pages": first["pages"], "our_chunks": first["chunks"], "their_chunks": second["chunks"]}
    return _row(f"Ingest of a mixed folder ({first['pages']} pages of PDF)", "s", ours, theirs, "≥ 3×", 3)


def retrieval(bench: Bench) -> tuple[Row, Row]:
    """Evidence for questions on 20,000 chunks: the same texts and vectors on both sides, questions in turn."""
    texts, vectors, base = bench.work / "large.json", bench.work / "large.npy", bench.work / "base.npy"
    every = passages(LARGE, bench.data)
    sample = bench.work / "sample.json"
    sample.write_text(json.dumps(every[:1000]))
    texts.write_text(json.dumps(every))
    with bench.side("ours", "home-large") as mine, bench.side("theirs", "chroma-large") as plain:
        embedding = mine("embed", texts=str(sample), into=str(base))["seconds"]
        # Real vectors for each text would take torch minutes: those of a thousand, moved a little, lie as real ones do.
        few, noise = numpy.load(base), numpy.random.default_rng(5)
        rows = few[noise.integers(0, len(few), LARGE)] + noise.normal(0, 0.02, (LARGE, few.shape[1])).astype(numpy.float32)
        numpy.save(vectors, rows / numpy.linalg.norm(rows, axis=1, keepdims=True))
        index = mine("fill", texts=str(texts), vectors=str(vectors))
        plain("fill", texts=str(texts), vectors=str(vectors))
        ours, theirs = [], []
        questions = [fact.question for fact in bench.facts[:10]]
        for question in [questions[0], *questions * max(1, bench.rounds)]:
            ours.append(mine("retrieve", question=question, name="large")["seconds"] * 1000)
            theirs.append(plain("retrieve", question=question, name="large")["seconds"] * 1000)
    ours, theirs = ours[1:], theirs[1:]
    bench.notes |= {"index": index["index"], "index_seconds": index["seconds"], "embedded_a_second": 1000 / embedding}
    bench.notes["multiply_ms"] = 1000 * machine.multiply_time(LARGE, 384)
    bench.notes["evidence_slowest_ms"] = max(ours)
    what = "Evidence for a question on 20,000 chunks"
    mine_ms = statistics.median(ours)
    return _row(what, "ms", ours, theirs, "≥ 5×", 5), Row(f"{what}, in itself", "ms", mine_ms, statistics.median(theirs), "≤ 30 ms", mine_ms <= 30)


def conversation(bench: Bench) -> Row:
    """The first token of a second question, with the first one's answer as history."""
    ours, theirs, speeds = [], [], []
    with bench.side("ours", "home") as mine, bench.side("theirs", "chroma") as plain:
        for fact in bench.facts[: max(2, 2 * bench.rounds)]:
            first = mine("converse", first=fact.question, second=fact.follow_up, name=COLLECTION)
            second = plain("converse", first=fact.question, second=fact.follow_up, name="documents")
            if first["seconds"] is None or second["seconds"] is None:
                continue  # a refusal, or a model that has nothing to say: there is no first token
            ours.append(first["seconds"])
            theirs.append(second["seconds"])
            if first["tokens"] > 8 and first["writing"] > 0:
                speeds.append(first["tokens"] / first["writing"])
    bench.notes |= {"pairs": len(ours), "tokens_a_second": statistics.median(speeds) if speeds else None}
    return _row("First token of a second question", "s", ours, theirs, "≥ 3×", 3)


def start(bench: Bench) -> tuple[Row, Row]:
    """From the start of the process until the page answers, and until the first question has its evidence."""
    pages: tuple[list[float], list[float]] = ([], [])
    firsts: tuple[list[float], list[float]] = ([], [])
    question = bench.facts[0].question
    for _ in range(bench.rounds):
        port = free_port()
        with Server(_serve(bench.work / "home", port), bench.work / "ours.log") as server:
            pages[0].append(server.until_it_answers(port))
            client = Client(port)
            collection = next(one["id"] for one in client.get("/api/collections")["collections"] if one["name"] == COLLECTION)
            for name, _, _ in client.ask(collection, question):
                if name == "evidence_ready":
                    firsts[0].append(server.seconds)
                    break
        port = free_port()
        with Server(_plain(bench, port), bench.work / "theirs.log") as server:
            pages[1].append(server.until_it_answers(port))
            _post(port, "/retrieve", question)
            firsts[1].append(server.seconds)
    bench.notes["python_start"] = machine.python_start()
    return (
        _row("Process start to page answering", "s", *pages, "≥ 8×", 8),
        _row("Process start to first evidence", "s", *firsts, "≥ 8×", 8),
    )


def memory(bench: Bench) -> Row:
    """The peak of all processes together: start, read one long PDF, answer a question."""
    long = max((path for path in bench.documents if path.stat().st_size > 0), key=lambda path: path.stat().st_size)
    question = bench.facts[0].question
    port = free_port()
    with Server(_serve(bench.work / "home-memory", port), bench.work / "ours.log") as server, Scales(server.process.pid) as ours:
        client = Client(port)
        collection = client.collection(COLLECTION)
        client.upload(collection, [long])
        for _ in client.ask(collection, question):
            pass
    port = free_port()
    with Server([*_plain(bench, port, "chroma-memory"), str(long)], bench.work / "theirs.log") as server, Scales(server.process.pid) as theirs:
        server.until_it_answers(port)
        _post(port, "/ask", question)
    return Row("Peak memory, all processes", "MB", ours.peak / 1e6, theirs.peak / 1e6, "≤ 0.6×", ours.peak <= 0.6 * theirs.peak)


def installed(bench: Bench) -> Row:
    """Bytes of the packages that each needs to run, models left out: they are the same."""
    ours, theirs = machine.installed_size(machine.ours()), machine.installed_size(machine.theirs())
    return Row("Installed size of what runs", "MB", ours / 1e6, theirs / 1e6, "≤ 0.4×", ours <= 0.4 * theirs)


def _row(what: str, unit: str, ours: Sequence[float], theirs: Sequence[float], target: str, times: float) -> Row:
    mine, plain = statistics.median(ours), statistics.median(theirs)
    return Row(what, unit, mine, plain, target, plain / mine >= times)


def _serve(home: Path, port: int) -> list[str]:
    return [sys.executable, "-m", "appliance.cli", "serve", "--home", str(home), "--port", str(port)]


def _plain(bench: Bench, port: int, folder: str = "chroma") -> list[str]:
    store = str(bench.work / folder)
    return [sys.executable, "-m", "scripts.reference_pipeline", "--folder", store, "--models", str(bench.models), "--port", str(port)]


def _post(port: int, path: str, question: str) -> None:
    connection = http.client.HTTPConnection("127.0.0.1", port, timeout=300)
    connection.request("POST", path, json.dumps({"question": question}), {"Content-Type": "application/json"})
    response = connection.getresponse()
    response.read()
    connection.close()
    if response.status != 200:
        raise RuntimeError(f"the plain pipeline answered {response.status}")
