"""The parameters' panel: ranges and presets, what collections and conversations keep, and what is refused."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

from appliance.library.preferences import Preference
from appliance.runtime import Appliance
from tests.shelf.conftest import STARTER, prepared
from tests.web.calling import Caller


def test_every_parameter_comes_with_its_range_a_sentence_and_what_it_costs(api: Caller) -> None:
    told = api.json("GET", "parameters")
    names = {one["name"] for one in told["ranges"]}
    assert {"temperature", "top_p", "min_p", "repeat_penalty", "context", "threads", "seed", "system", "evidence"} <= names
    assert all(one["sentence"].endswith(".") and one["cost"] and one["kind"] in ("int", "float", "str") for one in told["ranges"])
    assert set(told["presets"]) == {"exact", "balanced", "free"}
    assert set(told["defaults"]) == names - {"system"}
    assert told["defaults"]["temperature"] == 0.0


def test_the_defaults_are_those_of_the_model_that_is_asked_about(api: Caller, appliance: Appliance, second_gguf: Path) -> None:
    second = prepared(appliance.shelf, second_gguf, "second")
    appliance.shelf.add(replace(second, model=replace(second.model, settings=replace(second.model.settings, max_tokens=77))))
    try:
        assert api.json("GET", "parameters?model=second")["defaults"]["max_tokens"] == 77
        assert api.json("GET", f"parameters?model={STARTER}") == api.json("GET", "parameters")
    finally:
        appliance.loaded.remove("second")
    assert api.json("GET", "parameters?model=second", status=404)["error"]["code"] == "no_such_model"


def test_a_collection_and_a_conversation_keep_their_own_and_are_reset(api: Caller, field: Any, appliance: Appliance) -> None:
    conversation = appliance.conversations.start(field["id"], "one").id
    of_collection, of_conversation = f"collections/{field['id']}/parameters", f"conversations/{conversation}/parameters"
    told = api.json("PUT", of_collection, {"parameters": {"temperature": 0.5, "seed": 4}, "model": f"{STARTER}:latest"})
    assert (told["parameters"], told["model"], told["sentence"]) == ({"temperature": 0.5, "seed": 4}, STARTER, "")
    assert (told["effective"]["temperature"], told["effective"]["top_p"]) == (0.5, 0.95)
    told = api.json("PUT", of_conversation, {"parameters": {"seed": 9}})
    assert (told["parameters"], told["model"]) == ({"seed": 9}, "")
    assert (told["effective"]["temperature"], told["effective"]["seed"], told["effective_model"]) == (0.5, 9, STARTER)
    assert api.json("GET", of_conversation) == told
    assert api.json("DELETE", of_collection)["parameters"] == {}
    assert api.json("GET", of_conversation)["effective"]["temperature"] == 0.0
    assert api.json("DELETE", of_conversation)["effective"]["seed"] == 0


@pytest.mark.parametrize(
    ("body", "status", "sentence"),
    [
        ({"parameters": {"temperature": 3}}, 400, "from 0 to 2"),
        ({"parameters": {"temperature": "hot"}}, 400, "from 0 to 2"),
        ({"parameters": {"evidence": 0}}, 400, "from 1 to 20"),
        ({"parameters": {"seed": -1}}, 400, "from 0 to"),
        ({"parameters": {"mirostat": 1}}, 400, "known are"),
        ({"parameters": {"system": "x" * 5000}}, 400, "at most 4000"),
        ({"parameters": [1]}, 400, "must be an object"),
        ({"model": "nobody"}, 404, "no model named"),
        ({"model": 3}, 400, "must be a text"),
    ],
)
def test_bad_values_are_refused_with_the_range_and_nothing_changes(api: Caller, field: Any, body: Any, status: int, sentence: str) -> None:
    path = f"collections/{field['id']}/parameters"
    api.json("PUT", path, {"parameters": {"seed": 1}})
    assert sentence in api.json("PUT", path, body, status=status)["error"]["message"]
    assert api.json("GET", path)["parameters"] == {"seed": 1}
    api("DELETE", path)


def test_a_kept_context_is_bounded_and_one_that_is_asked_for_is_refused(api: Caller, field: Any) -> None:
    path = f"collections/{field['id']}/parameters"
    asked = {"question": "When was the Goma clinic opened?", "parameters": {"context": 8193}}
    assert "at most 8192 tokens" in api.json("POST", f"collections/{field['id']}/ask", asked, status=400)["error"]["message"]
    told = api.json("PUT", path, {"parameters": {"context": 16384}})  # as another model reads it
    assert (told["parameters"]["context"], told["effective"]["context"]) == (16384, 8192)
    try:
        answer = api.stream(f"collections/{field['id']}/ask", {"question": asked["question"]})[-1][1]["answer"]
        assert answer["generated"], answer["note"]
    finally:
        api("DELETE", path)


def test_what_is_not_there_is_404(api: Caller) -> None:
    for path in ("collections/999999/parameters", "conversations/999999/parameters"):
        for method in ("GET", "PUT", "DELETE"):
            api(method, path, status=404, **({"json": {"parameters": {"seed": 1}}} if method == "PUT" else {}))


def test_a_chosen_model_that_was_removed_gives_way_and_that_is_said(api: Caller, field: Any, appliance: Appliance) -> None:
    appliance.preferences.set("collection", field["id"], Preference("gone", {"seed": 2}))
    told = api.json("GET", f"collections/{field['id']}/parameters")
    assert (told["model"], told["effective_model"], told["parameters"]) == ("", STARTER, {"seed": 2})
    assert told["sentence"].startswith("gone, which was chosen here, is not on the shelf any more")
    api("DELETE", f"collections/{field['id']}/parameters")
