"""POST /api/embed, and the older /api/embeddings."""

from __future__ import annotations

import time
from typing import Any

from flask import Blueprint

from appliance.errors import BadRequest
from appliance.runtime import Appliance
from appliance.web.answering import Answering
from appliance.web.programs import vectors
from appliance.web.programs.naming import embeds
from appliance.web.programs.reading import Fields, body


def routes(appliance: Appliance, answering: Answering) -> Blueprint:
    blueprint = Blueprint("ollama_embed", __name__)

    @blueprint.post("/embed")
    def embed() -> dict[str, Any]:
        began = time.perf_counter_ns()
        fields = body()
        name, found, loaded = _embedded(fields, "input")
        if found.cut and not fields.flag("truncate", True):
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

    @blueprint.post("/embeddings")
    def embed_one() -> dict[str, Any]:
        fields = body()
        fields.text("prompt", "")
        _, found, _ = _embedded(fields, "prompt")
        return {"embedding": found.vectors[0].tolist() if found.vectors else []}

    def _embedded(fields: Fields, where: str) -> tuple[str, vectors.Embedded, int]:
        """The model's name, the vectors, and when the embedder was loaded. Nothing in the field `where` loads it, and that is all."""
        name = fields.text("model", "")
        if not name:
            raise BadRequest(detail="model is required", param="model")
        embeds(appliance, name)
        fields.object("options")
        fields.flag("truncate", True)
        texts = [] if fields.value(where) in (None, "", []) else vectors.texts(fields, where)
        kind = vectors.purpose(fields)
        vectors.dimensions(appliance, fields)
        loaded = time.perf_counter_ns()
        return name, vectors.embed(appliance, answering, texts, kind), loaded

    return blueprint
