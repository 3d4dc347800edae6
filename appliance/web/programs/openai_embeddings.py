"""POST /v1/embeddings."""

from __future__ import annotations

import base64
from typing import Any

import numpy
from flask import Blueprint

from appliance.models.embeds import Vectors
from appliance.runtime import Appliance
from appliance.web.answering import Answering
from appliance.web.programs import vectors
from appliance.web.programs.naming import embeds
from appliance.web.programs.reading import body


def routes(appliance: Appliance, answering: Answering) -> Blueprint:
    blueprint = Blueprint("openai_embeddings", __name__)

    @blueprint.post("/embeddings")
    def embed() -> dict[str, Any]:
        fields = body()
        name = fields.text("model", "")
        embeds(appliance, name)
        encoding = fields.choice("encoding_format", ("float", "base64"))
        texts, kind = vectors.texts(fields), vectors.purpose(fields)
        vectors.dimensions(appliance, fields)
        found = vectors.embed(appliance, answering, texts, kind)
        return {
            "object": "list",
            "data": [{"object": "embedding", "index": index, "embedding": _encoded(one, encoding)} for index, one in enumerate(found.vectors)],
            "model": name,
            "usage": {"prompt_tokens": found.tokens, "total_tokens": found.tokens},
            "truncated": list(found.cut),
        }

    return blueprint


def _encoded(vector: Vectors, encoding: str) -> list[float] | str:
    """base64 of little-endian float32, as OpenAI's own clients ask for."""
    if encoding == "base64":
        return base64.b64encode(numpy.ascontiguousarray(vector, dtype="<f4").tobytes()).decode("ascii")
    numbers: list[float] = vector.tolist()
    return numbers
