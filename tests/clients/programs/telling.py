"""What the clients' scripts have in common: where the server is, and which calls were run, as JSON on stdout. Imports nothing but Python's own."""

from __future__ import annotations

import json
import os
import traceback
from collections.abc import Callable, Iterator
from contextlib import contextmanager

BASE, KEY = os.environ["HAVERSACK_TEST_URL"], os.environ["HAVERSACK_TEST_KEY"]
OPENAI = f"{BASE}/v1"
SMALL, TOOLS, FIELD, EMBEDDER = "smollm2-135m-instruct", "with-tools", "smollm2-135m-instruct@field-notes", "all-minilm-l6-v2"
QUESTION = "Who repaired the pump at Kidatu?"
SCHEMA = {
    "type": "object",
    "properties": {"town": {"type": "string", "maxLength": 20}, "people": {"type": "integer"}},
    "required": ["town", "people"],
    "additionalProperties": False,
}
WEATHER = {
    "type": "function",
    "function": {
        "name": "get_weather",
        "description": "The weather of a town",
        "parameters": {"type": "object", "properties": {"town": {"type": "string", "maxLength": 20}}, "required": ["town"]},
    },
}

_calls: list[tuple[str, Callable[[], object]]] = []


def call(name: str) -> Callable[[Callable[[], object]], Callable[[], object]]:
    """Marks a function that makes the call of that name, and asserts what came back."""

    def mark(function: Callable[[], object]) -> Callable[[], object]:
        _calls.append((name, function))
        return function

    return mark


def tell() -> None:
    """Run all of them, each whatever became of those before; print which were run, and what failed."""
    failed = {}
    for name, function in _calls:
        try:
            function()
        except Exception:
            failed[name] = traceback.format_exc()[-3000:]
    print(json.dumps({"ran": [name for name, _ in _calls], "failed": failed}))


@contextmanager
def key_in_the_environment() -> Iterator[None]:
    """The key where Ollama's Python package looks for it, if nobody gives it headers."""
    os.environ["OLLAMA_API_KEY"] = KEY
    try:
        yield
    finally:
        del os.environ["OLLAMA_API_KEY"]


def fits(text: str) -> None:
    """Asserts that `text` is what SCHEMA asks for."""
    data = json.loads(text)
    assert set(data) == {"town", "people"}, data
    assert isinstance(data["town"], str), data
    assert isinstance(data["people"], int), data


def near(one: list[float], two: list[float]) -> float:
    """The cosine of two vectors."""
    dot = sum(a * b for a, b in zip(one, two, strict=True))
    return dot / (sum(a * a for a in one) ** 0.5 * sum(b * b for b in two) ** 0.5)


def alike(vectors: list[list[float]]) -> None:
    """Asserts that of three vectors the first two are nearer to each other than to the third."""
    first, second, third = vectors
    assert len(first) == 384
    assert near(first, second) > near(first, third) + 0.1


THREE = ["The pump was repaired.", "Somebody mended the pump.", "The opera was composed in Vienna."]
