"""Comparisons as a file to hand on: CSV for a spreadsheet, Markdown to read, JSON for programs.

A spreadsheet takes a cell that begins with =, +, - or @ for a formula, and an answer can quote one from a document: such a text gets an
apostrophe before it, which spreadsheets show as text.
"""

from __future__ import annotations

import csv
import io
import json
import re
from collections.abc import Sequence
from dataclasses import asdict
from typing import Any

from appliance.library.comparisons import Comparison, Figures, Result, Row, table
from appliance.library.export import plain

_FORMULA = re.compile(r"[\s\u200b\ufeff]*[=+\-@＝＋－＠\t\r\n]")
COLUMNS = (
    *("collection", "question", "created", "model", "title", "settings", "answer", "failure", "vote"),
    *("first_token_ms", "tokens_per_second", "supported_share", "sentences", "joules", "energy_method", "passages"),
)
FORMATS = {"csv": ".csv", "markdown": ".md", "json": ".json"}
"""What comparisons can be exported as, and how the name of such a file ends."""
_UNKNOWN = "–"


def as_json(comparison: Comparison) -> dict[str, Any]:
    """The documented form of a comparison; see docs/comparing.md."""
    return asdict(comparison)


def exported(comparisons: Sequence[Comparison], form: str) -> bytes:
    """The file, in one of FORMATS."""
    write = {"csv": exported_csv, "markdown": exported_markdown, "json": exported_json}[form]
    # A spreadsheet takes a CSV without the mark for the encoding of the country.
    return write(comparisons).encode("utf-8-sig" if form == "csv" else "utf-8", "replace")


def exported_json(comparisons: Sequence[Comparison]) -> str:
    whole = {"comparisons": [as_json(one) for one in comparisons], "table": [asdict(row) for row in table(comparisons)]}
    return json.dumps(whole, ensure_ascii=False, indent=1) + "\n"


def exported_csv(comparisons: Sequence[Comparison]) -> str:
    """A line for each question and contender, in RFC 4180's form; what isn't known is empty."""
    written = io.StringIO(newline="")
    writer = csv.writer(written)
    writer.writerow(COLUMNS)
    for one in comparisons:
        for index, result in enumerate(one.results):
            writer.writerow(_line(one, result, voted=one.vote == index))
    return written.getvalue()


def exported_markdown(comparisons: Sequence[Comparison]) -> str:
    """The table, then question by question. Signs of the texts are escaped: none of them becomes a heading, a link or an image."""
    parts = ["# Comparison", markdown_table(table(comparisons)), *([plain(known)] if (known := energy_in_words(comparisons)) else [])]
    for one in comparisons:
        parts.append(f"## {plain(one.question)}")
        if one.note:
            parts.append(f"*{plain(one.note)}*")
        for index, result in enumerate(one.results):
            parts.append(f"### {_who(result)}{' (voted for)' if one.vote == index else ''}")
            if result.failure:
                parts.append(f"*{plain(result.failure)}*")
            if result.answer is not None:
                parts += [plain(line) for line in result.answer.answer.splitlines() if line.strip()]
                parts += [f"*{plain(result.answer.note)}*"] if result.answer.note else []
            parts.append(f"{plain(figures_in_words(result.figures))}")
    return "\n\n".join(parts) + "\n"


def markdown_table(rows: Sequence[Row]) -> str:
    lines = [
        "| Model | Settings | Answers | Votes | Passages | First word | Tokens a second | Found in the documents | Energy |",
        "|---|---|--:|--:|--:|--:|--:|--:|--:|",
    ]
    for row in rows:
        cells = (plain(row.title or row.model), plain(row.settings or "its own"), str(row.answers), str(row.votes), *_in_words(row))
        lines.append(f"| {' | '.join(cells)} |")
    return "\n".join(lines)


def plain_table(rows: Sequence[Row]) -> str:
    """The table for a terminal, its columns under each other."""
    head = ("Model", "Settings", "Answers", "Passages", "First word", "Tokens/s", "Found", "Energy")
    lines = [head, *((row.title or row.model, row.settings or "its own", str(row.answers), *_in_words(row)) for row in rows)]
    widths = [max(len(line[column]) for line in lines) for column in range(len(head))]
    return "\n".join("  ".join(cell.ljust(width) for cell, width in zip(line, widths, strict=True)).rstrip() for line in lines)


def energy_in_words(comparisons: Sequence[Comparison]) -> str:
    """How the energy is known, and how far that can be trusted; empty where none is."""
    known = [result.answer.energy for one in comparisons for result in one.results if result.answer and result.answer.energy]
    if not known:
        return ""
    worst = max(energy.plus_minus for energy in known)
    return f"Energy: {'; '.join(dict.fromkeys(energy.method for energy in known))}, ± {100 * worst:.0f} %."


def figures_in_words(figures: Figures | Row) -> str:
    """ "First word after 0.4 s · 38.1 tokens a second · 100 % found in the documents · 12 J · from 6 passages"; what isn't known is left out."""
    passages, first, rate, share, joules = _in_words(figures)
    told = (
        (f"first word after {first}", first),
        (f"{rate} tokens a second", rate),
        (f"{share} found in the documents", share),
        (joules, joules),
        (f"from {passages} passage{'' if passages == '1' else 's'}", passages),
    )
    words = " · ".join(text for text, value in told if value != _UNKNOWN)
    return words[:1].upper() + words[1:]


def _in_words(figures: Figures | Row) -> tuple[str, str, str, str, str]:
    return (
        f"{figures.passages:g}" if figures.passages else _UNKNOWN,
        _UNKNOWN if figures.first_token_ms is None else f"{figures.first_token_ms / 1000:.2f} s",
        _UNKNOWN if figures.tokens_per_second is None else f"{figures.tokens_per_second:.1f}",
        _UNKNOWN if figures.supported_share is None else f"{100 * figures.supported_share:.0f} %",
        _UNKNOWN if figures.joules is None else f"{figures.joules:.1f} J",
    )


def _line(comparison: Comparison, result: Result, *, voted: bool) -> list[object]:
    answer, figures = result.answer, result.figures
    texts = (
        *(comparison.collection, comparison.question, comparison.created, result.contender.model, result.contender.title),
        *(result.contender.settings, answer.answer if answer else "", result.failure, "yes" if voted else ""),
    )
    numbers = (figures.first_token_ms, figures.tokens_per_second, figures.supported_share, figures.sentences, figures.joules)
    method = answer.energy.method if answer and answer.energy else ""
    cells = [*(harmless(text) for text in texts), *("" if number is None else round(number, 3) for number in numbers)]
    return [*cells, harmless(method), figures.passages or ""]


def harmless(text: str) -> str:
    """`text` as no spreadsheet takes it for a formula."""
    return f"'{text}" if _FORMULA.match(text) else text


def _who(result: Result) -> str:
    contender = result.contender
    return plain(contender.title or contender.model) + (f" ({plain(contender.settings)})" if contender.settings else "")
