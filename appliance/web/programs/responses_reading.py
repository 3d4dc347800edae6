"""What POST /v1/responses takes. Nothing is kept between requests: the whole conversation comes in `input` each time."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from appliance.errors import BadRequest
from appliance.models.protocol import Call, Message
from appliance.models.request import Request
from appliance.runtime import Appliance
from appliance.web.programs import openai_shape as shape
from appliance.web.programs.calls import Calls
from appliance.web.programs.naming import writer
from appliance.web.programs.openai_chat import text_of
from appliance.web.programs.reading import Fields
from appliance.web.programs.running import MOST_MESSAGES, MOST_TOOLS, OPEN, Wanted, client

_STATELESS = "nothing is kept between requests; send the whole conversation as the input"
_ROLES = ("user", "system", "developer", "assistant")
_KINDS = ("input_text", "output_text", "text", "refusal")


@dataclass(frozen=True, slots=True)
class Asked:
    """A request, read."""

    name: str
    wanted: Wanted
    stream: bool
    echoed: Mapping[str, Any]
    """Fields that the response repeats."""


def read(appliance: Appliance, fields: Fields) -> Asked:
    """Raises BadRequest, BadParameter, NoSuchModel, NoSuchCollection."""
    name = fields.text("model", "")
    named = writer(appliance, name, fields.text("collection", ""))
    fields.refuse("previous_response_id", _STATELESS)
    fields.refuse("conversation", _STATELESS)
    fields.refuse("background", "an answer is waited for", False)
    fields.refuse("prompt", "prompts are not kept here")
    fields.refuse("top_logprobs", "probabilities are not kept", 0)
    for wished in fields.items("include", 20):
        if wished == "message.output_text.logprobs":
            raise BadRequest(detail='"include" asks for probabilities, which are not kept.', param="include")
    choice = fields.value("tool_choice")
    only = fields.object("tool_choice").text("name", "") if isinstance(choice, dict) else None
    tools, forced = shape.chosen(fields, _tools(fields), named=only)
    given = fields.object("text").object("format")
    schema = shape.response_format(given, given)
    instructions = text_of(fields, "instructions", optional=True)
    led = (Message("system", instructions),) if instructions else ()
    several = fields.flag("parallel_tool_calls", True)
    parameters = shape.parameters(fields, "max_output_tokens")
    echoed = {
        "instructions": instructions or None,
        "max_output_tokens": parameters.max_tokens,
        "metadata": fields.value("metadata") if isinstance(fields.value("metadata"), dict) else {},
        "parallel_tool_calls": several,
        "temperature": parameters.temperature,
        "text": {"format": fields.object("text").value("format") or {"type": "text"}},
        "tool_choice": choice or "auto",
        "tools": fields.items("tools", MOST_TOOLS),
        "top_p": parameters.top_p,
    }
    asked = Request((*led, *conversation(fields)), parameters.max_tokens or OPEN, (), parameters, schema, tools, client())
    return Asked(name, Wanted(named, asked, forced, several), fields.flag("stream"), echoed)


def _tools(fields: Fields) -> tuple[dict[str, Any], ...]:
    """The tools, which here have no object `function` around their fields."""
    found = []
    for tool in fields.objects("tools", MOST_TOOLS):
        if tool.text("type", "") != "function":
            kind = str(tool.value("type"))[:40]
            raise BadRequest(detail=f'"{tool.path}type" must be "function": Haversack runs no {kind!r}, it only asks you to.', param="tools")
        found.append(shape.one_tool(tool))
    return shape.differing(found)


def conversation(fields: Fields) -> tuple[Message, ...]:
    """A text, or items: messages, calls that the model made, and what came of them. Raises BadRequest."""
    if isinstance(fields.value("input"), str):
        return (Message("user", fields.text("input")),)
    found: list[Message] = []
    called = Calls()
    for item in fields.objects("input", MOST_MESSAGES):
        kind = item.text("type", "message")
        if kind == "message":
            if not item.has("role"):
                raise item.wrong("role", " or ".join(f'"{one}"' for one in _ROLES))
            role = item.choice("role", _ROLES)
            found.append(Message("system" if role == "developer" else role, text_of(item, "content", kinds=_KINDS)))
        elif kind == "function_call":
            calls = called.made([Call(item.text("call_id", ""), item.text("name"), item.text("arguments", "{}"))])
            before = found.pop() if found and found[-1].role == "assistant" else Message("assistant", "")
            found.append(Message("assistant", before.content, (*before.calls, *calls)))
        elif kind == "function_call_output":
            found.append(called.answered(text_of(item, "output", kinds=_KINDS), item.text("call_id", ""), ""))
        elif kind != "reasoning":
            raise BadRequest(detail=f'"{item.path}type" can\'t be {kind[:40]!r}: messages, calls and their outputs are taken.', param="input")
    if not found:
        raise BadRequest(detail='"input" must be a text, or a list of at least one item.', param="input")
    return tuple(found)
