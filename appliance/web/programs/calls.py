"""The tool calls of a conversation that a program sends, and which of them each tool's answer belongs to."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import replace

from appliance.models.protocol import Call, Message


class Calls:
    """Takes a conversation's calls and answers in their order. Older clients say neither whose nor which call's answer it is."""

    def __init__(self) -> None:
        self._known: dict[str, Call] = {}
        self._open: list[Call] = []

    def made(self, calls: Iterable[Call]) -> tuple[Call, ...]:
        """The calls of one message, each with an id."""
        made = [one if one.id else replace(one, id=f"call {len(self._known) + index}") for index, one in enumerate(calls)]
        self._known |= {one.id: one for one in made}
        self._open += made
        return tuple(made)

    def answered(self, content: str, call_id: str, name: str) -> Message:
        """What came of a call: of the one with that id, or else of the first of that name, or at all, that has no answer yet."""
        call = self._known.get(call_id) if call_id else next((one for one in self._open if name in ("", one.name)), None)
        if call is None:
            return Message("tool", content, name=name, call=call_id)
        self._open = [one for one in self._open if one is not call]
        return Message("tool", content, name=call.name, call=call.id)
