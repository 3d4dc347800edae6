"""GET /v1/models and /v1/models/{model}."""

from __future__ import annotations

import datetime
from typing import Any

from flask import Blueprint

from appliance.runtime import Appliance
from appliance.web.programs.naming import Named, find, listed, served_context


def routes(appliance: Appliance) -> Blueprint:
    blueprint = Blueprint("openai_models", __name__)

    @blueprint.get("/models")
    def every() -> dict[str, Any]:
        return {"object": "list", "data": [_shown(appliance, named) for named in listed(appliance)]}

    @blueprint.get("/models/<path:model>")
    def one(model: str) -> dict[str, Any]:
        return _shown(appliance, find(appliance, model))

    return blueprint


def created(appliance: Appliance, named: Named) -> datetime.datetime:
    """When the model came here: an added one when it was added, one of the bundle when that was built."""
    told = (named.model.added if named.model else "") or appliance.manifest.created
    try:
        found = datetime.datetime.fromisoformat(told)
    except ValueError:  # a home can come from anywhere, and so can what it says of a model
        found = datetime.datetime.fromtimestamp(0, datetime.UTC)
    return found if found.tzinfo else found.replace(tzinfo=datetime.UTC)


def capabilities(named: Named) -> list[str]:
    """In Ollama's words."""
    if named.model is None:
        return ["embedding"]
    return ["completion", "tools"] if named.model.can_call_tools and named.collection is None else ["completion"]


def _shown(appliance: Appliance, named: Named) -> dict[str, Any]:
    shown: dict[str, Any] = {
        "id": named.name,
        "object": "model",
        "created": int(created(appliance, named).timestamp()),
        "owned_by": "haversack",
        "capabilities": capabilities(named),
        "collection": named.collection.name if named.collection else None,
    }
    if named.model:
        shown |= {"title": named.model.title, "context_length": served_context(named.model), "licence": named.model.licence}
    elif named.embedder:
        shown |= {"title": named.embedder.title, "context_length": named.embedder.settings["max_tokens"], "licence": named.embedder.licence}
    return shown
