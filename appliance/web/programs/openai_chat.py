"""POST /v1/chat/completions."""

from __future__ import annotations

import time
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from typing import Any

from flask import Blueprint, Response

from appliance.errors import BadRequest
from appliance.models.protocol import Call, Message
from appliance.models.request import Request
from appliance.runtime import Appliance
from appliance.web.programs import openai_shape as shape
from appliance.web.programs.answers import Answers
from appliance.web.programs.calls import Calls
from appliance.web.programs.errors import Told
from appliance.web.programs.naming import writer
from appliance.web.programs.reading import Fields, body
from appliance.web.programs.running import MOST_MESSAGES, MOST_TOOLS, OPEN, Called, Ended, Event, Text, Wanted, client

_ROLES = ("user", "system", "developer", "assistant", "tool")
_PARTS = 1000
_TEXT_ONLY = "the models here read text only"


@dataclass(frozen=True, slots=True)
class Chat:
    """A request, read."""

    name: str
    """The model, as the client calls it."""
    wanted: Wanted
    stream: bool
    include_usage: bool


def routes(appliance: Appliance, answers: Answers, tell: Callable[[Exception], Told]) -> Blueprint:
    blueprint = Blueprint("openai_chat", __name__)

    @blueprint.post("/chat/completions")
    def complete() -> Response | dict[str, Any]:
        chat = read(appliance, body())
        if chat.stream:
            return answers.stream(chat.wanted, lambda events: _chunks(chat, events, tell), "text/event-stream")
        whole = answers.whole(chat.wanted)
        message: dict[str, Any] = {"role": "assistant", "content": whole.text or (None if whole.calls else ""), "refusal": None}
        if whole.calls:
            message["tool_calls"] = [shape.tool_call(call) for call in whole.calls]
        return {
            **_head(chat, "chat.completion"),
            "choices": [{"index": 0, "message": message, "logprobs": None, "finish_reason": whole.ended.reason}],
            "usage": shape.usage(whole.ended),
            **shape.grounds(whole.ended),
        }

    return blueprint


def read(appliance: Appliance, fields: Fields) -> Chat:
    """Raises BadRequest, BadParameter, NoSuchModel, NoSuchCollection."""
    name = fields.text("model", "")
    named = writer(appliance, name, fields.text("collection", ""))
    refuse(fields)
    fields.refuse("logprobs", "probabilities are not kept", False)
    fields.refuse("functions", 'they are old; send "tools"')
    fields.refuse("function_call", 'it is old; send "tool_choice"', "auto", "none")
    fields.refuse("audio", _TEXT_ONLY)
    fields.refuse("modalities", _TEXT_ONLY, ["text"])
    fields.refuse("web_search_options", "there is no network")
    choice = fields.value("tool_choice")
    only = fields.object("tool_choice").object("function").text("name", "") if isinstance(choice, dict) else None
    tools, forced = shape.chosen(fields, shape.tools(fields), named=only)
    given = fields.object("response_format")
    schema = shape.response_format(given, given.object("json_schema"))
    parameters = shape.parameters(fields, "max_completion_tokens", "max_tokens")
    request = Request(messages(fields), parameters.max_tokens or OPEN, fields.stop(), parameters, schema, tools, client())
    wanted = Wanted(named, request, forced, fields.flag("parallel_tool_calls", True))
    return Chat(name, wanted, fields.flag("stream"), fields.object("stream_options").flag("include_usage"))


def refuse(fields: Fields) -> None:
    """What chat completions and completions have, and isn't served."""
    fields.refuse("n", "one answer is written at a time; ask again for another", 1)
    fields.refuse("logit_bias", "tokens can't be weighed one by one")
    fields.refuse("top_logprobs", "probabilities are not kept", 0)


def messages(fields: Fields) -> tuple[Message, ...]:
    """The conversation. Raises BadRequest."""
    found: list[Message] = []
    called = Calls()
    for message in fields.objects("messages", MOST_MESSAGES):
        if message.value("role") == "function":
            raise BadRequest(detail=f'"{message.path}role" can\'t be "function", which is old; take "tool".', param="messages")
        role = message.choice("role", _ROLES) if message.has("role") else ""
        if not role:
            raise message.wrong("role", " or ".join(f'"{one}"' for one in _ROLES))
        calls = tuple(_call(one) for one in message.objects("tool_calls", MOST_TOOLS)) if role == "assistant" else ()
        content = text_of(message, "content", optional=bool(calls) or message.has("refusal"))
        if role == "tool":
            found.append(called.answered(content, message.text("tool_call_id", ""), message.text("name", "")))
        else:
            found.append(Message("system" if role == "developer" else role, content, called.made(calls)))
    if not found:
        raise BadRequest(detail='"messages" must hold at least one message.', param="messages")
    return tuple(found)


def text_of(fields: Fields, name: str, *, optional: bool = False, kinds: tuple[str, ...] = ("text", "refusal")) -> str:
    """A content: a text, or parts that are texts. Raises BadRequest for pictures, sound and files."""
    value = fields.value(name)
    if value is None and optional:
        return ""
    if isinstance(value, str):
        return value
    if not isinstance(value, list):
        raise fields.wrong(name, "a text, or a list of parts")
    texts = []
    for part in fields.objects(name, _PARTS):
        kind = part.text("type", kinds[0])
        if kind not in kinds:
            raise BadRequest(detail=f'"{part.path}type" can\'t be {kind[:40]!r}: {_TEXT_ONLY}. Leave that part out.', param=f"{part.path}type")
        texts.append(part.text("refusal" if kind == "refusal" else "text"))
    return "\n".join(texts)


def _call(fields: Fields) -> Call:
    function = fields.object("function")
    return Call(fields.text("id", ""), function.text("name"), function.text("arguments", "{}"))


def _head(chat: Chat, kind: str) -> dict[str, Any]:
    return {
        "id": shape.new_id("chatcmpl-"),
        "object": kind,
        "created": int(time.time()),
        "model": chat.name,
        "system_fingerprint": shape.FINGERPRINT,
    }


def _chunks(chat: Chat, events: Iterator[Event | None], tell: Callable[[Exception], Told]) -> Iterator[bytes]:
    """Server-sent events: the role, then text and calls as they come, then the reason, with the sources; `[DONE]` at the end."""
    head = _head(chat, "chat.completion.chunk")
    counted = {"usage": None} if chat.include_usage else {}

    def chunk(delta: dict[str, Any], reason: str | None = None, **more: Any) -> bytes:
        return shape.event({**head, "choices": [{"index": 0, "delta": delta, "logprobs": None, "finish_reason": reason}], **counted, **more})

    silence, calls, opened = shape.Silence(), 0, False
    try:
        for happened in events:
            yield from silence.comment(happened)
            if not opened and isinstance(happened, (Text, Called, Ended)):
                opened = True
                yield chunk({"role": "assistant", "content": ""})
            match happened:
                case Text(text=text):
                    yield chunk({"content": text})
                case Called(call=call):
                    yield chunk({"tool_calls": [{"index": calls, **shape.tool_call(call)}]})
                    calls += 1
                case Ended() as ended:
                    yield chunk({}, ended.reason, **shape.grounds(ended))
                    if chat.include_usage:
                        yield shape.event({**head, "choices": [], "usage": shape.usage(ended)})
                    yield shape.DONE
    except Exception as error:  # the stream has begun: an error is an event of it
        yield shape.event(tell(error).openai)
