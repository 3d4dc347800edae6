"""Models that think aloud before they answer: their thoughts are no part of the answer, and are never shown as one."""

from __future__ import annotations

_MARKS = {
    "<think>": "</think>",  # DeepSeek-R1, Qwen3, SmolLM3, Phi-4-mini-reasoning
    "[THINK]": "[/THINK]",  # Magistral
    "<|channel|>": "<|channel|>final<|message|>",  # gpt-oss: whatever channel it begins in, the answer comes in this one
}
"""What begins thoughts → what ends them."""
CONTROL = ("<think>", "</think>", "[THINK]", "[/THINK]")
"""Those that are one control token in some vocabularies, which else has no text."""
ALWAYS = (
    "It thinks aloud before every answer. That is not shown, takes its time, and counts among its answer's tokens: an answer of the usual "
    "length may have no room for anything else."
)
"""For a model whose template begins thoughts itself."""


def opened(prompt: str) -> str:
    """What ends the thoughts that the end of a prompt begins; "" where it begins none."""
    end = prompt.rstrip()
    return next((closes for opens, closes in _MARKS.items() if end.endswith(opens)), "")


class ThoughtFilter:
    """`add` returns what may be shown: where the text begins with thoughts, nothing before they are over."""

    def __init__(self, closes: str = "") -> None:
        """`closes` is from `opened`."""
        self._closes = closes
        self._held = ""
        self._over = False
        self._leading = False

    @property
    def thinking(self) -> bool:
        return bool(self._closes) and not self._over

    def add(self, text: str) -> str:
        self._held += text
        if not self._over:
            self._look()
        if not self._over:
            return ""
        shown, self._held = self._held.lstrip() if self._leading else self._held, ""
        self._leading = self._leading and not shown
        return shown

    def rest(self) -> str:
        """What was held back because it could still have become a mark."""
        shown, self._held = "" if self.thinking else self._held, ""
        return shown

    def _look(self) -> None:
        if not self._closes:
            begun = self._held.lstrip()
            self._closes = next((closes for opens, closes in _MARKS.items() if begun.startswith(opens)), "")
            if not self._closes:
                self._over = not any(opens.startswith(begun) for opens in _MARKS)
                return
        _, mark, after = self._held.partition(self._closes)
        if mark:
            self._held, self._over, self._leading = after, True, True
        else:
            self._held = self._held[-len(self._closes) :]
