"""Tool calls out of text: every family's way, whole and cut at every character, and what only looks like one."""

from __future__ import annotations

import json
from typing import Any

import pytest

from appliance.models.protocol import Call
from appliance.models.sampler import grammar_of
from appliance.models.tools import CallReader, calling_schema, tool_names

WEATHER = {"name": "get_weather", "arguments": {"city": "Goma"}}
TIME: dict[str, Any] = {"name": "get_time", "arguments": {}}
NAMES = ("get_weather", "get_time")
ONE, OTHER = json.dumps(WEATHER), json.dumps(TIME)
CALLED = [("get_weather", {"city": "Goma"})]
BOTH = [*CALLED, ("get_time", {})]

WAYS = {
    "hermes": (f"<tool_call>\n{ONE}\n</tool_call>", "", CALLED),
    "hermes, two": (f"<tool_call>\n{ONE}\n</tool_call>\n<tool_call>\n{OTHER}\n</tool_call>", "", BOTH),
    "hermes behind text": (f"I'll look that up.\n\n<tool_call>\n{ONE}\n</tool_call>", "I'll look that up.", CALLED),
    "hermes without its end mark": (f"<tool_call>{ONE}", "", CALLED),
    "qwen coder": ("<tool_call>\n<function=get_weather>\n<parameter=city>\nGoma\n</parameter>\n</function>\n</tool_call>", "", CALLED),
    "llama 3": ('{"name": "get_weather", "parameters": {"city": "Goma"}}', "", CALLED),
    "llama 3, two": ('{"name": "get_weather", "parameters": {"city": "Goma"}}; {"name": "get_time", "parameters": {}}', "", BOTH),
    "llama 3 with its tag": (f"<|python_tag|>{ONE}", "", CALLED),
    "mistral": (f"[TOOL_CALLS] [{ONE}, {OTHER}]", "", BOTH),
    "mistral without its mark": (f"[{ONE}]", "", CALLED),
    "mistral's newer way": ('[TOOL_CALLS]get_weather[ARGS]{"city": "Goma"}', "", CALLED),
    "mistral's newer way without marks": ('get_weather{"city": "Goma"}', "", CALLED),
    "phi": (f"<|tool_call|>[{ONE}]<|/tool_call|>", "", CALLED),
    "fenced": (f"```json\n{ONE}\n```", "", CALLED),
    "arguments as a text": ('{"name": "get_weather", "arguments": "{\\"city\\": \\"Goma\\"}"}', "", CALLED),
    "as OpenAI writes it": (json.dumps([{"type": "function", "function": WEATHER}]), "", CALLED),
}
TEXTS = (
    "It is sunny in Goma.",
    '{"name": "delete_everything", "arguments": {}}',
    '{"city": "Goma", "sunny": true}',
    "[1] says that it rains.",
    "<tool_call> is a mark that some models write.",
    "<tool_call>\n{broken\n</tool_call>",
    "```python\nprint('get_weather')\n```",
    "get_weather is a tool.",
    '{"name": "get_weather", "arguments": [1]}',
    "a < b, and a <tool box",
    "[" * 5000,
    "",
)


def read(text: str, size: int) -> tuple[str, list[tuple[str, Any]]]:
    reader = CallReader(NAMES)
    found = [one for start in range(0, len(text), size) for one in reader.add(text[start : start + size])] + reader.rest()
    calls = [one for one in found if isinstance(one, Call)]
    assert all(one.id.startswith("call_") for one in calls)
    return "".join(one for one in found if isinstance(one, str)), [(one.name, json.loads(one.arguments)) for one in calls]


@pytest.mark.parametrize("way", WAYS)
@pytest.mark.parametrize("size", [1, 2, 3, 7, 1000])
def test_every_family_s_calls_are_taken_out_of_its_text_however_it_is_cut(way: str, size: int) -> None:
    text, shown, calls = WAYS[way]
    assert read(text, size) == (shown, calls)


@pytest.mark.parametrize("text", TEXTS, ids=lambda text: text[:20])
@pytest.mark.parametrize("size", [1, 5, 1000])
def test_what_only_looks_like_a_call_stays_text(text: str, size: int) -> None:
    assert read(text, size) == (text, [])


def test_text_that_can_t_be_a_call_is_shown_at_once() -> None:
    reader = CallReader(NAMES)
    assert [reader.add(piece) for piece in ("It ", "is ", "sunny.")] == [["It"], [" is"], [" sunny."]]


def test_ids_differ() -> None:
    found = CallReader(NAMES).add(f"[{ONE}, {ONE}]")
    assert len({one.id for one in found if isinstance(one, Call)}) == 2


def test_the_schema_that_forces_a_call_names_the_tools_and_their_arguments() -> None:
    wanted = {"type": "object", "properties": {"city": {"type": "string"}}}
    tools = [{"type": "function", "function": {"name": "get_weather", "parameters": wanted}}, {"type": "function", "function": {"name": "get_time"}}]
    assert tool_names(tools) == NAMES
    assert calling_schema(tools[:1])["properties"] == {"name": {"const": "get_weather"}, "arguments": wanted}
    assert [one["properties"]["name"] for one in calling_schema(tools)["anyOf"]] == [{"const": "get_weather"}, {"const": "get_time"}]
    assert calling_schema(tools[:1], {})["anyOf"][1] == {"type": "object"}


def test_tools_and_an_answer_keep_their_own_definitions_of_one_name() -> None:
    def schema(kind: str, where: str) -> dict[str, Any]:
        place = {"type": "object", "properties": {"at": {"type": kind}}, "required": ["at"]}
        return {"type": "object", "properties": {"place": {"$ref": f"#/{where}/Place"}}, "required": ["place"], where: {"Place": place}}

    tools = [
        {"type": "function", "function": {"name": name, "parameters": schema(kind, "$defs")}}
        for name, kind in (("get_weather", "integer"), ("get_time", "boolean"))
    ]
    whole = calling_schema(tools, schema("null", "definitions"))
    grammar = grammar_of(whole)  # it looks for every definition at the root of the whole
    assert all(kind in grammar for kind in ("integer", "boolean", "null"))
    kinds = [one["properties"]["at"]["type"] for one in whole["$defs"].values()]
    assert kinds == ["integer", "boolean", "null"]
    assert calling_schema(tools[1:])["properties"]["arguments"]["properties"]["place"]["$ref"] == "#/$defs/Place-0"
