"""Chat messages → the model's own prompt format, with what is trusted and what is not kept apart.

The template comes with the model file and runs in jinja's immutable sandbox (CVE-2024-34359 was a template that ran code).
It is rendered with a placeholder for each message's text, so that the caller can tokenise the template's own parts with
special tokens and the messages without: `<|im_start|>` inside a document stays six characters of text and never becomes a
control token, as it does with llama-cpp-python's `create_chat_completion` (measured: 16 instead of 32 tokens).
"""

from __future__ import annotations

import datetime
import hashlib
import json
import re
import secrets
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Any, NoReturn

from jinja2 import TemplateError, meta, nodes
from jinja2.ext import Extension
from jinja2.parser import Parser
from jinja2.sandbox import ImmutableSandboxedEnvironment

from appliance.models.protocol import Call, Message

CHATML = (
    "{% for message in messages %}{{ '<|im_start|>' + message['role'] + '\n' + message['content'] + '<|im_end|>\n' }}{% endfor %}"
    "{% if add_generation_prompt %}{{ '<|im_start|>assistant\n' }}{% endif %}"
)
"""For a model file that carries no template: the format that most small instruct models were trained on."""


_PLAIN = re.compile(r"[A-Za-z0-9_.,:; $/-]*")
"""No control token of any model is made of these alone: all have a bracket or a bar."""


@dataclass(frozen=True, slots=True)
class Part:
    """A stretch of the prompt. Only where `trusted` may it hold control tokens."""

    text: str
    trusted: bool


class TemplateFailed(Exception):
    """The model's template can't be rendered with these messages."""


class _Generation(Extension):
    """`{% generation %}` marks what a model is trained to write (SmolLM3, LFM2.5); for who reads, it is nothing but its body."""

    tags = {"generation"}  # noqa: RUF012  # jinja declares it as the instance's, and reads it on the class

    def parse(self, parser: Parser) -> list[nodes.Node]:
        next(parser.stream)
        return parser.parse_statements(("name:endgeneration",), drop_needle=True)


class ChatTemplate:
    def __init__(self, source: str, *, bos: str = "", eos: str = "") -> None:
        """`bos` and `eos` are the texts of the model's begin and end tokens. Raises TemplateFailed."""
        environment = ImmutableSandboxedEnvironment(
            trim_blocks=True, lstrip_blocks=True, extensions=["jinja2.ext.loopcontrols", _Generation], keep_trailing_newline=True
        )
        environment.filters["tojson"] = _to_json
        environment.globals.update(raise_exception=_raise, strftime_now=_now, bos_token=bos, eos_token=eos)
        try:
            self._template = environment.from_string(source or CHATML)
            self.can_call_tools = "tools" in meta.find_undeclared_variables(environment.parse(source or CHATML))
            """Whether the template lays out tools."""
        except TemplateError as error:
            raise TemplateFailed(f"its chat template is broken: {error}") from error

    def parts(self, messages: Sequence[Message], tools: Sequence[Mapping[str, Any]] = ()) -> tuple[Part, ...]:
        """The whole prompt, up to where the model's answer begins. `tools` as OpenAI's clients write them. Raises TemplateFailed.

        Some templates refuse a system message, or leave it out: then its text leads the first user message.
        """
        if tools and not self.can_call_tools:
            raise TemplateFailed("its chat template has no place for tools")
        try:
            return self._render(messages, tools)
        except TemplateFailed:
            if len(messages) < 2 or messages[0].role != "system":
                raise
            first = replace(messages[1], content=f"{messages[0].content}\n\n{messages[1].content}")
            return self._render([first, *messages[2:]], tools)

    def _render(self, messages: Sequence[Message], tools: Sequence[Mapping[str, Any]]) -> tuple[Part, ...]:
        masks = _Masks()
        try:
            shown = [_shown(message, masks) for message in messages]
            offered = [masks.inside(tool) for tool in tools]
        except RecursionError as error:
            raise TemplateFailed("a tool or a call of one is nested too deeply") from error
        wanted = {index for index, message in enumerate(messages) if message.content and not message.calls}
        # Qwen3 and its like think aloud at length unless told not to; other templates ignore the variable.
        given: dict[str, Any] = {"messages": shown, "add_generation_prompt": True, "enable_thinking": False}
        try:
            try:
                # As transformers says that there are none, for which most templates are written.
                rendered = self._template.render(**given, tools=offered or None, documents=None)
            except Exception:
                if offered:
                    raise
                rendered = self._template.render(**given)  # as llama.cpp says it: its form of Phi-4-mini's template asks `tools is defined`
        except Exception as error:  # a template can raise anything that its expressions can
            raise TemplateFailed(f"its chat template refuses the messages: {error}") from error
        parts, seen = masks.parts(rendered)
        if not {masks.of(messages[index].content) for index in wanted} <= seen:
            raise TemplateFailed("its chat template leaves out a message")
        return parts


class _Masks:
    """Placeholders for texts that are not the template's own, so that they can be told from it in what it renders."""

    def __init__(self) -> None:
        self._secret = secrets.token_hex(8)
        self._texts: list[str] = []
        self._numbers: dict[str, int] = {}

    def of(self, text: str) -> str:
        """The placeholder of a text: the same for the same text."""
        number = self._numbers.setdefault(text, len(self._texts))
        if number == len(self._texts):
            self._texts.append(text)
        return f"{self._secret}x{number}x"

    def inside(self, value: Any) -> Any:
        """A JSON value whose texts are placeholders, as JSON writes them, but for plain words: templates compare those ("object")."""
        if isinstance(value, str):
            return value if _PLAIN.fullmatch(value) else self.of(json.dumps(value, ensure_ascii=False)[1:-1])
        if isinstance(value, Mapping):
            if strange := next((key for key in value if not _PLAIN.fullmatch(str(key))), None):
                raise TemplateFailed(f"a tool has the name {str(strange)[:40]!r}, which is no plain word")
            return {str(key): self.inside(item) for key, item in value.items()}
        return [self.inside(item) for item in value] if isinstance(value, (list, tuple)) else value

    def parts(self, rendered: str) -> tuple[tuple[Part, ...], set[str]]:
        """What was rendered, in parts, and the placeholders that were in it."""
        pieces = re.split(f"({self._secret}x[0-9]+x)", rendered)
        parts = [Part(self._text(piece) if odd % 2 else piece, not odd % 2) for odd, piece in enumerate(pieces)]
        return tuple(part for part in parts if part.text), set(pieces[1::2])

    def _text(self, mask: str) -> str:
        return self._texts[int(mask.split("x")[1])]


def _shown(message: Message, masks: _Masks) -> dict[str, Any]:
    """As templates expect a message. Arguments of calls are values, not text: that is how they are laid out."""
    shown: dict[str, Any] = {"role": message.role, "content": masks.of(message.content) if message.content else ""}
    if message.name:
        shown["name"] = masks.inside(message.name)
    if message.role == "tool":
        shown["tool_call_id"] = _id(message.call)
    if message.calls:
        shown["tool_calls"] = [
            {
                "id": _id(call.id),
                "type": "function",
                "function": {"name": masks.inside(call.name), "arguments": masks.inside(_arguments(call))},
            }
            for call in message.calls
        ]
    return shown


def _id(told: str) -> str:
    """A call's id as every template takes it: Mistral's refuse all but nine letters and digits, and clients send what they like."""
    return hashlib.sha256(told.encode("utf-8", "replace")).hexdigest()[:9]


def _arguments(call: Call) -> Any:
    try:
        return json.loads(call.arguments)
    except (ValueError, RecursionError):
        return call.arguments


def _to_json(
    value: Any, ensure_ascii: bool = False, indent: int | None = None, separators: tuple[str, str] | None = None, sort_keys: bool = False
) -> str:
    """As Hugging Face's templates expect it: no HTML escapes, unlike jinja's own filter, and what transformers' own takes."""
    return json.dumps(value, ensure_ascii=ensure_ascii, indent=indent, separators=separators, sort_keys=sort_keys)


def _raise(message: str) -> NoReturn:
    raise TemplateError(message)


def _now(pattern: str) -> str:
    return datetime.datetime.now().strftime(pattern)
