"""What a model thinks aloud is never shown as its answer, however it is cut into pieces."""

from __future__ import annotations

import io
import json
from collections.abc import Iterator, Sequence
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from appliance.models.child import Child
from appliance.models.protocol import Message, pack
from appliance.models.template import CHATML, ChatTemplate
from appliance.models.thoughts import ThoughtFilter, opened

WORDS = st.text("ab <>|[/]think", max_size=30)


def cut(text: str, places: Sequence[int]) -> list[str]:
    ends = sorted({place % (len(text) + 1) for place in places})
    return [text[start:end] for start, end in zip([0, *ends], [*ends, len(text)], strict=True)]


def shown(filter_: ThoughtFilter, pieces: Sequence[str]) -> str:
    return "".join(filter_.add(piece) for piece in pieces) + filter_.rest()


@pytest.mark.parametrize(
    ("opens", "closes"),
    [
        ("<think>", "</think>"),
        ("\n<think>\n", "</think>"),
        ("[THINK]", "[/THINK]"),
        ("<|channel|>analysis<|message|>", "<|channel|>final<|message|>"),
    ],
)
@given(thought=WORDS, answer=st.text("ab <", max_size=20), places=st.lists(st.integers(0, 200), max_size=12))
def test_thoughts_are_left_out(opens: str, closes: str, thought: str, answer: str, places: list[int]) -> None:
    thought = thought.replace("</think>", "")
    assert shown(ThoughtFilter(), cut(f"{opens}{thought}{closes}\n\n{answer}", places)) == answer.lstrip()
    assert shown(ThoughtFilter(), cut(f"{opens}{thought}", places)) == ""


@given(text=st.text("ab <>\n", max_size=30), places=st.lists(st.integers(0, 200), max_size=12))
def test_a_text_without_thoughts_is_shown_as_it_is(text: str, places: list[int]) -> None:
    assert shown(ThoughtFilter(), cut(text, places)) == text


def test_a_channel_that_is_the_answers_own_is_shown() -> None:
    assert shown(ThoughtFilter(), ["<|channel|>", "final", "<|message|>", "Yes."]) == "Yes."


def test_a_prompt_can_begin_the_thoughts() -> None:
    closes = opened("<｜Assistant｜><think>\n")
    filter_ = ThoughtFilter(closes)
    assert filter_.thinking
    assert shown(filter_, ["Okay, the user ", "asks</thi", "nk>\n", "\nIt is 3,200 m high."]) == "It is 3,200 m high."
    assert opened("<|im_start|>assistant\n<think>\n\n</think>\n\n") == ""


class Scripted:
    """An engine that writes what it is told to: no model that is carried thinks aloud."""

    context = 100

    def __init__(self, pieces: Sequence[str]) -> None:
        self._pieces = pieces

    def tokens(self, parts: Sequence[object]) -> list[int]:
        return [1, 2, 3]

    def read(self, prompt: Sequence[int], progress: object) -> int:
        return 0

    def sampler(self, *_: object) -> None:
        return None

    def write(self, sampler: object) -> Iterator[bytes]:
        return (piece.encode() for piece in self._pieces)


def told(pieces: Sequence[str], prompt: Any, **more: object) -> tuple[str, dict[str, Any]]:
    out = io.BytesIO()
    child = Child(io.BytesIO(), out)
    child._engine = Scripted(pieces)  # type: ignore[assignment]
    child._template = ChatTemplate(CHATML + "{{ '<think>\n' }}")
    child._answer({"id": 1, "prompt": prompt, "max_tokens": 4, "stop": ["Okay"], "sampling": {}, "schema": None, "tools": [], **more})
    lines = [json.loads(line) for line in out.getvalue().splitlines()]
    return "".join(line["text"] for line in lines if line["is"] == "piece"), lines[-1]


def test_the_child_hides_thoughts_and_says_how_many_tokens_they_took() -> None:
    asked = pack([Message("user", "How high?")])
    text, done = told(["Okay", "</think>", "3,200 m"], asked)
    assert (text, done["reason"], done["completion_tokens"], done["thought_tokens"]) == ("3,200 m", "end", 3, 2)
    text, done = told(["Okay", " so", " they", " ask", " me"], asked)
    assert (text, done["reason"], done["completion_tokens"], done["thought_tokens"]) == ("", "length", 4, 4)


def test_what_is_asked_for_as_json_or_by_a_raw_prompt_is_the_whole_text() -> None:
    assert told(['{"a": 1}'], pack([Message("user", "How high?")]), schema={})[0] == '{"a": 1}'
    assert told(["<think>a</think>b"], "raw")[0] == "<think>a</think>b"
