"""What the appliance and the language model's child process say to each other: one JSON object a line, over the child's
stdin and stdout. Every line but the first of the child carries the `id` of the request that it answers.

```
to the child    {"do": "generate", "id": 1, "prompt": [{"role": "user", "content": "…"}], "max_tokens": 160,
                 "stop": [], "sampling": {}, "schema": null, "tools": []}
                {"do": "count", "id": 2, "prompts": ["raw text"]}               answered at once, even while an answer is written
                {"do": "cancel", "id": 1}
from the child  {"is": "ready", "id": 0, "context": 2048, "load_ms": 150, "resident_bytes": 0, "variant": "haswell"}
                {"is": "reading", "id": 1, "done": 64, "total": 900}   {"is": "piece", "id": 1, "text": "…"}
                {"is": "done", "id": 1, "prompt_tokens": 900, "completion_tokens": 12, "reused_tokens": 832, "reason": "end",
                 "thought_tokens": 0, "reading_ms": 9.1, "writing_ms": 80.0, "processor_ms": 150.0}
                {"is": "counts", "id": 2, "counts": [900]}
                {"is": "too_long", "id": 1, "tokens": 3000, "limit": 2048}     {"is": "failed", "id": 1, "detail": "…"}
                {"is": "refused", "id": 1, "detail": "…"}      the request can't be done by this model, which goes on living
```
A prompt is a list of messages, or a text that is taken as it is, control tokens and all. A `failed` with id 0 means that the model can't be
loaded: the child ends after it.
"""

from __future__ import annotations

import json
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import asdict, dataclass
from typing import Any, Literal

from appliance.documents import Energy

Reason = Literal["end", "length", "cancelled"]


@dataclass(frozen=True, slots=True)
class Call:
    """A tool that the model called. `arguments` is JSON text, as the model wrote it."""

    id: str
    name: str
    arguments: str


@dataclass(frozen=True, slots=True)
class Message:
    """One message of a chat. `role` is "system", "user", "assistant" or "tool"; `name` is the tool's whose answer it is, `call` the id of the
    call that it answers."""

    role: str
    content: str
    calls: tuple[Call, ...] = ()
    name: str = ""
    call: str = ""


Prompt = Sequence[Message] | str
"""Messages, which the model's own template lays out, or a text that is taken as it is, control tokens and all."""


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
    reading_ms: float = 0.0
    """Reading the tokens of the prompt that were not known."""
    writing_ms: float = 0.0
    processor_ms: float = 0.0
    """Of all cores together, for this request; 0 where it ran on another machine."""
    thought_tokens: int = 0
    """Those of the completion that the model thought aloud (`thoughts.py`), and that are no part of the text."""
    energy: Energy | None = None
    """What it took, where somebody measured it."""


GeneratorEvent = Waiting | Reading | Piece | Done


def encode(message: Mapping[str, Any]) -> bytes:
    """One line. Lone surrogates, which no JSON reader takes as text, can't get out: they are escaped as ASCII."""
    return json.dumps(message, separators=(",", ":")).encode("ascii") + b"\n"


def pack(prompt: Prompt) -> list[dict[str, Any]] | str:
    return prompt if isinstance(prompt, str) else [asdict(message) for message in prompt]


def unpack(prompt: Iterable[Mapping[str, Any]] | str) -> list[Message] | str:
    if isinstance(prompt, str):
        return prompt
    return [Message(**{**message, "calls": tuple(Call(**call) for call in message["calls"])}) for message in prompt]
