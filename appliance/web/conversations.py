"""Conversations: kept questions and answers, searched, renamed, deleted, exported."""

from __future__ import annotations

from typing import Any

from flask import Blueprint, Response, request

from appliance.errors import BadRequest
from appliance.library import export
from appliance.runtime import Appliance
from appliance.web.requests import body, text
from appliance.web.values import as_file, to_json

_FORMATS = {"markdown": (export.markdown, ".md"), "html": (export.html, ".html")}


def routes(appliance: Appliance) -> Blueprint:
    blueprint = Blueprint("conversations", __name__)
    conversations = appliance.conversations

    @blueprint.get("/conversations")
    def every() -> dict[str, Any]:
        return {"conversations": to_json(conversations.all(request.args.get("query", "")[:1000]))}

    @blueprint.get("/conversations/<id:conversation_id>")
    def show(conversation_id: int) -> dict[str, Any]:
        conversation = conversations.get(conversation_id)
        return {"conversation": to_json(conversation), "answers": to_json(conversations.answers(conversation_id))}

    @blueprint.patch("/conversations/<id:conversation_id>")
    def rename(conversation_id: int) -> dict[str, Any]:
        conversations.rename(conversation_id, text(body(), "title"))
        renamed: dict[str, Any] = to_json(conversations.get(conversation_id))
        return renamed

    @blueprint.delete("/conversations/<id:conversation_id>")
    def remove(conversation_id: int) -> tuple[str, int]:
        conversations.remove(conversation_id)
        return "", 204

    @blueprint.get("/conversations/<id:conversation_id>/export")
    def export_one(conversation_id: int) -> Response:
        wanted = request.args.get("format", "markdown")
        if wanted not in _FORMATS:
            raise BadRequest(detail=f'"format" must be one of {", ".join(_FORMATS)}.')
        write, suffix = _FORMATS[wanted]
        conversation = conversations.get(conversation_id)
        content = write(conversation, conversations.answers(conversation_id))
        return as_file(Response(content), (conversation.title or "conversation").replace("/", "-") + suffix)

    return blueprint
