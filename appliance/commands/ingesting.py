"""`haversack ingest`: files and folders into a collection, a line for each document once it is durable."""

from __future__ import annotations

import argparse
import getpass
import json
import sys
import threading
import time
from collections.abc import Iterable, Sequence
from pathlib import Path
from typing import Any

from appliance.config import Settings
from appliance.documents import IngestLine
from appliance.ingest.pipeline import IngestProgress
from appliance.ingest.sources import Source, find_sources
from appliance.offline.seal import Seal
from appliance.printable import counted, printable
from appliance.runtime import Appliance, open_appliance

_SIGNS = {"indexed": "read    ", "partial": "in part ", "failed": "FAILED  ", "unchanged": "as it was", "skipped": "skipped "}


def ingest(settings: Settings, given: argparse.Namespace) -> int:
    sources = find_sources([Path(path) for path in given.paths])
    seal = Seal.without_counting()
    seal.close_network()
    appliance = open_appliance(settings, write=True, purpose="ingest", seal=seal)
    for sentence in appliance.trust.notices:
        print(sentence, file=sys.stderr)
    show = _Progress(enabled=sys.stderr.isatty())
    try:
        locked, failed = _run(appliance, sources, given, given.password, show)
        while locked and sys.stdin.isatty() and not given.json:
            password = getpass.getpass(f"Password for {printable(locked[0].name)} (empty to leave it out): ")
            if not password:
                break
            again, failures = _run(appliance, locked, given, password, show)
            failed += failures - len(locked)
            locked = again if len(again) < len(locked) else locked[1:]
    finally:
        appliance.close()
    return 1 if failed else 0


def line_as_json(line: IngestLine) -> dict[str, Any]:
    """The documented form of one document's line; `reason` only where it isn't simply indexed."""
    data: dict[str, Any] = {
        "document": line.document,
        "status": line.status,
        "pages": line.pages,
        "pages_unread": [{"page": unread.page, "reason": unread.reason} for unread in line.pages_unread],
        "chunks": line.chunks,
    }
    if line.reason:
        data["reason"] = line.reason
    return data


def _run(
    appliance: Appliance, sources: Sequence[Source], given: argparse.Namespace, password: str | None, show: _Progress
) -> tuple[list[Source], int]:
    """One pass over the sources: those that ask for a password, and how many failed (those included)."""
    by_name = {source.name: source for source in sources}
    locked: list[Source] = []
    failed = 0
    read, before, ends = 0, appliance.ingest.processor_seconds, appliance.account.reading()
    try:
        for line in appliance.ingest.run(sources, given.collection, password=password, cancel=threading.Event(), on_progress=show):
            show.clear()
            read += line.status in ("indexed", "partial")
            if line.status == "failed":
                failed += 1
                if line.reason and "--password" in line.reason and line.document in by_name:
                    locked.append(by_name[line.document])
            if given.json:
                print(json.dumps(line_as_json(line), ensure_ascii=False), flush=True)
            else:
                print_line(line)
    finally:
        ends(read, appliance.ingest.processor_seconds - before)
    return locked, failed


def print_line(line: IngestLine) -> None:
    counts = f"{counted(line.pages, 'page')}, {counted(line.chunks, 'passage')}" if line.chunks else ""
    print("  ".join(part for part in (_SIGNS[line.status], printable(line.document), counts, line.reason or "") if part), flush=True)
    if line.status in ("indexed", "partial"):
        for reason, pages in _grouped(line):
            print(f"          not read: {pages}: {reason}")


def _grouped(line: IngestLine) -> Iterable[tuple[str, str]]:
    """Unread pages by reason, since a scanned book has a hundred of one kind."""
    reasons: dict[str, list[str]] = {}
    for unread in line.pages_unread:
        reasons.setdefault(unread.reason, []).append("the whole text" if unread.page is None else str(unread.page))
    for reason, pages in reasons.items():
        shown = ", ".join(pages[:12]) + (f" and {len(pages) - 12} more" if len(pages) > 12 else "")
        yield reason, shown if pages[0] == "the whole text" else f"page {shown}"


class _Progress:
    """One line on a terminal's stderr, rewritten at most five times a second."""

    def __init__(self, *, enabled: bool) -> None:
        self._enabled = enabled
        self._shown = 0.0

    def __call__(self, progress: IngestProgress) -> None:
        now = time.monotonic()
        if not self._enabled or now - self._shown < 0.2:
            return
        self._shown = now
        left = "" if progress.seconds_left is None else f", about {_duration(progress.seconds_left)} left"
        documents = counted(progress.documents_total, "document")
        rate = f"{progress.pages_per_second:.0f} pages a second" if progress.pages_per_second else "starting"
        print(
            f"\r\033[K{progress.documents_done} of {documents}, {counted(progress.pages_done, 'page')}, {rate}{left}",
            end="",
            file=sys.stderr,
            flush=True,
        )

    def clear(self) -> None:
        if self._enabled and self._shown:
            print("\r\033[K", end="", file=sys.stderr, flush=True)


def _duration(seconds: float) -> str:
    return f"{seconds:.0f} s" if seconds < 90 else f"{seconds / 60:.0f} min"
