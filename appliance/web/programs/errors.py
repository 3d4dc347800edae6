"""Errors in the shapes that the clients read: OpenAI's {"error": {"message", "type", "param", "code"}} and Ollama's {"error": "…"}.

The sentences are those of `appliance.errors`. A prompt that is too long is 400 with the code "context_length_exceeded", as OpenAI has it:
clients look for that. `x-should-retry: false` keeps OpenAI's clients from sending again what can't succeed.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from flask import Response, jsonify
from werkzeug.exceptions import HTTPException

from appliance.config import Settings
from appliance.errors import KeyRefused, NoSuchCollection, NoSuchModel, PromptTooLong
from appliance.web.errors import describe

_TYPES = {401: "authentication_error", 403: "permission_error", 429: "rate_limit_error"}
_SENTENCES = {
    404: "There is nothing for programs at this address. Models come and go by `haversack models`; docs/api.md lists what can be called.",
    405: "This address doesn't take that kind of request.",
    413: "This is too much for one request. Send less of it.",
}
_RETRIED = (429, 503)
GONE = 499
"""The status of a request whose client is not there any more, for the record: nobody reads it."""


class ClientGone(Exception):
    """Whoever asked has hung up."""


@dataclass(frozen=True, slots=True)
class Told:
    """An error as a program is told of it."""

    message: str
    status: int
    code: str
    param: str | None = None

    @property
    def openai(self) -> dict[str, Any]:
        kind = _TYPES.get(self.status, "invalid_request_error" if self.status < 500 else "server_error")
        return {"error": {"message": self.message, "type": kind, "param": self.param, "code": self.code}}

    @property
    def ollama(self) -> dict[str, Any]:
        return {"error": self.message}


def told(error: Exception, settings: Settings) -> Told:
    """Any error. What was not foreseen is told to stderr, too."""
    if isinstance(error, PromptTooLong):
        tokens, limit = error.details.get("tokens"), error.details.get("limit")
        return Told(
            f"The prompt makes {tokens} tokens, and this model reads at most {limit}. Send less of it.", 400, "context_length_exceeded", "messages"
        )
    code, message, status = describe(error, settings, outside=True)
    if isinstance(error, (NoSuchModel, NoSuchCollection)):
        return Told(message, status, "model_not_found", "model")
    if isinstance(error, KeyRefused):
        code = "invalid_api_key"
    if isinstance(error, HTTPException):
        message = _SENTENCES.get(status, "This request can't be answered.")
    details: Mapping[str, object] = getattr(error, "details", {})
    param = details.get("param") or details.get("name") if status == 400 else None
    return Told(message, status, code, str(param) if param else None)


def response(error: Exception, shape: str, settings: Settings) -> Response:
    """The answer to a request that failed before anything was sent. `shape`: "openai" or "ollama"."""
    if isinstance(error, ClientGone):
        return Response(status=GONE)
    found = told(error, settings)
    answer = jsonify(found.openai if shape == "openai" else found.ollama)
    answer.status_code = found.status
    if found.status >= 500 and found.status not in _RETRIED:
        answer.headers["x-should-retry"] = "false"
    return answer
