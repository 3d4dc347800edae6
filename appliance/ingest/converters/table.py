"""Rows of cells → lines of text: each row says what its cells are where the table has a header."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence

from appliance.ingest.converters.builder import Builder, row
from appliance.ingest.hygiene import line

_WIDEST = 200
"""Columns. A sheet can have 16,384, and a line of such a row is nothing anybody reads."""


def add_tables(page: Builder, rows: Iterable[Sequence[str]]) -> None:
    """Add the tables in `rows`: an empty row ends one. Under a header a row reads "Name: Ada | Born: 1815", else "Ada | 1815"."""
    for table in _tables(rows):
        header = _header(table)
        if header is None:
            page.rows(table)
            continue
        page.paragraph(row(header))
        page.paragraph("\n".join(filter(None, (_named(header, cells) for cells in table[1:]))))


def _tables(rows: Iterable[Sequence[str]]) -> Iterator[list[Sequence[str]]]:
    table: list[Sequence[str]] = []
    for cells in rows:
        kept = cells[:_WIDEST]
        if any(cell.strip() for cell in kept):
            table.append(kept)
        elif table:
            yield table
            table = []
    if table:
        yield table


def _header(table: Sequence[Sequence[str]]) -> list[str] | None:
    """The first row, where it can be one: two names or more, all different, none a number, over rows of values."""
    names = [line(cell, 80) for cell in table[0]]
    while names and not names[-1]:
        names.pop()
    good = len(names) >= 2 and all(names) and len(set(names)) == len(names) and not any(_is_number(name) for name in names)
    return names if good and len(table) > 1 else None


def _named(header: Sequence[str], cells: Sequence[str]) -> str:
    cleaned = [line(cell, 10_000) for cell in cells]
    parts = [f"{name}: {cell}" for name, cell in zip(header, cleaned, strict=False) if cell]
    return " | ".join(parts + [cell for cell in cleaned[len(header) :] if cell])


def _is_number(text: str) -> bool:
    return not any(letter.isalpha() for letter in text)
