"""Both sides behind one set of calls, each in a process of its own: `python -m scripts.benchmark.contenders SIDE FOLDER MODELS`.

A request is a line of JSON on stdin, `{"do": NAME, …}`; the answer is one on stdout. Times are taken inside, with the models loaded.
"""

from __future__ import annotations

import json
import os
import sys
import threading
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any, Protocol

import numpy

SPLIT = 100
"""Passages in one document of the large store."""


class Contender(Protocol):
    """What is measured. Times in seconds."""

    def ingest(self, folder: str, name: str) -> dict[str, Any]: ...
    def fill(self, texts: str, vectors: str) -> dict[str, Any]: ...
    def retrieve(self, question: str, name: str) -> dict[str, Any]: ...
    def converse(self, first: str, second: str, name: str) -> dict[str, Any]: ...
    def close(self) -> None: ...


class Ours:
    def __init__(self, folder: Path, models: Path) -> None:
        from appliance.config import load_settings
        from appliance.offline import environment
        from appliance.offline.seal import Seal
        from appliance.runtime import open_appliance

        environment.prepare()
        seal = Seal.without_counting()
        self._appliance = open_appliance(load_settings({"home": folder}, os.environ), write=True, purpose="benchmark", seal=seal, serving=True)
        seal.close_network()
        self._appliance.embedder().embed_query("warm")
        self._appliance.generator().start()

    def ingest(self, folder: str, name: str) -> dict[str, Any]:
        from appliance.ingest.sources import find_sources

        sources = find_sources([Path(folder)])
        started = time.perf_counter()
        lines = list(self._appliance.ingest.run(sources, name, cancel=threading.Event()))
        seconds = time.perf_counter() - started
        return {"seconds": seconds, "chunks": sum(line.chunks for line in lines), "pages": sum(line.pages for line in lines)}

    def embed(self, texts: str, into: str) -> dict[str, Any]:
        """Vectors for passages, saved to a file: both stores get the same ones."""
        passages = json.loads(Path(texts).read_text())
        started = time.perf_counter()
        vectors = self._appliance.embedder().embed_documents(passages)
        seconds = time.perf_counter() - started
        numpy.save(into, vectors)
        return {"seconds": seconds}

    def fill(self, texts: str, vectors: str) -> dict[str, Any]:
        from appliance.documents import Conversion, Page, Passage

        passages, rows = json.loads(Path(texts).read_text()), numpy.load(vectors)
        collection = self._appliance.library.ensure_collection("large")
        for start in range(0, len(passages), SPLIT):
            batch = passages[start : start + SPLIT]
            pages = tuple(Page(number, text) for number, text in enumerate(batch, start=1))
            self._appliance.library.add_document(
                collection.id,
                name=f"large-{start:06d}.txt",
                sha256=f"{start:064x}",
                size=sum(map(len, batch)),
                original=None,
                conversion=Conversion("pdf", pages),
                passages=[Passage(position, position + 1, 0, len(text), text) for position, text in enumerate(batch)],
                vectors=rows[start : start + SPLIT],
            )
        started = time.perf_counter()
        vectors_index: Any = self._appliance.vectors
        vectors_index.refresh(collection.id)
        while vectors_index.state(collection.id) == "building" and time.perf_counter() - started < 180:
            time.sleep(0.2)
        return {"seconds": time.perf_counter() - started, "index": vectors_index.state(collection.id)}

    def retrieve(self, question: str, name: str) -> dict[str, Any]:
        collection = self._appliance.library.collection(name).id
        started = time.perf_counter()
        result = self._appliance.asker.search(question, collection)
        return {"seconds": time.perf_counter() - started, "found": len(result.evidence)}

    def converse(self, first: str, second: str, name: str) -> dict[str, Any]:
        from appliance.documents import Answer, Delta, Finished, Turn

        collection = self._appliance.library.collection(name).id

        def ask(question: str, history: list[Turn]) -> tuple[Answer, float | None]:
            started, first_token = time.perf_counter(), None
            for event in self._appliance.asker.ask(question, collection, history=history, cancel=threading.Event()):
                if isinstance(event, Delta) and first_token is None:
                    first_token = time.perf_counter() - started
                if isinstance(event, Finished):
                    return event.answer, first_token
            raise AssertionError("the ask pipeline ends with Finished")

        answer, _ = ask(first, [])
        later, first_token = ask(second, [Turn(first, answer.searched_for, answer.answer)])
        writing = (later.timings.total - (later.timings.first_token or 0)) / 1000
        return {"seconds": first_token, "tokens": later.completion_tokens, "writing": writing, "answer": later.answer}

    def close(self) -> None:
        self._appliance.close()


class Theirs:
    def __init__(self, folder: Path, models: Path) -> None:
        from scripts.reference_pipeline.models import unpack
        from scripts.reference_pipeline.pipeline import Reference

        self._reference = Reference(folder, unpack(models))
        self._reference.add([("warm.txt", None, "warm")])

    def ingest(self, folder: str, name: str) -> dict[str, Any]:
        self._reference.use(name)
        paths = sorted(Path(folder).iterdir())
        started = time.perf_counter()
        chunks = self._reference.ingest(paths)
        return {"seconds": time.perf_counter() - started, "chunks": chunks}

    def fill(self, texts: str, vectors: str) -> dict[str, Any]:
        passages = json.loads(Path(texts).read_text())
        self._reference.use("large")
        started = time.perf_counter()
        self._reference.store(
            [(f"large-{index // SPLIT:06d}.txt", index % SPLIT + 1, text) for index, text in enumerate(passages)], numpy.load(vectors)
        )
        return {"seconds": time.perf_counter() - started}

    def retrieve(self, question: str, name: str) -> dict[str, Any]:
        self._reference.use(name)
        started = time.perf_counter()
        found = self._reference.retrieve(question)
        return {"seconds": time.perf_counter() - started, "found": len(found)}

    def converse(self, first: str, second: str, name: str) -> dict[str, Any]:
        self._reference.use(name)
        answer, _ = self._reference.ask(first)
        started, first_token, pieces = time.perf_counter(), None, []
        for piece in self._reference.stream(second, self._reference.retrieve(second), [(first, answer)]):
            if piece and first_token is None:
                first_token = time.perf_counter() - started
            pieces.append(piece)
        writing = time.perf_counter() - started - (first_token or 0)
        return {"seconds": first_token, "tokens": len([piece for piece in pieces if piece]), "writing": writing, "answer": "".join(pieces)}

    def close(self) -> None:
        self._reference.close()


def main() -> None:
    # What libraries print must not get between the answers.
    answers = os.fdopen(os.dup(1), "w")
    os.dup2(2, 1)
    side, folder, models = sys.argv[1], Path(sys.argv[2]), Path(sys.argv[3])
    contender: Any = {"ours": Ours, "theirs": Theirs}[side](folder, models)
    print(json.dumps({"ready": side}), file=answers, flush=True)
    for line in sys.stdin:
        request = json.loads(line)
        action: Callable[..., dict[str, Any]] = getattr(contender, request.pop("do"))
        print(json.dumps(action(**request)), file=answers, flush=True)
    contender.close()


if __name__ == "__main__":
    main()
