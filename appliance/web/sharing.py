"""Sharing on a local network, for the page of whoever shares: whether it is on, where, and who is connected."""

from __future__ import annotations

from typing import Any

from flask import Blueprint, Response

from appliance.access import code
from appliance.errors import NotThere
from appliance.runtime import Appliance

_OFF = (
    "This library is not shared. To let guests on the local network ask and read, stop Haversack and start it with `haversack serve --share`: "
    "it asks you for a password, which everybody who connects has to know."
)
_ON = (
    "Guests on the local network who know the password can ask and read. "
    "Nothing that they send or are sent is encrypted on its way: use a network that you trust."
)


def routes(appliance: Appliance) -> Blueprint:
    blueprint = Blueprint("sharing", __name__)
    access = appliance.access

    @blueprint.get("/sharing")
    def show() -> dict[str, Any]:
        sharing = access.sharing
        if sharing is None:
            return {"on": False, "address": "", "addresses": [], "sentence": _OFF, "guests": []}
        return {
            "on": True,
            "address": sharing.urls[0],
            "addresses": list(sharing.urls),
            "sentence": _ON,
            "guests": [{"address": guest.address, "since": guest.since, "last": guest.last} for guest in sharing.guests()],
        }

    @blueprint.get("/sharing/qr.svg")
    def picture() -> Response:
        if access.sharing is None:
            raise NotThere(detail=_OFF)
        return Response(code.svg(access.sharing.urls[0]), mimetype="image/svg+xml")

    return blueprint
