"""Uploads in the background, one after the other: staged on disk first, so that a kill or a restart loses none.

A job goes through the same `Ingest` as the command line. What was durable before a kill is "unchanged" after it.
"""

from __future__ import annotations

import threading
from collections.abc import Callable, Iterable
from contextlib import suppress
from dataclasses import dataclass, field
from pathlib import Path
from typing import Literal

from appliance.documents import IngestLine
from appliance.errors import HaversackError, NoSuchCollection, NotThere
from appliance.ingest.inbox import Inbox, StagedJob, Stream
from appliance.ingest.pipeline import Ingest, IngestProgress
from appliance.ingest.sources import Source

JobStatus = Literal["waiting", "running", "done", "cancelled", "stopped"]

_OVER: tuple[JobStatus, ...] = ("done", "cancelled")
_REMEMBERED = 50
"""Jobs that are through and whose lines can still be asked for; the ledger has them for ever."""
_PATIENCE = 5.0
"""Seconds that `close` waits for the document under way; the batch being embedded takes about one."""


@dataclass(frozen=True, slots=True)
class JobState:
    id: str
    collection: str
    status: JobStatus
    """`stopped` is an error that concerns the whole library (a full disk): `resume` goes on, and so does a restart."""
    files: int
    lines: tuple[IngestLine, ...]
    progress: IngestProgress | None
    """None until it runs."""
    ahead: int
    """Jobs that come before it."""
    reason: str | None = None


@dataclass(slots=True)
class _Job:
    staged: StagedJob
    password: str | None = None
    status: JobStatus = "waiting"
    lines: list[IngestLine] = field(default_factory=list)
    progress: IngestProgress | None = None
    reason: str | None = None
    cancel: threading.Event = field(default_factory=threading.Event)
    cancelled: bool = False
    """By the user. `cancel` alone is also set where the appliance closes, and then the job goes on after the next start."""


Measure = Callable[[], Callable[[int, float], None]]


def unmeasured() -> Callable[[int, float], None]:
    return lambda read, workers: None


class Jobs:
    """One thread that works through the uploads. Safe to call from many threads."""

    def __init__(self, ingest: Ingest, inbox: Path, after: Callable[[int], None] = lambda collection_id: None, measure: Measure = unmeasured) -> None:
        """Begin with what the last process left. `after(collection_id)` is called when a job has changed a collection.

        `measure` begins to measure what reading takes, and what it returns is told at the end how many documents were read, and the processor
        seconds of the workers that did.
        """
        self._ingest = ingest
        self._inbox = Inbox(inbox)
        self._after = after
        self._measure = measure
        self._changed = threading.Condition()
        self._closing = False
        self._jobs = {staged.id: _Job(staged, lines=list(staged.lines)) for staged in self._inbox.unfinished()}
        self._thread = threading.Thread(target=self._work, name="jobs", daemon=True)
        self._thread.start()

    def submit(self, collection: str, files: Iterable[tuple[str, Stream]], *, password: str | None = None, expected: int = 0) -> str:
        """Take an upload and return its job's id; the files are durable then. `expected`: how many bytes will come, 0 where unknown.

        The password is for encrypted files and is kept in memory only. Raises BadRequest, DiskFull, LibraryReadOnly.
        """
        staged = self._inbox.stage(collection, files, expected)
        with self._changed:
            self._jobs[staged.id] = _Job(staged, password)
            self._changed.notify_all()
        return staged.id

    def state(self, job_id: str) -> JobState:
        """Raises NotThere."""
        with self._changed:
            return self._state(self._job(job_id))

    def all(self) -> tuple[JobState, ...]:
        """Every job that is known, the oldest first."""
        with self._changed:
            return tuple(self._state(job) for job in self._jobs.values())

    def cancel(self, job_id: str) -> None:
        """Stop a job. Documents that are stored stay, the rest of its files goes. Raises NotThere."""
        with self._changed:
            job = self._job(job_id)
            if job.status in _OVER:
                return
            job.cancelled = True
            job.cancel.set()
            if job.status != "running":
                self._finish(job, "cancelled")

    def resume(self, job_id: str) -> None:
        """Go on with a job that was stopped by an error. Raises NotThere."""
        with self._changed:
            job = self._job(job_id)
            if job.status == "stopped":
                job.status, job.reason = "waiting", None
                self._changed.notify_all()

    def close(self) -> None:
        """Stop after the document under way at the latest; what is left goes on when the appliance starts again."""
        with self._changed:
            self._closing = True
            for job in self._jobs.values():
                job.cancel.set()
            self._changed.notify_all()
        self._thread.join(_PATIENCE)

    def _work(self) -> None:
        while True:
            with self._changed:
                while not self._closing and not any(job.status == "waiting" for job in self._jobs.values()):
                    self._changed.wait()
                if self._closing:
                    return
                job = next(job for job in self._jobs.values() if job.status == "waiting")
                job.status = "running"
            try:
                self._run(job)
            except HaversackError as error:
                # Its collection is gone by the user's will: bringing it back with the rest of the upload would be against it.
                self._finish(job, "cancelled" if isinstance(error, NoSuchCollection) else "stopped", str(error))
            except Exception as error:  # the thread must live on for the next upload
                self._finish(job, "stopped", f"Something unforeseen happened ({type(error).__name__}: {error}).")

    def _run(self, job: _Job) -> None:
        left = job.staged.left
        sources = [Source(file.path, file.name, optional="/" in file.name) for file in left]
        lines = self._ingest.run(sources, job.staged.collection, password=job.password, cancel=job.cancel, on_progress=lambda p: self._note(job, p))
        read, before, ends = 0, self._ingest.processor_seconds, self._measure()
        try:
            for file, line in zip(left, lines, strict=False):
                self._inbox.through(job.staged, file, line)
                read += line.status in ("indexed", "partial")
                with self._changed:
                    job.lines.append(line)
        finally:
            lines.close()
            ends(read, self._ingest.processor_seconds - before)
            with suppress(NoSuchCollection):
                self._after(self._ingest.library.collection(job.staged.collection).id)
        self._finish(job, "cancelled" if job.cancelled else "waiting" if job.cancel.is_set() else "done")

    def _note(self, job: _Job, progress: IngestProgress) -> None:
        with self._changed:
            job.progress = progress

    def _finish(self, job: _Job, status: JobStatus, reason: str | None = None) -> None:
        with self._changed:
            job.status, job.reason = status, reason
            if status in _OVER:
                job.password = None
                self._inbox.discard(job.staged.id)
            for old in [job for job in self._jobs.values() if job.status in _OVER][:-_REMEMBERED]:
                del self._jobs[old.staged.id]

    def _job(self, job_id: str) -> _Job:
        if job_id not in self._jobs:
            raise NotThere(detail="There is no such upload any more. The ledger of its collection says what was read.")
        return self._jobs[job_id]

    def _state(self, job: _Job) -> JobState:
        before = [other for key, other in self._jobs.items() if key < job.staged.id and other.status in ("waiting", "running")]
        ahead = len(before) if job.status == "waiting" else 0
        files = len(job.staged.files)
        return JobState(job.staged.id, job.staged.collection, job.status, files, tuple(job.lines), job.progress, ahead, job.reason)
