from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace

import pytest

from appliance.answer.facts import missing
from appliance.answer.prompt import EXAMPLES, LONGEST_QUESTION, beginning, build, checked_question
from appliance.answer.quotes import every_sentence
from appliance.documents import Evidence
from appliance.errors import BadRequest, TextTooLong
from appliance.models.catalogue import GeneratorSettings
from appliance.models.generator import Message
from appliance.models.parameters import Parameters

TEXTS = [f"Passage {number} says that well {number} holds {number * 3} mg. It was closed." for number in range(1, 7)]
EVIDENCE = [Evidence(number, f"{number}.pdf", number, 0, 0, len(text), text, 1 / number) for number, text in enumerate(TEXTS, start=1)]
QUOTES = every_sentence(EVIDENCE)
SMALL = GeneratorSettings("m.gguf", "any", "135M", "Q4", 2048, 1, 400, 0.0, 160, "")
LARGE = replace(SMALL, parameters="4B", evidence_passages=4, evidence_tokens=1200, context=4096, max_tokens=400)


def words(messages: Sequence[Message]) -> int:
    return sum(len(message.content.split()) for message in messages)


def test_a_small_model_is_given_the_best_sentence_and_examples() -> None:
    prompt = build("Which well was closed?", EVIDENCE, QUOTES, SMALL, words)
    assert prompt is not None
    assert [message.role for message in prompt.messages] == ["system", "user", "assistant", "user", "assistant", "user"]
    last = prompt.messages[-1].content
    assert QUOTES[0].text in last
    assert QUOTES[1].text not in last
    assert prompt.max_tokens <= SMALL.max_tokens


def test_a_large_model_is_given_passages_with_their_places() -> None:
    prompt = build("Which well was closed?", EVIDENCE, QUOTES, LARGE, words)
    assert prompt is not None
    last = prompt.messages[-1].content
    assert all(text in last for text in TEXTS[:4])
    assert TEXTS[4] not in last
    assert "“2.pdf”, page 2" in last


@pytest.mark.parametrize("settings", [SMALL, LARGE], ids=["small", "large"])
def test_evidence_comes_before_the_question(settings: GeneratorSettings) -> None:
    prompt = build("Which well was closed?", EVIDENCE, QUOTES, settings, words)
    assert prompt is not None
    last = prompt.messages[-1].content
    assert last.index(QUOTES[0].text) < last.index("Which well was closed?")
    assert last.endswith("Which well was closed?")


@pytest.mark.parametrize("settings", [SMALL, LARGE], ids=["small", "large"])
def test_every_prompt_begins_as_was_read_ahead(settings: GeneratorSettings) -> None:
    prompt = build("Which well was closed?", EVIDENCE, QUOTES, settings, words)
    assert prompt is not None
    assert prompt.messages[: len(beginning(settings))] == beginning(settings)


def test_a_large_model_that_is_to_have_one_passage_stays_large() -> None:
    brief = build("Which well was closed?", EVIDENCE, QUOTES, LARGE, words, Parameters(evidence=1, max_tokens=1000, system="Be brief."))
    assert brief is not None
    assert [message.role for message in brief.messages] == ["system", "user"]
    assert brief.messages[0].content.endswith("Be brief.")
    assert TEXTS[0] in brief.messages[-1].content
    assert TEXTS[1] not in brief.messages[-1].content
    assert (brief.max_tokens, brief.given, brief.sentences, brief.stop) == (1000, 1, None, ())


def test_a_small_model_that_is_to_have_more_is_given_more_sentences_in_its_own_form() -> None:
    brief = build("Which well was closed?", EVIDENCE, QUOTES, SMALL, words, Parameters(evidence=3))
    assert brief is not None
    assert brief.messages[: len(beginning(SMALL))] == beginning(SMALL)
    last = brief.messages[-1].content
    assert all(quote.text in last for quote in QUOTES[:3])
    assert QUOTES[4].text not in last
    assert (brief.given, brief.sentences) == (3, 1)


def test_what_was_given_is_counted() -> None:
    for settings, given in ((SMALL, 1), (LARGE, 4), (replace(LARGE, evidence_tokens=40), 2)):
        brief = build("Which?", EVIDENCE, QUOTES, settings, words)
        assert brief is not None
        assert brief.given == given


def test_passages_are_left_out_until_the_budget_holds() -> None:
    prompt = build("Which?", EVIDENCE, QUOTES, replace(LARGE, evidence_tokens=40), words)
    assert prompt is not None
    assert TEXTS[1] in prompt.messages[-1].content
    assert TEXTS[2] not in prompt.messages[-1].content


def test_the_prompt_leaves_room_for_the_answer() -> None:
    narrow = replace(LARGE, context=600)
    prompt = build("Which?", EVIDENCE, QUOTES, narrow, words)
    assert prompt is not None
    assert words(prompt.messages) + prompt.max_tokens <= narrow.context


def test_a_question_that_leaves_no_room_makes_no_prompt() -> None:
    assert build("why " * 3000, EVIDENCE, QUOTES, SMALL, words) is None
    assert build("why " * 6000, EVIDENCE, QUOTES, LARGE, words) is None


def test_questions_are_trimmed_and_limited() -> None:
    assert checked_question("  Why?\n") == "Why?"
    assert len(checked_question("x" * LONGEST_QUESTION)) == LONGEST_QUESTION
    with pytest.raises(TextTooLong):
        checked_question("x" * (LONGEST_QUESTION + 1))
    with pytest.raises(BadRequest):
        checked_question(" \t\n")


def test_the_examples_hold_nothing_that_could_pass_for_a_fact() -> None:
    for message in EXAMPLES:
        for sentence in message.content.replace("Text: ", "").split("\n\nQuestion: "):
            assert missing(sentence, "") == ()
