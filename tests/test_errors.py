"""The tree of errors is the one drawn, and each error's sentence is complete and says what to do."""

from __future__ import annotations

import re
from collections.abc import Iterator
from types import ModuleType

import pytest

import bundle.errors
from appliance import errors
from appliance.errors import HaversackError


def every(kind: type[HaversackError]) -> Iterator[type[HaversackError]]:
    yield kind
    for child in kind.__subclasses__():
        yield from every(child)


ROOMS = (errors.__name__, bundle.errors.__name__)


def room(kind: type) -> str:
    return next((name for name in ROOMS if f"{kind.__module__}.".startswith(f"{name}.")), "")


CLASSES = [kind for kind in every(HaversackError) if room(kind)]


@pytest.mark.parametrize("module", [errors, bundle.errors], ids=lambda module: str(module.__name__))
def test_the_drawing_names_every_class_under_its_parent(module: ModuleType) -> None:
    drawn: dict[str, str] = {}
    path: list[str] = []
    for line in (module.__doc__ or "").splitlines():
        match = re.match(r"^([│├└─ ]*)([A-Z][A-Za-z]+)(?=\s{2,}|$)", line)
        if match:
            depth = len(match[1]) // 4
            path = [*path[:depth], match[2]]
            drawn[match[2]] = path[depth - 1] if depth else ""
    drawn.pop("HaversackError")
    assert drawn == {kind.__name__: kind.__mro__[1].__name__ for kind in CLASSES if room(kind) == module.__name__ and kind is not HaversackError}


@pytest.mark.parametrize("kind", CLASSES, ids=lambda kind: kind.__name__)
def test_the_docstring_is_one_whole_sentence_with_its_details(kind: type[HaversackError]) -> None:
    wanted = set(re.findall(r"\{(\w+)", kind.__doc__ or ""))
    sentence = str(kind(**dict.fromkeys(wanted, "something")))
    assert "?" not in sentence
    assert "{" not in sentence
    assert "\n" not in sentence
    assert kind.exit_code in (1, 2, 3)
    assert 400 <= kind.status < 600


def test_codes_are_what_programs_test_for() -> None:
    assert errors.NoSuchCollection(name="x").code == "no_such_collection"
