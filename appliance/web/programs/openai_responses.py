"""POST /v1/responses."""

from __future__ import annotations

import re
import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

from flask import Blueprint, Response

from appliance.models.protocol import Call
from appliance.runtime import Appliance
from appliance.web.programs import openai_shape as shape
from appliance.web.programs.answers import Answers
from appliance.web.programs.errors import Told
from appliance.web.programs.reading import body
from appliance.web.programs.responses_reading import Asked, read
from appliance.web.programs.running import Called, Ended, Event, Source, Text

_MARKER = re.compile(r"\[(\d{1,6})\]")


def routes(appliance: Appliance, answers: Answers, tell: Callable[[Exception], Told]) -> Blueprint:
    blueprint = Blueprint("openai_responses", __name__)

    @blueprint.post("/responses")
    def respond() -> Response | dict[str, Any]:
        asked = read(appliance, body())
        if asked.stream:
            return answers.stream(asked.wanted, lambda events: _Stream(asked, tell).lines(events), "text/event-stream")
        whole = answers.whole(asked.wanted)
        items = [_message(shape.new_id("msg_"), whole.text, whole.ended.sources)] if whole.text or not whole.calls else []
        items += [_function_call(shape.new_id("fc_"), call, call.arguments) for call in whole.calls]
        return _finished(_new(asked), items, whole.ended)

    return blueprint


def _new(asked: Asked) -> dict[str, Any]:
    """The response before anything was written."""
    return {
        "id": shape.new_id("resp_"),
        "object": "response",
        "created_at": int(time.time()),
        "status": "in_progress",
        "background": False,
        "error": None,
        "incomplete_details": None,
        "model": asked.name,
        "output": [],
        "previous_response_id": None,
        "reasoning": {"effort": None, "summary": None},
        "store": False,
        "truncation": "disabled",
        "usage": None,
        "user": None,
        **asked.echoed,
    }


def _finished(new: Mapping[str, Any], items: Sequence[dict[str, Any]], ended: Ended) -> dict[str, Any]:
    """The response when all is written."""
    cut = ended.reason == "length"
    return {
        **new,
        "status": "incomplete" if cut else "completed",
        "incomplete_details": {"reason": "max_output_tokens"} if cut else None,
        "output": list(items),
        "usage": {
            "input_tokens": ended.prompt_tokens,
            "input_tokens_details": {"cached_tokens": ended.cached_tokens},
            "output_tokens": ended.completion_tokens,
            "output_tokens_details": {"reasoning_tokens": 0},
            "total_tokens": ended.prompt_tokens + ended.completion_tokens,
        },
        **shape.grounds(ended),
    }


def _message(name: str, text: str, sources: Sequence[Source] | None = None, status: str = "completed") -> dict[str, Any]:
    return {"id": name, "type": "message", "status": status, "role": "assistant", "content": [_part(text, sources)] if status == "completed" else []}


def _part(text: str, sources: Sequence[Source] | None = None) -> dict[str, Any]:
    """A text with what it cites: each marker names its document, as OpenAI's file search does."""
    known = {source.marker: source for source in sources or ()}
    found = [(known.get(int(mark[1])), mark.start()) for mark in _MARKER.finditer(text)]
    cited = [
        {"type": "file_citation", "index": place, "file_id": f"document-{source.document_id}", "filename": source.document}
        for source, place in found
        if source is not None
    ]
    return {"type": "output_text", "text": text, "annotations": cited, "logprobs": []}


def _function_call(name: str, call: Call, arguments: str, status: str = "completed") -> dict[str, Any]:
    return {"id": name, "type": "function_call", "status": status, "call_id": call.id, "name": call.name, "arguments": arguments}


@dataclass(slots=True)
class _Stream:
    """The events of one response, numbered, in the order that OpenAI's clients put together again."""

    asked: Asked
    tell: Callable[[Exception], Told]
    _number: int = 0
    _items: list[dict[str, Any]] = field(default_factory=list)
    _open: str = ""
    """The id of the message that is being written."""
    _text: str = ""

    def lines(self, events: Iterator[Event | None]) -> Iterator[bytes]:
        new, silence = _new(self.asked), shape.Silence()
        yield self._event("response.created", response=new)
        yield self._event("response.in_progress", response=new)
        try:
            for happened in events:
                yield from silence.comment(happened)
                match happened:
                    case Text(text=text):
                        yield from self._write(text)
                    case Called(call=call):
                        yield from self._close(None)
                        yield from self._call(call)
                    case Ended() as ended:
                        if not self._items and not self._open:
                            yield from self._write("")
                        yield from self._close(ended.sources)
                        done = _finished(new, self._items, ended)
                        yield self._event(f"response.{done['status']}", response=done)
        except Exception as error:  # the stream has begun: an error is an event of it
            told = self.tell(error)
            failure = {"code": "server_error" if told.status >= 500 else "invalid_prompt", "message": told.message}
            yield self._event("response.failed", response={**new, "status": "failed", "output": self._items, "error": failure})

    def _event(self, kind: str, **values: Any) -> bytes:
        line = shape.event({"type": kind, "sequence_number": self._number, **values}, kind)
        self._number += 1
        return line

    def _write(self, text: str) -> Iterator[bytes]:
        if not self._open:
            self._open, self._text = shape.new_id("msg_"), ""
            yield self._event("response.output_item.added", output_index=len(self._items), item=_message(self._open, "", status="in_progress"))
            yield self._event("response.content_part.added", **self._place(), part=_part(""))
        if text:
            self._text += text
            yield self._event("response.output_text.delta", **self._place(), delta=text, logprobs=[])

    def _place(self) -> dict[str, Any]:
        return {"item_id": self._open, "output_index": len(self._items), "content_index": 0}

    def _close(self, sources: Sequence[Source] | None) -> Iterator[bytes]:
        """End the message that is being written."""
        if not self._open:
            return
        item = _message(self._open, self._text, sources)
        part = item["content"][0]
        yield self._event("response.output_text.done", **self._place(), text=self._text, logprobs=[])
        for index, cited in enumerate(part["annotations"]):
            yield self._event("response.output_text.annotation.added", **self._place(), annotation_index=index, annotation=cited)
        yield self._event("response.content_part.done", **self._place(), part=part)
        yield self._event("response.output_item.done", output_index=len(self._items), item=item)
        self._items.append(item)
        self._open = ""

    def _call(self, call: Call) -> Iterator[bytes]:
        name, index = shape.new_id("fc_"), len(self._items)
        place = {"item_id": name, "output_index": index}
        yield self._event("response.output_item.added", output_index=index, item=_function_call(name, call, "", "in_progress"))
        yield self._event("response.function_call_arguments.delta", **place, delta=call.arguments)
        yield self._event("response.function_call_arguments.done", **place, name=call.name, arguments=call.arguments)
        item = _function_call(name, call, call.arguments)
        yield self._event("response.output_item.done", output_index=index, item=item)
        self._items.append(item)
