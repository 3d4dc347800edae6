"""What Ollama's endpoints have in common: options, messages, formats, and the lines of their streams."""

from __future__ import annotations

import datetime
import json
from collections.abc import Mapping
from dataclasses import asdict, dataclass, replace
from typing import Any

from appliance.errors import BadRequest
from appliance.models.parameters import Parameters, checked
from appliance.models.protocol import Call, Message
from appliance.runtime import Appliance
from appliance.shelf.modelfile import NAMES
from appliance.web.programs import openai_shape
from appliance.web.programs.calls import Calls
from appliance.web.programs.naming import Named, served_context, writer
from appliance.web.programs.reading import Fields
from appliance.web.programs.running import MOST_MESSAGES, MOST_TOOLS, Ended

_ROLES = ("user", "system", "assistant", "tool")
_MILLION = 1_000_000
"""Nanoseconds of a millisecond."""


@dataclass(frozen=True, slots=True)
class Head:
    """What every request that writes has."""

    name: str
    """The model, as the client calls it."""
    named: Named
    parameters: Parameters
    stop: tuple[str, ...]
    schema: Mapping[str, Any] | None
    stream: bool
    unload: bool
    """`keep_alive` is 0."""


def read_head(appliance: Appliance, fields: Fields) -> Head:
    """Raises BadRequest, BadParameter, NoSuchModel, NoSuchCollection."""
    name = fields.text("model", "") or fields.text("name", "")
    if not name:
        raise BadRequest(detail="model is required", param="model")
    options = fields.object("options")
    collection = fields.text("collection", "") or options.text("collection", "")
    named = writer(appliance, name, collection)
    fields.refuse("logprobs", "probabilities are not kept", False)
    fields.refuse("top_logprobs", "probabilities are not kept", 0)
    return Head(name, named, _parameters(options, named), options.stop(), _format(fields), fields.flag("stream", True), _unloads(fields))


def tools(fields: Fields) -> tuple[dict[str, Any], ...]:
    return openai_shape.tools(fields)


def messages(fields: Fields) -> tuple[Message, ...]:
    """The conversation, empty where there is none. Raises BadRequest."""
    found, called = [], Calls()
    for message in fields.objects("messages", MOST_MESSAGES):
        if not message.has("role"):
            raise message.wrong("role", " or ".join(f'"{one}"' for one in _ROLES))
        role = message.choice("role", _ROLES)
        no_pictures(message)
        calls = tuple(_call(one) for one in message.objects("tool_calls", MOST_TOOLS)) if role == "assistant" else ()
        content = message.text("content", "")
        if role == "tool":
            name = message.text("tool_name", "") or message.text("name", "")  # the second in older clients
            found.append(called.answered(content, message.text("tool_call_id", ""), name))
        else:
            found.append(Message(role, content, called.made(calls)))
    return tuple(found)


def no_pictures(fields: Fields) -> None:
    fields.refuse("images", "the models here read text only")


def _call(fields: Fields) -> Call:
    function = fields.object("function")
    function.object("arguments")
    return Call(fields.text("id", ""), function.text("name"), json.dumps(function.value("arguments") or {}))


def _parameters(options: Fields, named: Named) -> Parameters:
    """Options that are not told are the model's own. Unknown ones are let be, as Ollama lets them."""
    options.refuse("mirostat", "words are drawn by top-k, top-p and min-p", 0)
    options.refuse("typical_p", "words are drawn by top-k, top-p and min-p", 0, 0.0, 1, 1.0)
    options.refuse("tfs_z", "words are drawn by top-k, top-p and min-p", 0, 0.0, 1, 1.0)
    # 0 leaves it open here, as what is below it does everywhere.
    taken = {theirs: ours for theirs, ours in NAMES.items() if not (theirs == "num_predict" and options.value(theirs) == 0)}
    found = options.parameters(taken)
    return replace(found, context=_context(found.context, named))


def _context(wanted: int | None, named: Named) -> int | None:
    """Only a longer context than the model's own needs loading it anew; one that is too long is the longest that it was made for."""
    assert named.model is not None
    own, longest = served_context(named.model), named.model.trained_context
    if wanted is None or wanted <= own:
        return None
    context = min(wanted, longest) if longest else wanted
    return checked({"context": context}).context if context > own else None


def _format(fields: Fields) -> Mapping[str, Any] | None:
    value = fields.value("format")
    if value in (None, ""):
        return None
    if value == "json":
        return {}
    if not isinstance(value, dict):
        raise fields.wrong("format", '"json" or a JSON schema')
    return value


def _unloads(fields: Fields) -> bool:
    """Whether `keep_alive` says that the model may go at once. Raises BadRequest for what is no time."""
    value = fields.value("keep_alive")
    if value is not None and (isinstance(value, bool) or not isinstance(value, (int, float, str)) or len(str(value)) > 40):
        raise fields.wrong("keep_alive", 'a number of seconds, or a time like "5m"')
    return value is not None and str(value).strip().rstrip("smh") in ("0", "0.0")


def now() -> str:
    return datetime.datetime.now(datetime.UTC).isoformat().replace("+00:00", "Z")


def line(value: Mapping[str, Any]) -> bytes:
    return json.dumps(value, separators=(",", ":")).encode() + b"\n"


def figures(ended: Ended) -> dict[str, Any]:
    """Why and after what an answer ended: times in nanoseconds, tokens; what a collection adds to it."""
    return {
        "done_reason": "length" if ended.reason == "length" else "stop",
        "done": True,
        "total_duration": round(ended.total * _MILLION),
        "load_duration": round(ended.loading * _MILLION),
        "prompt_eval_count": ended.prompt_tokens,
        "prompt_eval_duration": round(ended.reading * _MILLION),
        "eval_count": ended.completion_tokens,
        "eval_duration": round(ended.writing * _MILLION),
        **({} if ended.sources is None else {"sources": [asdict(one) for one in ended.sources], "refused": ended.refused, "note": ended.note}),
    }


def settled(reason: str) -> dict[str, Any]:
    """The end of a request that only loads or unloads a model."""
    return {"done_reason": reason, "done": True}
