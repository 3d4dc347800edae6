"""What a language model is asked to write: made once, passed on whole."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from appliance.models.parameters import NOTHING_TOLD, Parameters
from appliance.models.protocol import Prompt


@dataclass(frozen=True, slots=True)
class Request:
    """`max_tokens` 0 reads the prompt and stops."""

    prompt: Prompt
    max_tokens: int
    stop: Sequence[str] = ()
    """Texts that end the answer and are not shown."""
    parameters: Parameters = NOTHING_TOLD
    schema: Mapping[str, Any] | None = None
    """The text is JSON that fits this JSON schema; an empty one is any object."""
    tools: Sequence[Mapping[str, Any]] = ()
    """As OpenAI's clients write them, laid out by the model's template."""
    client: str = "page"
    """Whose turn it takes in the queue (`turns.py`)."""
