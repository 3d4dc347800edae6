"""GET /api/tags, /api/ps and /api/version, POST /api/show: which models there are, in Ollama's shape."""

from __future__ import annotations

from typing import Any

from flask import Blueprint

from appliance import __version__
from appliance.errors import BadRequest
from appliance.manifest import Model
from appliance.runtime import Appliance
from appliance.shelf.modelfile import exported, parameter_lines
from appliance.web.programs.naming import LATEST, Named, find, listed, served_context
from appliance.web.programs.ollama_reading import now
from appliance.web.programs.openai_models import capabilities, created
from appliance.web.programs.reading import body

SPOKEN = "0.12.0"
"""The version of Ollama whose shape is spoken here: clients refuse what they take for too old (VS Code's wants 0.6.4)."""


def routes(appliance: Appliance) -> Blueprint:
    blueprint = Blueprint("ollama_models", __name__)

    @blueprint.get("/tags")
    def tags() -> dict[str, Any]:
        return {"models": [_listed(appliance, named) for named in listed(appliance)]}

    @blueprint.post("/show")
    def show() -> dict[str, Any]:
        fields = body()
        name = fields.text("model", "") or fields.text("name", "")
        if not name:
            raise BadRequest(detail="model is required", param="model")
        fields.flag("verbose")
        return _shown(appliance, find(appliance, name))

    @blueprint.get("/ps")
    def running() -> dict[str, Any]:
        states = appliance.loaded.states()
        models = {named.name: named for named in listed(appliance) if named.model and not named.collection}
        loaded = [(models[name], state) for name, state in states.items() if name in models and state.resident_bytes]
        # A model stays until its memory is wanted: no time can be told, so it is now.
        return {
            "models": [
                {**_listed(appliance, named), "size": state.resident_bytes, "size_vram": 0, "context_length": state.context, "expires_at": now()}
                for named, state in loaded
            ]
        }

    @blueprint.get("/version")
    def version() -> dict[str, Any]:
        return {"version": SPOKEN, "haversack": __version__}

    return blueprint


def _listed(appliance: Appliance, named: Named) -> dict[str, Any]:
    size, digest = _file(appliance, named)
    name = f"{named.name}{LATEST}"
    modified = created(appliance, named).isoformat().replace("+00:00", "Z")
    return {"name": name, "model": name, "modified_at": modified, "size": size, "digest": digest, "details": _details(named)}


def _file(appliance: Appliance, named: Named) -> tuple[int, str]:
    """Bytes of the model's files, and the sha256 of the one that is opened first."""
    if named.model is not None:
        return named.model.size, named.model.sha256
    model = _embedder(named)
    files = [file for file in appliance.manifest.files if file.path.startswith(f"{model.folder}/")]
    first = next((file.sha256 for file in files if file.path == f"{model.folder}/{model.settings['file']}"), "")
    return sum(file.size for file in files), first


def _embedder(named: Named) -> Model:
    assert named.embedder is not None
    return named.embedder


def _details(named: Named) -> dict[str, Any]:
    if named.model is not None:
        settings = named.model.settings
        family, size, quantisation, form = settings.family, settings.parameters, settings.quantisation, "gguf"
    else:
        told = _embedder(named).settings
        family, size, quantisation, form = str(told.get("family", "")), str(told.get("parameters", "")), str(told.get("quantisation", "")), "onnx"
    return {
        "parent_model": named.model.name if named.model and named.collection else "",
        "format": form,
        "family": family,
        "families": [family] if family else [],
        "parameter_size": size,
        "quantization_level": quantisation,
    }


def _shown(appliance: Appliance, named: Named) -> dict[str, Any]:
    common = {
        "details": _details(named),
        "capabilities": capabilities(named),
        "modified_at": created(appliance, named).isoformat().replace("+00:00", "Z"),
    }
    model = named.model
    if model is None:
        embedder = _embedder(named)
        info = {
            "general.architecture": "embedder",
            "embedder.context_length": embedder.settings["max_tokens"],
            "embedder.embedding_length": embedder.settings["dimensions"],
        }
        return {"modelfile": "", "parameters": "", "template": "", "license": embedder.licence, "model_info": info, **common}
    return {
        "modelfile": exported(model, source=model.name),  # programs are told no paths
        "parameters": "\n".join(parameter_lines(model)),
        "template": model.template,
        "system": model.system,
        "license": model.licence,
        "model_info": {
            "general.architecture": model.architecture,
            "general.basename": model.title,
            # What is read here: clients ask for as much of it as this says (LlamaIndex), or fill it (VS Code's).
            f"{model.architecture}.context_length": served_context(model),
            "general.trained_context": model.trained_context or None,
        },
        **common,
    }
