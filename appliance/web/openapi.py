"""GET /v1/openapi.json: what programs can call, as OpenAPI 3.1. Written by hand; tests/web/test_openapi.py compares it with the routes.

A request's schema names the fields that are read; others are let be, as the clients of both shapes need it. Schemas of answers name what is
always there.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from flask import Blueprint

from appliance import __version__
from appliance.models.parameters import BY_NAME
from appliance.shelf.modelfile import NAMES
from appliance.web.programs.reading import LONGEST_STOP, MOST_STOPS
from appliance.web.programs.running import MOST_MESSAGES, MOST_TOOLS
from appliance.web.programs.vectors import MOST_TEXTS

Schema = dict[str, Any]
_TEXT: Schema = {"type": "string"}
_FLAG: Schema = {"type": "boolean"}
_WHOLE: Schema = {"type": "integer"}
_NUMBER: Schema = {"type": "number"}
_ANY: Schema = {"type": "object"}
_WRONG = {
    "400": "The request is wrong; the message says what must change.",
    "401": "No key, or one that isn't known here.",
    "403": "Programs are not let in (`--api off`), or a web page of another origin asks.",
    "404": "There is no such model, collection or address.",
    "413": "The request is too large.",
    "429": "Too many requests are waiting.",
    "503": "The model can't be used; the message says why.",
    "507": "The model needs more memory than there is.",
}


def routes() -> Blueprint:
    blueprint = Blueprint("openapi", __name__)

    @blueprint.get("/openapi.json")
    def describe() -> dict[str, Any]:
        return description()

    return blueprint


def description() -> dict[str, Any]:
    """The whole document."""
    return {
        "openapi": "3.1.0",
        "info": {
            "title": "Haversack's server for programs",
            "version": __version__,
            "summary": "Models and collections of this machine, in the shapes of OpenAI and of Ollama.",
            "license": {"name": "Apache-2.0", "identifier": "Apache-2.0"},
        },
        "servers": [{"url": "/"}],
        "security": [{"key": []}],
        "paths": {**_openai(), **_ollama()},
        "components": {
            "securitySchemes": {"key": {"type": "http", "scheme": "bearer", "description": "What `haversack keys add NAME` printed."}},
            "schemas": _schemas(),
        },
    }


def _openai() -> dict[str, Any]:
    writing = "the answer, or with `stream` its pieces as server-sent events"
    named = {"name": "model", "in": "path", "required": True, "schema": _TEXT}
    return {
        "/v1/models": {"get": _operation("listModels", "The language models, each with each collection, and the embedder", "ModelList")},
        "/v1/models/{model}": {
            "get": {**_operation("showModel", "One of them", "Model"), "parameters": [named]},
        },
        "/v1/chat/completions": {"post": _operation("chat", f"A conversation: {writing}", "ChatCompletion", _CHAT, streams=_EVENTS)},
        "/v1/completions": {"post": _operation("complete", f"A text gone on with: {writing}", "Completion", _COMPLETION, streams=_EVENTS)},
        "/v1/embeddings": {"post": _operation("embed", "Texts as vectors", "Embeddings", _EMBEDDING)},
        "/v1/responses": {"post": _operation("respond", f"A conversation: {writing}", "Response", _RESPONSES, streams=_EVENTS)},
        "/v1/openapi.json": {"get": _operation("describe", "This description", "Description")},
    }


def _ollama() -> dict[str, Any]:
    writing = "the answer as lines of JSON, or whole where `stream` is false"
    operations = {
        "tags": ("get", _operation("ollamaTags", "The same models", "OllamaList", error="OllamaError")),
        "show": ("post", _operation("ollamaShow", "One of them", "OllamaModel", _OLLAMA_SHOW, error="OllamaError")),
        "ps": ("get", _operation("ollamaRunning", "Those that are in memory", "OllamaList", error="OllamaError")),
        "version": (
            "get",
            _operation("ollamaVersion", "The version of Ollama whose shape is spoken, and Haversack's", "OllamaVersion", error="OllamaError"),
        ),
        "chat": ("post", _operation("ollamaChat", writing, "OllamaChat", _OLLAMA_CHAT, streams=_LINES, error="OllamaError")),
        "generate": ("post", _operation("ollamaGenerate", writing, "OllamaGeneration", _OLLAMA_GENERATE, streams=_LINES, error="OllamaError")),
        "embed": ("post", _operation("ollamaEmbed", "Texts as vectors", "OllamaEmbeddings", _OLLAMA_EMBED, error="OllamaError")),
        "embeddings": ("post", _operation("ollamaEmbedOne", "One text, the older way", "OllamaEmbedding", _OLLAMA_EMBED_ONE, error="OllamaError")),
    }
    return {f"/api/{name}": {method: operation} for name, (method, operation) in operations.items()}


def _operation(name: str, summary: str, result: str, body: Schema | None = None, *, streams: str = "", error: str = "OpenAIError") -> Schema:
    """`streams`: the media type of the answer where it comes in pieces."""
    given: Schema = {"application/json": {"schema": _ref(result)}}
    if streams:
        given[streams] = {}  # OpenAPI 3.1 has no words for what comes in pieces
    refused = {status: {"description": sentence, "content": {"application/json": {"schema": _ref(error)}}} for status, sentence in _WRONG.items()}
    operation: Schema = {
        "operationId": name,
        "summary": summary,
        "tags": ["Ollama" if error == "OllamaError" else "OpenAI"],
        "responses": {"200": {"description": "Done", "content": given}, **refused},
    }
    if body is not None:
        operation["requestBody"] = {"required": True, "content": {"application/json": {"schema": body}}}
    return operation


def _ref(name: str) -> Schema:
    return {"$ref": f"#/components/schemas/{name}"}


def _maybe(schema: Schema) -> Schema:
    """Or null, which counts as not there."""
    return {"anyOf": [schema, {"type": "null"}]}


def _body(needed: tuple[str, ...], properties: Mapping[str, Schema]) -> Schema:
    return {
        "type": "object",
        "required": list(needed),
        "properties": {name: schema if name in needed else _maybe(schema) for name, schema in properties.items()},
    }


def _list(items: Schema, most: int | None = None, least: int = 0) -> Schema:
    return {"type": "array", "items": items, **({"maxItems": most} if most else {}), **({"minItems": least} if least else {})}


def _parameter(name: str) -> Schema:
    """A parameter with its range and its sentence."""
    known = BY_NAME[name]
    return {"type": "integer" if known.kind is int else "number", "minimum": known.least, "maximum": known.most, "description": known.sentence}


def _parameters(names: Mapping[str, str]) -> dict[str, Schema]:
    """The client's name → ours."""
    return {theirs: _parameter(ours) for theirs, ours in names.items()}


_EVENTS, _LINES = "text/event-stream", "application/x-ndjson"
_MODEL: Schema = {
    "type": "string",
    "minLength": 1,
    "description": "As /v1/models lists it; `model@collection` answers from a collection.",
    "examples": ["smollm2-135m-instruct"],
}
_COLLECTION: Schema = {"type": "string", "description": "The name of a collection to answer from; the same as `model@collection`."}
_STOP_TEXT: Schema = {"type": "string", "maxLength": LONGEST_STOP}
_STOP: Schema = {"anyOf": [_STOP_TEXT, _list(_STOP_TEXT, MOST_STOPS)]}
_DRAWING = _parameters(
    {
        "temperature": "temperature",
        "presence_penalty": "presence_penalty",
        "frequency_penalty": "frequency_penalty",
        "seed": "seed",
        "top_k": "top_k",
        "min_p": "min_p",
        "repeat_penalty": "repeat_penalty",
        "top_p": "top_p",
    }
)
_STREAM = {"stream": _FLAG, "stream_options": _body((), {"include_usage": _FLAG})}
_PARTS = _list({"type": "object", "required": ["type", "text"], "properties": {"type": {"const": "text"}, "text": _TEXT}})
_CONTENT: Schema = {"anyOf": [_TEXT, _PARTS]}
_CALL: Schema = {
    "type": "object",
    "required": ["function"],
    "properties": {"id": _TEXT, "function": {"type": "object", "required": ["name"], "properties": {"name": _TEXT, "arguments": _TEXT}}},
}
_SAID: Schema = {
    "type": "object",
    "required": ["role", "content"],
    "properties": {
        "role": {"enum": ["user", "system", "developer", "assistant", "tool"]},
        "content": _CONTENT,
        "tool_calls": _maybe(_list(_CALL, MOST_TOOLS)),
        "tool_call_id": _maybe(_TEXT),
    },
}
_TOOL_NAME: Schema = {"type": "string", "pattern": "^[A-Za-z0-9_.-]{1,64}$"}
_FUNCTION: Schema = {"type": "object", "required": ["name"], "properties": {"name": _TOOL_NAME, "description": _TEXT, "parameters": _ANY}}
_TOOL: Schema = {"type": "object", "required": ["type", "function"], "properties": {"type": {"const": "function"}, "function": _FUNCTION}}
_NAMED_TOOL: Schema = {"type": "object", "required": ["function"], "properties": {"function": _FUNCTION}}
_CHOICE: Schema = {"anyOf": [{"enum": ["auto", "none", "required"]}, _NAMED_TOOL]}
_FORMAT: Schema = {
    "type": "object",
    "required": ["type"],
    "properties": {
        "type": {"enum": ["text", "json_object", "json_schema"]},
        "json_schema": {"type": "object", "properties": {"name": _TEXT, "schema": _ANY, "strict": _maybe(_FLAG)}},
    },
}
_CHAT = _body(
    ("model", "messages"),
    {
        "model": _MODEL,
        "messages": _list(_SAID, MOST_MESSAGES, 1),
        "collection": _COLLECTION,
        **_DRAWING,
        **_parameters({"max_tokens": "max_tokens", "max_completion_tokens": "max_tokens"}),
        **_STREAM,
        "stop": _STOP,
        "response_format": _FORMAT,
        "tools": _list(_TOOL, MOST_TOOLS),
        "tool_choice": _CHOICE,
        "parallel_tool_calls": _FLAG,
    },
)
_COMPLETION = _body(
    ("model", "prompt"),
    {
        "model": _MODEL,
        "prompt": {"anyOf": [_TEXT, _list(_TEXT, 16, 1)]},
        "collection": _COLLECTION,
        **_DRAWING,
        **_parameters({"max_tokens": "max_tokens"}),
        **_STREAM,
        "stop": _STOP,
        "response_format": _FORMAT,
    },
)
_INPUT: Schema = {"anyOf": [{"type": "string", "pattern": "\\S"}, _list(_TEXT, MOST_TEXTS, 1)]}
_EMBEDDING = _body(
    ("model", "input"),
    {
        "model": _MODEL,
        "input": _INPUT,
        "encoding_format": {"enum": ["float", "base64"]},
        "dimensions": _WHOLE,
        "input_type": {"enum": ["document", "query"]},
    },
)
_RESPONSES = _body(
    ("model", "input"),
    {
        "model": _MODEL,
        "input": {"anyOf": [_TEXT, _list(_ANY, MOST_MESSAGES, 1)]},
        "instructions": _TEXT,
        "collection": _COLLECTION,
        **_DRAWING,
        **_parameters({"max_output_tokens": "max_tokens"}),
        "stream": _FLAG,
        "text": _body((), {"format": _ANY}),
        "tools": _list({**_FUNCTION, "required": ["type", "name"]}, MOST_TOOLS),
        "tool_choice": {"anyOf": [{"enum": ["auto", "none", "required"]}, _ANY]},
        "parallel_tool_calls": _FLAG,
    },
)
_OPTIONS = _body(
    (),
    {**_parameters(NAMES), "stop": _STOP},
)
_OLLAMA_HEAD: dict[str, Schema] = {
    "model": _MODEL,
    "collection": _COLLECTION,
    "options": _OPTIONS,
    "format": {"anyOf": [{"enum": ["json", ""]}, _ANY]},
    "stream": _FLAG,
    "keep_alive": {"anyOf": [_NUMBER, {"type": "string", "maxLength": 40}]},
}
_OLLAMA_SAID: Schema = {
    "type": "object",
    "required": ["role", "content"],
    "properties": {
        "role": {"enum": ["user", "system", "assistant", "tool"]},
        "content": _TEXT,
        "tool_name": _maybe(_TEXT),
        "tool_call_id": _maybe(_TEXT),
        "tool_calls": _maybe(_list(_ANY)),
    },
}
_OLLAMA_CHAT = _body(("model",), {**_OLLAMA_HEAD, "messages": _list(_OLLAMA_SAID, MOST_MESSAGES), "tools": _list(_TOOL, MOST_TOOLS)})
_OLLAMA_GENERATE = _body(("model",), {**_OLLAMA_HEAD, "prompt": _TEXT, "system": _TEXT, "raw": _FLAG})
_OLLAMA_SHOW = _body(("model",), {"model": _MODEL, "verbose": _FLAG})
_OLLAMA_INPUT: Schema = {"anyOf": [_TEXT, _list(_TEXT, MOST_TEXTS)]}
_OLLAMA_EMBED = _body(("model",), {"model": _MODEL, "input": _OLLAMA_INPUT, "truncate": _FLAG, "dimensions": _WHOLE})
_OLLAMA_EMBED_ONE = _body(("model",), {"model": _MODEL, "prompt": _TEXT})


def _schemas() -> dict[str, Schema]:
    """Answers: what is always there."""
    source = {"marker": _WHOLE, "document": _TEXT, "page": {"type": ["integer", "null"]}, "quote": _TEXT, "supported": _FLAG}
    grounds = {"sources": _list(_ref("Source")), "refused": _FLAG, "note": _TEXT}
    usage = _there({"prompt_tokens": _WHOLE, "total_tokens": _WHOLE})
    choices = _list(_ANY, least=1)
    model = {"id": _TEXT, "object": {"const": "model"}, "created": _WHOLE, "owned_by": _TEXT, "capabilities": _list(_TEXT)}
    error = _there({"message": _TEXT, "type": _TEXT, "param": {"type": ["string", "null"]}, "code": {"type": ["string", "null"]}})
    done: dict[str, Schema] = {"model": _TEXT, "created_at": _TEXT, "done": {"const": True}, "done_reason": _TEXT}
    return {
        "OpenAIError": _there({"error": error}),
        "OllamaError": _there({"error": _TEXT}),
        "Source": _there(source),
        "Model": _there(model),
        "ModelList": _there({"object": {"const": "list"}, "data": _list(_ref("Model"))}),
        "ChatCompletion": _there({"id": _TEXT, "object": {"const": "chat.completion"}, "choices": choices, "usage": usage}, grounds),
        "Completion": _there({"id": _TEXT, "object": {"const": "text_completion"}, "choices": choices, "usage": usage}, grounds),
        "Embeddings": _there({"object": {"const": "list"}, "data": choices, "model": _TEXT, "usage": usage}),
        "Response": _there({"id": _TEXT, "object": {"const": "response"}, "status": _TEXT, "output": _list(_ANY), "usage": _ANY}, grounds),
        "Description": _there({"openapi": _TEXT, "info": _ANY, "paths": _ANY}),
        "OllamaList": _there({"models": _list(_there({"name": _TEXT, "model": _TEXT, "size": _WHOLE, "digest": _TEXT, "details": _ANY}))}),
        "OllamaModel": _there({"details": _ANY, "model_info": _ANY, "capabilities": _list(_TEXT), "modified_at": _TEXT}),
        "OllamaVersion": _there({"version": _TEXT, "haversack": _TEXT}),
        "OllamaChat": _there({**done, "message": _ANY}, grounds),
        "OllamaGeneration": _there({**done, "response": _TEXT}, grounds),
        "OllamaEmbeddings": _there({"model": _TEXT, "embeddings": _list(_list(_NUMBER))}),
        "OllamaEmbedding": _there({"embedding": _list(_NUMBER)}),
    }


def _there(properties: Mapping[str, Schema], more: Mapping[str, Schema] | None = None) -> Schema:
    """An object that always has `properties`, and may have `more`."""
    return {"type": "object", "required": list(properties), "properties": {**properties, **(more or {})}}
