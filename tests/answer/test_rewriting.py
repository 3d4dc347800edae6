"""Follow-up questions completed by a model: the real one, and what code takes and refuses of what a model writes."""

from __future__ import annotations

import threading
from collections.abc import Generator as Yields
from collections.abc import Iterator
from typing import Any

import pytest

from appliance.answer.followups import complete
from appliance.answer.pipeline import Asker
from appliance.answer.rewriting import BY_RULES, Rewriter, accepted, asked_of
from appliance.documents import EvidenceReady, Queued, Turn
from appliance.errors import GeneratorFailed
from appliance.library.vectors import ExactVectors
from appliance.models.choice import Choice
from appliance.models.generator import Generator
from appliance.models.protocol import Done, GeneratorEvent, Piece, Waiting
from appliance.models.request import Request
from tests.answer.reading_room import ReadingRoom

HISTORY = [
    Turn("Who is the tenant?", "Who is the tenant?", "“The tenant, Maria Okafor, pays a rent of 1,250 euros.” [1]\n\nThe tenant is Maria Okafor. [1]")
]


class Says:
    """Writes what it is told to, to provoke what a real model does rarely."""

    def __init__(self, text: str | Exception) -> None:
        self._text = text
        self.prompts: list[Any] = []

    def generate(self, request: Request, cancel: threading.Event) -> Iterator[GeneratorEvent]:
        self.prompts.append(request.prompt)
        self.client = request.client
        yield Waiting(2)
        if cancel.is_set():
            yield Done(0, 0, 0, "cancelled")
            return
        if isinstance(self._text, Exception):
            raise self._text
        yield Piece(self._text)
        yield Done(9, 9, 0, "end")


def ended(completing: Yields[Queued, None, str]) -> str:
    """What comes of it, once it has told all there is to tell."""
    while True:
        try:
            next(completing)
        except StopIteration as end:
            return str(end.value)


def rewritten(text: str | Exception, question: str = "And what does she pay?") -> str:
    return ended(Rewriter(lambda: Says(text))(question, HISTORY, threading.Event()))  # type: ignore[arg-type, return-value]


def test_a_good_completion_is_taken() -> None:
    for written in ("What does Maria Okafor pay?", "Question: What does Maria Okafor pay?", '"What does Maria Okafor pay?"'):
        assert rewritten(written) == "What does Maria Okafor pay?"


@pytest.mark.parametrize(
    "written",
    [
        "",
        "She pays a rent of 1,250 euros.",
        "What does Amina Yusuf pay?",
        "What does Maria Okafor pay in 2023?",
        "What is the capital of the country?",
        "What does Maria Okafor pay? " * 20,
        "What does Maria Okafor pay for all of the many things that one could think of in such a house by the river and the sea?",
    ],
)
def test_what_answers_invents_or_wanders_is_not_taken(written: str) -> None:
    by_rule = complete("And what does she pay?", HISTORY)
    assert "Maria Okafor" in by_rule
    assert rewritten(written) == by_rule


def test_names_and_numbers_of_the_question_must_stay() -> None:
    assert not accepted("What does she pay for the house?", "And what does she pay for 12 Alder Street?", HISTORY)
    assert accepted("And what does Maria Okafor pay for 12 Alder Street?", "And what does she pay for 12 Alder Street?", HISTORY)


def test_a_model_that_fails_leaves_the_rules() -> None:
    assert rewritten(GeneratorFailed(detail="it crashed")) == complete("And what does she pay?", HISTORY)


def test_without_a_model_or_a_conversation_nothing_is_asked() -> None:
    says = Says("What does Maria Okafor pay?")
    cancel = threading.Event()
    assert ended(BY_RULES("And what does she pay?", HISTORY, cancel)) == complete("And what does she pay?", HISTORY)
    assert ended(Rewriter(lambda: says)("What does she pay?", (), cancel)) == "What does she pay?"  # type: ignore[arg-type, return-value]
    assert not says.prompts


def test_the_model_is_shown_the_last_turns_without_markers() -> None:
    says = Says("What does Maria Okafor pay?")
    history = [Turn("Canary?", "Canary?", "no"), *HISTORY, *HISTORY]
    ended(Rewriter(lambda: says)("And what does she pay?", history, threading.Event()))  # type: ignore[arg-type, return-value]
    prompt = says.prompts[0][-1].content
    assert "Canary" not in prompt
    assert "[1]" not in prompt
    assert prompt.endswith("Question: And what does she pay?")


def test_it_waits_in_the_turns_of_whoever_asks_and_stops_with_the_question(asked_room: ReadingRoom) -> None:
    says = Says("What does Maria Okafor pay?")
    cancel = threading.Event()
    completing = Rewriter(lambda: says)("And what does she pay?", HISTORY, cancel, "program")  # type: ignore[arg-type, return-value]
    assert next(completing) == Queued(2)
    assert says.client == "program"
    cancel.set()
    assert ended(completing) == complete("And what does she pay?", HISTORY)


def test_a_question_tells_of_the_turns_before_its_rewriting(asked_room: ReadingRoom) -> None:
    says = Says("What does Maria Okafor pay?")
    asker = Asker(
        asked_room.library,
        ExactVectors(asked_room.library),
        lambda: asked_room.embedder,
        lambda *_, **__: says,  # type: ignore[arg-type, return-value]
        Rewriter(lambda: says),  # type: ignore[arg-type, return-value]
    )
    choice = Choice(write=False, client="program")
    events = asker.ask("And what does she pay?", asked_room.collection_id, history=HISTORY, cancel=threading.Event(), choice=choice)
    assert next(events) == Queued(2)
    found = next(events)
    assert isinstance(found, EvidenceReady)
    assert found.searched_for == "What does Maria Okafor pay?"
    assert says.client == "program"


def test_the_real_model_writes_one_line_and_whatever_it_is_the_search_finds_the_answer(asked_room: ReadingRoom, generator: Generator) -> None:
    written = ended(asked_of(generator, "And what does she pay?", HISTORY, threading.Event()))
    assert "\n" not in written
    asker = Asker(
        asked_room.library, ExactVectors(asked_room.library), lambda: asked_room.embedder, lambda *_, **__: generator, Rewriter(lambda: generator)
    )
    choice = Choice(write=False)
    events = list(asker.ask("And what does she pay?", asked_room.collection_id, history=HISTORY, cancel=threading.Event(), choice=choice))
    ready = next(event for event in events if isinstance(event, EvidenceReady))
    assert "Maria Okafor" in ready.searched_for
    assert "1,250" in ready.evidence[0].text
