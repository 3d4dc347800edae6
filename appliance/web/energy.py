"""What answering and reading take, the battery, and the saver."""

from __future__ import annotations

from typing import Any

from flask import Blueprint

from appliance.energy.account import LOW, today
from appliance.energy.saver import Candidate
from appliance.errors import BadRequest
from appliance.library.consumption import Day
from appliance.runtime import Appliance
from appliance.web.requests import body
from appliance.web.values import to_json


def routes(appliance: Appliance) -> Blueprint:
    blueprint = Blueprint("energy", __name__)
    account, saver = appliance.account, appliance.saver

    @blueprint.get("/energy")
    def show() -> dict[str, Any]:
        days, charge = account.days(), account.charge()
        shelf = [Candidate(model.name, model.title, model.size) for model in appliance.shelf.all()]
        level = saver.level
        what = saver.sentences(shelf)
        return {
            "method": account.meter.method,
            "sentence": account.meter.sentence,
            "last_answer": to_json(account.last),
            "today": _day(next((day for day in days if day.date == today()), None)),
            "days": [{"date": day.date, **_day(day)} for day in days],
            "battery": to_json(charge),
            "saver": {
                "on": level != "off",
                "level": level,
                "levels": what,
                "what": [what[level]] if level != "off" else [what["model"]],
                "offered": bool(charge and charge.discharging and charge.percent <= LOW and level == "off"),
            },
        }

    @blueprint.put("/energy/saver")
    def save() -> dict[str, Any]:
        data = body()
        level = data.get("level", "model" if data.get("on") else "off")
        if not isinstance(data.get("on", True), bool) or not isinstance(level, str):
            raise BadRequest(detail='"on" must be true or false, and "level" a text.')
        saver.set("off" if data.get("on") is False else level)
        return show()

    return blueprint


def _day(day: Day | None) -> dict[str, Any]:
    if day is None:
        return {"watt_hours": 0.0, "plus_minus": 0.0, "answers": 0, "documents": 0, "seconds": 0.0, "methods": []}
    return {
        "watt_hours": day.watt_hours,
        "plus_minus": day.plus_minus,
        "answers": day.answers,
        "documents": day.documents,
        "seconds": day.seconds,
        "methods": list(day.methods),
    }
