"""What goes out: the values of `appliance.documents` and their like as JSON, in one way."""

from __future__ import annotations

import json
import re
from collections.abc import Mapping
from dataclasses import asdict, is_dataclass
from typing import Any
from urllib.parse import quote

from flask import Response

from appliance.printable import printable


def to_json(value: Any) -> Any:
    """Dataclasses become objects with their fields' names, tuples lists; the rest stays as it is."""
    if is_dataclass(value) and not isinstance(value, type):
        return to_json(asdict(value))
    if isinstance(value, Mapping):
        return {str(key): to_json(item) for key, item in value.items()}
    if isinstance(value, (list, tuple)):
        return [to_json(item) for item in value]
    return value


def event_name(event: object) -> str:
    """The name of an event in the stream: its class's in snake case ("evidence_ready")."""
    return re.sub(r"(?<!^)(?=[A-Z])", "_", type(event).__name__).lower()


def server_sent(name: str, value: Any) -> bytes:
    """One server-sent event. JSON has no raw line break, so no text can end the event or begin another."""
    return f"event: {name}\ndata: {json.dumps(to_json(value), separators=(',', ':'))}\n\n".encode()


def as_file(response: Response, name: str) -> Response:
    """Make a response a download: never shown by the browser, whatever is in it; hostile names can't reach the header."""
    shown = printable(name.replace("\\", "/").rsplit("/", 1)[-1], 120) or "document"
    plain = re.sub(r"[^A-Za-z0-9._ -]", "_", shown)
    response.headers["Content-Type"] = "application/octet-stream"
    response.headers["Content-Disposition"] = f"attachment; filename=\"{plain}\"; filename*=UTF-8''{quote(shown, safe='')}"
    return response
