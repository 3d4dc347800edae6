"""Packs: those that are open, those that can't be read now and why, opening one by its path and closing it."""

from __future__ import annotations

import os
from pathlib import Path
from typing import Any

from flask import Blueprint

from appliance.errors import NoSuchPath
from appliance.packs.file import read_pack
from appliance.packs.finding import listed_as_json
from appliance.runtime import Appliance
from appliance.web.collections import find
from appliance.web.requests import body, text


def routes(appliance: Appliance) -> Blueprint:
    blueprint = Blueprint("packs", __name__)
    library = appliance.library

    @blueprint.get("/packs")
    def every() -> dict[str, Any]:
        return {"packs": [listed_as_json(one) for one in library.packs]}

    @blueprint.post("/packs")
    def open_one() -> tuple[dict[str, Any], int]:
        name = text(body(), "file").strip()
        path = Path(name)
        if not path.is_absolute() or not os.path.isfile(path):  # where a name is too long, `Path.is_file` raises
            raise NoSuchPath(path=name)
        return listed_as_json(library.open_pack(read_pack(path))), 201

    @blueprint.delete("/packs/<id:collection_id>")
    def close(collection_id: int) -> tuple[str, int]:
        library.close_pack(find(appliance, collection_id).name)
        return "", 204

    return blueprint
