"""The same questions through the plain pipeline of scripts/reference_pipeline."""

from __future__ import annotations

import statistics
import time
from collections.abc import Sequence
from dataclasses import dataclass
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
