"""Calls the API as the page does, and makes the files for it."""

from __future__ import annotations

import io
import json
import re
import time
from typing import Any

from flask import Flask
from flask.testing import FlaskClient
from werkzeug.test import TestResponse

PORT = 8765


class Caller:
    """Calls the API as the page does: with the cookie that / gave, and the page's header."""

    def __init__(self, app: Flask) -> None:
        self.client: FlaskClient = app.test_client()
        assert self.client.get("/", base_url=f"http://127.0.0.1:{PORT}").status_code == 200

    def __call__(self, method: str, path: str, *, status: int = 200, **options: Any) -> TestResponse:
        headers = {"X-Haversack": "1", **options.pop("headers", {})}
        answer = self.client.open(f"/api/{path}", method=method, base_url=f"http://127.0.0.1:{PORT}", headers=headers, buffered=True, **options)
        assert answer.status_code == status, f"{method} {path}: {answer.status_code} {answer.get_data(as_text=True)[:300]}"
        return answer

    def json(self, method: str, path: str, body: Any = None, *, status: int = 200) -> Any:
        return self(method, path, status=status, **({} if body is None else {"json": body})).get_json()

    def upload(self, collection: int, files: dict[str, bytes], password: str | None = None) -> Any:
        """Upload and wait until the job is through; its state then."""
        form = {"names": json.dumps(list(files)), "files": [(io.BytesIO(content), "file") for content in files.values()]}
        if password:
            form["password"] = password
        job = self("POST", f"collections/{collection}/uploads", status=202, data=form).get_json()
        deadline = time.monotonic() + 60
        while job["status"] not in ("done", "cancelled", "stopped"):
            assert time.monotonic() < deadline, job
            time.sleep(0.05)
            job = self.json("GET", f"jobs/{job['id']}")
        return job

    def stream(self, path: str, body: Any) -> list[tuple[str, Any]]:
        return events(self("POST", path, json=body).get_data(as_text=True))


def events(text: str) -> list[tuple[str, Any]]:
    """Server-sent events as (name, value); comments are left out."""
    return [(name, json.loads(data)) for name, data in re.findall(r"^event: (\w+)\ndata: (.*)\n\n", text, flags=re.MULTILINE)]
