from __future__ import annotations

import threading
from collections.abc import Iterable, Iterator
from dataclasses import replace
from pathlib import Path

import pytest

from appliance.answer.overview import SIZE_UNKNOWN, TOO_SMALL, can_summarise
from appliance.answer.pipeline import Asker
from appliance.answer.summary import MOST_SECTIONS, asked_document, is_request, named_document, sections
from appliance.documents import Answer, AnswerEvent, Chunk, Conversion, Delta, Document, Finished, Heading, Page, Progress, Unwritten
from appliance.errors import BaseCampFailed, BundleAltered, GeneratorFailed, NoSuchDocument
from appliance.ingest.splitter import split
from appliance.library.store import Library
from appliance.library.vectors import ExactVectors
from appliance.models.catalogue import GeneratorSettings
from appliance.models.embedder import Embedder
from appliance.models.generator import Done, Generator, GeneratorEvent, Piece
from appliance.models.parameters import NOTHING_TOLD
from appliance.models.request import Request
from appliance.models.writes import There
from tests.answer.reading_room import LEASE, WELLS, ReadingRoom

SETTINGS = GeneratorSettings("m.gguf", "any", "135M", "Q4", 2048, 1, 400, 0.0, 160, "")


@pytest.mark.parametrize(
    "question",
    [
        "What is in here?",
        "what's in this collection",
        "What is this document about?",
        "Summarise this document",
        "summarize the documents, please",
        "Give me a short summary.",
        "Give me an overview of everything",
        "¿Qué hay aquí?",
        "Resume este documento",
        "Fasse dieses Dokument zusammen",
        "Résume ce document",
        "что здесь?",
        "总结这个文件",
    ],
)
def test_requests_for_the_whole_are_known(question: str) -> None:
    assert is_request(question)


@pytest.mark.parametrize(
    "question",
    [
        "What is in the report about wells?",
        "Summarise what the court says about notice",
        "What is this clause about the deposit?",
        "Who wrote this document?",
        "What does the summary say?",
        "When was this report written?",
    ],
)
def test_questions_about_something_in_it_are_not(question: str) -> None:
    assert not is_request(question)


@pytest.mark.parametrize("question", ["Summarise lease.pdf", "Give me a summary of “lease”", "summarize contracts/lease.pdf."])
def test_a_document_can_be_named(room: ReadingRoom, question: str) -> None:
    document = room.add("contracts/lease.pdf", *LEASE)
    assert named_document(asked_document(question) or "", room.library.documents(room.collection_id)) == [document]
    assert named_document("wells", [document]) is None


def test_headings_make_the_sections() -> None:
    chunks = [Chunk(n, 1, "a", 0, 1, n, n + 1, "x", heading=("One" if n < 3 else "Two",)) for n in range(6)]
    assert [(section.title, len(section.chunks)) for section in sections(chunks)] == [("One", 3), ("Two", 3)]


@pytest.mark.parametrize("amount", [1, 5, 100, 1000])
def test_without_headings_the_whole_document_is_in_its_parts(amount: int) -> None:
    chunks = [Chunk(n, 1, "a", n, n + 1, 0, 1, "x") for n in range(amount)]
    parts = sections(chunks)
    assert [chunk for part in parts for chunk in part.chunks] == chunks
    assert len(parts) <= MOST_SECTIONS
    assert parts[-1].title.endswith(str(amount))


@pytest.fixture
def summaries(home: Path, embedder: Embedder, generator: Generator) -> Iterator[ReadingRoom]:
    with Library.open(home, write=True, purpose="test") as library:
        yield ReadingRoom(library, embedder, generator)


def finished(events: Iterable[AnswerEvent]) -> Answer:
    *_, last = events
    assert isinstance(last, Finished)
    return last.answer


def assert_resolving(room: ReadingRoom, answer: Answer) -> None:
    assert answer.citations
    for citation in answer.citations:
        page = room.library.page(citation.document_id, citation.position)
        assert page.text[citation.start : citation.end] == citation.quote
        assert f"[{citation.marker}]" in answer.answer


def test_a_document_is_summarised_section_by_section(summaries: ReadingRoom) -> None:
    text = "Water\n\n" + WELLS[0] + "\n\nPeople\n\n" + WELLS[1] + "\n\nMoney\n\n" + WELLS[2]
    headings = [Heading(0, text.index(title), title, 1) for title in ("Water", "People", "Money")]
    document = summaries.add("wells.txt", text, headings=headings, numbered=False)
    answer = finished(summaries.asker.summarise(document.id, cancel=threading.Event()))
    assert [answer.answer.index(title) for title in ("Water", "People", "Money")] == sorted(
        answer.answer.index(t) for t in ("Water", "People", "Money")
    )
    assert not answer.refused
    assert answer.model == ""
    assert_resolving(summaries, answer)


def test_the_whole_of_a_long_document_is_in_its_summary(summaries: ReadingRoom) -> None:
    pages = [f"Chapter on matter {number}. The committee of matter {number} met often and wrote much about matter {number}." for number in range(40)]
    document = summaries.add("minutes.pdf", *pages)
    events = list(summaries.asker.summarise(document.id, cancel=threading.Event()))
    steps = [event for event in events if isinstance(event, Progress)]
    assert [step.done for step in steps] == list(range(steps[0].total))
    assert all(step.seconds_left is not None for step in steps[1:])
    answer = finished(events)
    cited = [citation.page or 0 for citation in answer.citations]
    assert min(cited) <= 4
    assert max(cited) >= 37
    assert_resolving(summaries, answer)


def test_a_collection_is_shown_document_by_document(summaries: ReadingRoom) -> None:
    summaries.add("lease.pdf", *LEASE)
    summaries.add("wells.pdf", *WELLS)
    answer = summaries.ask("What is in here?")
    assert {citation.document for citation in answer.citations} == {"lease.pdf", "wells.pdf"}
    assert "lease.pdf" in answer.answer
    assert_resolving(summaries, answer)


UNREAD = "1 page could not be read and is not in this summary."


def scanned(summaries: ReadingRoom) -> Document:
    """A document with a page that could not be read."""
    conversion = Conversion("pdf", (Page(1, WELLS[0]), Page(2, "", reason="no text: probably a scan")))
    passages = split(conversion, summaries.embedder.token_starts, summaries.embedder.max_tokens)
    vectors = summaries.embedder.embed_documents([passage.text for passage in passages])
    return summaries.library.add_document(
        summaries.collection_id, name="scan.pdf", sha256="0" * 64, size=1, original=None, conversion=conversion, passages=passages, vectors=vectors
    )


def test_unread_pages_are_said_to_be_left_out(summaries: ReadingRoom) -> None:
    scanned(summaries)
    assert summaries.ask("Summarise this document").note == UNREAD


def test_a_summary_can_be_cancelled(summaries: ReadingRoom) -> None:
    document = summaries.add("minutes.pdf", *(f"Page {number} of the minutes of the committee." for number in range(30)))
    cancel = threading.Event()
    events = summaries.asker.summarise(document.id, cancel=cancel)
    assert isinstance(next(events), Progress)
    cancel.set()
    assert finished(events).stopped


def test_an_empty_collection_has_nothing_to_summarise(summaries: ReadingRoom) -> None:
    answer = summaries.ask("What is in here?")
    assert answer.refused
    assert "no documents" in answer.answer


def test_a_document_that_is_not_there_is_an_error(summaries: ReadingRoom) -> None:
    with pytest.raises(NoSuchDocument):
        list(summaries.asker.summarise(99, cancel=threading.Event()))


@pytest.mark.parametrize(("parameters", "able"), [("135M", False), ("0.6B", False), ("1.7B", True), ("4B", True), ("", False)])
def test_only_a_model_that_is_large_enough_is_asked(parameters: str, able: bool) -> None:
    assert can_summarise(replace(SETTINGS, parameters=parameters)) is able


def test_a_large_enough_model_writes_under_each_heading(summaries: ReadingRoom, generator: Generator, monkeypatch: pytest.MonkeyPatch) -> None:
    """SmolLM2 stands in for a larger model: what it writes is worth little, but it goes the same way."""
    monkeypatch.setattr(generator, "settings", replace(generator.settings, parameters="4B", evidence_passages=2, max_tokens=24))
    text = "Water\n\n" + WELLS[0] + "\n\nPeople\n\n" + WELLS[1]
    headings = [Heading(0, text.index(title), title, 1) for title in ("Water", "People")]
    document = summaries.add("wells.txt", text, headings=headings, numbered=False)
    events = list(summaries.asker.summarise(document.id, cancel=threading.Event()))
    answer = finished(events)
    assert answer.model
    assert answer.generated
    assert answer.answer.index("Water\n") < answer.answer.index("People\n")
    assert "".join(event.text for event in events if isinstance(event, Delta)).strip() in answer.answer
    assert answer.completion_tokens > 0


class Scripted:
    """Stands in for a model that is large enough, to provoke what real ones do rarely. Each call takes the next of `says`."""

    own = NOTHING_TOLD

    def __init__(self, *says: str | Exception, note: str = "", parameters: str = "4B") -> None:
        self.name = "Scripted"
        self.note = note
        self.settings = replace(SETTINGS, parameters=parameters, evidence_passages=4)
        self._says = list(says)

    def hold(self, client: str, cancel: threading.Event) -> There:
        return There(self)

    def count_tokens(self, prompts: Iterable[object]) -> list[int]:
        return [50 for _ in prompts]

    def generate(self, request: Request, cancel: threading.Event) -> Iterator[GeneratorEvent]:
        said = self._says.pop(0)
        if isinstance(said, Exception):
            raise said
        yield Piece(said)
        yield Done(50, 9, 0, "end")


def summarised(room: ReadingRoom, document: Document, *models: Scripted | Exception) -> list[AnswerEvent]:
    """A summary by these models, one after the other as they are chosen."""
    left = list(models)

    def model(*_: object, **__: object) -> Scripted:
        chosen = left.pop(0)
        if isinstance(chosen, Exception):
            raise chosen
        return chosen

    asker = Asker(room.library, ExactVectors(room.library), lambda: room.embedder, model)  # type: ignore[arg-type] # a double, as far as it is asked
    events = list(asker.summarise(document.id, cancel=threading.Event()))
    assert not left
    return events


AWAY = BaseCampFailed(address="basecamp", detail="can't be reached")
STOOD_IN = "The base camp at basecamp can't be reached. Scripted on this machine answered instead."


def test_a_summary_says_that_another_model_stood_in_and_which_pages_are_missing(summaries: ReadingRoom) -> None:
    answer = finished(summarised(summaries, scanned(summaries), Scripted("Wells were counted.", note=STOOD_IN)))
    assert answer.generated == "Wells were counted."
    assert answer.note == f"{UNREAD} {STOOD_IN}"


def test_a_base_camp_that_fails_before_the_first_word_is_stood_in_for(summaries: ReadingRoom) -> None:
    events = summarised(summaries, scanned(summaries), Scripted(AWAY), Scripted("Wells were counted.", note=STOOD_IN))
    answer = finished(events)
    assert (answer.generated, answer.note) == ("Wells were counted.", f"{UNREAD} {STOOD_IN}")
    assert "".join(event.text for event in events if isinstance(event, Delta)).strip() in answer.answer
    assert answer.passages >= 1


def test_where_only_a_small_model_can_stand_in_the_documents_speak_and_that_is_said(summaries: ReadingRoom) -> None:
    events = summarised(summaries, scanned(summaries), Scripted(AWAY), Scripted(note=STOOD_IN, parameters="135M"))
    answer = finished(events)
    assert not [event for event in events if isinstance(event, Delta)]
    assert answer.note == f"{UNREAD} {TOO_SMALL.format(name='Scripted')}"
    assert "214 wells" in answer.answer


def test_a_model_of_unknown_size_is_not_asked_and_that_is_said(summaries: ReadingRoom) -> None:
    answer = finished(summarised(summaries, summaries.add("wells.pdf", *WELLS), Scripted(parameters="")))
    assert (answer.generated, answer.note) == ("", SIZE_UNKNOWN.format(name="Scripted"))


def test_a_base_camp_that_breaks_off_leaves_its_words(summaries: ReadingRoom) -> None:
    text = "Water\n\n" + WELLS[0] + "\n\nPeople\n\n" + WELLS[1]
    headings = [Heading(0, text.index(title), title, 1) for title in ("Water", "People")]
    document = summaries.add("wells.txt", text, headings=headings, numbered=False)
    answer = finished(summarised(summaries, document, Scripted("Wells were counted.", AWAY)))
    assert (answer.generated, answer.note) == ("Wells were counted.", str(AWAY))
    assert "Water\nWells were counted." in answer.answer


@pytest.mark.parametrize(
    "error",
    [
        GeneratorFailed(detail="it crashed"),
        BundleAltered(path="models/m.gguf", state="altered"),
    ],
    ids=lambda error: type(error).__name__,
)
def test_without_its_model_a_summary_is_made_of_the_documents_own_sentences(summaries: ReadingRoom, error: Exception) -> None:
    document = scanned(summaries)
    for models in (error, Scripted(error)):
        last = summarised(summaries, document, models)[-1]
        assert isinstance(last, Finished)
        assert isinstance(last, Unwritten) == isinstance(error, BundleAltered)
        assert last.answer.note == f"{UNREAD} {error}"
        assert "214 wells" in last.answer.answer
