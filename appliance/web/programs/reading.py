"""What programs send: JSON, read with limits, each field checked before anything uses it.

Fields that nobody knows are let be, as other servers let them; those that would change what comes back are refused by `Fields.refuse`.
"""

from __future__ import annotations

import json
from collections.abc import Mapping
from typing import Any, NoReturn

from flask import request
from werkzeug.exceptions import RequestEntityTooLarge

from appliance.errors import BadParameter, BadRequest, TextTooLong
from appliance.models.parameters import NOTHING_TOLD, Parameters, checked

LIMIT = 4 << 20
"""Bytes of a request: more text than the longest context of any model of the catalogue holds."""
DEEPEST = 64
"""Levels of lists and objects inside each other."""
LONGEST_STOP = 1000
MOST_STOPS = 64
_MEANT: dict[tuple[str, float], float | None] = {
    **{(name, -1): None for name in ("max_tokens", "seed")},
    **{(name, 0): None for name in ("threads", "context")},
    ("max_tokens", -2): None,
    ("top_k", -1): 0,
    ("top_p", 0): 0.01,  # nothing but the likeliest word: our least leaves that, too
}
"""What programs write for other servers, in our words; None is not told."""


def body() -> Fields:
    """The JSON object that was sent, whatever type the client says it has (curl says it's a form). Raises BadRequest, TextTooLong."""
    request.max_content_length = LIMIT
    try:
        sent = request.get_data(cache=False)
    except RequestEntityTooLarge as error:
        raise TextTooLong(what="request", length=f"{request.content_length or LIMIT:,}", limit=f"{LIMIT:,}") from error
    try:
        data = _settled(json.loads(sent, parse_constant=_no_number), 0)
    except (ValueError, RecursionError) as error:
        detail = "it is nested too deeply" if isinstance(error, RecursionError) else str(error)[:120]
        raise BadRequest(detail=f"This request is not JSON that can be read: {detail}.") from error
    if not isinstance(data, dict):
        raise BadRequest(detail="A JSON object is wanted here.")
    return Fields(data)


def _no_number(name: str) -> NoReturn:
    raise ValueError(f"{name} is not a number")


def _settled(value: Any, depth: int) -> Any:
    """`value` with lone surrogates, which no text can hold, as "?". Raises RecursionError beyond `DEEPEST` levels."""
    if isinstance(value, str):
        return value if value.isascii() else value.encode("utf-8", "replace").decode()
    if isinstance(value, (dict, list)) and depth == DEEPEST:
        raise RecursionError
    if isinstance(value, dict):
        return {_settled(key, depth): _settled(item, depth + 1) for key, item in value.items()}
    return [_settled(item, depth + 1) for item in value] if isinstance(value, list) else value


class Fields:
    """The fields of an untrusted JSON object. A field that is null counts as not there. All methods raise BadRequest or BadParameter."""

    def __init__(self, data: Mapping[str, Any], path: str = "") -> None:
        """`path` is where the object stands in the request ("messages[2].")."""
        self._data = data
        self.path = path

    def has(self, name: str) -> bool:
        return self._data.get(name) is not None

    def value(self, name: str) -> Any:
        """Unchecked."""
        return self._data.get(name)

    def wrong(self, name: str, must: str) -> BadRequest:
        """The error that says what a field must be."""
        return BadRequest(detail=f'"{self.path}{name}" must be {must}.', param=f"{self.path}{name}")

    def text(self, name: str, default: str | None = None) -> str:
        value = self._data.get(name)
        value = default if value is None else value
        if not isinstance(value, str):
            raise self.wrong(name, "a text")
        return value

    def flag(self, name: str, default: bool = False) -> bool:
        value = self._data.get(name)
        value = default if value is None else value
        if not isinstance(value, bool):
            raise self.wrong(name, "true or false")
        return value

    def items(self, name: str, most: int) -> list[Any]:
        """A list, empty where there is none."""
        value = self._data.get(name)
        value = [] if value is None else value
        if not isinstance(value, list):
            raise self.wrong(name, "a list")
        if len(value) > most:
            raise self.wrong(name, f"a list of at most {most:,}, and not {len(value):,}")
        return value

    def objects(self, name: str, most: int) -> list[Fields]:
        """A list of objects, empty where there is none."""
        items = self.items(name, most)
        if not all(isinstance(one, dict) for one in items):
            raise self.wrong(name, "a list of objects")
        return [Fields(one, f"{self.path}{name}[{index}].") for index, one in enumerate(items)]

    def object(self, name: str) -> Fields:
        """An object, an empty one where there is none."""
        value = self._data.get(name)
        value = {} if value is None else value
        if not isinstance(value, dict):
            raise self.wrong(name, "an object")
        return Fields(value, f"{self.path}{name}.")

    def choice(self, name: str, known: tuple[str, ...]) -> str:
        """One of `known`, the first unless told."""
        value = self.text(name, known[0])
        if value not in known:
            raise self.wrong(name, " or ".join(f'"{one}"' for one in known if one))
        return value

    def stop(self) -> tuple[str, ...]:
        """Texts that end the answer: one, or a list. Empty ones are let be."""
        value = self._data.get("stop")
        found = [] if value is None else [value] if isinstance(value, str) else value
        if not isinstance(found, list) or len(found) > MOST_STOPS or not all(isinstance(one, str) and len(one) <= LONGEST_STOP for one in found):
            raise self.wrong("stop", f"a text, or a list of at most {MOST_STOPS} of at most {LONGEST_STOP:,} characters each")
        return tuple(one for one in found if one)

    def parameters(self, names: Mapping[str, str]) -> Parameters:
        """`names`: the client's name of a parameter → ours (`appliance.models.parameters`). The range is in the error."""
        found = NOTHING_TOLD
        for theirs, ours in names.items():
            value = self._data.get(theirs)
            if isinstance(value, (int, float)) and not isinstance(value, bool):
                value = _MEANT.get((ours, value), value)
            try:
                found = checked({ours: value}).over(found)
            except BadParameter as error:
                raise BadParameter(**{**error.details, "name": f"{self.path}{theirs}"}) from error
        return found

    def refuse(self, name: str, why: str, *harmless: Any) -> None:
        """Raises where a field that isn't served asks for something: it is there, and neither empty nor one of `harmless`."""
        value = self._data.get(name)
        if value in (None, "", [], {}) or any(value is one or (type(value) is type(one) and value == one) for one in harmless):
            return
        raise BadRequest(detail=f'"{self.path}{name}" is not served here: {why}.', param=f"{self.path}{name}")
