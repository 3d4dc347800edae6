"""How the appliance is: what is ready, how it is sealed, which models it has, where its library is."""

from __future__ import annotations

from typing import Any

from flask import Blueprint

from appliance.library.vectors import ExactVectors
from appliance.library.vectors_remote import RemoteVectors
from appliance.runtime import Appliance
from appliance.web.values import to_json
from appliance.web.waiting import waiting


def routes(appliance: Appliance) -> Blueprint:
    blueprint = Blueprint("status", __name__)

    @blueprint.get("/status")
    def show() -> dict[str, Any]:
        model = appliance.answering
        vectors = appliance.vectors
        collections = appliance.library.collections()
        return {
            **appliance.status(),
            "collections": to_json(collections),
            "readiness": appliance.readiness(),
            "seal": {
                "level": appliance.seal.level,
                "sentence": appliance.seal.sentence,
                "attempts": appliance.seal.attempts,
                "self_test": to_json(appliance.seal.tested),
            },
            "model": {
                "id": model.name,
                "name": model.title,
                "advice": model.settings.advice,
                "parameters": model.settings.parameters,
                "quantisation": model.settings.quantisation,
                "context": model.settings.context,
                "processor": appliance.processor,
            },
            "basecamp": {"hosts": list(appliance.link.hosts), "sentence": _camp(appliance)} if appliance.link else None,
            "trust": {"sentence": appliance.trust.sentence, "notices": list(appliance.trust.notices)},
            "machine": to_json(appliance.machine.findings) if appliance.machine else None,
            "waiting": waiting(appliance),
            "index": {str(one.id): "exact" if isinstance(vectors, ExactVectors) else vectors.state(one.id) for one in collections},
        }

    return blueprint


def _camp(appliance: Appliance) -> str:
    """What leaves this machine and where to, and how it is with it."""
    leaves = appliance.link.sentence if appliance.link else ""
    vectors = appliance.vectors.sentence if isinstance(appliance.vectors, RemoteVectors) else ""
    return " ".join(filter(None, (leaves, appliance.camp.sentence if appliance.camp else "", vectors)))
