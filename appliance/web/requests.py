"""What comes in: JSON bodies and uploads, read with limits and checked before anything uses them."""

from __future__ import annotations

import re
import tempfile
from contextlib import ExitStack
from functools import cached_property
from pathlib import Path
from typing import IO, Any

from flask import Request, current_app, request

from appliance.errors import BadRequest

JSON_LIMIT = 1 << 20
"""Bytes of a request that is not an upload."""
UPLOAD_LIMIT = (1 << 30) + (1 << 20)
"""Bytes of one upload: the largest file that is read, and the form around it."""
MODEL_UPLOAD = "/api/models"
MODEL_LIMIT = 64 << 30
"""Bytes of a model that is uploaded to `MODEL_UPLOAD`, and the form around it: files of 5 GB are common, of 40 GB there are some."""
PARTS_LIMIT = 250
"""Files and fields of one upload: each file is open while it waits, and many systems allow 1,024 to a process."""


class SpooledRequest(Request):
    """Uploads wait on the library's own disk, not in /tmp: that can be memory, or a disk that is not encrypted."""

    def _get_file_stream(
        self, total_content_length: int | None, content_type: str | None, filename: str | None = None, content_length: int | None = None
    ) -> IO[bytes]:
        folder = current_app.config["SPOOL_FOLDER"]
        folder.mkdir(parents=True, exist_ok=True, mode=0o700)
        if self.path == MODEL_UPLOAD:
            # With a name, so that it need not be copied once more to be kept; whoever keeps it moves it away.
            own = self._spooled.enter_context(tempfile.TemporaryDirectory(dir=folder, ignore_cleanup_errors=True))
            name = re.sub(r"[^A-Za-z0-9._-]+", "-", (filename or "").replace("\\", "/").rsplit("/", 1)[-1]).strip("-.")[-100:] or "model.gguf"
            return self._spooled.enter_context(open(Path(own, name), "wb+"))
        return self._spooled.enter_context(tempfile.TemporaryFile("rb+", dir=folder))

    @cached_property
    def _spooled(self) -> ExitStack:
        return ExitStack()

    def close(self) -> None:
        """Flask calls this at the end; a form that was refused halfway leaves its files to us."""
        super().close()
        self._spooled.close()


def body() -> dict[str, Any]:
    """The JSON object that was sent. Raises BadRequest; a wrong type is 415, too long a body 413."""
    try:
        data = request.get_json()
    except RecursionError as error:
        raise BadRequest(detail="This JSON is nested too deeply.") from error
    if not isinstance(data, dict):
        raise BadRequest(detail="A JSON object is wanted here.")
    return data


def text(data: dict[str, Any], name: str, *, default: str | None = None) -> str:
    """A text of `data`; lone surrogates, which can't be stored, become "?". Raises BadRequest where it is missing or empty."""
    value = data.get(name, default)
    if not isinstance(value, str) or (default is None and not value.strip()):
        raise BadRequest(detail=f'"{name}" must be a text that is not empty.')
    return value.encode("utf-8", "replace").decode()


def number(data: dict[str, Any], name: str, *, least: int, most: int, default: int) -> int:
    """A whole number of `data`. Raises BadRequest."""
    value = data.get(name, default)
    if not isinstance(value, int) or isinstance(value, bool) or not least <= value <= most:
        raise BadRequest(detail=f'"{name}" must be a whole number from {least} to {most}.')
    return value


def optional_id(data: dict[str, Any], name: str) -> int | None:
    """An id of `data`, None where there is none. Raises BadRequest."""
    return None if data.get(name) is None else number(data, name, least=1, most=2**63 - 1, default=0)


def ids(data: dict[str, Any], name: str) -> tuple[int, ...] | None:
    """A list of ids of `data`, None where there is none. Raises BadRequest."""
    value = data.get(name)
    if value is None:
        return None
    if not isinstance(value, list) or not value or not all(isinstance(one, int) and not isinstance(one, bool) and 0 < one < 2**63 for one in value):
        raise BadRequest(detail=f'"{name}" must be a list of ids, or null.')
    return tuple(value)


def argument(name: str, *, least: int, most: int, default: int) -> int:
    """A whole number of the address's query. Raises BadRequest."""
    value = request.args.get(name)
    if value is None:
        return default
    if not (value.isascii() and value.isdigit() and len(value) < 20):
        raise BadRequest(detail=f'"{name}" must be a whole number from {least} to {most}.')
    return number({name: int(value)}, name, least=least, most=most, default=default)
