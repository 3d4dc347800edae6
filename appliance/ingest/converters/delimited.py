"""CSV and TSV: the dialect is sniffed, a line a row."""

from __future__ import annotations

import csv
import io
from pathlib import Path

from appliance.documents import Conversion
from appliance.ingest.converters.builder import Builder, conversion
from appliance.ingest.converters.plain import read_text
from appliance.ingest.converters.table import add_tables

_SAMPLE = 20_000
_LONGEST_CELL = 1_000_000


def read(path: Path, name: str) -> Conversion:
    text, encoding = read_text(path)
    delimiter = _delimiter(text)
    csv.field_size_limit(_LONGEST_CELL)
    page = Builder()
    rows = csv.reader(io.StringIO(text.replace("\0", ""), newline=""), delimiter=delimiter, strict=False)
    add_tables(page, rows)
    return conversion("csv", page, reader=f"csv, text in {encoding}")


def _delimiter(text: str) -> str:
    """The sign that parts the most lines into the same number of cells; csv's own sniffer takes letters for it now and then."""
    lines = [line for line in text[:_SAMPLE].splitlines()[:50] if line.strip()]
    best = (0, ",")
    for sign in (",", ";", "\t", "|"):
        counts = [len(cells) for cells in csv.reader(lines, delimiter=sign)]
        usual = max(set(counts), key=counts.count) if counts else 1
        if usual > 1:
            best = max(best, (counts.count(usual) * 100 + usual, sign), key=lambda pair: pair[0])
    return best[1]
