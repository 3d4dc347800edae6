"""What a command line says about how to answer: `--preset` and `--set`, and NAME:PRESET where models are compared."""

from __future__ import annotations

import argparse
from collections.abc import Sequence

from appliance.answer.preferred import asked
from appliance.errors import BadParameter, BadRequest
from appliance.models.parameters import BY_NAME, PRESETS, Parameters


def told(given: argparse.Namespace) -> Parameters:
    """The parameters of `--preset` and every `--set NAME=VALUE`. Raises BadRequest, BadParameter."""
    return asked(given.preset or "", values(given.set or ()))


def values(settings: Sequence[str]) -> dict[str, float | int | str]:
    """Each "NAME=VALUE" as the parameter's own kind of value; a number that is none stays a text, to be refused with the range."""
    found: dict[str, float | int | str] = {}
    for one in settings:
        name, sign, text = one.partition("=")
        name = name.strip().replace("-", "_")
        if not sign or not name:
            raise BadRequest(detail=f"--set takes NAME=VALUE, such as temperature=0.4, not {one[:80]!r}.")
        kind = BY_NAME[name].kind if name in BY_NAME else str
        try:
            found[name] = kind(text)
        except ValueError:
            found[name] = text
    return found


def with_preset(text: str) -> tuple[str, str]:
    """ "small:exact" → ("small", "exact"); "small" and "small:latest" have no preset. Raises BadParameter for another word."""
    name, _, preset = text.partition(":")
    if preset in ("", "latest"):
        return name, ""
    if preset not in PRESETS:
        raise BadParameter(name="The preset", value=repr(preset)[:60], allowed="known are " + ", ".join(PRESETS))
    return name, preset
