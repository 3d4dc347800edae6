"""The page of a Haversack that can't start: what is wrong, and what was found on the machine. No library, no models, no API.

Whoever starts by a double click sees a terminal that closes at once, and its sentence with it; this page stays.
"""

from __future__ import annotations

from flask import Flask, render_template

from appliance.access.entry import Access
from appliance.config import Settings
from appliance.errors import HaversackError
from appliance.machine.judge import Report
from appliance.machine.words import lines
from appliance.web import errors, security


def create_notice(settings: Settings, error: HaversackError, report: Report) -> Flask:
    """An app whose one page says `error`, with its status, so that no program takes it for the real page."""
    app = Flask(__name__)
    security.protect(app, settings.port, Access(settings.home, "off"))

    @app.get("/")
    def page() -> tuple[str, int]:
        return render_template("notice.html", sentence=str(error), findings=report.findings, facts=lines(report.machine)), error.status

    errors.register(app, settings)
    return app
