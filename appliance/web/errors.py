"""Every error in one shape: {"error": {"code", "message"}}. The message is a sentence for the user."""

from __future__ import annotations

import errno
import sys
import traceback
from collections.abc import Callable
from pathlib import Path

from flask import Flask, Response, jsonify, request
from werkzeug.exceptions import HTTPException

from appliance.config import Settings
from appliance.errors import BundleError, DiskFull, HaversackError, PackError
from appliance.web import paths
from appliance.web.guests import by_guests_door

_SENTENCES = {
    400: "This request can't be read. Reload the page and try again.",
    404: "There is nothing at this address. Open the page at / and go on from there.",
    405: "This address doesn't take that kind of request.",
    413: "This is too much for one request. Send it in smaller parts.",
    415: "This address takes JSON: send it with the type application/json.",
}


InShape = Callable[[Exception, str, Settings], Response]
"""(error, whose shape, settings) → what a program is told."""


def register(app: Flask, settings: Settings, in_shape: InShape | None = None) -> None:
    """`in_shape` answers at the addresses that are for programs."""

    @app.errorhandler(Exception)
    def failed(error: Exception) -> Response | tuple[Response, int]:
        shape = paths.shape(request.path)
        if shape and in_shape:
            return in_shape(error, shape, settings)
        found = describe(error, settings, outside=by_guests_door())
        return jsonify(error={"code": found[0], "message": found[1]}), found[2]


def describe(error: Exception, settings: Settings, *, outside: bool = False) -> tuple[str, str, int]:
    """Code, sentence and HTTP status of an error. What was not foreseen goes to stderr, with its traceback only where debugging.

    `outside`: a guest or a program is told, and not where anything lies on this machine.
    """
    if isinstance(error, HaversackError):
        return error.code, _without_paths(error, settings) if outside else str(error), error.status
    if isinstance(error, HTTPException):
        status = error.code or 500
        return error.name.lower().replace(" ", "_"), _SENTENCES.get(status, "This request can't be answered."), status
    if isinstance(error, OSError) and error.errno in (errno.ENOSPC, errno.EDQUOT):
        return describe(DiskFull(path=settings.home), settings, outside=outside)
    if settings.debug:
        traceback.print_exception(error)
    else:
        print(f"A request failed unexpectedly ({type(error).__name__}). Run with --debug to see where.", file=sys.stderr)
    return "unexpected", f"Something unexpected went wrong ({type(error).__name__}). Nothing was lost; try again.", 500


def _without_paths(error: HaversackError, settings: Settings) -> str:
    """The error's sentence with "the library", "the bundle" or "the pack" where it names a place of this machine."""
    kind = "bundle" if isinstance(error, BundleError) else "pack" if isinstance(error, PackError) else "library"
    told = [str(error.details[name]) for name in ("path", "root", "file") if name in error.details]
    named = dict.fromkeys((place for place in told if Path(place).is_absolute()), kind)
    for whose, folder in (("bundle", settings.bundle), ("library", settings.home)):
        named |= {str(place): whose for place in (folder, folder.absolute(), folder.resolve()) if place.is_absolute() and len(place.parts) > 1}
    sentence = str(error)
    for place in sorted(named, key=len, reverse=True):
        for noun in ("library", "bundle", "pack"):
            sentence = sentence.replace(f"{noun} at {place}", noun).replace(f"{noun} {place}", noun)
        sentence = sentence.replace(f"at {place}", "where it was").replace(place, f"the {named[place]}")
    # A sentence that began with the path begins with "the library" now; one that begins with a field's name keeps it as it is.
    return sentence[:1].upper() + sentence[1:] if sentence.startswith("the ") else sentence
