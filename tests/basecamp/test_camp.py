"""Answers with a base camp before the models here: the real pipeline, the real local model, and whatever the base camp does."""

from __future__ import annotations

import socket
import threading
from collections.abc import Callable, Iterator

import pytest

from appliance.answer.pipeline import Asker
from appliance.basecamp.camp import Camp
from appliance.basecamp.exchange import Limits
from appliance.basecamp.link import Link
from appliance.documents import Answer, Delta, Finished
from appliance.library.store import Library
from appliance.library.vectors import ExactVectors
from appliance.manifest import Manifest
from appliance.models.embedder import Embedder
from appliance.models.parameters import NOTHING_TOLD, Parameters
from appliance.shelf.loaded import Loaded
from appliance.shelf.shelf import ModelShelf
from tests.answer.reading_room import LEASE, WELLS, ReadingRoom
from tests.basecamp.misbehaving import Misbehaving, event, raw, stays, stream

QUESTION = "How many wells were found to be contaminated with nitrate?"
REMOTE = "The base camp says that 37 wells were found to be contaminated."


@pytest.fixture(scope="module")
def room(tmp_path_factory: pytest.TempPathFactory, embedder: Embedder) -> Iterator[ReadingRoom]:
    with Library.open(tmp_path_factory.mktemp("room") / "home", write=True, purpose="test") as library:
        made = ReadingRoom(library, embedder)
        made.add("lease.pdf", *LEASE)
        made.add("survey.pdf", *WELLS)
        yield made


@pytest.fixture(scope="module")
def loaded(manifest: Manifest, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Loaded]:
    made = Loaded(ModelShelf(tmp_path_factory.mktemp("shelf"), manifest), 2)
    yield made
    made.close()


def asked(room: ReadingRoom, camp: Camp) -> tuple[Answer, str]:
    """The answer, and the prose as it was streamed."""
    asker = Asker(room.library, ExactVectors(room.library), lambda: room.embedder, camp.generator)
    events = list(asker.ask(QUESTION, room.collection_id, cancel=threading.Event()))
    assert isinstance(events[-1], Finished)
    return events[-1].answer, "".join(one.text for one in events if isinstance(one, Delta))


def test_the_base_camps_real_engine_answers(room: ReadingRoom, loaded: Loaded, engine: str, link: Callable[..., Link]) -> None:
    camp = Camp(link(engine, limits=Limits()), loaded.generator)
    answer, _ = asked(room, camp)
    assert answer.model.startswith("smollm2 at 127.0.0.1:")
    assert answer.generated
    assert answer.note in ("", "The answer was cut at the longest that this model may write.")
    assert camp.sentence.startswith(f"{answer.model} answers, unless a model of this machine is chosen. It runs at 127.0.0.1:")
    assert "what its template adds is estimated" in camp.sentence
    assert "doesn't tell its context: 2048 tokens are taken" in camp.sentence


def test_its_words_are_checked_like_any_others(room: ReadingRoom, loaded: Loaded, rogue: Misbehaving, link: Callable[..., Link]) -> None:
    rogue.as_engine(
        stream(
            event("There were 37 wells contaminated with nitrate. "), event("The mayor, Bob Stone, resigned in 1987. ", "stop"), "data: [DONE]\n\n"
        )
    )
    answer, _ = asked(room, Camp(link(rogue.url), loaded.generator))
    assert [one.supported for one in answer.sentences] == [True, False]


def test_one_that_is_away_is_stood_in_for_with_a_sentence(room: ReadingRoom, loaded: Loaded, link: Callable[..., Link]) -> None:
    camp = Camp(link("http://127.0.0.1:9/v1"), loaded.generator)
    local = loaded.generator().name
    for _ in range(2):
        answer, _ = asked(room, camp)
        assert answer.model == local
        assert answer.generated
        expected = f"The base camp at 127.0.0.1:9 can't be reached (connection refused). {local} on this machine answered instead."
        assert answer.note.startswith(expected)
    assert camp.sentence.startswith("The base camp at 127.0.0.1:9 can't be reached")


def test_one_that_fails_before_its_first_word_is_stood_in_for(
    room: ReadingRoom, loaded: Loaded, rogue: Misbehaving, link: Callable[..., Link]
) -> None:
    answer, _ = asked(room, Camp(link(rogue.as_engine(raw(b"")).url), loaded.generator))
    assert answer.model == loaded.generator().name
    assert answer.generated
    assert "went away before its answer was whole" in answer.note
    assert "on this machine answered instead" in answer.note


def test_an_answer_that_breaks_off_is_not_gone_on_with_by_another_model(
    room: ReadingRoom, loaded: Loaded, rogue: Misbehaving, link: Callable[..., Link]
) -> None:
    rogue.as_engine(stream(*(event(word + " ") for word in (REMOTE + " And then").split())))
    camp = Camp(link(rogue.url), loaded.generator)
    answer, streamed = asked(room, camp)
    assert answer.model == f"some-model at 127.0.0.1:{rogue.port}"
    assert answer.generated == REMOTE + " And then"
    assert streamed.startswith("The base camp says")
    assert "went away in the middle of the answer: what it wrote until then stays" in answer.note
    assert [one.text for one in answer.sentences] == [REMOTE, "And then"]
    # The next question doesn't wait for it.
    answer, _ = asked(room, camp)
    assert answer.model == loaded.generator().name
    assert REMOTE not in answer.answer


def test_a_question_that_is_stopped_while_the_base_camp_counts_is_answered_by_nobody(
    room: ReadingRoom, loaded: Loaded, rogue: Misbehaving, link: Callable[..., Link]
) -> None:
    cancel = threading.Event()

    def counting(connection: socket.socket, text: str) -> None:
        cancel.set()
        stays()(connection, text)

    rogue.as_engine(raw(b""), owned_by="llamacpp").on("/apply-template", counting)
    camp = Camp(link(rogue.url, limits=Limits(short=600.0)), loaded.generator)
    asker = Asker(room.library, ExactVectors(room.library), lambda: room.embedder, camp.generator)
    last = list(asker.ask(QUESTION, room.collection_id, cancel=cancel))[-1]
    assert isinstance(last, Finished)
    assert (last.answer.stopped, last.answer.generated, last.answer.note) == (True, "", "")
    assert last.answer.citations, "the quotes stay"
    assert rogue.gone.wait(60), "the connection was closed"


def test_a_model_that_is_named_is_asked_here_and_questions_are_completed_here(loaded: Loaded, rogue: Misbehaving, link: Callable[..., Link]) -> None:
    asked_for: list[tuple[str, str]] = []

    def local(name: str = "", *, purpose: str = "answering", parameters: Parameters = NOTHING_TOLD) -> object:
        asked_for.append((name, purpose))
        return loaded.generator()

    camp = Camp(link(rogue.as_engine(raw(b"")).url), local)  # type: ignore[arg-type]
    camp.generator("some-local")
    camp.generator("basecamp")
    camp.generator(purpose="rewriting")
    assert asked_for == [("some-local", "answering"), ("basecamp", "answering"), ("", "rewriting")]
    assert rogue.requests == []
    assert camp.generator() is camp.writer
    assert camp.generator(purpose="summarising") is camp.writer
