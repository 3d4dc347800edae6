"""The table, for the terminal and for docs/benchmarks.md."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from typing import Any

from scripts.benchmark.measures import Row

_HEAD = ("What", "Haversack", "Plain pipeline", "Ratio", "Target", "Reached")
_GGUF_BYTES = 98_362_432
TITLE = "# Benchmarks"
CARRYING = "## Carried on a stick"
"""The head of the part that is measured by itself: the last one."""
_MIB = 1 << 20


def table(rows: Sequence[Row]) -> str:
    """A Markdown table, its columns padded to be read in a terminal too."""
    cells = [_HEAD, *(_cells(row) for row in rows)]
    widths = [max(len(line[index]) for line in cells) for index in range(len(_HEAD))]
    lines = ["| " + " | ".join(cell.ljust(width) for cell, width in zip(line, widths, strict=True)) + " |" for line in cells]
    return "\n".join([lines[0], "|" + "|".join("-" * (width + 2) for width in widths) + "|", *lines[1:]])


def document(rows: Sequence[Row], machine: Sequence[tuple[str, str]], notes: Mapping[str, Any], seconds: float, copying: float) -> str:
    """docs/benchmarks.md. `seconds` is how long the run took, `copying` the bytes a second that one thread copies."""
    paragraphs = [
        TITLE,
        "Written by `make bench`: Haversack beside the plain pipeline of `scripts/reference_pipeline`, which a Python developer writes\n"
        "in an afternoon with the same models (pypdf, recursive character splitter 1000/200, sentence-transformers on torch, Chroma,\n"
        "llama-cpp-python in process, top 4). Same documents, same questions, the two in turn, in one run.\n"
        f"This one took {seconds / 60:.0f} minutes; the figures are medians (rounds: {notes['rounds']}).",
        table(rows),
        _verdict(rows),
        "## The machine",
        _list(f"**{name}**: {value}" for name, value in machine),
        "## How each is measured",
        _list(_methods(notes)),
        "## How near to the machine's limits",
        _list(_limits(rows, notes, copying)),
    ]
    return "\n\n".join(paragraphs) + "\n"


def carrying(rows: Sequence[Row], notes: Mapping[str, Any]) -> str:
    """The part of docs/benchmarks.md that is about sticks."""
    paragraphs = [
        CARRYING,
        "The starter bundle with its Linux runtime beside the plain way to carry the same: a virtual environment with torch, copied. On exFAT\n"
        f"images of 16 GiB (clusters of 32 KiB) and 64 GiB (128 KiB), mounted by exfat-fuse. Day: {notes['day']}; load before: {notes['load']:.1f};\n"
        f"starts are medians (rounds: {notes['rounds']}). `python -m scripts.benchmark --only carrying` measures this part alone.",
        table(rows),
        _verdict(rows),
        _list(_carrying_methods(notes)),
    ]
    return "\n\n".join(paragraphs) + "\n"


def parts(text: str) -> tuple[str, str]:
    """A report in its two parts, either of which may be empty: what `document` made, and what `carrying` made."""
    first, head, second = text.partition(CARRYING)
    return first.strip(), (head + second).strip()


def joined(first: str, second: str) -> str:
    return "\n\n".join(filter(None, (first.strip() or TITLE, second.strip()))) + "\n"


def _verdict(rows: Sequence[Row]) -> str:
    missed = [row.what for row in rows if not row.reached]
    return f"Not reached in this run: {'; '.join(missed)}." if missed else "Every target was reached in this run."


def _methods(notes: Mapping[str, Any]) -> list[str]:
    return [
        "**Start**: a new process on a library that holds the folder below, until `GET /` is answered; then a question over HTTP at once, until its\n"
        "  evidence is there. The plain pipeline loads its models before it serves, as such programs do.",
        f"**Ingest**: {notes['pages']} pages in {notes['files']} files (letters, reports, two columns, tables, one long one, a page without\n"
        "  text, two damaged), models loaded and warm in both. Ours reads each file in a process of its own and ends when the documents are\n"
        "  durable and can be asked; Chroma's index is built after that, in the background.\n"
        f"  It makes {notes['our_chunks']} chunks, the plain pipeline {notes['their_chunks']}.",
        "**Evidence**: from question to passages, in process: embedding, keywords, vectors, fusion and merging on our side, embedding and Chroma on\n"
        "  the other. Both hold the same 20,000 texts and vectors (1,000 real ones, each moved a little, twenty times). Our vectors came from:\n"
        f"  {notes['index']}. The slowest of ours took {notes['evidence_slowest_ms']:.0f} ms.",
        '**Second question**: "When was the Goma clinic opened?", then "Who opened it?"; from the question to the first piece of text,\n'
        f"  {notes['pairs']} such pairs.",
        "**Memory**: the largest sum, over all processes, of proportional shares (PSS), ten times a second: start, the longest PDF read,\n"
        "  one question answered.",
        "**Size**: files of the installed packages that each needs, torch in its CPU build; compiled modules and the models left out.",
    ]


def _carrying_methods(notes: Mapping[str, Any]) -> list[str]:
    packed, all_of_it = notes["unpacked"] / _MIB, notes["runtime_blocks"] / _MIB
    written = " and ".join(f"{seconds:.1f} s" for seconds in notes["written"].values())
    forgotten = "the system's caches dropped" if notes["forgotten"] else "the system's caches kept, for it does not let them be dropped"
    return [
        f"**The plain way**: a virtual environment with the {notes['packages']} packages that the plain pipeline needs, by their metadata (torch in\n"
        "  its CPU build, compiled modules included), its program and the two models, in one folder. The standard library is not in it:\n"
        "  unlike ours, it starts only where the same Python is installed.",
        f"**Software**: the {notes['runtime_files']:,} files that the launcher unpacks to the local disk, our own code among them, after both\n"
        f"  starts; the plain way's environment. In whole blocks of 4 KiB ours take {all_of_it:.0f} MiB, {packed:.0f} of them for the interpreter\n"
        "  and its packages.",
        "**Bytes**: by how much the free space of an image shrinks. The files themselves are\n"
        f"  {notes['bundle'] / 1e6:,.0f} MB and {notes['plain'] / 1e6:,.0f} MB.",
        "**Copied**: `cp -r --preserve=timestamps` and `sync`, to an image on this machine's disk; a real stick adds the time to write those\n"
        "  bytes. (Without their times Python would compile all modules anew.) `haversack-bundle write`, which checks the bundle and reads\n"
        f"  everything back, took {written}.",
        f"**Starts**: from the image with clusters of {notes['started_from'] >> 10} KiB, mounted anew for each start and {forgotten}:\n"
        "  as after the machine was off. `sh start-linux.sh serve` in a home that was empty before the first, and the environment's own\n"
        "  Python on the stick; until `GET /` is answered. Our first start checks the software and unpacks it.",
    ]


def _limits(rows: Sequence[Row], notes: Mapping[str, Any], copying: float) -> list[str]:
    ingest = next(row.ours for row in rows if row.what.startswith("Ingest"))
    lines = [
        f"An empty Python program takes {1000 * notes['python_start']:.0f} ms to start and end; our page answers after {1000 * rows[0].ours:.0f} ms.",
        f"The embedder alone makes {notes['embedded_a_second']:.0f} vectors of 750-character passages a second; ingest makes\n"
        f"  {notes['our_chunks'] / ingest:.0f} chunks a second, reading, cutting and storing included.",
        f"Comparing a question with 20,000 vectors of 384 numbers takes {notes['multiply_ms']:.1f} ms in one multiplication: the least that exact\n"
        "  search costs.",
    ]
    speed = notes["tokens_a_second"]
    if speed:
        lines.append(
            f"The language model writes {speed:.0f} tokens a second and reads its {_GGUF_BYTES / 1e6:.0f} MB of weights for each:\n"
            f"  {speed * _GGUF_BYTES / 1e9:.1f} GB/s, beside the {copying / 1e9:.1f} GB/s that one thread copies."
        )
    return lines


def _list(lines: Iterable[str]) -> str:
    return "\n".join(f"- {line}" for line in lines)


def _cells(row: Row) -> tuple[str, ...]:
    """A target of speed ("≥ 8×") is compared with how many times faster ours is, any other with what part of the plain one's ours takes."""
    ratio = f"{row.gain:.1f}×" if row.target.startswith("≥") else _part(1 / row.gain)
    reached = ("yes" if row.reached else "NO") if row.target else ""
    return row.what, _figure(row.ours, row.unit), _figure(row.theirs, row.unit), ratio, row.target, reached


def _part(value: float) -> str:
    return f"{value:.2f}×" if value >= 0.01 else f"{value:.1g}×"


def _figure(value: float, unit: str) -> str:
    if unit == "s":
        return f"{value:.2f} {unit}"
    return f"{value:,.0f} {unit}" if value >= 100 or unit == "files" else f"{value:.1f} {unit}"
