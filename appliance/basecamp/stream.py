"""Server-sent events of a completion, read with suspicion: line in, text out."""

from __future__ import annotations

import json
from typing import Any, Literal

from appliance.basecamp.exchange import Failed, plain


class Stream:
    """One answer. `raw`: of /v1/completions, whose pieces lie elsewhere."""

    def __init__(self, raw: bool) -> None:
        self._raw = raw
        self._finished = ""
        self.ended = False
        """The engine has said that nothing more comes."""
        self.pieces = 0
        self.prompt_tokens = 0
        self.completion_tokens = 0
        self.reused_tokens = 0

    @property
    def reason(self) -> Literal["end", "length"]:
        return "length" if self._finished == "length" else "end"

    def feed(self, line: bytes) -> tuple[bool, str]:
        """Whether the line says anything, and the text that it brings. Raises Failed on what no engine sends."""
        name, _, value = line.strip().partition(b":")
        value = value.strip()
        if name != b"data":
            # Comments, `event`, `id`, `retry` and empty lines are part of the format. What else there is, is some other page.
            if name not in (b"", b"event", b"id", b"retry"):
                raise Failed("sends what no language engine sends")
            return False, ""
        if value == b"[DONE]":
            self.ended = True
            return True, ""
        try:
            event = json.loads(value)
        except (ValueError, RecursionError) as error:
            raise Failed("sends what no language engine sends") from error
        if not isinstance(event, dict):
            raise Failed("sends what no language engine sends")
        if broken := event.get("error"):
            said = broken.get("message", "") if isinstance(broken, dict) else broken
            raise Failed(f"broke the answer off ({plain(said)})")
        self._count(event.get("usage"))
        return True, self._text(event.get("choices"))

    def check(self) -> None:
        """At the end: raises Failed where it is none, or where nothing at all was said."""
        if not self.ended and not self._finished:
            raise Failed("went away in the middle of the answer" if self.pieces else "went away before it said a word")
        if not self.pieces and not self.completion_tokens:
            raise Failed("sent an empty answer")

    def _text(self, choices: Any) -> str:
        if choices is None or choices == []:  # the event that only counts
            return ""
        try:
            choice = choices[0]
            finished = choice.get("finish_reason")
            # What a model thinks aloud comes under another name ("reasoning_content"), and is not the answer.
            text = (choice if self._raw else choice.get("delta") or {}).get("text" if self._raw else "content")
        except (AttributeError, LookupError, TypeError) as error:
            raise Failed("sends what no language engine sends") from error
        if not isinstance(text, str | None) or not isinstance(finished, str | None):
            raise Failed("sends what no language engine sends")
        self._finished = finished or self._finished
        if not text:
            return ""
        self.pieces += 1
        return text.encode("utf-8", "replace").decode()  # half a surrogate pair is no text

    def _count(self, usage: Any) -> None:
        if not isinstance(usage, dict):
            return
        details = usage.get("prompt_tokens_details")
        self.prompt_tokens = _number(usage.get("prompt_tokens"), self.prompt_tokens)
        self.completion_tokens = _number(usage.get("completion_tokens"), self.completion_tokens)
        self.reused_tokens = _number(details.get("cached_tokens"), 0) if isinstance(details, dict) else 0


def _number(value: Any, otherwise: int) -> int:
    return value if type(value) is int and 0 <= value < 1 << 31 else otherwise
