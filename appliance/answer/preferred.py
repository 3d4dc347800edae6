"""Which model and which parameters hold for a question: what it asks for itself, then its conversation's, then its collection's.

What none of them tells is left to the model: its own entry, and what its user said when it was added (`models/parameters.py`).
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any

from appliance.errors import BadParameter
from appliance.library.comparisons import SYSTEM
from appliance.library.preferences import Preference, Preferences
from appliance.models.parameters import BY_NAME, NOTHING_TOLD, PRESETS, Parameters, checked


def asked(preset: str, values: Mapping[str, Any]) -> Parameters:
    """The parameters of a preset, empty for none, with untrusted values over it. Raises BadParameter."""
    if preset and preset not in PRESETS:
        raise BadParameter(name="The preset", value=repr(preset)[:60], allowed="known are " + ", ".join(PRESETS))
    return checked(values).over(PRESETS[preset] if preset else NOTHING_TOLD)


def in_words(preset: str, parameters: Parameters) -> str:
    """ "exact, seed 7": the preset, and what is told otherwise than it says."""
    usual = PRESETS[preset].told() if preset in PRESETS else {}
    others = [(name, value) for name, value in parameters.told().items() if usual.get(name) != value]
    return ", ".join([*([preset] if preset else []), *(SYSTEM if name == "system" else f"{name} {value}" for name, value in others)])


def told(preference: Preference) -> Parameters:
    """The parameters of a kept preference. What a newer Haversack has kept, and this one doesn't know, is left aside."""
    return checked({name: value for name, value in preference.parameters.items() if name in BY_NAME})


def effective(
    preferences: Preferences,
    collection_id: int,
    conversation_id: int | None = None,
    asked: tuple[str, Parameters] = ("", NOTHING_TOLD),
    *,
    is_there: Callable[[str], bool] = lambda _: True,
) -> tuple[str, Parameters]:
    """The name of the model, empty for the one that answers unless told, and the parameters.

    `is_there` says whether a model is on the shelf: a preferred one that was removed meanwhile is passed over. One that the question
    itself asks for is not: that it isn't there is an error to be told. Raises NoSuchCollection, NoSuchConversation, LibraryDamaged.
    """
    model, parameters = asked
    layers = [preferences.get("collection", collection_id)]
    if conversation_id is not None:
        layers.insert(0, preferences.get("conversation", conversation_id))
    for layer in layers:
        if not model and layer.model and is_there(layer.model):
            model = layer.model
        parameters = parameters.over(told(layer))
    return model, parameters
