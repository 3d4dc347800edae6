"""Uploads in the background: staged durably, in order, resumed after a stop, gone when they are through."""

from __future__ import annotations

import io
import shutil
import threading
import time
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from appliance.documents import Conversion, Page
from appliance.errors import BadRequest, DiskFull, KindUnknown, NotThere
from appliance.ingest.inbox import Inbox
from appliance.ingest.jobs import Jobs, JobState, Measure, unmeasured
from appliance.ingest.pipeline import Converts, Ingest
from appliance.ingest.sandbox import Sandbox
from appliance.library.store import Library
from appliance.models.embedder import Embedder


@pytest.fixture
def library(home: Path) -> Iterator[Library]:
    with Library.open(home, write=True, purpose="test") as library:
        yield library


@pytest.fixture
def inbox(home: Path) -> Path:
    return home / "inbox"


@pytest.fixture
def start(library: Library, embedder: Embedder, inbox: Path) -> Iterator[Callable[..., Jobs]]:
    """Starts Jobs over the real library and embedder; all are closed at the end."""
    started: list[Jobs] = []

    def start(sandbox: Converts | None = None, after: Callable[[int], None] = lambda collection_id: None, measure: Measure = unmeasured) -> Jobs:
        jobs = Jobs(Ingest(library, lambda: embedder, sandbox or Plain()), inbox, after, measure)
        started.append(jobs)
        return jobs

    yield start
    for jobs in started:
        jobs.close()


class Plain:
    """Reads text files in this process. At `gate` it waits until that opens or the job is cancelled, the files of `free` excepted."""

    def __init__(self, gate: threading.Event | None = None, free: tuple[str, ...] = ()) -> None:
        self.gate = gate
        self.free = free
        self.calls: list[tuple[str, str | None]] = []
        self.reached = threading.Event()
        self.processor_seconds = 3.0

    def convert(self, path: Path, *, name: str, password: str | None = None, cancel: threading.Event | None = None) -> Conversion:
        self.calls.append((name, password))
        self.processor_seconds += 0.5
        if name.endswith(".unknownkind"):
            raise KindUnknown(detail=name)
        if self.gate and name not in self.free:
            self.reached.set()
            while not self.gate.is_set() and not (cancel and cancel.is_set()):
                time.sleep(0.01)
        return Conversion("text", (Page(None, path.read_text()),))


def files(*names: str) -> list[tuple[str, io.BytesIO]]:
    return [(name, io.BytesIO(f"The text of {name}.".encode())) for name in names]


def until(condition: Callable[[], bool]) -> None:
    deadline = time.monotonic() + 60
    while not condition():
        assert time.monotonic() < deadline, "waited a minute in vain"
        time.sleep(0.01)


def ended(jobs: Jobs, job_id: str) -> JobState:
    until(lambda: jobs.state(job_id).status not in ("waiting", "running"))
    return jobs.state(job_id)


def names(library: Library, collection: str = "papers") -> list[str]:
    return [document.name for document in library.documents(library.collection(collection).id)]


def test_an_upload_becomes_documents_and_leaves_nothing_in_the_inbox(start: Callable[..., Jobs], library: Library, inbox: Path) -> None:
    sandbox = Sandbox()
    try:
        changed: list[int] = []
        jobs = start(sandbox, changed.append)
        state = ended(jobs, jobs.submit("papers", files("a.txt", "folder/b.md")))
    finally:
        sandbox.close()
    assert (state.status, state.files, state.ahead, state.reason) == ("done", 2, 0, None)
    assert [(line.document, line.status) for line in state.lines] == [("a.txt", "indexed"), ("folder/b.md", "indexed")]
    assert state.progress is not None
    assert state.progress.documents_done == 2
    assert names(library) == ["a.txt", "folder/b.md"]
    assert changed == [library.collection("papers").id]
    assert list(inbox.iterdir()) == []


def test_jobs_run_one_after_the_other_and_say_how_many_are_ahead(start: Callable[..., Jobs], library: Library) -> None:
    gate = threading.Event()
    plain = Plain(gate)
    jobs = start(plain)
    first = jobs.submit("papers", files("a.txt"))
    assert plain.reached.wait(60)
    second, third = jobs.submit("papers", files("b.txt")), jobs.submit("other", files("c.txt"))
    assert [(state.status, state.ahead) for state in jobs.all()] == [("running", 0), ("waiting", 1), ("waiting", 2)]
    gate.set()
    assert [ended(jobs, job).status for job in (first, second, third)] == ["done"] * 3
    assert (names(library), names(library, "other")) == (["a.txt", "b.txt"], ["c.txt"])


def test_what_a_stopped_process_left_goes_on_in_the_next(start: Callable[..., Jobs], library: Library, inbox: Path) -> None:
    plain = Plain(threading.Event(), free=("a.txt", "b.txt"))
    jobs = start(plain)
    job = jobs.submit("papers", files("a.txt", "b.txt", "c.txt", "d.txt"), password="secret")
    assert plain.reached.wait(60)
    until(lambda: len(jobs.state(job).lines) == 2)
    jobs.close()
    assert [line.document for line in jobs.state(job).lines] == names(library) == ["a.txt", "b.txt"]
    assert sorted(path.name for path in (inbox / job).iterdir()) == ["000002", "000003", "job.json", "lines.jsonl"]
    assert "secret" not in "".join(path.read_text() for path in (inbox / job).iterdir())
    again = start(plain := Plain())
    state = ended(again, job)
    assert [(line.document, line.status) for line in state.lines] == [(f"{letter}.txt", "indexed") for letter in "abcd"]
    assert {name for name, _ in plain.calls} == {"c.txt", "d.txt"}
    assert list(inbox.iterdir()) == []


@pytest.mark.parametrize("linked", ["000000", "job.json", "lines.jsonl", ""])
def test_a_job_that_holds_a_link_has_no_file_of_this_machine_read_in(
    start: Callable[..., Jobs], library: Library, inbox: Path, tmp_path: Path, linked: str
) -> None:
    """On a stick, whoever had it may have put one there."""
    staged = Inbox(inbox).stage("papers", files("a.txt", "b.txt"))
    place, secret = inbox / staged.id / linked, tmp_path / "secret"
    if place.exists():
        place.rename(secret)
    else:
        secret.write_text("The laptop's own.", encoding="utf-8")
    before = sorted(path.read_bytes() for path in ([secret] if secret.is_file() else secret.iterdir()))
    place.symlink_to(secret)
    assert Inbox(inbox).unfinished() == ()
    jobs = start()
    assert jobs.all() == ()
    jobs.close()
    assert library.collections() == ()
    assert place.is_symlink()
    assert sorted(path.read_bytes() for path in ([secret] if secret.is_file() else secret.iterdir())) == before


def test_a_kill_between_the_document_and_its_line_doubles_nothing(start: Callable[..., Jobs], library: Library, inbox: Path, tmp_path: Path) -> None:
    staged = Inbox(inbox).stage("papers", files("a.txt", "b.txt"))
    shutil.copytree(inbox / staged.id, tmp_path / "copy")
    jobs = start()
    ended(jobs, staged.id)
    (tmp_path / "copy").rename(inbox / staged.id)
    (inbox / staged.id / "lines.jsonl").write_text('\n{"document": "a.txt", "status": "ind')
    (inbox / f".{staged.id}.part").mkdir()
    state = ended(again := start(), staged.id)
    assert [(line.document, line.status) for line in state.lines] == [("a.txt", "unchanged"), ("b.txt", "unchanged")]
    assert names(library) == ["a.txt", "b.txt"]
    assert list(inbox.iterdir()) == []
    assert len(again.all()) == 1


def test_cancel_keeps_what_is_stored_and_drops_the_rest(start: Callable[..., Jobs], library: Library, inbox: Path) -> None:
    plain = Plain(threading.Event(), free=("a.txt",))
    jobs = start(plain)
    running, waiting = jobs.submit("papers", files("a.txt", "b.txt", "c.txt")), jobs.submit("papers", files("d.txt"))
    assert plain.reached.wait(60)
    until(lambda: len(jobs.state(running).lines) == 1)
    jobs.cancel(waiting)
    jobs.cancel(running)
    assert [ended(jobs, job).status for job in (running, waiting)] == ["cancelled", "cancelled"]
    assert names(library) == ["a.txt"]
    assert list(inbox.iterdir()) == []


def test_an_error_of_the_library_stops_the_job_until_it_is_resumed(
    start: Callable[..., Jobs], library: Library, inbox: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def full(*arguments: object, **named: object) -> None:
        raise DiskFull(path=inbox)

    with monkeypatch.context() as patched:
        patched.setattr(library, "add_document", full)
        jobs = start()
        job = jobs.submit("papers", files("a.txt"))
        state = ended(jobs, job)
    assert (state.status, state.reason) == ("stopped", str(DiskFull(path=inbox)))
    jobs.resume(job)
    assert ended(jobs, job).status == "done"
    assert names(library) == ["a.txt"]


def test_a_collection_that_is_removed_meanwhile_stays_removed(start: Callable[..., Jobs], library: Library, inbox: Path) -> None:
    gate = threading.Event()
    plain = Plain(gate)
    jobs = start(plain)
    job = jobs.submit("papers", files("a.txt"))
    assert plain.reached.wait(60)
    library.remove_collection("papers")
    gate.set()
    assert ended(jobs, job).status == "cancelled"
    assert library.collections() == ()
    assert list(inbox.iterdir()) == []


def test_names_from_a_browser_are_never_paths(start: Callable[..., Jobs], library: Library, inbox: Path) -> None:
    jobs = start()
    odd = ("../../etc/passwd", "/root.txt", "a\0b.txt", "..", "same.txt", "same.txt", "x" * 2000 + ".txt")
    uploads = [(name, io.BytesIO(f"Text number {number}.".encode())) for number, name in enumerate(odd)]
    state = ended(jobs, jobs.submit("papers", uploads))
    assert [line.document for line in state.lines][:6] == ["etc/passwd", "root.txt", "ab.txt", "unnamed", "same.txt", "same (2).txt"]
    assert len(state.lines[6].document) == 1024
    assert all(line.status == "indexed" for line in state.lines)


def test_an_unknown_kind_is_skipped_in_a_dropped_folder_and_failed_alone(start: Callable[..., Jobs]) -> None:
    jobs = start()
    state = ended(jobs, jobs.submit("papers", files("folder/a.unknownkind", "b.unknownkind")))
    assert [line.status for line in state.lines] == ["skipped", "failed"]


def test_the_password_goes_with_its_job(start: Callable[..., Jobs]) -> None:
    jobs = start(plain := Plain())
    ended(jobs, jobs.submit("papers", files("a.txt"), password="sesame"))
    assert plain.calls == [("a.txt", "sesame")]


def test_an_upload_that_cannot_be_taken_leaves_nothing(start: Callable[..., Jobs], inbox: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    class Broken:
        def read(self, size: int, /) -> bytes:
            raise ConnectionResetError("the browser went away")

    jobs = start()
    with pytest.raises(ConnectionResetError):
        jobs.submit("papers", [*files("a.txt"), ("b.txt", Broken())])
    with pytest.raises(BadRequest, match="no file"):
        jobs.submit("papers", [])
    with pytest.raises(BadRequest, match="haversack ingest"):
        jobs.submit("papers", files("a.txt"), expected=1 << 50)
    with monkeypatch.context() as patched:
        patched.setattr("appliance.ingest.inbox.LARGEST_JOB", 10)
        with pytest.raises(BadRequest, match="haversack ingest"):
            jobs.submit("papers", files("a.txt"))
    monkeypatch.setattr("appliance.ingest.inbox._RESERVE", 1 << 60)
    with pytest.raises(DiskFull):
        jobs.submit("papers", files("a.txt"))
    assert list(inbox.iterdir()) == []
    assert jobs.all() == ()


def test_what_reading_takes_is_told_with_the_time_of_its_workers(start: Callable[..., Jobs]) -> None:
    told: list[tuple[int, float]] = []
    jobs = start(measure=lambda: lambda read, workers: told.append((read, workers)))
    ended(jobs, jobs.submit("papers", files("a.txt", "b.txt", "c.unknownkind")))
    ended(jobs, jobs.submit("papers", files("d.txt")))
    assert told == [(2, 1.5), (1, 0.5)], "the workers of another upload are not counted again"


def test_a_job_that_nobody_knows_is_said_to_be_gone(start: Callable[..., Jobs]) -> None:
    with pytest.raises(NotThere, match="ledger"):
        start().state("nothing")


def test_a_fault_after_a_job_does_not_end_the_thread(start: Callable[..., Jobs]) -> None:
    faults = iter([ValueError("the index"), None])

    def after(collection_id: int) -> None:
        if fault := next(faults):
            raise fault

    jobs = start(after=after)
    assert ended(jobs, jobs.submit("papers", files("a.txt"))).reason == "Something unforeseen happened (ValueError: the index)."
    assert ended(jobs, jobs.submit("papers", files("b.txt"))).status == "done"


def test_old_jobs_are_forgotten_in_time(start: Callable[..., Jobs], monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("appliance.ingest.jobs._REMEMBERED", 2)
    jobs = start()
    ids = [jobs.submit("papers", files(f"{number}.txt")) for number in range(4)]
    ended(jobs, ids[-1])
    assert [state.id for state in jobs.all()] == ids[-2:]
