"""The ingest of a batch, on real files, with the real converters, embedder and library; doubles only where a fault is wanted."""

from __future__ import annotations

import threading
from collections.abc import Iterator, Sequence
from pathlib import Path

import numpy
import pytest
from reportlab.pdfgen.canvas import Canvas

from appliance.documents import Conversion, IngestLine, Page
from appliance.errors import DiskFull, EmbedderFailed, FileUnreadable, KindUnknown
from appliance.ingest.pipeline import Converts, Ingest, IngestProgress
from appliance.ingest.sandbox import Sandbox
from appliance.ingest.sources import find_sources
from appliance.library.ledger import ledger
from appliance.library.store import Library
from appliance.models.embedder import Embedder


@pytest.fixture
def library(home: Path) -> Iterator[Library]:
    with Library.open(home, write=True, purpose="test") as library:
        yield library


@pytest.fixture(scope="module")
def sandbox() -> Iterator[Sandbox]:
    sandbox = Sandbox()
    yield sandbox
    sandbox.close()


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    folder = tmp_path / "files"
    folder.mkdir()
    return folder


def put(folder: Path, name: str, text: str) -> Path:
    path = folder / name
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text(text)
    return path


def pdf(path: Path, *pages: str) -> Path:
    canvas = Canvas(str(path), invariant=True)
    for text in pages:
        canvas.drawString(72, 720, text)
        canvas.showPage()
    canvas.save()
    return path


class Bench:
    """An Ingest over the real parts, or over doubles for one of them."""

    def __init__(self, library: Library, embedder: Embedder, sandbox: Converts) -> None:
        self.library = library
        self.embedder = embedder
        self.sandbox = sandbox

    def __call__(self, *paths: Path, sandbox: Converts | None = None, password: str | None = None) -> list[IngestLine]:
        ingest = Ingest(self.library, lambda: self.embedder, sandbox or self.sandbox)
        return list(ingest.run(find_sources(paths), "papers", cancel=threading.Event(), password=password))

    @property
    def names(self) -> list[str]:
        return [document.name for document in self.library.documents(self.library.collection("papers").id)]

    @property
    def failures(self) -> dict[str, str | None]:
        return {entry.document: entry.reason for entry in ledger(self.library, self.library.collection("papers").id) if entry.status == "failed"}


@pytest.fixture
def bench(library: Library, embedder: Embedder, sandbox: Sandbox) -> Bench:
    return Bench(library, embedder, sandbox)


class Plain:
    """Stands for the sandbox where what it answers has to be odd."""

    processor_seconds = 0.0

    def __init__(self, *pages: Page) -> None:
        self.pages = pages
        self.calls = 0

    def convert(self, path: Path, *, name: str, password: str | None = None, cancel: threading.Event | None = None) -> Conversion:
        self.calls += 1
        return Conversion("text", self.pages or (Page(None, path.read_text()),))


def summary(lines: Sequence[IngestLine]) -> list[tuple[str, str]]:
    return [(line.document, line.status) for line in lines]


def test_a_mixed_folder_gives_a_line_for_each_file_in_order(bench: Bench, folder: Path) -> None:
    put(folder, "a.txt", "Ada Lovelace wrote the first program.")
    pdf(folder / "b.pdf", "The first page.", "The second page.")
    put(folder, "c.txt", "")
    put(folder, "d.unknownkind", "\x00\x01\x02")
    put(folder, "sub/e.md", "# Title\n\nSome text under a heading.")
    lines = bench(folder)
    assert summary(lines) == [("a.txt", "indexed"), ("b.pdf", "indexed"), ("c.txt", "failed"), ("d.unknownkind", "skipped"), ("sub/e.md", "indexed")]
    assert [(line.pages, line.chunks) for line in lines] == [(1, 1), (2, 2), (0, 0), (0, 0), (1, 1)]
    assert [line.reason is None for line in lines] == [True, True, False, False, True]
    assert bench.names == ["a.txt", "b.pdf", "sub/e.md"]
    assert list(bench.failures) == ["c.txt"]


def test_every_line_is_durable_when_it_comes(bench: Bench, folder: Path, embedder: Embedder, home: Path) -> None:
    for number in range(3):
        put(folder, f"{number}.txt", f"This is the text of letter number {number}.")
    ingest = Ingest(bench.library, lambda: embedder, bench.sandbox)
    for line in ingest.run(find_sources([folder]), "papers", cancel=threading.Event()):
        with Library.open(home, write=False) as beside:
            document = beside.find_document(beside.collection("papers").id, name=line.document)
            assert document is not None
            assert document.id == line.document_id
            original = beside.original(document.id)
            assert original is not None
            assert original.read_text() == (folder / line.document).read_text()


def test_vectors_are_those_of_the_text_with_its_headings(bench: Bench, folder: Path, embedder: Embedder) -> None:
    put(folder, "a.md", "# Ships\n\n## Sails\n\nCanvas is sewn in panels.")
    bench(folder)
    _, vectors = bench.library.vectors_of(bench.library.collection("papers").id)
    chunk = bench.library.chunks_of(bench.library.documents(bench.library.collection("papers").id)[0].id)[0]
    assert chunk.heading == ("Ships", "Sails")
    expected = embedder.embed_documents(["Sails – Ships\n" + chunk.text])
    assert float((vectors @ expected.T)[0, 0]) == pytest.approx(1, abs=0.001)


def test_a_second_ingest_converts_nothing(bench: Bench, folder: Path) -> None:
    put(folder, "a.txt", "Something to read.")
    first = bench(folder)
    counting = Plain()
    again = bench(folder, sandbox=counting)
    assert (summary(again), counting.calls) == ([("a.txt", "unchanged")], 0)
    assert (again[0].pages, again[0].chunks, again[0].document_id) == (1, 1, first[0].document_id)


def test_a_changed_file_replaces_its_old_version(bench: Bench, folder: Path) -> None:
    put(folder, "a.txt", "The old text.")
    bench(folder)
    put(folder, "a.txt", "The new text.")
    assert summary(bench(folder)) == [("a.txt", "indexed")]
    assert bench.names == ["a.txt"]
    documents = bench.library.documents(bench.library.collection("papers").id)
    assert bench.library.page(documents[0].id, 0).text.strip() == "The new text."


def test_the_same_content_twice_is_one_document(bench: Bench, folder: Path) -> None:
    put(folder, "a.txt", "The same words.")
    put(folder, "b.txt", "The same words.")
    lines = bench(folder)
    assert summary(lines) == [("a.txt", "indexed"), ("b.txt", "unchanged")]
    assert lines[1].reason == "Same content as a.txt."
    assert bench.names == ["a.txt"]
    assert summary(bench(folder)) == [("a.txt", "unchanged"), ("b.txt", "unchanged")]


def test_a_file_that_became_a_copy_of_another_leaves_no_old_version(bench: Bench, folder: Path) -> None:
    put(folder, "a.txt", "First words.")
    put(folder, "b.txt", "Second words.")
    bench(folder)
    put(folder, "b.txt", "First words.")
    assert summary(bench(folder)) == [("a.txt", "unchanged"), ("b.txt", "unchanged")]
    assert bench.names == ["a.txt"]


def test_a_moved_file_keeps_its_document_under_the_new_name(bench: Bench, folder: Path) -> None:
    first = bench(put(folder, "old.txt", "Words that move.").parent)
    (folder / "sub").mkdir()
    (folder / "old.txt").rename(folder / "sub" / "new.txt")
    lines = bench(folder)
    assert summary(lines) == [("sub/new.txt", "unchanged")]
    assert lines[0].reason == "Moved: it was old.txt."
    assert (bench.names, lines[0].document_id) == (["sub/new.txt"], first[0].document_id)


def test_a_copy_of_a_file_that_could_not_be_read_is_tried_under_its_own_name(bench: Bench, folder: Path) -> None:
    class BySuffix(Plain):
        def convert(self, path: Path, *, name: str, password: str | None = None, cancel: threading.Event | None = None) -> Conversion:
            if name.endswith(".unknownkind"):
                raise KindUnknown(detail=name)
            return super().convert(path, name=name)

    put(folder, "a.unknownkind", "Readable words after all.")
    put(folder, "b.txt", "Readable words after all.")
    assert summary(bench(folder, sandbox=BySuffix())) == [("a.unknownkind", "skipped"), ("b.txt", "indexed")]


def test_a_file_of_unknown_kind_named_itself_is_a_failure(bench: Bench, folder: Path) -> None:
    lines = bench(put(folder, "d.unknownkind", "\x00\x01\x02"))
    assert summary(lines) == [("d.unknownkind", "failed")]
    assert bench.failures == {"d.unknownkind": lines[0].reason}


def test_a_document_without_any_text_is_failed_and_names_its_pages(bench: Bench, folder: Path) -> None:
    put(folder, "scan.txt", "x")
    scan = Plain(Page(1, "", reason="no text: probably a scan"), Page(2, " ", reason="no text: probably a scan"))
    (line,) = bench(folder, sandbox=scan)
    assert (line.status, line.reason, line.pages, line.chunks) == ("failed", "no text: probably a scan", 2, 0)
    assert [(unread.page, unread.reason) for unread in line.pages_unread] == [(1, "no text: probably a scan"), (2, "no text: probably a scan")]
    assert bench.failures == {"scan.txt": "no text: probably a scan"}
    (line,) = bench(folder, sandbox=Plain(Page(None, "\n")))
    assert line.reason == "There is no text in this file."


def test_a_document_with_an_unread_page_is_partial(bench: Bench, folder: Path) -> None:
    put(folder, "a.txt", "x")
    (line,) = bench(folder, sandbox=Plain(Page(1, "Text."), Page(2, "", reason="no text: probably a scan")))
    assert (line.status, line.reason) == ("partial", "1 of 2 pages were not read whole.")
    assert [unread.page for unread in line.pages_unread] == [2]
    (again,) = bench(folder)
    assert (again.status, again.pages_unread) == ("unchanged", line.pages_unread)


def test_a_fault_with_one_file_does_not_cost_the_others(bench: Bench, folder: Path) -> None:
    class Faulty(Plain):
        def convert(self, path: Path, *, name: str, password: str | None = None, cancel: threading.Event | None = None) -> Conversion:
            if name == "b.txt":
                raise ZeroDivisionError("oh")
            if name == "c.txt":
                path.unlink()
                return Conversion("text", (Page(None, "It vanished meanwhile."),))
            return super().convert(path, name=name)

    for name in "abcd":
        put(folder, f"{name}.txt", f"Text {name}.")
    lines = bench(folder, sandbox=Faulty())
    assert summary(lines) == [("a.txt", "indexed"), ("b.txt", "failed"), ("c.txt", "failed"), ("d.txt", "indexed")]
    assert "ZeroDivisionError: oh" in (lines[1].reason or "")
    assert list(bench.failures) == ["b.txt", "c.txt"]
    assert summary(bench(folder))[1] == ("b.txt", "indexed")
    assert list(bench.failures) == ["c.txt"]


def test_an_older_version_stays_where_the_new_one_cannot_be_read(bench: Bench, folder: Path) -> None:
    class Broken(Plain):
        def convert(self, path: Path, *, name: str, password: str | None = None, cancel: threading.Event | None = None) -> Conversion:
            raise FileUnreadable(detail="It is damaged.")

    put(folder, "a.txt", "Good text.")
    bench(folder)
    put(folder, "a.txt", "Bad text.")
    assert summary(bench(folder, sandbox=Broken())) == [("a.txt", "failed")]
    assert bench.names == ["a.txt"]


def test_a_full_disk_ends_the_run_and_loses_nothing(bench: Bench, folder: Path, embedder: Embedder, monkeypatch: pytest.MonkeyPatch) -> None:
    for number in range(6):
        put(folder, f"{number}.txt", f"Text number {number}.")
    add, added = bench.library.add_document, []

    def full(*arguments: object, **named: object) -> object:
        if len(added) == 3:
            raise DiskFull(path="home")
        added.append(named["name"])
        return add(*arguments, **named)

    monkeypatch.setattr(bench.library, "add_document", full)
    lines = []
    with pytest.raises(DiskFull):
        lines.extend(Ingest(bench.library, lambda: embedder, bench.sandbox).run(find_sources([folder]), "papers", cancel=threading.Event()))
    assert bench.names == added == ["0.txt", "1.txt", "2.txt"]
    monkeypatch.undo()
    assert [line.status for line in bench(folder)] == ["unchanged"] * 3 + ["indexed"] * 3


def test_an_embedder_that_fails_ends_the_run(bench: Bench, folder: Path) -> None:
    def broken() -> Embedder:
        raise EmbedderFailed(detail="no model")

    put(folder, "a.txt", "Text.")
    with pytest.raises(EmbedderFailed):
        list(Ingest(bench.library, broken, bench.sandbox).run(find_sources([folder]), "papers", cancel=threading.Event()))
    assert bench.failures == {}


def test_cancel_ends_a_document_that_is_being_embedded(bench: Bench, folder: Path, embedder: Embedder) -> None:
    cancel = threading.Event()

    class Cancelling(Embedder):
        def __init__(self) -> None:
            self.__dict__.update(embedder.__dict__)
            self.texts = 0

        def embed_documents(self, texts: Sequence[str]) -> numpy.ndarray:
            self.texts += len(texts)
            cancel.set()
            return super().embed_documents(texts)

    paragraph = "A paragraph of some length that is not tiny at all, " * 6
    put(folder, "a.txt", "\n\n".join(f"{number} {paragraph}" for number in range(200)))
    slow = Cancelling()
    assert list(Ingest(bench.library, lambda: slow, bench.sandbox).run(find_sources([folder]), "papers", cancel=cancel)) == []
    assert slow.texts < 100
    assert (bench.names, bench.failures) == ([], {})


def test_leaving_the_lines_alone_stops_the_work(bench: Bench, folder: Path, embedder: Embedder) -> None:
    for number in range(20):
        put(folder, f"{number:02d}.txt", f"Text number {number}.")
    counting = Plain()
    lines = Ingest(bench.library, lambda: embedder, counting).run(find_sources([folder]), "papers", cancel=threading.Event())
    next(lines)
    lines.close()
    assert counting.calls < 10
    assert bench.names == ["00.txt"]


def test_progress_is_told_from_start_to_end(bench: Bench, folder: Path, embedder: Embedder) -> None:
    for number in range(3):
        put(folder, f"{number}.txt", f"Text number {number}.")
    told: list[IngestProgress] = []
    list(
        Ingest(bench.library, lambda: embedder, bench.sandbox).run(
            find_sources([folder]), "papers", cancel=threading.Event(), on_progress=told.append
        )
    )
    assert (told[0].documents_done, told[0].documents_total, told[0].seconds_left) == (0, 3, None)
    assert (told[-1].documents_done, told[-1].pages_done, told[-1].seconds_left) == (3, 3, 0.0)


def test_a_file_larger_than_the_limit_is_refused_by_a_sentence(bench: Bench, folder: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("appliance.ingest.steps.LARGEST_FILE", 10)
    put(folder, "a.txt", "more than ten bytes")
    (line,) = bench(folder)
    assert (line.status, "Split it" in (line.reason or "")) == ("failed", True)


def test_an_encrypted_file_asks_for_its_password(bench: Bench, folder: Path) -> None:
    canvas = Canvas(str(folder / "locked.pdf"), encrypt="sesame")
    canvas.drawString(72, 720, "Treasure is under the tree.")
    canvas.save()
    (line,) = bench(folder)
    assert (line.status, "--password" in (line.reason or "")) == ("failed", True)
    assert summary(bench(folder, password="sesame")) == [("locked.pdf", "indexed")]
