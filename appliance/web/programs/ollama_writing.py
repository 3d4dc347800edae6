"""POST /api/chat and /api/generate: answers as lines of JSON, streamed unless told otherwise."""

from __future__ import annotations

import json
from collections.abc import Callable, Iterator, Mapping
from typing import Any, Protocol

from flask import Blueprint, Response

from appliance.errors import BadRequest
from appliance.models.protocol import Call, Message
from appliance.models.request import Request
from appliance.runtime import Appliance
from appliance.web.programs.answers import Answers
from appliance.web.programs.errors import Told
from appliance.web.programs.ollama_reading import Head, figures, line, messages, no_pictures, now, read_head, settled, tools
from appliance.web.programs.reading import Fields, body
from appliance.web.programs.running import OPEN, Ahead, Called, Ended, Event, Text, Wanted, Whole, client

NDJSON = "application/x-ndjson"


class Piece(Protocol):
    """The fields that carry a text and calls: `message` in a chat, `response` in a generation."""

    def __call__(self, text: str, calls: tuple[Call, ...], first: int = 0) -> dict[str, Any]:
        """`first`: so many calls have gone before, of the same answer."""


def routes(appliance: Appliance, answers: Answers, tell: Callable[[Exception], Told]) -> Blueprint:
    blueprint = Blueprint("ollama_writing", __name__)

    @blueprint.post("/chat")
    def chat() -> Response | dict[str, Any]:
        fields = body()
        head = read_head(appliance, fields)
        said, offered = messages(fields), tools(fields)
        if not said:
            return _only_load(head, _as_message)
        return _answer(head, _wanted(head, said, offered), _as_message)

    @blueprint.post("/generate")
    def generate() -> Response | dict[str, Any]:
        fields = body()
        head = read_head(appliance, fields)
        fields.refuse("suffix", "the models here go on with a text, they don't fill gaps")
        fields.refuse("template", 'a model keeps its own; send the prompt as you want it, with "raw"')
        fields.refuse("context", "nothing is kept in tokens between requests; send the conversation to /api/chat")
        no_pictures(fields)
        prompt = fields.text("prompt", "")
        if not prompt:
            return _only_load(head, _as_response)
        return _answer(head, _wanted(head, _prompt(fields, head, prompt)), _as_response)

    def _only_load(head: Head, piece: Piece) -> dict[str, Any]:
        """Without anything to answer, Ollama's clients load a model, or let it go."""
        if head.named.model is not None:
            if head.unload:
                appliance.loaded.unload(head.named.model.name)
            else:
                answers.load(head.named.model.name, head.parameters)
        return {"model": head.name, "created_at": now(), **piece("", ()), **settled("unload" if head.unload else "load")}

    def _answer(head: Head, wanted: Wanted, piece: Piece) -> Response | dict[str, Any]:
        if head.stream:
            return answers.stream(wanted, lambda events: _lines(head, events, piece, tell), NDJSON)
        whole: Whole = answers.whole(wanted)
        return {"model": head.name, "created_at": now(), **piece(whole.text, tuple(whole.calls)), **figures(whole.ended)}

    return blueprint


def _wanted(head: Head, prompt: tuple[Message, ...] | str, offered: tuple[Mapping[str, Any], ...] = ()) -> Wanted:
    return Wanted(head.named, Request(prompt, head.parameters.max_tokens or OPEN, head.stop, head.parameters, head.schema, offered, client()))


def _prompt(fields: Fields, head: Head, prompt: str) -> tuple[Message, ...] | str:
    """One message, behind a system message; or the text as it is, where it is to be taken so."""
    system = fields.text("system", "")
    if not fields.flag("raw"):
        return (*((Message("system", system),) if system else ()), Message("user", prompt))
    if head.named.collection is not None:
        raise BadRequest(detail='A collection is asked a question: leave "raw" out.', param="raw")
    return prompt


def _as_message(text: str, calls: tuple[Call, ...], first: int = 0) -> dict[str, Any]:
    message: dict[str, Any] = {"role": "assistant", "content": text}
    if calls:
        message["tool_calls"] = [_call(first + index, call) for index, call in enumerate(calls)]
    return {"message": message}


def _call(index: int, call: Call) -> dict[str, Any]:
    return {"id": call.id, "function": {"index": index, "name": call.name, "arguments": json.loads(call.arguments)}}


def _as_response(text: str, calls: tuple[Call, ...], first: int = 0) -> dict[str, Any]:
    return {"response": text}


def _lines(head: Head, events: Iterator[Event | None], piece: Piece, tell: Callable[[Exception], Told]) -> Iterator[bytes]:
    """A line for each piece of the answer, and the last with the figures.

    The place in the queue comes as a piece without text, `"ahead"` beside it: clients read every line as JSON, so nothing else could be sent.
    """

    called = 0

    def one(text: str, calls: tuple[Call, ...] = (), **more: Any) -> bytes:
        return line({"model": head.name, "created_at": now(), **piece(text, calls, called), **({"done": False} | more)})

    try:
        for happened in events:
            match happened:
                case Ahead(ahead=ahead):
                    yield one("", ahead=ahead)
                case Text(text=text):
                    yield one(text)
                case Called(call=call):
                    yield one("", (call,))
                    called += 1
                case Ended() as ended:
                    yield one("", **figures(ended))
    except Exception as error:  # the stream has begun: an error is a line of it
        yield line(tell(error).ollama)
