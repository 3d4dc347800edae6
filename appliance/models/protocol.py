"""What the appliance and the language model's child process say to each other: one JSON object a line, over the child's
stdin and stdout. Every line but the first of the child carries the `id` of the request that it answers.

```
to the child    {"do": "generate", "id": 1, "messages": [["user", "…"]], "max_tokens": 160, "stop": [], "temperature": 0.0, "seed": 0}
                {"do": "count", "id": 2, "prompts": [[["user", "…"]]]}          answered at once, even while an answer is written
                {"do": "cancel", "id": 1}
from the child  {"is": "ready", "id": 0, "context": 2048, "load_ms": 150, "resident_bytes": 0}
                {"is": "reading", "id": 1, "done": 64, "total": 900}   {"is": "piece", "id": 1, "text": "…"}
                {"is": "done", "id": 1, "prompt_tokens": 900, "completion_tokens": 12, "reused_tokens": 832, "reason": "end"}
                {"is": "counts", "id": 2, "counts": [900]}
                {"is": "too_long", "id": 1, "tokens": 3000, "limit": 2048}     {"is": "failed", "id": 1, "detail": "…"}
```
A `failed` with id 0 means that the model can't be loaded: the child ends after it.
"""

from __future__ import annotations

import json
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from typing import Any, Literal

Reason = Literal["end", "length", "cancelled"]


@dataclass(frozen=True, slots=True)
class Message:
    """One message of a chat. `role` is "system", "user" or "assistant"."""

    role: str
    content: str


@dataclass(frozen=True, slots=True)
class Waiting:
    """Others are before this question: `ahead` of them. Sent again when it changes."""

    ahead: int


@dataclass(frozen=True, slots=True)
class Reading:
    """The prompt is being read: `done` of `total` tokens, those that were still in memory included."""

    done: int
    total: int


@dataclass(frozen=True, slots=True)
class Piece:
    """More of the answer. Whole characters, never half of one."""

    text: str


@dataclass(frozen=True, slots=True)
class Done:
    """The answer's end. `reason`: the model ended it, it reached `max_tokens` (or the context is full), or it was cancelled."""

    prompt_tokens: int
    completion_tokens: int
    reused_tokens: int
    """Tokens of the prompt that did not have to be read again."""
    reason: Reason


GeneratorEvent = Waiting | Reading | Piece | Done


def encode(message: Mapping[str, Any]) -> bytes:
    """One line. Lone surrogates, which no JSON reader takes as text, can't get out: they are escaped as ASCII."""
    return json.dumps(message, separators=(",", ":")).encode("ascii") + b"\n"


def pack(messages: Iterable[Message]) -> list[list[str]]:
    return [[message.role, message.content] for message in messages]


def unpack(messages: Iterable[Iterable[str]]) -> list[Message]:
    return [Message(*message) for message in messages]
