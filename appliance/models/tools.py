"""Tool calls in what a model writes: each family has its own way, and none of them is more than text.

| Family | What arrives here |
|---|---|
| Hermes, Qwen 2.5 and 3, SmolLM3 | `<tool_call>{"name": …, "arguments": {…}}</tool_call>`, several after each other, text before them |
| Qwen3-Coder and later | `<tool_call><function=NAME><parameter=KEY>VALUE</parameter></function></tool_call>` |
| Llama 3 | `{"name": …, "parameters": {…}}`, several with `;` between; its `<|python_tag|>` is a control token, which has no text |
| Mistral | `[TOOL_CALLS][{"name": …, "arguments": {…}}]`, or `NAME[ARGS]{…}`; where the marks are control tokens, only the rest arrives |
| Phi, Granite, Gemma | a JSON list or object, between marks of their own or in a fenced block |

What only looks like a call (JSON that names no tool that was offered, a mark without a call behind it) comes out as the text that it is.
"""

from __future__ import annotations

import json
import re
import secrets
from collections.abc import Collection, Iterator, Mapping, Sequence
from typing import Any

from appliance.models.protocol import Call

_MARKS = ("<tool_call>", "<|tool_call|>", "[TOOL_CALLS]", "<|python_tag|>")
"""What announces a call, also behind text."""
_BEGINNING = re.compile(r"\s*(?:```(?:json|tool_code|tool_call)?\s*)?(?=[\[{])")
_FENCE = re.compile(r"\s*`{0,3}[a-z_]{0,9}\s*")
"""What may still become a fenced block."""
_BETWEEN = re.compile(r"[\s;,]*(?:</tool_call>|<\|/tool_call\|>|```)?[\s;,]*")
_CODER = re.compile(r"\s*<function=([^>\s]+)>(.*?)</function>\s*", re.DOTALL)
_CODER_VALUE = re.compile(r"<parameter=([^>\s]+)>\n?(.*?)\n?</parameter>", re.DOTALL)
_OPENED = re.compile(r"\s*(?:```[a-z_]*)?\s*")
_DECODER = json.JSONDecoder()
_OBJECT: Mapping[str, Any] = {"type": "object"}
_DEFINITIONS = ("$defs", "definitions")
_REFERENCE = re.compile(r"^#/(?:\$defs|definitions)/([^/]+)")


def tool_names(tools: Sequence[Mapping[str, Any]]) -> tuple[str, ...]:
    """The names in OpenAI's list of tools."""
    return tuple(str(tool["function"]["name"]) for tool in tools)


def calling_schema(tools: Sequence[Mapping[str, Any]], otherwise: Mapping[str, Any] | None = None) -> dict[str, Any]:
    """The JSON schema of a call of one of these tools, or of what `otherwise` says: written under it, the text can't be anything else."""
    definitions: dict[str, Any] = {}
    parts: list[dict[str, Any]] = []
    for number, tool in enumerate(tools):
        function = tool["function"]
        arguments = _part(function.get("parameters") or _OBJECT, f"-{number}", definitions)
        parts.append(
            {
                "type": "object",
                "properties": {"name": {"const": function["name"]}, "arguments": arguments},
                "required": ["name", "arguments"],
                "additionalProperties": False,
            }
        )
    if otherwise is not None:
        parts.append(_part(otherwise or _OBJECT, "", definitions))
    return (parts[0] if len(parts) == 1 else {"anyOf": parts}) | ({"$defs": definitions} if definitions else {})


def _part(schema: Mapping[str, Any], ending: str, definitions: dict[str, Any]) -> dict[str, Any]:
    """A schema inside another one. Its definitions are looked for at the root of the whole: they go there, by names that end in `ending`."""
    rest = {key: value for key, value in schema.items() if key not in _DEFINITIONS}
    for key in _DEFINITIONS:
        own = schema.get(key)
        definitions |= {f"{name}{ending}": _pointing(one, ending) for name, one in own.items()} if isinstance(own, Mapping) else {}
    found: dict[str, Any] = _pointing(rest, ending)
    return found


def _pointing(value: Any, ending: str) -> Any:
    """The same, its references led to where `_part` has put what they name."""
    if isinstance(value, Mapping):
        refers = isinstance(value.get("$ref"), str)
        return {
            key: _REFERENCE.sub(rf"#/$defs/\1{ending}", item) if refers and key == "$ref" else _pointing(item, ending) for key, item in value.items()
        }
    return [_pointing(one, ending) for one in value] if isinstance(value, (list, tuple)) else value


class CallReader:
    """Takes a text in pieces and gives it back with the calls taken out of it; only what may be a call is held back."""

    def __init__(self, names: Collection[str]) -> None:
        """`names`: of the tools that were offered; nothing else is a call."""
        self._names = frozenset(names)
        self._held = ""
        self._begun = False
        """Something was shown already: from here on, only a mark announces a call."""
        self._calling = False
        """A mark came, or the answer begins like JSON: held until it is whole."""
        self._called = False

    def add(self, piece: str) -> list[str | Call]:
        """What is certain by now, in order."""
        self._held += piece
        if self._calling:
            # A call ends with one of these: nothing else need be looked at.
            return self._settled() if piece.rstrip()[-1:] in ("}", "]", ">", "`") else []
        return self._looked_at()

    def rest(self) -> list[str | Call]:
        """What was held back, at the end of the text."""
        found = self._settled() if self._calling else []
        shown, self._held, self._calling = self._held, "", False
        shown = _BETWEEN.sub("", shown, count=1) if self._called else shown
        return [*found, *([shown] if shown else [])]

    def _looked_at(self) -> list[str | Call]:
        marks = [place for place in (self._held.find(mark) for mark in _MARKS) if place >= 0]
        if marks or (not self._begun and _BEGINNING.match(self._held)):
            marks = marks or [0]
            shown, self._held = self._held[: min(marks)].rstrip(), self._held[min(marks) :]
            self._calling = True
            return [*self._shown(shown), *self._settled()]
        if not self._begun and (_may_be_fence(self._held) or self._may_be_name()):
            return []
        kept = max((_overlap(self._held, mark) for mark in _MARKS), default=0)
        # Blank lines before a mark are the call's, not the text's.
        kept = len(self._held) - len(self._held[: len(self._held) - kept].rstrip())
        shown, self._held = self._held[: len(self._held) - kept], self._held[len(self._held) - kept :]
        return self._shown(shown)

    def _shown(self, text: str) -> list[str | Call]:
        self._begun = self._begun or bool(text)
        return [text] if text else []

    def _may_be_name(self) -> bool:
        """Mistral's newer way, its marks left out: a tool's name, and its arguments right behind it."""
        text = self._held.lstrip()
        if any(text.startswith((f"{name}{{", f"{name}[ARGS]")) for name in self._names):
            self._calling = True
            return True
        return any(name.startswith(text) or f"{name}[ARGS]".startswith(text) for name in self._names)

    def _settled(self) -> list[str | Call]:
        """The calls that are whole by now; what can't be one any more is text, once the end is reached."""
        found: list[str | Call] = []
        while True:
            between = _BETWEEN.match(self._held) if self._called else None
            calls, after = _first_calls(self._held, between.end() if between else 0, self._names)
            if not calls:
                return found
            found.extend(calls)
            self._begun = self._called = True
            self._held = self._held[after:]


def _first_calls(text: str, start: int, names: Collection[str]) -> tuple[list[Call], int]:
    """The call, or list of calls, that `text` has from `start`, and where it ends; none where it isn't whole or names another tool."""
    start = len(text) - len(text[start:].lstrip())
    while mark := next((mark for mark in _MARKS if text.startswith(mark, start)), ""):
        start += len(mark)
    if coder := _CODER.match(text, start):
        arguments = {key: _value(value) for key, value in _CODER_VALUE.findall(coder[2])}
        return ([_call(coder[1], arguments)] if coder[1] in names else []), coder.end()
    opened = _OPENED.match(text, start)
    start = opened.end() if opened else start
    named = next((name for name in sorted(names, key=len, reverse=True) if text.startswith(name, start)), "")
    if named:
        start += len(named)
        start += len("[ARGS]") if text.startswith("[ARGS]", start) else 0
    try:
        value, end = _DECODER.raw_decode(text, start)
    except (ValueError, RecursionError):
        return [], 0
    if named:
        return ([_call(named, value)], end) if isinstance(value, dict) else ([], 0)
    calls = list(_calls_of(value if isinstance(value, list) else [value], names))
    return (calls, end) if calls and len(calls) == (len(value) if isinstance(value, list) else 1) else ([], 0)


def _calls_of(values: Sequence[Any], names: Collection[str]) -> Iterator[Call]:
    for value in values:
        if not isinstance(value, dict):
            return
        function = value.get("function")
        inner: dict[str, Any] = function if isinstance(function, dict) else value
        name = inner.get("name")
        arguments: Any = next((inner[key] for key in ("arguments", "parameters", "args") if key in inner), {})
        if isinstance(arguments, str):  # some write the arguments as JSON in a text, as OpenAI's API does
            try:
                arguments = json.loads(arguments)
            except (ValueError, RecursionError):
                return
        if not isinstance(name, str) or name not in names or not isinstance(arguments, dict):
            return
        yield _call(name, arguments)


def _value(text: str) -> Any:
    """A value as Qwen3-Coder writes it: JSON where it is some, else text."""
    try:
        return json.loads(text)
    except (ValueError, RecursionError):
        return text


def _call(name: str, arguments: Mapping[str, Any]) -> Call:
    return Call(f"call_{secrets.token_hex(12)}", name, json.dumps(arguments, ensure_ascii=False))


def _may_be_fence(text: str) -> bool:
    return not text.strip() or ("`" in text and _FENCE.fullmatch(text) is not None)


def _overlap(text: str, mark: str) -> int:
    """The longest end of `text` that is a beginning of `mark`."""
    return next((length for length in range(min(len(text), len(mark) - 1), 0, -1) if text.endswith(mark[:length])), 0)
