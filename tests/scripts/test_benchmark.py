"""The benchmark's own parts: what it measures with must be sound. Nothing is timed here."""

from __future__ import annotations

import os
from pathlib import Path

import pypdf
import pytest

from scripts.benchmark import machine
from scripts.benchmark.documents import make_folder
from scripts.benchmark.measures import Row
from scripts.benchmark.processes import weigh
from scripts.benchmark.report import document, table
from scripts.benchmark.texts import facts, passages, sentences

ROWS = [
    Row("Process start to page answering", "s", 0.5, 10.0, "≥ 8×", True),
    Row("Ingest of a mixed folder", "s", 10.0, 20.0, "≥ 3×", False),
    Row("Peak memory", "MB", 300.0, 1200.0, "≤ 0.6×", True),
    Row("Evidence, in itself", "ms", 12.0, 90.0, "≤ 30 ms", True),
]


def test_the_table_says_what_was_reached_and_by_how_much() -> None:
    lines = table(ROWS).splitlines()
    assert [cell.strip() for cell in lines[2].split("|")[1:-1]] == ["Process start to page answering", "0.50 s", "10.00 s", "20.0×", "≥ 8×", "yes"]
    assert [cell.strip() for cell in lines[3].split("|")[4:-1]] == ["2.0×", "≥ 3×", "NO"]
    assert [cell.strip() for cell in lines[4].split("|")[2:-1]] == ["300 MB", "1,200 MB", "0.25×", "≤ 0.6×", "yes"]
    assert [cell.strip() for cell in lines[5].split("|")[4:-1]] == ["0.13×", "≤ 30 ms", "yes"]


def test_the_report_names_what_was_missed_and_the_machine() -> None:
    notes = {
        **dict.fromkeys(("pages", "files", "our_chunks", "their_chunks", "pairs", "rounds"), 3),
        **dict.fromkeys(("python_start", "embedded_a_second", "multiply_ms", "tokens_a_second", "evidence_slowest_ms"), 4.0),
        "index": "chroma",
    }
    text = document(ROWS, [("Processor", "a slow one")], notes, 300.0, 1e10)
    assert "Not reached in this run: Ingest of a mixed folder." in text
    assert "- **Processor**: a slow one" in text
    assert table(ROWS) in text


def test_the_folder_is_mixed_and_holds_the_facts_that_are_asked_for(tmp_path: Path) -> None:
    known = facts(12)
    made = make_folder(tmp_path, known, scale=0.1)
    text = " ".join(
        " ".join(page.extract_text() for page in pypdf.PdfReader(path).pages) for path in made if path.stem.startswith(("report", "survey"))
    )
    assert known[0].sentence in " ".join(text.split())
    assert {path.stem.partition("-")[0] for path in made} == {"report", "paper", "accounts", "survey", "letter", "scan", "torn", "noise"}
    with pytest.raises(pypdf.errors.PyPdfError):
        pypdf.PdfReader(tmp_path / "noise.pdf")


def test_texts_are_the_same_on_every_machine_and_can_come_from_data(tmp_path: Path) -> None:
    assert passages(3) == passages(3)
    assert len({fact.question for fact in facts(120)}) == 120
    (tmp_path / "one.txt").write_text("This is a sentence that is long enough to be taken. And here is another one, which is as long. " * 3)
    assert next(sentences(1, tmp_path)).startswith(("This is a sentence", "And here is another"))


def test_sizes_follow_what_each_side_needs() -> None:
    ours, theirs = machine.ours(), machine.theirs()
    assert "torch" not in ours
    assert {"torch", "transformers", "chromadb", "pypdf"} <= theirs
    assert {"onnxruntime", "pypdfium2", "chromadb", "llama-cpp-python"} <= ours
    assert 0 < machine.installed_size({"flask"}) < machine.installed_size({"flask", "pypdf"})


def test_a_process_is_weighed_with_its_children() -> None:
    assert weigh(os.getpid()) > 1 << 20
    assert weigh(2**22 + 5) == 0
