"""Side by side: one question to several models or settings, streamed; kept with a vote, told as a table, exported."""

from __future__ import annotations

import threading
from collections.abc import Callable, Iterator
from typing import Any

from flask import Blueprint, Response, g, request

from appliance.answer.compare import Compared, Said
from appliance.answer.prompt import checked_question
from appliance.contests import Wanted, contest
from appliance.errors import BadRequest
from appliance.library.comparison_export import FORMATS, as_json, exported
from appliance.library.comparisons import Comparison, Comparisons, table
from appliance.runtime import Appliance
from appliance.web.answering import Answering, Told
from appliance.web.collections import find
from appliance.web.errors import describe
from appliance.web.requests import body, ids, text
from appliance.web.values import as_file, event_name, to_json

SHOWN = 100
"""Comparisons in a list: the latest. The table and the exports are of all."""


def routes(appliance: Appliance, answering: Answering) -> Blueprint:
    blueprint = Blueprint("compare", __name__)
    comparisons = Comparisons(appliance.library)

    @blueprint.post("/collections/<id:collection_id>/compare")
    def compare(collection_id: int) -> Response:
        collection = find(appliance, collection_id)
        data = body()
        question, documents = checked_question(text(data, "question")), ids(data, "documents")
        together = data.get("together", False)
        if not isinstance(together, bool):
            raise BadRequest(detail='"together" must be true or false.')
        begun = contest(appliance, collection_id, _wanted(data), together=together, client=g.client)

        def told(cancel: threading.Event) -> Iterator[Told]:
            for event in begun.run(question, (collection_id, collection.name), cancel=cancel, documents=documents):
                if isinstance(event, Compared):
                    yield "compared", {"comparison": as_json(_kept(event.comparison))}
                elif isinstance(event, Said):
                    yield event_name(event.event), {"contender": event.contender, **to_json(event.event)}
                else:
                    yield event_name(event), event

        def explain(error: Exception) -> dict[str, str]:
            code, message, _ = describe(error, appliance.settings)
            return {"code": code, "message": message}

        gone: Callable[[], bool] = request.environ.get("waitress.client_disconnected") or (lambda: False)
        known = {"contenders": to_json(begun.contenders), "together": begun.together, "sentence": begun.sentence}
        return Response(answering.run(told, explain, gone, **known), mimetype="text/event-stream")

    @blueprint.get("/comparisons")
    def every() -> dict[str, Any]:
        found = comparisons.all()
        return {"comparisons": [as_json(one) for one in found[:SHOWN]], "table": to_json(table(found))}

    @blueprint.post("/comparisons/<id:comparison_id>/vote")
    def vote(comparison_id: int) -> dict[str, Any]:
        contender = body().get("contender")
        if contender is not None and type(contender) is not int:
            raise BadRequest(detail='"contender" must be the number of a contender, from 0, or null.')
        return as_json(comparisons.vote(comparison_id, contender))

    @blueprint.get("/comparisons/export")
    def export() -> Response:
        wanted = request.args.get("format", "csv")
        if wanted not in FORMATS:
            raise BadRequest(detail=f'"format" must be one of {", ".join(FORMATS)}.')
        return as_file(Response(exported(comparisons.all(), wanted)), f"comparisons{FORMATS[wanted]}")

    @blueprint.delete("/comparisons/<id:comparison_id>")
    def remove(comparison_id: int) -> tuple[str, int]:
        comparisons.remove(comparison_id)
        return "", 204

    def _kept(comparison: Comparison) -> Comparison:
        """Kept where there is something to vote on: refusals, and a comparison that was stopped at once, have nothing."""
        answered = any(result.answer and not result.answer.refused for result in comparison.results)
        return comparisons.keep(comparison) if answered else comparison

    return blueprint


def _wanted(data: dict[str, Any]) -> list[Wanted]:
    given = data.get("contenders")
    if not isinstance(given, list) or not all(isinstance(one, dict) for one in given):
        raise BadRequest(detail='"contenders" must be a list of objects, each with a "model".')
    wanted = []
    for one in given:
        parameters = one.get("parameters") or {}
        if not isinstance(parameters, dict):
            raise BadRequest(detail='"parameters" must be an object.')
        wanted.append(Wanted(text(one, "model", default=""), text(one, "preset", default="") if one.get("preset") else "", parameters))
    return wanted
