"""Translating what was answered: streamed, by the model that is chosen for translating."""

from __future__ import annotations

import threading
from collections.abc import Callable, Iterator

from flask import Blueprint, Response, g, request

from appliance.answer.translating import Translated, checked_language, checked_text, translate
from appliance.runtime import Appliance
from appliance.web.answering import Answering, Told
from appliance.web.errors import describe
from appliance.web.requests import body, text
from appliance.web.values import event_name


def routes(appliance: Appliance, answering: Answering) -> Blueprint:
    blueprint = Blueprint("translate", __name__)

    @blueprint.post("/translate")
    def translated() -> Response:
        data = body()
        original, language = checked_text(text(data, "text")), checked_language(text(data, "language"))
        model = appliance.loaded.generator(purpose="translating")
        client: str = g.client

        def told(cancel: threading.Event) -> Iterator[Told]:
            for event in translate(original, language, model, cancel=cancel, client=client):
                yield ("finished" if isinstance(event, Translated) else event_name(event)), event

        def explain(error: Exception) -> dict[str, str]:
            code, message, _ = describe(error, appliance.settings)
            return {"code": code, "message": message}

        gone: Callable[[], bool] = request.environ.get("waitress.client_disconnected") or (lambda: False)
        return Response(answering.run(told, explain, gone, model=model.name), mimetype="text/event-stream")

    return blueprint
