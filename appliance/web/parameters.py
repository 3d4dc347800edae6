"""How answers are written: the parameters with their ranges, and those that a collection or a conversation keeps."""

from __future__ import annotations

from dataclasses import asdict, replace
from typing import Any

from flask import Blueprint, request

from appliance.answer.preferred import effective, told
from appliance.errors import BadRequest
from appliance.library.preferences import Preference, Whose
from appliance.models.parameters import PRESETS, RANGES, Parameters, checked, sampling
from appliance.runtime import Appliance
from appliance.shelf.entries import ShelfModel
from appliance.shelf.handle import own_parameters
from appliance.web.collections import find
from appliance.web.requests import body, text

GONE = "{name}, which was chosen here, is not on the shelf any more: {instead} answers."


def routes(appliance: Appliance) -> Blueprint:
    blueprint = Blueprint("parameters", __name__)
    preferences = appliance.preferences

    @blueprint.get("/parameters")
    def every() -> dict[str, Any]:
        name = request.args.get("model", "")
        model = appliance.shelf.find(name) if name else appliance.answering
        return {
            "ranges": [{**asdict(one), "kind": one.kind.__name__} for one in RANGES],
            "presets": {name: preset.told() for name, preset in PRESETS.items()},
            "defaults": defaults(appliance, model).told(),
        }

    @blueprint.get("/collections/<id:collection_id>/parameters")
    def of_collection(collection_id: int) -> dict[str, Any]:
        return _shown("collection", collection_id)

    @blueprint.get("/conversations/<id:conversation_id>/parameters")
    def of_conversation(conversation_id: int) -> dict[str, Any]:
        return _shown("conversation", conversation_id)

    @blueprint.put("/collections/<id:collection_id>/parameters")
    def set_collection(collection_id: int) -> dict[str, Any]:
        return _set("collection", collection_id)

    @blueprint.put("/conversations/<id:conversation_id>/parameters")
    def set_conversation(conversation_id: int) -> dict[str, Any]:
        return _set("conversation", conversation_id)

    @blueprint.delete("/collections/<id:collection_id>/parameters")
    def reset_collection(collection_id: int) -> dict[str, Any]:
        preferences.reset("collection", collection_id)
        return _shown("collection", collection_id)

    @blueprint.delete("/conversations/<id:conversation_id>/parameters")
    def reset_conversation(conversation_id: int) -> dict[str, Any]:
        preferences.reset("conversation", conversation_id)
        return _shown("conversation", conversation_id)

    def _set(whose: Whose, number: int) -> dict[str, Any]:
        data = body()
        values = data.get("parameters") or {}
        if not isinstance(values, dict):
            raise BadRequest(detail='"parameters" must be an object.')
        name = text(data, "model", default="")
        model = appliance.shelf.find(name).name if name else ""
        preferences.set(whose, number, Preference(model, checked(values).told()))
        return _shown(whose, number)

    def _shown(whose: Whose, number: int) -> dict[str, Any]:
        collection, conversation = (number, None) if whose == "collection" else (appliance.conversations.get(number).collection_id, number)
        if whose == "collection":
            find(appliance, number)
        own = preferences.get(whose, number)
        there = {model.name: model for model in appliance.shelf.all()}
        chosen, parameters = effective(preferences, collection, conversation, is_there=there.__contains__)
        model = there.get(chosen) or appliance.answering
        if parameters.context and model.trained_context:  # it may have been told for another model, and is bounded when it is loaded
            parameters = replace(parameters, context=min(parameters.context, model.trained_context))
        gone = bool(own.model) and own.model not in there
        return {
            "parameters": told(own).told(),
            "model": "" if gone else own.model,
            "effective": parameters.over(defaults(appliance, model)).told(),
            "effective_model": model.name,
            "sentence": GONE.format(name=own.model, instead=model.title) if gone else "",
        }

    return blueprint


def defaults(appliance: Appliance, model: ShelfModel) -> Parameters:
    """What holds for a model where nobody tells otherwise, every parameter told but an empty system prompt."""
    own, settings = own_parameters(model), model.settings
    usual = Parameters(
        **asdict(sampling(own, settings)),
        max_tokens=settings.max_tokens,
        context=settings.context,
        threads=appliance.loaded.threads,
        evidence=settings.evidence_passages,
    )
    return own.over(usual)
