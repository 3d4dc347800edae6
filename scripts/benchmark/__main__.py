"""`python -m scripts.benchmark`: measures everything, prints the table, writes docs/benchmarks.md. About ten minutes on two quiet cores."""

from __future__ import annotations

import argparse
import sys
import tempfile
import time
from pathlib import Path

from scripts.benchmark import machine, measures, report
from scripts.benchmark.documents import make_folder
from scripts.benchmark.texts import facts
from scripts.reference_pipeline.models import NotFetched, unpack


def main() -> int:
    parser = argparse.ArgumentParser(prog="python -m scripts.benchmark", description=__doc__)
    parser.add_argument("--data", type=Path, help="a folder with text files to take the sentences from, instead of made-up ones")
    parser.add_argument("--output", type=Path, default=machine.ROOT / "docs" / "benchmarks.md")
    parser.add_argument("--rounds", type=int, default=3)
    parser.add_argument("--scale", type=float, default=1.0, help="size of the folder; below 1 only to try the benchmark out")
    given = parser.parse_args()
    started = time.perf_counter()
    with tempfile.TemporaryDirectory(prefix="haversack-bench-") as temporary:
        work = Path(temporary)
        _say("Making documents")
        known = facts(120)
        documents = make_folder(work / "documents", known, scale=given.scale, data=given.data)
        try:
            unpack(work / "models")
        except NotFetched as error:
            print(error, file=sys.stderr)
            return 1
        about, copying = machine.describe(), machine.copy_speed()
        bench = measures.Bench(work, work / "models", documents, known, given.rounds, given.data)
        bench.notes |= {"files": len(documents), "rounds": given.rounds}
        _say("Ingest")
        ingest = measures.ingest(bench)
        _say("Start")
        starts = measures.start(bench)
        _say("Second question")
        conversation = measures.conversation(bench)
        _say("Evidence on 20,000 chunks")
        evidence = measures.retrieval(bench)
        _say("Memory")
        memory = measures.memory(bench)
        rows = [*starts, ingest, *evidence, conversation, memory, measures.installed(bench)]
    print(report.table(rows))
    given.output.write_text(report.document(rows, about, bench.notes, time.perf_counter() - started, copying), encoding="utf-8")
    _say(f"Written to {given.output.name}")
    return 0


def _say(what: str) -> None:
    print(f"{what} …", file=sys.stderr, flush=True)


if __name__ == "__main__":
    sys.exit(main())
