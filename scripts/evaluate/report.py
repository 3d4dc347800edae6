"""The figures, each with its target beside it, as docs/evaluation.md."""

from __future__ import annotations

import os
import platform
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path


@dataclass(frozen=True, slots=True)
class Row:
    what: str
    split: str
    figure: float
    target: float | None = None
    at_most: bool = False
    """The target is an upper bound."""
    digits: int = 3

    @property
    def reached(self) -> str:
        if self.target is None:
            return ""
        return "yes" if (self.figure <= self.target if self.at_most else self.figure >= self.target) else "**no**"


@dataclass(frozen=True, slots=True)
class Table:
    title: str
    text: str
    rows: Sequence[Row]


@dataclass(frozen=True, slots=True)
class Grid:
    """A table of figures with names for its columns."""

    title: str
    text: str
    columns: Sequence[str]
    rows: Sequence[tuple[str, Sequence[float]]]


HEAD = """# Evaluation

Made by `python -m scripts.evaluate --data DIR` (`make evaluate`) on {when}, with the models of the {profile} profile ({models}), on
{machine}. Everything was tuned on squad's dev files only; each figure names the split it is from. Nothing else was looked at while tuning.

- hit@k: one of the first k passages overlaps the gold paragraph. nDCG@10 as trec_eval has it.
- Gold answer present: one of the gold answers is in the text, case and spacing aside.
- Refusals: `other-article` questions are about articles that aren't there; `same-article` questions look right and have no answer.
"""


def render(parts: Sequence[Table | Grid], *, profile: str, models: str) -> str:
    blocks = [HEAD.format(when=datetime.now(UTC).date(), profile=profile, models=models, machine=machine()).rstrip()]
    blocks += [_table(part) if isinstance(part, Table) else _grid(part) for part in parts]
    return "\n\n".join(blocks) + "\n"


def _table(table: Table) -> str:
    lines = ["| What | Split | Figure | Target | Reached |", "|---|---|---|---|---|"]
    for row in table.rows:
        target = "" if row.target is None else f"{'≤' if row.at_most else '≥'} {row.target:g}"
        lines.append(f"| {row.what} | {row.split} | {row.figure:.{row.digits}f} | {target} | {row.reached} |")
    return "\n\n".join(part for part in (f"## {table.title}", table.text, "\n".join(lines)) if part)


def _grid(grid: Grid) -> str:
    lines = [f"| | {' | '.join(grid.columns)} |", "|---|" + "---|" * len(grid.columns)]
    lines += [f"| {name} | {' | '.join(f'{figure:.3f}' for figure in figures)} |" for name, figures in grid.rows]
    return "\n\n".join(part for part in (f"## {grid.title}", grid.text, "\n".join(lines)) if part)


def machine() -> str:
    name = platform.processor() or platform.machine()
    cpuinfo = Path("/proc/cpuinfo")
    if cpuinfo.is_file():
        models = [line.partition(":")[2].strip() for line in cpuinfo.read_text().splitlines() if line.startswith("model name")]
        name = models[0] if models else name
    return f"{os.cpu_count()} cores of {name}, {platform.system()}, Python {platform.python_version()}"
