"""`python -m scripts.benchmark`: measures everything, prints the tables, writes docs/benchmarks.md. About a quarter of an hour on two quiet cores.

With `--only PART` one part is measured, and the other's figures stay as they are in the report.
"""

from __future__ import annotations

import argparse
import sys
import tempfile
import time
from pathlib import Path

from scripts.benchmark import carrying, machine, measures, report
from scripts.benchmark.documents import make_folder
from scripts.benchmark.texts import facts
from scripts.reference_pipeline.models import NotFetched, unpack

PARTS = ("answering", "carrying")


def main() -> int:
    parser = argparse.ArgumentParser(prog="python -m scripts.benchmark", description=__doc__)
    parser.add_argument("--only", choices=PARTS, help="measure one part; the other stays as it is in the report")
    parser.add_argument("--data", type=Path, help="a folder with text files to take the sentences from, instead of made-up ones")
    parser.add_argument("--output", type=Path, default=machine.ROOT / "docs" / "benchmarks.md")
    parser.add_argument("--rounds", type=int, default=3)
    parser.add_argument("--scale", type=float, default=1.0, help="size of the folder; below 1 only to try the benchmark out")
    given = parser.parse_args()
    wanted = (given.only,) if given.only else PARTS
    hindrance = carrying.hindrance() if "carrying" in wanted else None
    if hindrance:
        parser.error(hindrance)
    made = dict(zip(PARTS, report.parts(given.output.read_text(encoding="utf-8") if given.output.exists() else ""), strict=True))
    with tempfile.TemporaryDirectory(prefix="haversack-bench-") as temporary:
        work = Path(temporary)
        try:
            unpack(work / "models")
        except NotFetched as error:
            print(error, file=sys.stderr)
            return 1
        for part in wanted:
            folder = work / part
            folder.mkdir()
            made[part] = _answering(folder, work / "models", given) if part == "answering" else _carrying(folder, work / "models", given)
    given.output.write_text(report.joined(*made.values()), encoding="utf-8")
    _say(f"Written to {given.output.name}")
    return 0


def _answering(work: Path, models: Path, given: argparse.Namespace) -> str:
    """Speed, memory and size, with documents and questions."""
    started = time.perf_counter()
    _say("Making documents")
    known = facts(120)
    documents = make_folder(work / "documents", known, scale=given.scale, data=given.data)
    about, copying = machine.describe(), machine.copy_speed()
    bench = measures.Bench(work, models, documents, known, given.rounds, given.data)
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
    return report.document(rows, about, bench.notes, time.perf_counter() - started, copying)


def _carrying(work: Path, models: Path, given: argparse.Namespace) -> str:
    """Files, bytes, copying and starting, on sticks."""
    _say("Carrying")
    rows, notes = carrying.measure(work, models, given.rounds)
    print(report.table(rows))
    return report.carrying(rows, notes)


def _say(what: str) -> None:
    print(f"{what} …", file=sys.stderr, flush=True)


if __name__ == "__main__":
    sys.exit(main())
