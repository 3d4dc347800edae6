"""Programs that may use the server: who is let in, their keys, and who waits for an answer."""

from __future__ import annotations

from typing import Any

from flask import Blueprint

from appliance.runtime import Appliance
from appliance.web.requests import body, text
from appliance.web.waiting import queue


def routes(appliance: Appliance) -> Blueprint:
    blueprint = Blueprint("keys", __name__)
    access = appliance.access

    @blueprint.get("/programs")
    def show() -> dict[str, Any]:
        return {
            "api": access.api,
            "sentence": access.sentence,
            "address": f"http://{appliance.settings.host}:{appliance.settings.port}",
            "keys": [{"name": key.name, "made": key.made, "used": key.used} for key in access.keys.all()],
            "queue": [{"client": client, "ahead": ahead} for client, ahead in queue(appliance)],
        }

    @blueprint.post("/programs/keys")
    def add() -> tuple[dict[str, Any], int]:
        name = text(body(), "name").strip()
        return {"name": name, "key": access.keys.add(name)}, 201

    @blueprint.delete("/programs/keys/<name>")
    def remove(name: str) -> tuple[str, int]:
        access.keys.remove(name)
        return "", 204

    return blueprint
