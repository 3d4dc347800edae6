"""The shelf in the page's API: what is on it, adding one by upload or by its path, removing, choosing, measuring."""

from __future__ import annotations

import os
import shutil
from dataclasses import replace
from pathlib import Path
from typing import Any

from flask import Blueprint, Response, request

from appliance.errors import BadRequest, DiskFull, LibraryReadOnly, ModelBusy, NoSuchPath
from appliance.runtime import Appliance
from appliance.shelf.adding import licence_of, prepare
from appliance.shelf.entries import Prepared
from appliance.shelf.intake import bring
from appliance.shelf.listing import model_as_json, shelf_as_json
from appliance.shelf.modelfile import exported
from appliance.shelf.speed import measure
from appliance.web.requests import MODEL_LIMIT, body, text
from appliance.web.values import to_json


def routes(appliance: Appliance) -> Blueprint:
    blueprint = Blueprint("models", __name__)
    shelf, loaded = appliance.shelf, appliance.loaded
    threads = appliance.settings.usable_threads

    @blueprint.get("/models")
    def every() -> dict[str, Any]:
        return shelf_as_json(shelf, loaded)

    @blueprint.post("/models")
    def upload() -> tuple[dict[str, Any], int]:
        """A form with `file`, a .gguf, and perhaps `name`."""
        _writable()
        request.max_content_length = MODEL_LIMIT
        if (request.content_length or 0) > shutil.disk_usage(appliance.settings.home).free:
            raise DiskFull(path=appliance.settings.home)
        file = request.files.get("file")
        if file is None or not file.filename:
            raise BadRequest(detail='A form with a .gguf as "file" is wanted here.')
        name = request.form.get("name", "").strip()
        file.stream.flush()
        # It lies in the spool under a name of its own; see `SpooledRequest`.
        return _add(prepare(Path(file.stream.name), shelf, name=name, threads=threads, take=True))

    @blueprint.post("/models/import")
    def take_over() -> tuple[dict[str, Any], int]:
        """A GGUF, a Modelfile, or a store of Ollama's models, by its whole path on this machine."""
        _writable()
        data = body()
        told = text(data, "file").strip()
        path = Path(told)
        if not path.is_absolute() or not os.path.exists(path):  # where a name is too long, Path's own raises
            raise NoSuchPath(path=told[:300])
        name, tag, licence = (text(data, key, default="").strip() for key in ("name", "tag", "licence"))
        prepared = bring(path, shelf, name=name, tag=tag, threads=threads)
        return _add(replace(prepared, model=replace(prepared.model, licence=prepared.model.licence or licence_of(licence))))

    @blueprint.get("/models/<name>")
    def show(name: str) -> dict[str, Any]:
        return model_as_json(shelf, shelf.find(name), loaded)

    @blueprint.delete("/models/<name>")
    def remove(name: str) -> tuple[str, int]:
        _writable()
        loaded.remove(name)
        return "", 204

    @blueprint.put("/purposes/<purpose>")
    def use(purpose: str) -> dict[str, Any]:
        """An empty name takes the choice back."""
        _writable()
        shelf.use(text(body(), "model", default="").strip(), purpose)
        return {"purposes": shelf.purposes(), "chosen": shelf.told()}

    @blueprint.post("/models/<name>/measure")
    def measured(name: str) -> dict[str, Any]:
        model = shelf.find(name)
        speed = measure(loaded.generator(model.name))
        if speed is None:
            raise ModelBusy(name=model.title, what="measured", detail="a question came meanwhile and went first; try again when it is answered")
        if appliance.library.writable:
            shelf.keep_speed(model.name, speed)
        return {"speed": to_json(speed)}

    @blueprint.get("/models/<name>/modelfile")
    def modelfile(name: str) -> Response:
        return Response(exported(shelf.find(name)), mimetype="text/plain")

    def _add(prepared: Prepared) -> tuple[dict[str, Any], int]:
        model = shelf.add(prepared)
        return {**model_as_json(shelf, model, loaded), "notes": list(prepared.notes)}, 201

    def _writable() -> None:
        if not appliance.library.writable:
            raise LibraryReadOnly(path=appliance.settings.home, detail="another process writes to it")

    return blueprint
