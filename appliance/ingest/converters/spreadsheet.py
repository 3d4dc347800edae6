"""XLSX by openpyxl, as values: a heading a sheet, a line a row."""

from __future__ import annotations

import datetime
import warnings
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import openpyxl

from appliance.documents import Conversion
from appliance.ingest.archive import Archive, is_xml
from appliance.ingest.converters.builder import Builder, conversion
from appliance.ingest.converters.table import add_tables


def read(path: Path, name: str) -> Conversion:
    page = Builder()
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # openpyxl warns of every extension that it leaves out
        book = openpyxl.load_workbook(Archive(path).checked(is_xml), read_only=True, data_only=True, keep_links=False)
        for sheet in book.worksheets:
            page.heading(sheet.title, 1)
            sheet.reset_dimensions()  # what the file says of its size may be wrong, and then rows are missing
            add_tables(page, _rows(sheet))
    properties = book.properties
    metadata = {"author": properties.creator or "", "subject": properties.subject or "", "keywords": properties.keywords or ""}
    metadata["author"] = "" if metadata["author"] == "openpyxl" else metadata["author"]
    return conversion("xlsx", page, title=properties.title or "", metadata=metadata, reader="openpyxl")


def _rows(sheet: Any) -> Iterator[list[str]]:
    for cells in sheet.iter_rows(values_only=True):
        yield [_shown(value) for value in cells]


def _shown(value: object) -> str:
    if value is None:
        return ""
    if isinstance(value, bool):
        return "TRUE" if value else "FALSE"
    if isinstance(value, float):
        return str(int(value)) if value.is_integer() and abs(value) < 1e15 else f"{value:.15g}"
    if isinstance(value, datetime.datetime):
        return value.date().isoformat() if value.time() == datetime.time() else value.isoformat(" ", "minutes")
    return value.isoformat() if isinstance(value, datetime.date | datetime.time) else str(value)
