"""The shelf as JSON: one form for commands, the page and programs."""

from __future__ import annotations

from dataclasses import asdict
from typing import Any

from appliance.licences import licence_sentence
from appliance.machine.facts import Memory
from appliance.machine.look import memory_now
from appliance.shelf.entries import ShelfModel
from appliance.shelf.fitting import free_for_models, misfit
from appliance.shelf.loaded import Loaded
from appliance.shelf.purposes import Speed
from appliance.shelf.shelf import ModelShelf
from appliance.shelf.slots import State


def shelf_as_json(shelf: ModelShelf, loaded: Loaded | None = None, *, served: bool = False) -> dict[str, Any]:
    """Every model, what each purpose is served by, and the memory there is. `loaded` where models are loaded in this process; `served` where
    another serves the page: what that has loaded isn't known here, so a model fits that this machine has the memory for."""
    memory = memory_now()
    states = loaded.states() if loaded else {}
    speeds = shelf.speeds()
    models = [_model(shelf, model, memory, loaded, states.get(model.name, State("idle")), speeds.get(model.sha256), served) for model in shelf.all()]
    return {
        "models": models,
        "unreadable": [{"name": name, "sentence": sentence} for name, sentence in shelf.unreadable().items()],
        "purposes": shelf.purposes(),
        "chosen": shelf.told(),
        "memory": {"total": memory.total, "available": memory.available},
    }


def model_as_json(shelf: ModelShelf, model: ShelfModel, loaded: Loaded | None = None, *, served: bool = False) -> dict[str, Any]:
    state = loaded.states().get(model.name) if loaded else None
    return _model(shelf, model, memory_now(), loaded, state or State("idle"), shelf.speeds().get(model.sha256), served)


def _model(
    shelf: ModelShelf, model: ShelfModel, memory: Memory, loaded: Loaded | None, state: State, speed: Speed | None, served: bool
) -> dict[str, Any]:
    problem = shelf.problem(model)
    unfit = loaded.misfit(model) if loaded else misfit(model, memory, None if served else free_for_models(memory, ()))
    settings = model.settings
    return {
        "name": model.name,
        "title": model.title,
        "origin": model.origin,
        "family": settings.family,
        "architecture": model.architecture,
        "parameters": settings.parameters,
        "quantisation": settings.quantisation,
        "context": settings.context,
        "trained_context": model.trained_context,
        "size": model.size,
        "sha256": model.sha256,
        "licence": model.licence,
        "may_be_carried": model.may_be_carried,
        "licence_sentence": licence_sentence(model.licence),
        "good_for": model.good_for,
        "advice": settings.advice,
        "memory_bytes": model.memory(),
        "fits": not (problem or unfit),
        "sentence": problem or unfit,
        "speed": asdict(speed) if speed else None,
        "state": state.state,
        "resident_bytes": state.resident_bytes,
        "can_call_tools": model.can_call_tools,
        "template": model.template,
        "system": model.system,
        "defaults": {"temperature": settings.temperature, **model.parameters.told()},
        "added": model.added,
    }
