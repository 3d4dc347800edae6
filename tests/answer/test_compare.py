"""Side by side with real parts: two real models on a real shelf, real retrieval."""

from __future__ import annotations

import os
import signal
import threading
from collections.abc import Callable, Iterator
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

from appliance.answer import compare
from appliance.answer.compare import Compared, CompareEvent, Contest, Failed, Said, contender, figures
from appliance.answer.pipeline import Asker
from appliance.answer.preferred import asked, in_words
from appliance.documents import Answer, Delta, Energy, EvidenceReady, Finished, Queued, QuotesReady, Timings
from appliance.errors import BadParameter, BadRequest, GeneratorFailed, ModelTooLarge
from appliance.library.comparisons import Comparison, Contender
from appliance.library.vectors import ExactVectors
from appliance.manifest import Manifest
from appliance.models.parameters import NOTHING_TOLD, Parameters
from appliance.models.protocol import GeneratorEvent, Waiting
from appliance.models.request import Request
from appliance.models.writes import Writes
from appliance.shelf.loaded import Loaded
from appliance.shelf.shelf import ModelShelf
from tests.answer.reading_room import ReadingRoom
from tests.shelf.conftest import STARTER, prepared

QUESTION = "How many wells were contaminated with nitrate?"


@pytest.fixture(scope="session")
def loaded(manifest: Manifest, second_gguf: Path, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Loaded]:
    """The starter's model and the second one."""
    shelf = ModelShelf(tmp_path_factory.mktemp("shelf") / "home", manifest)
    shelf.add(prepared(shelf, second_gguf, "second"))
    opened = Loaded(shelf, threads=2)
    yield opened
    opened.close()


Begin = Callable[..., Contest]


@pytest.fixture
def contest(asked_room: ReadingRoom, loaded: Loaded) -> Begin:
    """A comparison of contenders, on the room's documents."""

    def begin(*contenders: Contender, models: Callable[..., Writes] = loaded.generator, **options: Any) -> Contest:
        asker = Asker(asked_room.library, ExactVectors(asked_room.library), lambda: asked_room.embedder, models)
        return Contest(asker, models, contenders, **options)

    return begin


def plain(model: str, preset: str = "", **parameters: object) -> Contender:
    return contender(model, model.title(), asked(preset, parameters), preset)


def run(contest: Contest, room: ReadingRoom, question: str = QUESTION, cancel: threading.Event | None = None) -> list[CompareEvent]:
    return list(contest.run(question, (room.collection_id, "room"), cancel=cancel or threading.Event()))


def end(events: list[CompareEvent]) -> Comparison:
    last = events[-1]
    assert isinstance(last, Compared)
    return last.comparison


def test_two_models_answer_from_the_same_evidence_one_after_the_other(contest: Begin, asked_room: ReadingRoom) -> None:
    events = run(contest(plain(STARTER), plain("second", "free", seed=7)), asked_room)
    assert [type(event) for event in events[:2]] == [EvidenceReady, QuotesReady]
    assert sum(isinstance(event, (EvidenceReady, QuotesReady)) for event in events) == 2
    found = events[0]
    assert isinstance(found, EvidenceReady)
    said = [event for event in events if isinstance(event, Said)]
    assert [event.contender for event in said] == sorted(event.contender for event in said)
    assert [event.contender for event in said if isinstance(event.event, Finished)] == [0, 1]
    kept = end(events)
    first, second = kept.results
    assert (kept.id, kept.collection, kept.question, kept.together, kept.note) == (None, "room", QUESTION, False, "")
    for index, result in enumerate(kept.results):
        assert result.answer
        assert result.answer.citations
        assert result.answer.evidence == found.evidence
        written = "".join(event.event.text for event in said if event.contender == index and isinstance(event.event, Delta))
        assert result.answer.answer.endswith(written.strip())
        told = result.figures
        assert told.first_token_ms is not None
        assert 1 < told.first_token_ms < result.answer.timings.total
        assert told.tokens_per_second is not None
        assert 1 < told.tokens_per_second < 5000
        assert told.supported_share in (0.0, 1.0)
        assert told.sentences == 1
        assert told.passages == result.answer.passages == 1
    assert first.answer
    assert second.answer
    assert first.answer.model != second.answer.model
    assert (second.contender.settings, second.answer.parameters["seed"]) == ("free, seed 7", 7)


def test_together_they_answer_at_the_same_time(contest: Begin, asked_room: ReadingRoom) -> None:
    begun = contest(plain(STARTER), plain("second"), together=True)
    assert (begun.together, begun.sentence) == (True, "")
    kept = end(run(begun, asked_room))
    alone = end(run(contest(plain(STARTER), plain("second")), asked_room))
    assert kept.together
    assert [result.answer and result.answer.generated for result in kept.results] == [
        result.answer and result.answer.generated for result in alone.results
    ]


def test_where_they_do_not_fit_they_answer_one_after_the_other_and_that_is_said(contest: Begin, asked_room: ReadingRoom) -> None:
    begun = contest(plain(STARTER), plain("second"), together=True, fits=lambda names: set(names) != {STARTER, "second"})
    assert (begun.together, begun.sentence) == (False, compare.NO_ROOM)
    assert end(run(begun, asked_room)).note == compare.NO_ROOM
    one = contest(plain(STARTER, "exact"), plain(STARTER, "free"), together=True)
    assert (one.together, one.sentence) == (False, compare.ONE_MODEL)
    three = contest(plain(STARTER), plain("second"), plain("second", "free"), together=True)
    assert (three.together, three.sentence) == (True, compare.SOME_TOGETHER)
    assert [bool(result.answer) for result in end(run(three, asked_room)).results] == [True, True, True]


def test_passages_that_were_in_memory_already_give_no_time_to_compare(contest: Begin, asked_room: ReadingRoom) -> None:
    # Long enough to be worth keeping when another prompt takes its place.
    long = plain(STARTER, evidence=3, system="Keep to what is said of wells, water and the people who drill for it. " * 20)
    kept = end(run(contest(long, replace(long, preset="again")), asked_room))
    assert kept.results[0].figures.first_token_ms is not None
    assert kept.results[1].figures.first_token_ms is None
    assert kept.note == compare.KNOWN_BEFORE.format(names=f"{long.title} ({long.settings})")
    assert kept.results[1].figures.tokens_per_second is not None


def test_a_question_without_an_answer_is_refused_for_all_and_no_model_is_loaded(asked_room: ReadingRoom, contest: Begin) -> None:
    def never(*_: object, **__: object) -> Writes:
        raise AssertionError("a model was asked for")

    events = run(contest(plain(STARTER), plain("second"), models=never), asked_room, "Who won the world cup in 1998?")
    kept = end(events)
    assert [result.answer and result.answer.refused for result in kept.results] == [True, True]
    assert not [event for event in events if isinstance(event, QuotesReady)]
    assert kept.results[0].figures.supported_share is None


def test_one_that_does_not_fit_or_crashes_is_told_and_the_others_go_on(contest: Begin, asked_room: ReadingRoom, loaded: Loaded) -> None:
    def models(name: str = "", *, purpose: str = "answering", parameters: Parameters = NOTHING_TOLD) -> Writes:
        if name == "huge":
            raise ModelTooLarge(name="Huge", needed="40 GB", context=2048, available="2 GB")
        if name == "broken":
            raise GeneratorFailed(detail="it crashed")
        return loaded.generator(name, purpose=purpose, parameters=parameters)

    for together in (False, True):
        events = run(contest(plain("huge"), plain("second"), plain("broken"), models=models, together=together), asked_room)
        kept = end(events)
        assert [bool(result.answer) for result in kept.results] == [False, True, False]
        assert "Huge needs 40 GB" in kept.results[0].failure
        assert "it crashed" in kept.results[2].failure
        failed = {event.contender: event.event.message for event in events if isinstance(event, Said) and isinstance(event.event, Failed)}
        assert failed == {0: kept.results[0].failure, 2: kept.results[2].failure}


def test_a_model_that_dies_while_it_answers_costs_its_own_answer(contest: Begin, asked_room: ReadingRoom, loaded: Loaded) -> None:
    iterator = contest(plain("second"), plain(STARTER)).run(QUESTION, (asked_room.collection_id, "room"), cancel=threading.Event())
    events = []
    killed = False
    for event in iterator:
        events.append(event)
        if not killed and isinstance(event, Said) and isinstance(event.event, Delta):
            pid = loaded.generator("second").pid
            assert pid
            os.kill(pid, signal.SIGKILL)
            killed = True
    first, second = end(events).results
    # What was written before stays, with the sentence that says what happened; nothing written is a failure.
    assert "language model stopped" in (first.answer.note if first.answer else first.failure)
    assert second.answer
    assert not second.answer.note


@pytest.mark.parametrize("together", [False, True])
def test_stopping_ends_all_with_what_was_written(contest: Begin, asked_room: ReadingRoom, loaded: Loaded, together: bool) -> None:
    def talkative(name: str = "", **options: Any) -> Writes:
        """Asked as a larger model is: it isn't stopped after its first sentence."""
        handle = loaded.generator(name, **options)
        handle.settings = replace(handle.settings, evidence_passages=3)
        return handle

    cancel = threading.Event()
    events: list[CompareEvent] = []
    begun = contest(plain(STARTER, max_tokens=60), plain("second", max_tokens=60), models=talkative, together=together)
    for event in begun.run(QUESTION, (asked_room.collection_id, "room"), cancel=cancel):
        events.append(event)
        if isinstance(event, Said) and isinstance(event.event, Delta):
            cancel.set()
    kept = end(events)
    assert any(result.failure == compare.STOPPED or (result.answer and result.answer.stopped) for result in kept.results)
    if not together:
        assert kept.results[1].failure == compare.STOPPED
    threads = [thread for thread in threading.enumerate() if thread.name == "contender"]
    assert not threads


def test_leaving_stops_all(contest: Begin, asked_room: ReadingRoom) -> None:
    events = contest(plain(STARTER), plain("second"), together=True).run(QUESTION, (asked_room.collection_id, "room"), cancel=threading.Event())
    for event in events:
        if isinstance(event, Said):
            break
    events.close()
    assert not [thread for thread in threading.enumerate() if thread.name == "contender"]


def test_too_few_and_too_many_are_refused(contest: Begin) -> None:
    for wrong in ([plain(STARTER)], [plain(STARTER)] * 7):
        with pytest.raises(BadRequest, match="2 to 6"):
            contest(*wrong)


def test_settings_are_told_in_a_few_words() -> None:
    assert in_words("", NOTHING_TOLD) == ""
    assert in_words("exact", asked("exact", {})) == "exact"
    assert in_words("exact", asked("exact", {"temperature": 0.2, "system": "Be brief."})) == "exact, temperature 0.2, a system prompt"
    assert in_words("", asked("", {"seed": 3})) == "seed 3"
    with pytest.raises(BadParameter, match="exact, balanced, free"):
        asked("wild", {})
    with pytest.raises(BadParameter, match="from 0 to 2"):
        asked("exact", {"temperature": 3})


def test_as_many_passages_are_found_as_the_one_that_takes_most_wants(contest: Begin, asked_room: ReadingRoom) -> None:
    def found(**options: int) -> int:
        ready = next(contest(plain(STARTER), plain("second"), **options).run("rent", (asked_room.collection_id, "room"), cancel=threading.Event()))
        assert isinstance(ready, EvidenceReady)
        return len(ready.evidence)

    assert found() == found(passages=2) == 6
    assert found(passages=7) == 7


def test_one_that_waited_for_others_has_no_time_to_the_first_word(contest: Begin, asked_room: ReadingRoom, loaded: Loaded) -> None:
    class Busy:
        """The real model, behind somebody else's question."""

        def __init__(self, real: Writes) -> None:
            self._real = real

        def __getattr__(self, name: str) -> Any:
            return getattr(self._real, name)

        def hold(self, client: str, cancel: threading.Event) -> Any:
            held = self._real.hold(client, cancel)
            real = held.generate

            def generate(request: Request, cancel: threading.Event) -> Iterator[GeneratorEvent]:
                if request.max_tokens:
                    yield Waiting(1)
                yield from real(request, cancel)

            held.generate = generate  # type: ignore[method-assign] # the real hold, told to wait
            return held

    def models(name: str = "", **options: Any) -> Writes:
        real = loaded.generator(name, **options)
        return Busy(real) if name == "second" else real  # type: ignore[return-value] # it passes on whatever it doesn't know

    events = run(contest(plain(STARTER), plain("second"), models=models), asked_room)
    assert [event.contender for event in events if isinstance(event, Said) and isinstance(event.event, Queued)] == [1]
    kept = end(events)
    assert kept.note == compare.WAITED.format(names=kept.results[1].contender.title)
    assert [result.figures.first_token_ms is None for result in kept.results] == [False, True]


def test_system_prompts_have_names_of_their_own(contest: Begin) -> None:
    begun = contest(plain(STARTER, system="Be brief."), plain("second", system="Be kind."), plain(STARTER, system="Be kind."))
    assert [one.settings for one in begun.contenders] == ["a system prompt", "a system prompt (2)", "a system prompt (2)"]


def test_figures_leave_out_what_known_passages_have_spared() -> None:
    took = Energy(4.0, "estimated", 0.5, 1.0)
    answer = Answer("q", "q", "A", "A", (), (), (), refused=False, model="m", timings=Timings(1.0, 5.0, 9.0), energy=took)
    assert (figures(answer).first_token_ms, figures(answer).joules) == (5.0, 4.0)
    known, waited = figures(answer, known_before=True), figures(answer, waited=True)
    assert (known.first_token_ms, known.joules) == (None, None)
    assert (waited.first_token_ms, waited.joules) == (None, 4.0)


def test_figures_are_none_where_nothing_is_known() -> None:
    answer = Answer("q", "q", "“Quote.” [1]", "", (), (), (), refused=False, model="m", timings=Timings(1.0, None, 9.0))
    told = figures(answer)
    assert (told.first_token_ms, told.tokens_per_second, told.supported_share, told.joules) == (None, None, None, None)
