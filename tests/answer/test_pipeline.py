"""The ask pipeline with the real parts: SQLite, MiniLM, SmolLM2."""

from __future__ import annotations

import re
import threading
from collections.abc import Iterator, Sequence
from dataclasses import replace

import pytest

from appliance.answer.answers import CUT, THOUGHT
from appliance.answer.pipeline import EVIDENCE, Asker
from appliance.answer.prompt import beginning
from appliance.documents import Answer, AnswerEvent, Delta, EvidenceReady, Finished, Progress, Queued, QuotesReady, SentenceChecked, Turn, Unwritten
from appliance.errors import BundleAltered, GeneratorFailed
from appliance.library.vectors import ExactVectors
from appliance.models.choice import Choice
from appliance.models.generator import Done, Generator, GeneratorEvent, Message, Piece, Waiting
from appliance.models.parameters import NOTHING_TOLD
from appliance.models.request import Request
from appliance.models.writes import There
from tests.answer.reading_room import ReadingRoom


def test_events_come_in_the_order_of_the_journey(asked_room: ReadingRoom) -> None:
    events = asked_room.events("How many wells were contaminated?")
    kinds = [type(event) for event in events]
    assert kinds[:2] == [EvidenceReady, QuotesReady]
    assert kinds[-1] is Finished
    assert kinds.index(Delta) > 1
    assert set(kinds[2:-1]) <= {Queued, Progress, Delta, SentenceChecked}
    assert SentenceChecked in kinds


def test_an_answer_leads_with_quotes_and_every_marker_resolves(asked_room: ReadingRoom) -> None:
    answer = asked_room.ask("How many wells were contaminated with nitrate?")
    assert not answer.refused
    assert answer.answer.startswith("“")
    assert "37" in answer.answer
    assert answer.citations[0].document == "wells/survey 2021.pdf"
    assert answer.citations[0].page == 1
    assert {int(number) for number in re.findall(r"\[(\d+)\]", answer.answer)} <= {citation.marker for citation in answer.citations}
    for citation in answer.citations:
        page = asked_room.library.page(citation.document_id, citation.position)
        assert page.text[citation.start : citation.end] == citation.quote
    assert answer.generated
    assert not re.search(r"\[\d+\]", answer.generated)
    assert answer.model
    assert answer.timings.first_token is not None
    assert answer.timings.retrieve <= answer.timings.first_token <= answer.timings.total
    assert answer.prompt_tokens > 0
    assert answer.completion_tokens > 0


def test_what_was_streamed_is_the_prose_of_the_answer(asked_room: ReadingRoom) -> None:
    events = asked_room.events("Who is the landlord?")
    streamed = "".join(event.text for event in events if isinstance(event, Delta)).strip()
    last = events[-1]
    assert isinstance(last, Finished)
    assert last.answer.answer.endswith(streamed)
    assert last.answer.sentences == tuple(event.sentence for event in events if isinstance(event, SentenceChecked))


def test_a_refusal_shows_the_nearest_and_asks_no_model(asked_room: ReadingRoom) -> None:
    events = asked_room.events("Who won the world cup in 1998?")
    assert [type(event) for event in events] == [EvidenceReady, Finished]
    evidence, last = events
    assert isinstance(evidence, EvidenceReady)
    assert isinstance(last, Finished)
    assert evidence.nearest
    assert evidence.evidence
    assert last.answer.refused
    assert last.answer.answer.startswith("Nothing in this collection answers")
    assert (last.answer.citations, last.answer.model, last.answer.generated) == ((), "", "")
    assert last.answer.timings.first_token is None


def test_a_follow_up_is_searched_for_as_completed(asked_room: ReadingRoom) -> None:
    history = [Turn("Who is the tenant?", "Who is the tenant?", "“The tenant, Maria Okafor, pays a rent of 1,250 euros.” [1]")]
    events = asked_room.events("And what does she pay?", history=history)
    assert isinstance(events[0], EvidenceReady)
    assert "Maria Okafor" in events[0].searched_for
    last = events[-1]
    assert isinstance(last, Finished)
    assert last.answer.question == "And what does she pay?"
    assert last.answer.searched_for == events[0].searched_for


def test_stopping_ends_the_answer_with_what_was_written(asked_room: ReadingRoom) -> None:
    cancel = threading.Event()
    written = 0
    answer: Answer | None = None
    for event in asked_room.asker.ask("What does the committee advise about the wells?", asked_room.collection_id, cancel=cancel):
        match event:
            case Delta():
                written += 1
                cancel.set()
            case Finished():
                answer = event.answer
    assert written
    assert answer is not None
    assert answer.stopped
    assert answer.citations
    assert answer.generated


class Scripted:
    """Stands in for the generator to provoke what the real one does rarely: a crash, invented markers, a queue."""

    own = NOTHING_TOLD
    note = ""
    name = "scripted"
    waiting = 0

    def __init__(self, real: Generator, events: Sequence[GeneratorEvent | Exception]) -> None:
        # A larger model: SmolLM2 is stopped after its first sentence.
        self.settings = replace(real.settings, evidence_passages=2)
        self._events = events

    def hold(self, client: str, cancel: threading.Event) -> There:
        return There(self)

    def count_tokens(self, prompts: Sequence[Sequence[Message]]) -> list[int]:
        return [sum(len(message.content.split()) for message in messages) for messages in prompts]

    def generate(self, request: Request, cancel: threading.Event) -> Iterator[GeneratorEvent]:
        for event in self._events:
            if isinstance(event, Exception):
                raise event
            yield event


class Queueing(Scripted):
    """A model that is never free: others are before it until it is cancelled."""

    def hold(self, client: str, cancel: threading.Event) -> There:
        class Waits(There):
            def wait(self) -> Iterator[Waiting]:
                while not cancel.wait(0.01):
                    yield Waiting(3)

        return Waits(self)

    def count_tokens(self, prompts: Sequence[Sequence[Message]]) -> list[int]:
        raise AssertionError("nothing may be counted before the model is there")


def scripted(room: ReadingRoom, generator: Generator, events: Sequence[GeneratorEvent | Exception]) -> list[AnswerEvent]:
    stand_in = Scripted(generator, events)
    asker = Asker(room.library, ExactVectors(room.library), lambda: room.embedder, lambda *_, **__: stand_in)
    return list(asker.ask("Who led the survey?", room.collection_id, cancel=threading.Event()))


def answer_of(events: Sequence[AnswerEvent]) -> Answer:
    last = events[-1]
    assert isinstance(last, Finished)
    return last.answer


def test_as_many_passages_are_found_as_the_model_takes(asked_room: ReadingRoom) -> None:
    library, embedder = asked_room.library, asked_room.embedder
    asker = Asker(library, ExactVectors(library), lambda: embedder, asked_room.asker._model, takes={"": 7, "small": 1}.__getitem__)

    def found(model: str) -> int:
        choice = Choice(model, write=False)
        events = asker.ask("What does the committee advise about the wells?", asked_room.collection_id, cancel=threading.Event(), choice=choice)
        return next(len(event.evidence) for event in events if isinstance(event, EvidenceReady))

    assert (found(""), found("small")) == (7, EVIDENCE)


def test_a_model_that_fails_leaves_quotes_and_a_note(asked_room: ReadingRoom, generator: Generator) -> None:
    events = scripted(asked_room, generator, [Piece("Dr. Amina Yusuf led"), GeneratorFailed(detail="it crashed")])
    answer = answer_of(events)
    assert answer.citations
    assert answer.generated == "Dr. Amina Yusuf led"
    assert "it crashed" in answer.note
    assert not answer.refused


def test_an_altered_model_leaves_quotes_and_a_note_and_whoever_asked_can_tell(asked_room: ReadingRoom, generator: Generator) -> None:
    altered = BundleAltered(path="models/m.gguf", state="altered")
    for written in ([], [Piece("Dr. Amina Yusuf led")]):
        last = scripted(asked_room, generator, [*written, altered])[-1]
        assert isinstance(last, Unwritten)
        assert last.error is altered
        assert last.answer.citations
        assert last.answer.note == str(altered)
    assert last.answer.generated == "Dr. Amina Yusuf led"
    assert not isinstance(scripted(asked_room, generator, [GeneratorFailed(detail="it crashed")])[-1], Unwritten)


def test_how_many_passages_the_model_was_given_is_told(asked_room: ReadingRoom, generator: Generator) -> None:
    assert asked_room.ask("Who led the survey?").passages == 1
    assert answer_of(scripted(asked_room, generator, [Piece("Yusuf."), Done(9, 1, 0, "end")])).passages == 2


def test_a_small_model_says_one_sentence(asked_room: ReadingRoom) -> None:
    assert len(asked_room.ask("What does the committee advise about the wells?").sentences) == 1


def test_the_queue_is_told(asked_room: ReadingRoom, generator: Generator) -> None:
    events = scripted(asked_room, generator, [Waiting(2), Waiting(1), Piece("Yusuf."), Done(9, 1, 0, "end")])
    assert [event.ahead for event in events if isinstance(event, Queued)] == [2, 1]


def test_who_waits_for_the_model_is_told_and_can_give_up(asked_room: ReadingRoom, generator: Generator) -> None:
    stand_in, cancel = Queueing(generator, []), threading.Event()
    asker = Asker(asked_room.library, ExactVectors(asked_room.library), lambda: asked_room.embedder, lambda *_, **__: stand_in)
    events = asker.ask("Who led the survey?", asked_room.collection_id, cancel=cancel)
    assert next(event for event in events if isinstance(event, Queued)) == Queued(3)
    cancel.set()
    answer = answer_of(list(events))
    assert answer.stopped
    assert answer.citations
    assert not answer.generated


def test_invented_markers_never_show(asked_room: ReadingRoom, generator: Generator) -> None:
    pieces = [Piece(text) for text in ("Dr. Amina Yusuf led the survey ", "[", "7", "]", ". It was done in Paris [1][2].")]
    events = scripted(asked_room, generator, [*pieces, Done(9, 5, 0, "end")])
    answer = answer_of(events)
    assert answer.generated == "Dr. Amina Yusuf led the survey. It was done in Paris."
    first, second = answer.sentences
    assert first.supported
    assert first.markers
    assert not second.supported
    assert second.missing == ("Paris",)
    assert all("7" not in event.text for event in events if isinstance(event, Delta))


def test_a_model_that_repeats_itself_is_stopped(asked_room: ReadingRoom, generator: Generator) -> None:
    again = [Piece(word) for word in "Yusuf led it. Yusuf led it. Yusuf led it. Yusuf led it.".replace(" ", "§ ").split("§")]
    answer = answer_of(scripted(asked_room, generator, [*again, Done(9, 20, 0, "length")]))
    assert answer.generated.count("Yusuf") <= 3


def test_an_answer_that_was_cut_says_so(asked_room: ReadingRoom, generator: Generator) -> None:
    answer = answer_of(scripted(asked_room, generator, [Piece("Yusuf led"), Done(9, 2, 0, "length")]))
    assert "cut" in answer.note
    assert THOUGHT not in answer.note


def test_a_model_that_only_thought_says_so(asked_room: ReadingRoom, generator: Generator) -> None:
    answer = answer_of(scripted(asked_room, generator, [Done(9, 160, 0, "length", thought_tokens=160)]))
    assert answer.note == f"{CUT} {THOUGHT}"
    assert answer.citations


@pytest.mark.parametrize("question", ["Where is the deposit kept?", "When does the lease begin?"])
def test_the_same_question_gets_the_same_answer(asked_room: ReadingRoom, question: str) -> None:
    assert asked_room.ask(question).answer == asked_room.ask(question).answer


def test_what_is_read_ahead_need_not_be_read_again(asked_room: ReadingRoom, generator: Generator) -> None:
    asked_room.asker.prepare_search()
    asked_room.asker.prepare_answers()
    messages = [*beginning(generator.settings), Message("user", "Text: The sky was red.\n\nQuestion: What was red?")]
    *_, done = generator.generate(Request(messages, 1), threading.Event())
    assert isinstance(done, Done)
    assert done.reused_tokens > 0
