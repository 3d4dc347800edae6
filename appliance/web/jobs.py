"""Uploads: files and folders on their way into a collection, how far they are, and cancelling them."""

from __future__ import annotations

import json
from collections import Counter
from dataclasses import replace
from typing import Any

from flask import Blueprint, request

from appliance.errors import BadRequest, LibraryReadOnly, PackReadOnly
from appliance.ingest.jobs import Jobs, JobState
from appliance.runtime import Appliance
from appliance.web.collections import find
from appliance.web.requests import UPLOAD_LIMIT
from appliance.web.values import to_json


def routes(appliance: Appliance) -> Blueprint:
    blueprint = Blueprint("jobs", __name__)

    @blueprint.post("/collections/<id:collection_id>/uploads")
    def upload(collection_id: int) -> tuple[dict[str, Any], int]:
        """A form with `files`, `names` (a JSON list: their paths in the folder, in the same order) and perhaps `password`."""
        collection = find(appliance, collection_id)
        if collection.pack:
            raise PackReadOnly(name=collection.name)
        request.max_content_length = UPLOAD_LIMIT
        files = request.files.getlist("files")
        names = _names(request.form.get("names"), [file.filename or "" for file in files])
        streams = [(name, file.stream) for name, file in zip(names, files, strict=True)]
        password = request.form.get("password") or None
        job = _jobs().submit(collection.name, streams, password=password, expected=request.content_length or 0)
        return to_json(_jobs().state(job)), 202

    @blueprint.get("/jobs")
    def every() -> dict[str, Any]:
        """All jobs without their lines, which are thousands in a large upload: how many there are of each status instead."""
        return {"jobs": [_short(state) for state in _jobs().all()]}

    @blueprint.get("/jobs/<job>")
    def show(job: str) -> dict[str, Any]:
        state: dict[str, Any] = to_json(_jobs().state(job))
        return state

    @blueprint.delete("/jobs/<job>")
    def cancel(job: str) -> dict[str, Any]:
        _jobs().cancel(job)
        state: dict[str, Any] = to_json(_jobs().state(job))
        return state

    @blueprint.post("/jobs/<job>/resume")
    def resume(job: str) -> dict[str, Any]:
        _jobs().resume(job)
        state: dict[str, Any] = to_json(_jobs().state(job))
        return state

    def _jobs() -> Jobs:
        if appliance.jobs is None:
            raise LibraryReadOnly(path=appliance.settings.home, detail="it was opened for reading only")
        return appliance.jobs

    return blueprint


def _short(state: JobState) -> dict[str, Any]:
    short: dict[str, Any] = to_json(replace(state, lines=()))
    del short["lines"]
    return {**short, "counts": Counter(line.status for line in state.lines)}


def _names(sent: str | None, otherwise: list[str]) -> list[str]:
    """The files' names. A form's own file names lose folders and odd letters in some browsers, so they come beside them."""
    if sent is None:
        return otherwise
    try:
        names = json.loads(sent)
    except (ValueError, RecursionError) as error:
        raise BadRequest(detail='"names" must be a JSON list of texts.') from error
    if not isinstance(names, list) or len(names) != len(otherwise) or not all(isinstance(name, str) for name in names):
        raise BadRequest(detail='"names" must be a JSON list with a name for each file.')
    return [name.encode("utf-8", "replace").decode() for name in names]
