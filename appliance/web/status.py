"""How the appliance is: what is ready, how it is sealed, which models it has, where its library is."""

from __future__ import annotations

from typing import Any

from flask import Blueprint

from appliance.library.vectors import Vectors
from appliance.runtime import Appliance
from appliance.web.values import to_json


def routes(appliance: Appliance) -> Blueprint:
    blueprint = Blueprint("status", __name__)

    @blueprint.get("/status")
    def show() -> dict[str, Any]:
        generator = appliance.generator.built
        settings = appliance.generator_settings
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
                "name": appliance.manifest.model("generator").title,
                "advice": settings.advice,
                "parameters": settings.parameters,
                "quantisation": settings.quantisation,
                "context": settings.context,
                "processor": generator.variant if generator else "",
            },
            "trust": {"sentence": appliance.trust.sentence, "notices": list(appliance.trust.notices)},
            "machine": to_json(appliance.machine.findings) if appliance.machine else None,
            "waiting": generator.waiting if generator else 0,
            "index": {str(one.id): vectors.state(one.id) if isinstance(vectors, Vectors) else "exact" for one in collections},
        }

    return blueprint
