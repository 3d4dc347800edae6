"""POST /api/embed."""

from __future__ import annotations

import time
from typing import Any

from flask import Blueprint

from appliance.errors import BadRequest
from appliance.runtime import Appliance
from appliance.web.answering import Answering
from appliance.web.programs import vectors
from appliance.web.programs.naming import embeds
from appliance.web.programs.reading import body


def routes(appliance: Appliance, answering: Answering) -> Blueprint:
    blueprint = Blueprint("ollama_embed", __name__)

    @blueprint.post("/embed")
    def embed() -> dict[str, Any]:
        began = time.perf_counter_ns()
        fields = body()
        name = fields.text("model", "")
        if not name:
            raise BadRequest(detail="model is required", param="model")
        embeds(appliance, name)
        fields.object("options")
        texts, kind, may_cut = vectors.texts(fields), vectors.purpose(fields), fields.flag("truncate", True)
        vectors.dimensions(appliance, fields)
        loaded = time.perf_counter_ns()
        found = vectors.embed(appliance, answering, texts, kind)
        if found.cut and not may_cut:
            longest = appliance.embedder().max_tokens
            raise BadRequest(detail=f"Text {found.cut[0]} is longer than the {longest} tokens that the embedder reads. Cut it, or leave truncate on.")
        return {
            "model": name,
            "embeddings": [one.tolist() for one in found.vectors],
            "total_duration": time.perf_counter_ns() - began,
            "load_duration": loaded - began,
            "prompt_eval_count": found.tokens,
            "truncated": list(found.cut),
        }

    return blueprint
