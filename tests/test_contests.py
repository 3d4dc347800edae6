"""What a comparison is made of: contenders as they were asked for, and how many passages are found for them."""

from __future__ import annotations

import threading
from dataclasses import replace
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest

from appliance.contests import Wanted, contest
from appliance.library.preferences import Preferences
from appliance.library.store import Library
from appliance.manifest import Manifest
from appliance.shelf.shelf import ModelShelf
from tests.shelf.conftest import STARTER


class Found(Exception):
    """Ends a comparison where it has said how many passages it looks for."""


@pytest.mark.parametrize(
    ("told", "passages"),
    [({}, 8), ({"evidence": 12}, 12), ({"evidence": 2}, 2)],
    ids=["its own entry", "more than that", "fewer"],
)
def test_as_many_passages_are_found_as_the_one_that_takes_most_wants(manifest: Manifest, home: Path, told: dict[str, int], passages: int) -> None:
    small = ModelShelf(home, manifest).find(STARTER)
    large = replace(small, name="large", settings=replace(small.settings, evidence_passages=8))

    def find(*_: object, **options: Any) -> None:
        raise Found(options["passages"])

    with Library.open(home, write=True, purpose="test") as library:
        appliance: Any = SimpleNamespace(
            shelf=SimpleNamespace(find={small.name: small, large.name: large}.__getitem__),
            preferences=Preferences(library),
            asker=SimpleNamespace(find=find),
            loaded=SimpleNamespace(generator=None),
        )
        collection = library.ensure_collection("a").id
        begun = contest(appliance, collection, [Wanted(small.name), Wanted(large.name, parameters=told)])
        with pytest.raises(Found) as found:
            list(begun.run("When?", (collection, "a"), cancel=threading.Event()))
    assert found.value.args == (passages,)
