"""POST /v1/completions: a text that is gone on with, without the model's chat template."""

from __future__ import annotations

import time
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, replace
from typing import Any

from flask import Blueprint, Response

from appliance.errors import BadRequest
from appliance.models.parameters import Parameters
from appliance.models.request import Request
from appliance.runtime import Appliance
from appliance.web.programs import openai_shape as shape
from appliance.web.programs.answers import Answers
from appliance.web.programs.errors import Told
from appliance.web.programs.naming import writer
from appliance.web.programs.openai_chat import refuse
from appliance.web.programs.reading import Fields, body
from appliance.web.programs.running import OPEN, Ended, Event, Text, Wanted, client

LONGEST = Parameters(max_tokens=16)
"""What OpenAI's API has where nobody says how long."""
_PROMPTS = 16


@dataclass(frozen=True, slots=True)
class Completion:
    name: str
    wanted: tuple[Wanted, ...]
    """One for each prompt."""
    stream: bool
    include_usage: bool


def routes(appliance: Appliance, answers: Answers, tell: Callable[[Exception], Told]) -> Blueprint:
    blueprint = Blueprint("openai_completions", __name__)

    @blueprint.post("/completions")
    def complete() -> Response | dict[str, Any]:
        completion = read(appliance, body())
        if completion.stream:
            return answers.stream(completion.wanted[0], lambda events: _chunks(completion, events, tell), "text/event-stream")
        for wanted in completion.wanted:
            answers.check(wanted)  # all of them, before the first is answered
        wholes = [answers.whole(wanted) for wanted in completion.wanted]
        return {
            **_head(completion),
            "choices": [_choice(index, whole.text, whole.ended.reason) | shape.grounds(whole.ended) for index, whole in enumerate(wholes)],
            "usage": shape.usage(_sum([whole.ended for whole in wholes])),
            **shape.grounds(wholes[0].ended),
        }

    return blueprint


def read(appliance: Appliance, fields: Fields) -> Completion:
    """Raises BadRequest, BadParameter, NoSuchModel, NoSuchCollection."""
    name = fields.text("model", "")
    named = writer(appliance, name, fields.text("collection", ""))
    refuse(fields)
    fields.refuse("best_of", "one answer is written at a time", 1)
    fields.refuse("logprobs", "probabilities are not kept", False)
    fields.refuse("echo", "the prompt is not repeated", False)
    fields.refuse("suffix", "the models here go on with a text, they don't fill gaps")
    given = fields.object("response_format")
    schema = shape.response_format(given, given.object("json_schema"))
    parameters = shape.parameters(fields, "max_tokens")
    if named.collection is None and not fields.has("max_tokens"):
        parameters = parameters.over(LONGEST)
    stop, prompts = fields.stop(), _prompts(fields)
    requests = [Request(prompt, parameters.max_tokens or OPEN, stop, parameters, schema, client=client()) for prompt in prompts]
    stream = fields.flag("stream")
    if stream and len(prompts) > 1:
        raise BadRequest(detail='Only one "prompt" can be answered as a stream. Send one, or leave "stream" out.', param="prompt")
    return Completion(name, tuple(Wanted(named, request) for request in requests), stream, fields.object("stream_options").flag("include_usage"))


def _prompts(fields: Fields) -> Sequence[str]:
    value = fields.value("prompt")
    prompts = [value] if isinstance(value, str) else value
    if isinstance(prompts, list) and prompts and all(isinstance(one, (int, list)) and not isinstance(one, bool) for one in prompts):
        raise BadRequest(detail='"prompt" is in tokens, and every model has its own: send it as text.', param="prompt")
    if not isinstance(prompts, list) or not 0 < len(prompts) <= _PROMPTS or not all(isinstance(one, str) for one in prompts):
        raise fields.wrong("prompt", f"a text, or a list of 1 to {_PROMPTS} texts")
    return prompts


def _head(completion: Completion) -> dict[str, Any]:
    return {
        "id": shape.new_id("cmpl-"),
        "object": "text_completion",
        "created": int(time.time()),
        "model": completion.name,
        "system_fingerprint": shape.FINGERPRINT,
    }


def _choice(index: int, text: str, reason: str | None) -> dict[str, Any]:
    return {"index": index, "text": text, "logprobs": None, "finish_reason": reason}


def _sum(ends: Sequence[Ended]) -> Ended:
    return replace(
        ends[0],
        prompt_tokens=sum(one.prompt_tokens for one in ends),
        completion_tokens=sum(one.completion_tokens for one in ends),
        cached_tokens=sum(one.cached_tokens for one in ends),
    )


def _chunks(completion: Completion, events: Iterator[Event | None], tell: Callable[[Exception], Told]) -> Iterator[bytes]:
    head = _head(completion)
    counted = {"usage": None} if completion.include_usage else {}
    silence = shape.Silence()
    try:
        for happened in events:
            yield from silence.comment(happened)
            match happened:
                case Text(text=text):
                    yield shape.event({**head, "choices": [_choice(0, text, None)], **counted})
                case Ended() as ended:
                    yield shape.event({**head, "choices": [_choice(0, "", ended.reason)], **counted, **shape.grounds(ended)})
                    if completion.include_usage:
                        yield shape.event({**head, "choices": [], "usage": shape.usage(ended)})
                    yield shape.DONE
    except Exception as error:  # the stream has begun: an error is an event of it
        yield shape.event(tell(error).openai)
