"""Every error in one shape: {"error": {"code", "message"}}. The message is a sentence for the user."""

from __future__ import annotations

import errno
import sys
import traceback
from collections.abc import Callable

from flask import Flask, Response, jsonify, request
from werkzeug.exceptions import HTTPException

from appliance.config import Settings
from appliance.errors import DiskFull, HaversackError
from appliance.web import paths

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
        found = describe(error, settings)
        return jsonify(error={"code": found[0], "message": found[1]}), found[2]


def describe(error: Exception, settings: Settings) -> tuple[str, str, int]:
    """Code, sentence and HTTP status of an error. What was not foreseen goes to stderr, with its traceback only where debugging."""
    if isinstance(error, HaversackError):
        return error.code, str(error), error.status
    if isinstance(error, HTTPException):
        status = error.code or 500
        return error.name.lower().replace(" ", "_"), _SENTENCES.get(status, "This request can't be answered."), status
    if isinstance(error, OSError) and error.errno in (errno.ENOSPC, errno.EDQUOT):
        full = DiskFull(path=settings.home)
        return full.code, str(full), full.status
    if settings.debug:
        traceback.print_exception(error)
    else:
        print(f"A request failed unexpectedly ({type(error).__name__}). Run with --debug to see where.", file=sys.stderr)
    return "unexpected", f"Something unexpected went wrong ({type(error).__name__}). Nothing was lost; try again.", 500
