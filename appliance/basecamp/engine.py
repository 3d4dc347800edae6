"""The language engine at the other end, in the broker: which one it is, how it counts, and its answers as they stream.

All speak OpenAI's chat completions. What else each has is known by how it names the owner of its models: llama-server "llamacpp", vLLM
"vllm", Ollama "library", llama_cpp.server "me".
"""

from __future__ import annotations

import json
import math
import re
import time
from collections.abc import Callable, Mapping, Sequence
from typing import Any, TypeGuard

from appliance.basecamp.exchange import Exchange, Failed, parsed, plain, refusal
from appliance.basecamp.place import Place
from appliance.basecamp.stream import Stream

Tell = Callable[..., None]
"""(kind of the reply, its values): one line to the appliance."""

KINDS = {"llamacpp": "llama-server", "vllm": "vLLM", "library": "Ollama", "me": "llama_cpp.server"}
CONTEXTS = {"llama_cpp.server": 2048}
CONTEXT = 4096
"""Where nobody tells: what Ollama gives a model; llama_cpp.server gives 2,048."""
BYTES_PER_TOKEN = 2.5
"""For an engine that can't count: English has 4 to 4.5, German 3.5, Chinese about 2.5. Too many tokens cost a passage, too few the answer."""
MESSAGE_TOKENS, CHAT_TOKENS = 8, 32
"""What a template puts around each message, and before all of them: SmolLM2's own system message has 25."""
_OWN_COUNT = frozenset({"llama-server", "vLLM"})
_OTHER_NAMES = {"llama-server": {}, "llama_cpp.server": {}, "vLLM": {"repeat_penalty": "repetition_penalty"}}
_TOO_LONG = ("context_length_exceeded", "exceed_context_size", "maximum context length", "exceeds the available context")
_STANDARD = frozenset({"temperature", "top_p", "seed", "presence_penalty", "frequency_penalty"})


class Engine:
    """Safe from several threads: each call has an exchange of its own."""

    def __init__(self, place: Place, key: str) -> None:
        self._place = place
        self._headers = {"Accept": "application/json", **({"Authorization": f"Bearer {key}"} if key else {})}
        self._model = ""
        self._kind = ""
        self._per_byte = 1 / BYTES_PER_TOKEN

    def describe(self, exchange: Exchange, wanted: str) -> dict[str, Any]:
        """Which model it is, and what is told of it. Raises Failed."""
        listed = self._get(exchange, self._place.path + "/models")
        models = [one for one in _list(listed, "data") if isinstance(one, dict) and isinstance(one.get("id"), str)]
        if not models:
            raise Failed("names no model that it has")
        chosen = next((one for one in models if one["id"] == wanted), None) if wanted else models[0]
        if chosen is None:
            raise Failed(f"has no model {plain(wanted)!r}; it has {', '.join(plain(one['id']) for one in models[:8])}")
        self._model, self._kind = chosen["id"], KINDS.get(str(chosen.get("owned_by")), "")
        told = self._told(exchange, chosen)
        context = told.get("context") or CONTEXTS.get(self._kind, CONTEXT)
        counts = "exact" if self._kind in _OWN_COUNT else "text" if self._kind == "llama_cpp.server" else "estimate"
        return {"name": plain(self._model), "engine": self._kind, "counts": counts, **told, "context": context, "told": bool(told.get("context"))}

    def count(self, exchange: Exchange, prompt: Any) -> int:
        """Tokens of a prompt, its template's included: by the engine, where it can, else rather too many. Raises Failed."""
        base, text = self._place.root, _text(prompt)
        around = 0 if isinstance(prompt, str) else CHAT_TOKENS + MESSAGE_TOKENS * len(prompt)
        match self._kind:
            case "llama-server":
                if not isinstance(prompt, str):
                    text = _str(self._post(exchange, base + "/apply-template", {"messages": _messages(prompt)}), "prompt")
                return len(_list(self._post(exchange, base + "/tokenize", {"content": text, "add_special": True}), "tokens"))
            case "vLLM":
                what = {"prompt": prompt} if isinstance(prompt, str) else {"messages": _messages(prompt)}
                return _whole(self._post(exchange, base + "/tokenize", {"model": self._model, **what}), "count")
            case "llama_cpp.server":
                return around + _whole(self._post(exchange, base + "/extras/tokenize/count", {"model": self._model, "input": text}), "count")
        return around + math.ceil(len(text.encode("utf-8", "replace")) * self._per_byte)

    def write(self, exchange: Exchange, request: Mapping[str, Any], tell: Tell) -> None:
        """Tells every piece, and `done` or `too_long` at the end. Raises Failed."""
        prompt, limits = request["prompt"], exchange.limits
        raw = isinstance(prompt, str)
        exchange.expect(limits.first, f"has not said a word within {limits.first:g} s")
        headers = {**self._headers, "Accept": "text/event-stream", "Content-Type": "application/json"}
        stream, started, first = Stream(raw), time.monotonic(), 0.0
        path = self._place.path + ("/completions" if raw else "/chat/completions")
        with exchange.request("POST", path, headers, _encoded(self._body(request))) as response:
            if response.status != 200:
                text = exchange.whole(response)
                if response.status == 400 and (sizes := _too_long(text)) is not None:
                    tell("too_long", tokens=sizes[0], limit=sizes[1])
                    return
                raise Failed(refusal(response.status, text))
            for line in exchange.lines(response):
                said, piece = stream.feed(line)
                if said:  # a comment that keeps the line open is no word: only words count
                    exchange.expect(limits.idle, f"has stopped in the middle of the answer: nothing came for {limits.idle:g} s")
                if piece:
                    first = first or time.monotonic()
                    tell("piece", text=piece)
                if stream.ended:
                    break
        if not stream.pieces and not stream.ended and self._kind == "llama_cpp.server":
            # That one begins to stream, and then breaks off without a word where the prompt is longer than its context.
            exchange.expect(limits.short, f"gives no answer within {limits.short:g} s")
            tokens = self.count(exchange, prompt)
            if tokens > CONTEXTS[self._kind]:
                tell("too_long", tokens=tokens, limit=CONTEXTS[self._kind])
                return
        stream.check()
        if stream.prompt_tokens and not raw:
            self._learn(prompt, stream.prompt_tokens)
        tell(
            "done",
            prompt_tokens=stream.prompt_tokens,
            completion_tokens=stream.completion_tokens or stream.pieces,
            reused_tokens=stream.reused_tokens,
            reason=stream.reason,
            reading_ms=round(1000 * ((first or time.monotonic()) - started), 1),
            writing_ms=round(1000 * (time.monotonic() - first), 1) if first else 0.0,
        )

    def _body(self, request: Mapping[str, Any]) -> dict[str, Any]:
        prompt, schema = request["prompt"], request["schema"]
        body: dict[str, Any] = {"model": self._model, "max_tokens": request["max_tokens"], "stream": True}
        body |= {"prompt": prompt} if isinstance(prompt, str) else {"messages": _messages(prompt)}
        if self._kind != "llama_cpp.server":  # that one refuses nothing, and ignores it
            body["stream_options"] = {"include_usage": True}
        if request["stop"]:
            body["stop"] = request["stop"][:4]  # OpenAI's own limit; the appliance looks for the rest itself
        others = _OTHER_NAMES.get(self._kind)
        for name, value in request["sampling"].items():
            if name in _STANDARD:
                body[name] = value
            elif others is not None:  # what is not OpenAI's only goes to engines that are known to take it
                body[others.get(name, name)] = value
        if schema is not None and self._kind == "llama_cpp.server":
            body["response_format"] = {"type": "json_object", **({"schema": schema} if schema else {})}
        elif schema is not None:
            named = {"type": "json_schema", "json_schema": {"name": "answer", "strict": True, "schema": schema}}
            body["response_format"] = named if schema else {"type": "json_object"}
        return body

    def _told(self, exchange: Exchange, model: Mapping[str, Any]) -> dict[str, Any]:
        """context (tokens), parameters ("7.6B") and quantisation, as far as the engine says; what is no number is not told."""
        found: dict[str, Any] = {}
        meta = model.get("meta")
        try:
            match self._kind:
                case "llama-server":
                    if isinstance(meta, dict) and _is_whole(meta.get("n_params")):
                        found["parameters"] = _size(meta["n_params"])
                    props = self._get(exchange, self._place.root + "/props")
                    found["context"] = _whole(props.get("default_generation_settings", {}), "n_ctx")
                case "vLLM":
                    found["context"] = _whole(dict(model), "max_model_len")
                case "Ollama":
                    shown = self._post(exchange, self._place.root + "/api/show", {"model": self._model})
                    details = shown.get("details")
                    if isinstance(details, dict):
                        found["parameters"] = plain(details.get("parameter_size", ""))
                        found["quantisation"] = plain(details.get("quantization_level", ""))
                    window = re.search(r"^num_ctx\s+(\d{3,7})\s*$", str(shown.get("parameters", "")), re.MULTILINE)
                    found["context"] = int(window[1]) if window else CONTEXT
        except (Failed, AttributeError):
            pass  # an older one, or behind a proxy that lets only /v1 through: the defaults hold, and the answer doesn't hang on it
        if not _is_whole(found.get("context")) or not 256 <= found["context"] <= 1 << 24:
            found.pop("context", None)
        return found

    def _learn(self, prompt: Any, tokens: int) -> None:
        """From what an engine that can't count beforehand counts afterwards; with a tenth to spare, and never fewer than seen."""
        size = len(_text(prompt).encode("utf-8", "replace"))
        if size >= 400 and tokens < size:
            seen = 1.1 * tokens / size
            self._per_byte = seen if self._per_byte == 1 / BYTES_PER_TOKEN else max(self._per_byte, seen)

    def _get(self, exchange: Exchange, path: str) -> dict[str, Any]:
        return _object(exchange.json("GET", path, self._headers))

    def _post(self, exchange: Exchange, path: str, body: Mapping[str, Any]) -> dict[str, Any]:
        return _object(exchange.json("POST", path, self._headers, body))


def _messages(prompt: Sequence[Mapping[str, Any]]) -> list[dict[str, Any]]:
    """As OpenAI writes them."""
    found = []
    for message in prompt:
        one: dict[str, Any] = {"role": message["role"], "content": message["content"]}
        if message.get("calls"):
            calls = [{"id": c["id"], "type": "function", "function": {"name": c["name"], "arguments": c["arguments"]}} for c in message["calls"]]
            one["tool_calls"] = calls
        if message.get("name"):
            one["name"] = message["name"]
        found.append(one)
    return found


def _text(prompt: Any) -> str:
    return prompt if isinstance(prompt, str) else "\n".join(message["content"] for message in prompt)


def _encoded(body: Mapping[str, Any]) -> bytes:
    return json.dumps(body).encode("ascii")


def _too_long(text: bytes) -> tuple[int, int] | None:
    """(tokens of the prompt, the most that is taken) where an error says that the prompt is too long; 0 where it doesn't say how many."""
    try:
        error = _object(parsed(text)).get("error")
    except Failed:
        return None
    if not isinstance(error, dict):
        return None
    said = f"{error.get('code')} {error.get('type')} {error.get('message')}".lower()
    if not any(words in said for words in _TOO_LONG):
        return None
    limit = re.search(r"context (?:length|size)(?: is)?\D{0,12}(\d+)", said)
    tokens = re.search(r"(?:request(?:ed)?|you requested|resulted in) \(?(\d+)", said)
    numbers = error.get("n_prompt_tokens"), error.get("n_ctx")
    if _is_whole(numbers[0]) and _is_whole(numbers[1]):
        return int(numbers[0]), int(numbers[1])
    return int(tokens[1]) if tokens else 0, int(limit[1]) if limit else 0


def _object(value: Any) -> dict[str, Any]:
    if not isinstance(value, dict):
        raise Failed("answers what no language engine answers")
    return value


def _list(value: Mapping[str, Any], name: str) -> list[Any]:
    if not isinstance(found := value.get(name), list):
        raise Failed("answers what no language engine answers")
    return found


def _str(value: Mapping[str, Any], name: str) -> str:
    if not isinstance(found := value.get(name), str):
        raise Failed("answers what no language engine answers")
    return found


def _whole(value: Any, name: str) -> int:
    if not isinstance(value, dict) or not _is_whole(found := value.get(name)):
        raise Failed("answers what no language engine answers")
    return int(found)


def _is_whole(value: Any) -> TypeGuard[int]:
    return type(value) is int and 0 <= value < 1 << 53


def _size(parameters: int) -> str:
    return f"{parameters / 1e9:.1f}B" if parameters >= 1e9 else f"{parameters / 1e6:.0f}M"
