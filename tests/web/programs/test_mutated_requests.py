"""Right requests with one thing changed, many times over: none is answered with a 500, and the server still answers afterwards."""

from __future__ import annotations

import copy
import json
import random
from typing import Any

import pytest

from tests.web.programs.conftest import EMBEDDER, FIELD, SMALL, TOOLS, Program
from tests.web.programs.test_openai import OPENED, PERSON, WEATHER

JUNK: list[Any] = [None, True, False, 0, -1, 1.5, 1e308, 10**40, "", "x", "\x00", "\ud800", "💥" * 50, [], [[]], [None], {}, {"a": {"a": []}}, [{}]]
CALL = {"id": "c", "type": "function", "function": {"name": "get_weather", "arguments": "{}"}}
SAID = [{"role": "user", "content": [{"type": "text", "text": "Hi"}]}, {"role": "assistant", "content": None, "tool_calls": [CALL]}]
SAID += [{"role": "tool", "tool_call_id": "c", "content": "sunny"}, {"role": "user", "content": "Say hello."}]
SCHEMA = {"type": "json_schema", "json_schema": {"name": "p", "schema": PERSON}}
ITEMS = [{"role": "user", "content": [{"type": "input_text", "text": "Hi"}]}, {"type": "function_call_output", "call_id": "c", "output": "x"}]
TOOL_CALLS = [{"function": {"name": "f", "arguments": {"a": 1}}}]
RIGHT: dict[str, dict[str, Any]] = {
    "/v1/chat/completions": {
        "model": TOOLS,
        "messages": SAID,
        "max_tokens": 1,
        "temperature": 0.5,
        "top_p": 0.9,
        "seed": 1,
        "stop": ["x"],
        "stream": False,
        "tools": [WEATHER],
        "tool_choice": "auto",
        "response_format": {"type": "text"},
        "stream_options": {"include_usage": True},
        "collection": "",
    },
    "/v1/chat/completions?": {"model": SMALL, "messages": SAID[-1:], "max_tokens": 1, "response_format": SCHEMA, "stream": True},
    "/v1/chat/completions??": {"model": FIELD, "messages": OPENED, "max_tokens": 1, "stop": "x"},
    "/v1/completions": {"model": SMALL, "prompt": ["Once"], "max_tokens": 1, "stop": None, "response_format": SCHEMA},
    "/v1/embeddings": {"model": EMBEDDER, "input": ["a", "b"], "encoding_format": "float", "dimensions": 384, "input_type": "query"},
    "/v1/responses": {"model": SMALL, "input": ITEMS, "instructions": "Be brief.", "max_output_tokens": 1, "text": {"format": {"type": "text"}}},
    "/api/chat": {
        "model": TOOLS,
        "messages": [{"role": "assistant", "content": "x", "tool_calls": TOOL_CALLS}, *SAID[-1:]],
        "stream": False,
        "keep_alive": 3,
        "options": {"num_predict": 1, "num_ctx": 512, "temperature": 0, "top_p": 0, "stop": ["x"], "seed": 1},
        "format": "",
        "tools": [WEATHER],
    },
    "/api/generate": {"model": SMALL, "prompt": "x", "system": "y", "raw": False, "options": {"num_predict": 1}, "format": PERSON, "stream": False},
    "/api/embed": {"model": EMBEDDER, "input": "a", "truncate": True, "options": {}},
    "/api/show": {"model": SMALL, "verbose": False},
}
LENGTHS = ("max_tokens", "max_output_tokens", "num_predict", "options")
"""Without them an answer may take minutes; that they are checked is proved elsewhere."""


def places(value: Any, path: tuple[Any, ...] = ()) -> list[tuple[Any, ...]]:
    inner = value.items() if isinstance(value, dict) else enumerate(value) if isinstance(value, list) else ()
    return [path] * (bool(path) and path[-1] not in LENGTHS) + [place for key, item in inner for place in places(item, (*path, key))]


def mutated(right: dict[str, Any], chance: random.Random) -> dict[str, Any]:
    body = copy.deepcopy(right)
    *way, last = chance.choice(places(body))
    holder: Any = body
    for key in way:
        holder = holder[key]
    holder[last] = copy.deepcopy(chance.choice(JUNK))
    return body


@pytest.mark.slow
@pytest.mark.parametrize("path", RIGHT)
def test_no_mutated_request_is_answered_with_a_500(program: Program, path: str) -> None:
    chance, plain = random.Random(path), path.rstrip("?")
    seen = set()
    for _ in range(12):
        body = mutated(RIGHT[path], chance)
        answer = program.client.post(plain, json=body, base_url="http://127.0.0.1:8765", buffered=True)
        seen.add(answer.status_code)
        shown = json.dumps(body)[:1500]
        assert answer.status_code in (200, 400, 404, 413), f"{answer.status_code} {answer.get_data(as_text=True)[:300]}\n{shown}"
        assert "unexpected" not in answer.get_data(as_text=True), shown
    assert seen & {400, 404}
    assert program.client.post(plain, json=RIGHT[path], base_url="http://127.0.0.1:8765", buffered=True).status_code == 200
