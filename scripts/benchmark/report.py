"""The table, for the terminal and for docs/benchmarks.md."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from typing import Any

from scripts.benchmark.measures import Row

_HEAD = ("What", "Haversack", "Plain pipeline", "Ratio", "Target", "Reached")
_GGUF_BYTES = 98_362_432


def table(rows: Sequence[Row]) -> str:
    """A Markdown table, its columns padded to be read in a terminal too."""
    cells = [_HEAD, *(_cells(row) for row in rows)]
    widths = [max(len(line[index]) for line in cells) for index in range(len(_HEAD))]
    lines = ["| " + " | ".join(cell.ljust(width) for cell, width in zip(line, widths, strict=True)) + " |" for line in cells]
    return "\n".join([lines[0], "|" + "|".join("-" * (width + 2) for width in widths) + "|", *lines[1:]])


def document(rows: Sequence[Row], machine: Sequence[tuple[str, str]], notes: Mapping[str, Any], seconds: float, copying: float) -> str:
    """docs/benchmarks.md. `seconds` is how long the run took, `copying` the bytes a second that one thread copies."""
    missed = [row.what for row in rows if not row.reached]
    paragraphs = [
        "# Benchmarks",
        "Written by `make bench`: Haversack beside the plain pipeline of `scripts/reference_pipeline`, which a Python developer writes\n"
        "in an afternoon with the same models (pypdf, recursive character splitter 1000/200, sentence-transformers on torch, Chroma,\n"
        "llama-cpp-python in process, top 4). Same documents, same questions, the two in turn, in one run.\n"
        f"This one took {seconds / 60:.0f} minutes; the figures are medians (rounds: {notes['rounds']}).",
        table(rows),
        f"Not reached in this run: {'; '.join(missed)}." if missed else "Every target was reached in this run.",
        "## The machine",
        _list(f"**{name}**: {value}" for name, value in machine),
        "## How each is measured",
        _list(_methods(notes)),
        "## How near to the machine's limits",
        _list(_limits(rows, notes, copying)),
    ]
    return "\n\n".join(paragraphs) + "\n"


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
    ratio = "" if row.target.endswith(row.unit) else f"{row.gain:.1f}×" if row.target.startswith("≥") else f"{1 / row.gain:.2f}×"
    return row.what, _figure(row.ours, row.unit), _figure(row.theirs, row.unit), ratio, row.target, "yes" if row.reached else "NO"


def _figure(value: float, unit: str) -> str:
    return f"{value:.2f} {unit}" if unit == "s" else f"{value:.1f} {unit}" if value < 100 else f"{value:,.0f} {unit}"
