"""Drawing tokens, on the real model: parameters that are followed, grammars that hold."""

from __future__ import annotations

import json
import re
import threading
from contextlib import suppress

import pytest

from appliance.errors import ModelUnable, PromptTooLong
from appliance.models.generator import Call, Done, Generator, Message, Piece
from appliance.models.parameters import Parameters
from appliance.models.request import Request

ASK = [Message("user", "Write a short story about a ferry on a wide river.")]
PERSON = {
    "type": "object",
    "properties": {"name": {"type": "string", "maxLength": 20}, "age": {"type": "integer", "minimum": 0, "maximum": 120}},
    "required": ["name", "age"],
    "additionalProperties": False,
}


def write(generator: Generator, parameters: Parameters, max_tokens: int = 16, schema: dict[str, object] | None = None) -> tuple[str, Done]:
    events = list(generator.generate(Request(ASK, max_tokens, parameters=parameters, schema=schema), threading.Event()))
    assert isinstance(events[-1], Done)
    return "".join(event.text for event in events if isinstance(event, Piece)), events[-1]


def test_the_same_seed_draws_the_same_words_and_another_draws_others(shared_generator: Generator) -> None:
    warm = Parameters(temperature=1.2)
    first, again, other = (write(shared_generator, Parameters(seed=seed).over(warm))[0] for seed in (7, 7, 8))
    assert first == again != other


def test_a_repeat_penalty_changes_what_is_written(shared_generator: Generator) -> None:
    plain, _ = write(shared_generator, Parameters(), 48)
    penalised, _ = write(shared_generator, Parameters(repeat_penalty=1.8), 48)
    assert plain != penalised


@pytest.mark.parametrize("temperature", [0.0, 1.5])
def test_an_answer_that_has_to_fit_a_schema_fits_it(shared_generator: Generator, temperature: float) -> None:
    text, done = write(shared_generator, Parameters(temperature=temperature, seed=3), 80, PERSON)
    found = json.loads(text)
    assert set(found) == {"name", "age"}
    assert isinstance(found["age"], int)
    assert done.reason == "end"


def test_an_empty_schema_is_any_object(shared_generator: Generator) -> None:
    text, done = write(shared_generator, Parameters(), 200, {})
    assert text.lstrip().startswith("{")
    assert done.reason == "length" or isinstance(json.loads(text), dict)


@pytest.mark.parametrize("schema", [{"type": "no such type"}, {"$ref": "https://example.org/a.json"}, {"type": "string", "pattern": "(("}])
def test_a_schema_that_cannot_be_followed_is_one_sentence_and_the_model_goes_on(shared_generator: Generator, schema: dict[str, object]) -> None:
    pid = shared_generator.pid
    with pytest.raises(ModelUnable, match="schema"):
        write(shared_generator, Parameters(), schema=schema)
    write(shared_generator, Parameters(), 2)
    assert shared_generator.pid == pid


def test_raw_text_is_taken_as_it_is_control_tokens_and_all(shared_generator: Generator) -> None:
    raw, chat = shared_generator.count_tokens(["<|im_start|>user\nHi<|im_end|>", [Message("user", "<|im_start|>user\nHi<|im_end|>")]])
    assert raw == 5
    assert chat > 20


def test_times_are_told_and_a_model_without_tools_says_so(shared_generator: Generator) -> None:
    _, done = write(shared_generator, Parameters(), 8)
    assert done.writing_ms > 0
    tools = [{"type": "function", "function": {"name": "weather", "description": "tell it", "parameters": {"type": "object"}}}]
    with pytest.raises(ModelUnable, match="no place for tools"):
        list(shared_generator.generate(Request(ASK, 2, tools=tools), threading.Event()))


BOMBS = {
    "a long text": {"type": "string", "maxLength": 100_000_000},
    "many items": {"type": "array", "items": {"type": "integer"}, "minItems": 50_000_000},
    "items of items": {"type": "array", "maxItems": 200, "items": {"type": "array", "maxItems": 200, "items": {"type": "string"}}},
    "a pattern": {"type": "string", "pattern": "^(a?){3000}$"},
    "a pattern of patterns": {"type": "string", "pattern": "^((a?){40}){40}$"},
    "more than any number": {"type": "string", "maxLength": 1e300},
}


@pytest.mark.parametrize("schema", BOMBS.values(), ids=BOMBS)
def test_a_schema_that_would_fill_the_memory_is_refused_before_it_is_made(shared_generator: Generator, schema: dict[str, object]) -> None:
    pid = shared_generator.pid
    with pytest.raises(ModelUnable, match="repeats"):
        write(shared_generator, Parameters(), schema={"type": "object", "properties": {"x": schema}})
    write(shared_generator, Parameters(), 2)
    assert shared_generator.pid == pid


def test_a_schema_of_a_form_with_ordinary_limits_is_followed(shared_generator: Generator) -> None:
    form = {"type": "object", "properties": {"code": {"type": "string", "pattern": "^[A-Z]{2}-[0-9]{4}$"}}, "required": ["code"]}
    text, _ = write(shared_generator, Parameters(), 60, form)
    assert re.fullmatch(r"[A-Z]{2}-[0-9]{4}", json.loads(text)["code"])


def test_calls_with_many_texts_and_deep_ones_cost_no_more_than_a_sentence(shared_generator: Generator) -> None:
    many = Call("1", "find", json.dumps([f"<{number}>" for number in range(150_000)]))
    deep = Call("1", "find", '{"a":' * 900 + "1" + "}" * 900)
    for call in (many, deep):
        messages = [*ASK, Message("assistant", "", (call,)), Message("user", "And?")]
        with suppress(ModelUnable, PromptTooLong):
            list(shared_generator.generate(Request(messages, 2), threading.Event()))
    assert write(shared_generator, Parameters(), 2)[1].completion_tokens == 2
