"""The application factory: config, security, resources, errors. It reads top to bottom."""

from __future__ import annotations

import mimetypes

from flask import Flask, render_template
from flask.json.provider import DefaultJSONProvider
from werkzeug.routing import IntegerConverter, Map

from appliance import __version__
from appliance.runtime import Appliance
from appliance.web import (
    collections,
    compare,
    conversations,
    documents,
    energy,
    errors,
    jobs,
    keys,
    models,
    openapi,
    packs,
    parameters,
    programs,
    questions,
    security,
    sharing,
    status,
    translate,
)
from appliance.web.answering import Answering
from appliance.web.guests import current_guest, offered
from appliance.web.requests import JSON_LIMIT, PARTS_LIMIT, SpooledRequest


class IdConverter(IntegerConverter):
    """An id or a position in a path: what SQLite can hold, so that a longer number is simply not there (404)."""

    def __init__(self, url_map: Map) -> None:
        super().__init__(url_map, max=2**63 - 1)


class InOrder(DefaultJSONProvider):
    """JSON with its fields in the order of the dataclasses."""

    sort_keys = False


def create_app(appliance: Appliance) -> Flask:
    """The page and its API for an open appliance. Serve it with `server.serve`."""
    app = Flask(__name__)
    app.request_class = SpooledRequest
    app.url_map.converters["id"] = IdConverter
    app.json = InOrder(app)
    app.config.update(
        MAX_CONTENT_LENGTH=JSON_LIMIT,  # an upload raises it for itself
        MAX_FORM_PARTS=PARTS_LIMIT,
        PROVIDE_AUTOMATIC_OPTIONS=False,  # no CORS: a preflight gets 405
        SPOOL_FOLDER=appliance.settings.home / "spool",
    )
    # Windows' registry can call .js "text/plain"; with nosniff no browser would run it.
    mimetypes.add_type("text/javascript", ".js")
    answering = Answering()
    app.extensions["answering"] = answering

    security.protect(app, appliance.settings.port, appliance.access)

    for blueprint in (
        status.routes(appliance),
        collections.routes(appliance),
        packs.routes(appliance),
        models.routes(appliance),
        documents.routes(appliance),
        jobs.routes(appliance),
        questions.routes(appliance, answering),
        conversations.routes(appliance),
        parameters.routes(appliance),
        compare.routes(appliance, answering),
        translate.routes(appliance, answering),
        energy.routes(appliance),
        keys.routes(appliance),
        sharing.routes(appliance),
    ):
        app.register_blueprint(blueprint, url_prefix="/api")
    programs.register(app, appliance, answering)
    app.register_blueprint(openapi.routes(), url_prefix="/v1")

    @app.get("/")
    def page() -> str:
        # What this appliance offers: the page asks for nothing that isn't there.
        return render_template("page.html", version=__version__, offers=offered(app), guest=current_guest() is not None)

    errors.register(app, appliance.settings, programs.response)
    return app
