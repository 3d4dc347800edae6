"""JSON-RPC 2.0, one message a line, in UTF-8: what came in is checked here, and only whole lines go out."""

from __future__ import annotations

import json
import threading
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from typing import Any, BinaryIO, NoReturn

PARSE_ERROR, INVALID_REQUEST, METHOD_NOT_FOUND, INVALID_PARAMS, INTERNAL_ERROR = -32700, -32600, -32601, -32602, -32603
UNSUPPORTED_VERSION = -32022
"""The protocol's own, since its revision of 2026-07-28."""
LONGEST = 1 << 20
"""Bytes of a line. A question has at most some thousand characters; what is longer is read away and refused."""

Id = str | int


class Refused(Exception):
    """An error for the other side: its code, one sentence, and what belongs to it."""

    def __init__(self, code: int, sentence: str, data: Mapping[str, Any] | None = None, *, about: Id | None = None) -> None:
        super().__init__(sentence)
        self.code, self.sentence, self.data, self.about = code, sentence, data, about


@dataclass(frozen=True, slots=True)
class Asked:
    """A request, or a notification where `id` is None."""

    method: str
    params: Mapping[str, Any] = field(default_factory=dict)
    id: Id | None = None

    @property
    def meta(self) -> Mapping[str, Any]:
        """The protocol's own parameters, empty where there are none."""
        meta = self.params.get("_meta")
        return meta if isinstance(meta, dict) else {}


class Wire:
    """The two pipes. Reading is one thread's; writing is safe from many."""

    def __init__(self, source: BinaryIO, target: BinaryIO) -> None:
        self._source = source
        self._target = target
        self._guard = threading.Lock()

    def messages(self) -> Iterator[Asked | Refused]:
        """What comes in, until the other side closes its end. Its answers are passed over: nothing was asked of it."""
        while line := self._source.readline(LONGEST + 1):
            if len(line) > LONGEST:
                while line and not line.endswith(b"\n"):
                    line = self._source.readline(LONGEST)
                yield Refused(INVALID_REQUEST, f"A message may have at most {LONGEST} bytes.")
                continue
            if not line.strip():
                continue
            try:
                asked = read(line)
            except Refused as refused:
                yield refused
            else:
                if asked is not None:
                    yield asked

    def answer(self, id: Id, result: Mapping[str, Any]) -> None:
        self._write({"jsonrpc": "2.0", "id": id, "result": result})

    def refuse(self, refused: Refused, id: Id | None = None) -> None:
        """Without an id, JSON-RPC wants null: the request couldn't be read so far."""
        error: dict[str, Any] = {"code": refused.code, "message": refused.sentence}
        if refused.data is not None:
            error["data"] = refused.data
        self._write({"jsonrpc": "2.0", "id": id if id is not None else refused.about, "error": error})

    def notify(self, method: str, params: Mapping[str, Any]) -> None:
        self._write({"jsonrpc": "2.0", "method": method, "params": params})

    def _write(self, message: Mapping[str, Any]) -> None:
        # Documents may hold half a surrogate pair: escaped, it is JSON all the same.
        line = json.dumps(message, separators=(",", ":"), allow_nan=False).encode("ascii") + b"\n"
        with self._guard:
            self._target.write(line)
            self._target.flush()


def read(line: bytes) -> Asked | None:
    """One message; None where it is an answer. Raises Refused."""
    try:
        message = json.loads(line.decode("utf-8"), parse_constant=_no_number)
    except (ValueError, RecursionError) as error:
        raise Refused(PARSE_ERROR, "This line is not JSON in UTF-8.") from error
    if isinstance(message, list):
        raise Refused(INVALID_REQUEST, "Send one message a line: batches are not taken.")
    if not isinstance(message, dict) or message.get("jsonrpc") != "2.0":
        raise Refused(INVALID_REQUEST, 'A message is an object with "jsonrpc": "2.0".')
    id = message.get("id")
    usable = id is None or (isinstance(id, (str, int)) and not isinstance(id, bool))
    if "method" not in message and ("result" in message or "error" in message):
        return None
    if not usable or ("id" in message and id is None):
        raise Refused(INVALID_REQUEST, 'The "id" of a request is a string or a whole number.')
    method, params = message.get("method"), message.get("params", {})
    if not isinstance(method, str):
        raise Refused(INVALID_REQUEST, 'A request has a "method", which is a string.', about=id)
    if not isinstance(params, dict):
        raise Refused(INVALID_PARAMS, 'The "params" are an object.', about=id)
    return Asked(method, params, id)


def _no_number(name: str) -> NoReturn:
    raise ValueError(f"{name} is not JSON")
