"""The same questions through the plain pipeline of scripts/reference_pipeline."""

from __future__ import annotations

import hashlib
import json
import statistics
import tempfile
import time
from collections.abc import Sequence
from dataclasses import asdict, dataclass
from pathlib import Path

from scripts.evaluate.corpora import Asked
from scripts.evaluate.end_to_end import holds


@dataclass(frozen=True, slots=True)
class Plain:
    generated: float
    """The gold answer is in what the model writes."""
    passages: float
    """… in one of the four passages that it was given."""
    total: float
    """Median milliseconds."""


def ask_plain_once(data: Path, questions: Sequence[Asked], cache: Path) -> Plain:
    """`ask_plain`, kept in `cache` for as long as neither the plain pipeline nor the questions change: it takes a quarter of an hour."""
    file = cache / f"plain-{_key(questions)}.json"
    if file.is_file():
        return Plain(**json.loads(file.read_text(encoding="utf-8")))
    with tempfile.TemporaryDirectory() as folder:
        found = ask_plain(data, questions, Path(folder))
    file.write_text(json.dumps(asdict(found)), encoding="utf-8")
    return found


def _key(questions: Sequence[Asked]) -> str:
    sources = sorted((Path(__file__).resolve().parent.parent / "reference_pipeline").glob("*.py"))
    of = hashlib.sha256(b"\0".join(path.read_bytes() for path in sources))
    of.update("\n".join(asked.question for asked in questions).encode())
    return of.hexdigest()[:16]


def ask_plain(data: Path, questions: Sequence[Asked], folder: Path) -> Plain:
    """`folder`: an empty one. Raises NotFetched where the models' wheels are not in the builder's cache."""
    from scripts.reference_pipeline.models import unpack  # torch takes half a minute to import: only when asked for
    from scripts.reference_pipeline.pipeline import Reference

    reference = Reference(folder / "chroma", unpack(folder / "models"))
    reference.ingest(sorted((data / "squad" / "articles").glob("*.txt")))
    generated, passages, times = [], [], []
    for asked in questions:
        started = time.perf_counter()
        text, given = reference.ask(asked.question)
        times.append(1000 * (time.perf_counter() - started))
        generated.append(holds(text, asked.answers))
        passages.append(holds("\n".join(passage.text for passage in given), asked.answers))
    reference.close()
    return Plain(statistics.mean(generated), statistics.mean(passages), statistics.median(times))
