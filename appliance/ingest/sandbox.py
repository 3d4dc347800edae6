"""Has untrusted files read by worker processes, one for each document, and believes nothing that they say unchecked.

A worker that crashes, takes too long or too much is ended, and the file's reason says so. Of a PDF, the pages read before
that are kept: a new worker goes on, with pypdf for the page in question, and without that page if that fails too.
"""

from __future__ import annotations

import base64
import binascii
import os
import threading
import time
from collections.abc import Mapping
from dataclasses import replace
from pathlib import Path
from typing import Any

from appliance.documents import Conversion, Page
from appliance.errors import FileUnreadable
from appliance.ingest import wire
from appliance.ingest.converters.reasons import IN_PART, NOT_READ
from appliance.ingest.limits import PAGES, SECONDS, SECONDS_PER_PAGE, SILENCE
from appliance.ingest.process import Nursery, Spawner, Worker, suffix_of

Box = tuple[float, float, float, float]

_CRASHED = "the reader crashed"
_STOPPED = "reading was stopped"
_DEATHS = 6
"""Workers that one document may cost: three pages that kill both readers."""
_RENDER_SECONDS = 30.0
_STARTED = 2.0
"""Processor seconds that a spawned worker may have used while it waited for its document: Python's start and the imports."""


class Sandbox:
    """Reads documents and draws their pages in worker processes. Safe for several threads; nothing is started before it is needed."""

    def __init__(
        self,
        *,
        seconds: float = SECONDS,
        seconds_per_page: float = SECONDS_PER_PAGE,
        silence: float = SILENCE,
        processes: Nursery | Spawner | None = None,
    ) -> None:
        """Workers are forked from a nursery where the system can, else spawned."""
        self._seconds = seconds
        self._seconds_per_page = seconds_per_page
        self._silence = silence
        self._used = 0.0
        self._counting = threading.Lock()
        self._processes = processes or (Nursery() if Nursery.works_here() else Spawner())

    def convert(self, path: Path, *, name: str, password: str | None = None, cancel: threading.Event | None = None) -> Conversion:
        """Read the file at `path`; `name` is the document's name, whose suffix counts where the content leaves its kind open.

        Raises FileUnreadable (also when `cancel` is set while it is read), PasswordNeeded, KindUnknown.
        """
        reading = _Reading(time.monotonic() + self._seconds)
        request: dict[str, object] = {"task": "convert", "path": str(path.absolute()), "name": name, "password": password}
        for _ in range(_DEATHS):
            read = [page.text for page in reading.pages]
            trouble = self._read(reading, {**request, "read": read, "stand_in": reading.stand_in}, name, cancel)
            if reading.ended:
                return reading.conversion()
            if trouble == _STOPPED or not reading.kind:
                raise FileUnreadable(detail=_sentence(trouble))
            if reading.kind != "pdf":
                raise FileUnreadable(detail=_sentence(trouble))
            reading.died(trouble)
            if len(reading.pages) == reading.count or time.monotonic() > reading.deadline:
                break
        return reading.given_up(trouble)

    @property
    def processor_seconds(self) -> float:
        """What the workers that read documents have used so far, by their own account: the system tells it of no child that the nursery forked."""
        with self._counting:
            return self._used

    def render(self, path: Path, page_number: int, width: int, *, password: str | None = None) -> bytes:
        """Page `page_number` of a PDF, from 1, as a PNG `width` pixels wide. Raises FileUnreadable, PasswordNeeded."""
        reply = self._ask({"task": "render", "path": str(path.absolute()), "page": page_number, "width": width, "password": password})
        try:
            png = base64.b64decode(wire.text(reply.get("png"), 64 << 20), validate=True)
        except (wire.Untrustworthy, binascii.Error, ValueError) as error:
            raise FileUnreadable(detail=_sentence(_CRASHED)) from error
        if not png.startswith(b"\x89PNG\r\n\x1a\n"):
            raise FileUnreadable(detail=_sentence(_CRASHED))
        return png

    def boxes(self, path: Path, page_number: int, start: int, end: int, *, password: str | None = None) -> list[Box]:
        """Where the text start:end of a PDF's page stands: (x0, y0, x1, y1) a line, as fractions of the page from its top left corner.

        Empty where the text was not read by pdfium. Raises FileUnreadable, PasswordNeeded.
        """
        reply = self._ask({"task": "boxes", "path": str(path.absolute()), "page": page_number, "start": start, "end": end, "password": password})
        try:
            return wire.boxes(reply.get("boxes"))
        except wire.Untrustworthy as error:
            raise FileUnreadable(detail=_sentence(_CRASHED)) from error

    def close(self) -> None:
        self._processes.close()

    def _worker(self, name: str) -> Worker:
        try:
            return self._processes.worker(suffix_of(name))
        except OSError:
            if isinstance(self._processes, Spawner):
                raise
        # A system that lets nothing be forked or passed on: fresh interpreters do as well, only slower.
        self._processes.close()
        self._processes = Spawner()
        return self._processes.worker(suffix_of(name))

    def _read(self, reading: _Reading, request: Mapping[str, object], name: str, cancel: threading.Event | None) -> str:
        """Take what one worker says of the file into `reading`; why it ended before its time, "" where it did not."""
        worker, began, used = self._worker(name), time.monotonic(), 0.0
        watch = _Watch(worker, reading, self._silence, cancel)
        try:
            if not worker.begin(request):
                return watch.reason or _CRASHED
            while not reading.ended:
                message = wire.receive(worker.replies)
                if message is None:
                    return watch.reason or _CRASHED
                watch.heard()
                used = wire.seconds(message.get("used", 0), _STARTED + (time.monotonic() - began) * (os.cpu_count() or 1))
                reading.take(message, self._seconds, self._seconds_per_page)
        except wire.Untrustworthy:
            return _CRASHED
        finally:
            watch.close()
            worker.close()
            with self._counting:
                self._used += used
        return ""

    def _ask(self, request: Mapping[str, object]) -> Mapping[str, object]:
        """One question, one reply."""
        reading = _Reading(time.monotonic() + _RENDER_SECONDS)
        worker = self._worker("page.pdf")
        watch = _Watch(worker, reading, _RENDER_SECONDS, None)
        try:
            reply = wire.receive(worker.replies) if worker.begin(request) else None
            if reply is None:
                raise FileUnreadable(detail=_sentence(watch.reason or _CRASHED))
            if "error" in reply:
                raise wire.error(reply["error"])
            return reply
        except wire.Untrustworthy as error:
            raise FileUnreadable(detail=_sentence(_CRASHED)) from error
        finally:
            watch.close()
            worker.close()


class _Reading:
    """What is known of one document so far; grows with the frames of one worker after another."""

    def __init__(self, deadline: float) -> None:
        self.started = time.monotonic()
        self.deadline = deadline
        self.kind = ""
        self.count = 0
        self.numbered = False
        self.pages: list[Page] = []
        self.stand_in = ""
        self.ended: dict[str, object] | None = None
        self._stood_in: dict[int, str] = {}
        self._tried: set[int] = set()

    def take(self, message: Mapping[str, Any], seconds: float, seconds_per_page: float) -> None:
        """Raises the IngestError that a worker reports, and Untrustworthy where it says what can't be."""
        if "error" in message:
            raise wire.error(message["error"])
        if "begin" in message:
            begin = wire.fields(message["begin"])
            kind, count = wire.text(begin.get("kind"), 20), wire.number(begin.get("pages"), PAGES)
            if self.kind and (kind, count) != (self.kind, self.count):
                raise wire.Untrustworthy("another document")
            self.kind, self.count, self.numbered = kind, count, begin.get("numbered") is True
            if kind == "pdf":
                self.deadline = self.started + seconds + seconds_per_page * count
        elif "page" in message and self.kind and len(self.pages) < self.count:
            number = len(self.pages) + 1
            page, stood_in = wire.page(message["page"], number if self.numbered else None)
            if stood_in:
                self._stood_in[number] = stood_in
            self.pages.append(page)
            self.stand_in = ""
        elif "end" in message and self.kind and len(self.pages) == self.count:
            end = wire.fields(message["end"])
            self._check(end)
            self.ended = end
        else:
            raise wire.Untrustworthy("a frame out of order")

    def died(self, trouble: str) -> None:
        """The worker is gone while it read the next page: that page gets a second chance with pypdf, and no third."""
        position = len(self.pages)
        if position in self._tried or position == self.count:
            self.stand_in = ""
            if position < self.count:
                self.pages.append(Page(position + 1, "", None, f"{NOT_READ}{trouble}"))
        else:
            self._tried.add(position)
            self.stand_in = f"pdfium failed: {trouble}"

    def given_up(self, trouble: str) -> Conversion:
        """What was read before the workers died; the pages that were not carry the reason."""
        for position in range(len(self.pages), self.count):
            self.pages.append(Page(position + 1, "", None, f"{NOT_READ}{trouble}"))
        return Conversion(self.kind, tuple(self.pages), reader=self._reader("pypdfium2", f"outline not read: {trouble}"))

    def conversion(self) -> Conversion:
        end = self.ended or {}
        labels = wire.labels(end.get("labels"), self.pages)
        damaged = wire.positions(end.get("damaged"), self.pages)
        reasons = [IN_PART if position in damaged and page.text else page.reason for position, page in enumerate(self.pages)]
        pages = tuple(replace(page, label=label, reason=why) for page, label, why in zip(self.pages, labels, reasons, strict=True))
        reader = self._reader(wire.text(end.get("reader"), 500), wire.text(end.get("note"), 2000))
        headings = wire.headings(end.get("headings"), self.pages)
        return Conversion(self.kind, pages, wire.text(end.get("title"), 300), headings, wire.strings(end.get("metadata")), reader)

    def _check(self, end: Mapping[str, object]) -> None:
        self.ended = dict(end)
        try:
            self.conversion()
        finally:
            self.ended = None

    def _reader(self, reader: str, note: str) -> str:
        """ "pypdfium2; pypdf for page 3, 7: pdfium found no text" """
        by_reason: dict[str, list[int]] = {}
        for number, reason in self._stood_in.items():
            by_reason.setdefault(reason, []).append(number)
        parts = [reader]
        for reason, numbers in by_reason.items():
            shown = ", ".join(map(str, numbers[:10])) + (" …" if len(numbers) > 10 else "")
            parts.append(f"pypdf for page {shown}: {reason}")
        return "; ".join([*parts, note] if note else parts)[:1000]


class _Watch:
    """Ends a worker that takes too long, says nothing for too long, or isn't wanted any more."""

    def __init__(self, worker: Worker, reading: _Reading, silence: float, cancel: threading.Event | None) -> None:
        self.reason = ""
        self._worker = worker
        self._reading = reading
        self._silence = silence
        self._cancel = cancel
        self._last = time.monotonic()
        self._done = threading.Event()
        self._thread = threading.Thread(target=self._run, name="sandbox-watch", daemon=True)
        self._thread.start()

    def heard(self) -> None:
        self._last = time.monotonic()

    def close(self) -> None:
        self._done.set()
        self._thread.join()

    def _run(self) -> None:
        while not self._done.wait(0.05):
            now = time.monotonic()
            # A document without pages is silent until it is read; its clock is the whole one.
            silent = self._reading.kind == "pdf" and now - self._last > self._silence
            if self._cancel is not None and self._cancel.is_set():
                self.reason = _STOPPED
            elif now > self._reading.deadline:
                self.reason = f"reading took longer than {self._reading.deadline - self._reading.started:.0f} s"
            elif silent:
                self.reason = f"reading took longer than {self._silence:.0f} s"
            if self.reason:
                self._worker.kill()


def _sentence(reason: str) -> str:
    return f"{reason[:1].upper()}{reason[1:]}." if reason == _STOPPED else f"This file can't be read: {reason}."
