"""Whose answer a tool's message is: by its id, by the tool's name, or in order, in each shape."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any

import pytest

from appliance.models.protocol import Message
from appliance.web.programs import ollama_reading, openai_chat, responses_reading
from appliance.web.programs.reading import Fields

ASK = {"role": "user", "content": "How warm is it, and how late?"}


def openai(ids: Sequence[str], answers: Sequence[dict[str, Any]]) -> tuple[Message, ...]:
    calls = [{"id": told, "type": "function", "function": {"name": name, "arguments": "{}"}} for told, name in zip(ids, "ab", strict=True)]
    said = [ASK, {"role": "assistant", "content": None, "tool_calls": calls}, *({"role": "tool", "content": "1", **one} for one in answers)]
    return openai_chat.messages(Fields({"messages": said}))


def ollama(ids: Sequence[str], answers: Sequence[dict[str, Any]]) -> tuple[Message, ...]:
    calls = [{"id": told, "function": {"name": name, "arguments": {}}} for told, name in zip(ids, "ab", strict=True)]
    said = [ASK, {"role": "assistant", "content": "", "tool_calls": calls}, *({"role": "tool", "content": "1", **one} for one in answers)]
    return ollama_reading.messages(Fields({"messages": said}))


def responses(ids: Sequence[str], answers: Sequence[dict[str, Any]]) -> tuple[Message, ...]:
    calls = [{"type": "function_call", "call_id": told, "name": name, "arguments": "{}"} for told, name in zip(ids, "ab", strict=True)]
    given = [{"type": "function_call_output", "output": "1", "call_id": one["tool_call_id"]} for one in answers]
    return responses_reading.conversation(Fields({"input": [ASK, *calls, *given]}))


@pytest.mark.parametrize("shape", [openai, ollama, responses])
def test_an_answer_goes_to_the_call_that_it_names(shape: Callable[..., tuple[Message, ...]]) -> None:
    _, called, second, first, other = shape(["call_1", "call_2"], [{"tool_call_id": one} for one in ("call_2", "call_1", "call_9")])
    assert [one.id for one in called.calls] == ["call_1", "call_2"]
    assert [(one.name, one.call) for one in (second, first, other)] == [("b", "call_2"), ("a", "call_1"), ("", "call_9")]


@pytest.mark.parametrize("shape", [openai, ollama])
def test_without_ids_answers_go_to_the_calls_in_their_order_unless_the_tool_is_named(shape: Callable[..., tuple[Message, ...]]) -> None:
    for answers, names in (([{}, {}, {}], ["a", "b", ""]), ([{"name": "b"}, {}], ["b", "a"])):
        _, called, *given = shape(["", ""], answers)
        known = {one.name: one.id for one in called.calls}
        assert len(set(known.values())) == 2
        assert [one.name for one in given] == names
        assert [one.call for one in given] == [known.get(name, "") for name in names]
    assert ollama(["", ""], [{"tool_name": "b"}])[2].name == "b"
