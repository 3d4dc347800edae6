"""What OpenAI's endpoints have in common: parameters, tools, formats, usage, sources, events."""

from __future__ import annotations

import json
import secrets
from collections.abc import Iterator, Mapping
from dataclasses import asdict
from typing import Any

from appliance import __version__
from appliance.errors import BadRequest
from appliance.models.parameters import Parameters
from appliance.models.protocol import Call
from appliance.web.programs.reading import Fields
from appliance.web.programs.running import MOST_TOOLS, Ahead, Ended, Event

FINGERPRINT = f"haversack-{__version__}"
DONE = b"data: [DONE]\n\n"
_HEARTBEAT = 8
"""Silent glances (2 s) until a comment is sent, so that nothing between here and the client takes silence for the end."""
_PARAMETERS = {
    "temperature": "temperature",
    "top_p": "top_p",
    "presence_penalty": "presence_penalty",
    "frequency_penalty": "frequency_penalty",
    "seed": "seed",
    # As llama.cpp's own server and others take them.
    "top_k": "top_k",
    "min_p": "min_p",
    "repeat_penalty": "repeat_penalty",
}


def new_id(kind: str) -> str:
    return f"{kind}{secrets.token_hex(12)}"


def parameters(fields: Fields, *longest: str) -> Parameters:
    """The parameters of a request. `longest`: the fields for the longest answer, the one that counts first."""
    name = next((name for name in longest if fields.has(name)), None)
    return fields.parameters({**_PARAMETERS, name: "max_tokens"} if name else _PARAMETERS)


def tools(fields: Fields) -> tuple[dict[str, Any], ...]:
    """The list of tools, as chat completions have it. Raises BadRequest."""
    found = []
    for tool in fields.objects("tools", MOST_TOOLS):
        if tool.text("type", "function") != "function":
            raise BadRequest(detail=f'"{tool.path}type" must be "function": no tool is run here, only called for you to run.', param="tools")
        found.append(one_tool(tool.object("function")))
    return differing(found)


def one_tool(function: Fields) -> dict[str, Any]:
    """A tool with a name, a description and the schema of its arguments. Raises BadRequest."""
    name = function.text("name")
    if not name or len(name) > 64 or not all(sign.isascii() and (sign.isalnum() or sign in "_-.") for sign in name):
        raise function.wrong("name", "a name of at most 64 letters, digits, dots, dashes and underscores")
    parts: dict[str, Any] = {"name": name}
    if function.has("description"):
        parts["description"] = function.text("description")
    if function.has("parameters"):
        function.object("parameters")
        parts["parameters"] = function.value("parameters")
    return {"type": "function", "function": parts}


def differing(found: list[dict[str, Any]]) -> tuple[dict[str, Any], ...]:
    names = [tool["function"]["name"] for tool in found]
    if len(set(names)) < len(names):
        raise BadRequest(detail="Two tools have the same name. Give each its own.", param="tools")
    return tuple(found)


def chosen(fields: Fields, offered: tuple[dict[str, Any], ...], *, named: str | None) -> tuple[tuple[dict[str, Any], ...], bool]:
    """The tools that may be called, and whether one must be. `named`: a tool that `tool_choice` names. Raises BadRequest."""
    if named is not None:
        only = tuple(tool for tool in offered if tool["function"]["name"] == named)
        if not only:
            raise BadRequest(detail=f'"tool_choice" names {named[:80]!r}, which is not among the tools.', param="tool_choice")
        return only, True
    choice = fields.choice("tool_choice", ("auto", "none", "required"))
    if choice == "required" and not offered:
        raise BadRequest(detail='"tool_choice" is "required", and there are no tools.', param="tool_choice")
    return (() if choice == "none" else offered), choice == "required"


def response_format(given: Fields, schema_field: Fields) -> Mapping[str, Any] | None:
    """The schema that the text must fit: None for any text, empty for any JSON object. Raises BadRequest.

    `schema_field` is where name and schema stand: inside `json_schema` in chat completions, beside the type in responses.
    """
    kind = given.choice("type", ("text", "json_object", "json_schema"))
    if kind == "text":
        return None
    if kind == "json_object":
        return {}
    if not schema_field.has("schema"):
        raise schema_field.wrong("schema", "a JSON schema")
    schema_field.object("schema")
    schema: dict[str, Any] = schema_field.value("schema")
    return schema


def usage(ended: Ended) -> dict[str, Any]:
    return {
        "prompt_tokens": ended.prompt_tokens,
        "completion_tokens": ended.completion_tokens,
        "total_tokens": ended.prompt_tokens + ended.completion_tokens,
        "prompt_tokens_details": {"cached_tokens": ended.cached_tokens},
    }


def tool_call(call: Call) -> dict[str, Any]:
    return {"id": call.id, "type": "function", "function": {"name": call.name, "arguments": call.arguments}}


def grounds(ended: Ended) -> dict[str, Any]:
    """What a collection adds to an answer, nothing where none was asked: its sources, whether it is a refusal, a note."""
    if ended.sources is None:
        return {}
    return {"sources": [asdict(source) for source in ended.sources], "refused": ended.refused, "note": ended.note}


def event(value: Mapping[str, Any], name: str = "") -> bytes:
    """One server-sent event. JSON has no raw line break, so no text can end it or begin another."""
    head = f"event: {name}\n" if name else ""
    return f"{head}data: {json.dumps(value, separators=(',', ':'))}\n\n".encode()


class Silence:
    """Turns what isn't part of an answer into comments, which clients of server-sent events pass over."""

    def __init__(self) -> None:
        self._glances = 0

    def comment(self, happened: Event | None) -> Iterator[bytes]:
        """`: 3 before you` when the place in the queue is known or changes, `: still here` every two seconds without an event."""
        if isinstance(happened, Ahead):
            yield f": {happened.ahead} before you\n\n".encode()
        if happened is not None:
            self._glances = 0
            return
        self._glances += 1
        if self._glances % _HEARTBEAT == 0:
            yield b": still here\n\n"
