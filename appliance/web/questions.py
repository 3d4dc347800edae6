"""Asking: the answer streams as server-sent events, and is kept in a conversation when it ends."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from typing import Any

from flask import Blueprint, Response, g, request

from appliance.answer.prompt import checked_question
from appliance.documents import Answer
from appliance.errors import BadRequest
from appliance.library.conversations import Conversation
from appliance.models.choice import Choice
from appliance.models.parameters import checked
from appliance.runtime import Appliance
from appliance.web.answering import Answering, Events
from appliance.web.collections import find
from appliance.web.errors import describe
from appliance.web.guests import by_guests_door, current_guest
from appliance.web.requests import body, ids, optional_id, text


def routes(appliance: Appliance, answering: Answering) -> Blueprint:
    blueprint = Blueprint("questions", __name__)
    conversations = appliance.conversations

    @blueprint.post("/collections/<id:collection_id>/ask")
    def ask(collection_id: int) -> Response:
        find(appliance, collection_id)
        data = body()
        question = checked_question(text(data, "question"))  # here too: a stream that has begun can't have a status any more
        documents, conversation = ids(data, "documents"), _conversation(data, collection_id)
        history = conversations.turns(conversation) if conversation else ()
        choice = _choice(data, collection_id, conversation)
        return _stream(
            lambda cancel: appliance.asker.ask(
                question,
                collection_id,
                documents=documents,
                history=history,
                cancel=cancel,
                choice=choice,
            ),
            collection_id,
            conversation,
        )

    @blueprint.post("/collections/<id:collection_id>/overview")
    def overview(collection_id: int) -> Response:
        find(appliance, collection_id)
        data = body()
        conversation = _conversation(data, collection_id)
        choice = _choice(data, collection_id, conversation)
        return _stream(
            lambda cancel: appliance.asker.overview(collection_id, cancel=cancel, choice=choice),
            collection_id,
            conversation,
        )

    @blueprint.post("/documents/<id:document_id>/summary")
    def summarise(document_id: int) -> Response:
        document = appliance.library.document(document_id)
        data = body()
        conversation = _conversation(data, document.collection_id)
        choice = _choice(data, document.collection_id, conversation)
        return _stream(
            lambda cancel: appliance.asker.summarise(document_id, cancel=cancel, choice=choice),
            document.collection_id,
            conversation,
        )

    @blueprint.delete("/answers/<key>")
    def stop(key: str) -> dict[str, Any]:
        return {"stopped": answering.stop(key)}

    def _choice(data: dict[str, Any], collection_id: int, conversation: int | None) -> Choice:
        """Read before the stream: its work is done in another thread, where there is no request. Raises NoSuchModel, BadParameter, BadRequest."""
        model, told = text(data, "model", default=""), data.get("parameters") or {}
        if not isinstance(told, dict):
            raise BadRequest(detail='"parameters" must be an object.')
        return replace(appliance.choose(collection_id, conversation, model, checked(told)), client=g.client)

    def _conversation(data: dict[str, Any], collection_id: int) -> int | None:
        """The conversation to go on with, None for a new one. Raises NoSuchConversation, BadRequest."""
        conversation = optional_id(data, "conversation")
        if conversation is not None and conversations.get(conversation).collection_id != collection_id:
            raise BadRequest(detail="This conversation is about another collection. Start a new one.")
        return conversation

    def _stream(events: Events, collection_id: int, conversation: int | None) -> Response:
        guest, outside = current_guest(), by_guests_door()  # read here: the work is done in another thread

        def keep(answer: Answer) -> Conversation:
            # A new conversation begins with its first answer: a question that failed leaves no empty one.
            kept = conversation if conversation is not None else conversations.start(collection_id).id
            conversations.append(kept, answer)
            if guest is not None:
                guest.conversations.add(kept)  # no others are shown to him
            return conversations.get(kept)

        def explain(error: Exception) -> dict[str, str]:
            code, message, _ = describe(error, appliance.settings, outside=outside)
            return {"code": code, "message": message}

        gone: Callable[[], bool] = request.environ.get("waitress.client_disconnected") or (lambda: False)
        return Response(answering.stream(events, keep, explain, gone), mimetype="text/event-stream")

    return blueprint
