"""Comparing through the API, on two real models: the stream, what is kept, votes, exports, and what is refused."""

from __future__ import annotations

import codecs
import csv
import io
import json
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from appliance.errors import GeneratorFailed
from appliance.runtime import Appliance
from tests.shelf.conftest import STARTER, prepared
from tests.web.calling import Caller

QUESTION = "When was the clinic in Goma opened?"


@pytest.fixture(scope="module")
def second(appliance: Appliance, second_gguf: Path) -> Iterator[str]:
    appliance.shelf.add(prepared(appliance.shelf, second_gguf, "second"))
    yield "second"
    appliance.loaded.remove("second")


def compare(api: Caller, field: Any, **body: Any) -> list[tuple[str, Any]]:
    return api.stream(f"collections/{field['id']}/compare", {"question": QUESTION, **body})


def test_two_models_stream_one_after_the_other_and_the_comparison_is_kept(api: Caller, field: Any, second: str) -> None:
    told = compare(api, field, contenders=[{"model": STARTER}, {"model": second, "preset": "exact", "parameters": {"seed": 5}}])
    names = [name for name, _ in told]
    assert names[:3] == ["started", "evidence_ready", "quotes_ready"]
    assert names[-1] == "compared"
    started = told[0][1]
    assert started["key"]
    assert [(one["model"], one["preset"], one["settings"]) for one in started["contenders"]] == [
        (STARTER, "", ""),
        (second, "exact", "exact, seed 5"),
    ]
    assert started["contenders"][1]["parameters"]["temperature"] == 0.0
    assert (started["together"], started["sentence"]) == (False, "")
    for index in (0, 1):
        own = [name for name, value in told if value.get("contender") == index]
        assert own[-1] == "finished"
        assert "delta" in own
        assert "sentence_checked" in own
    comparison = told[-1][1]["comparison"]
    kept = api.json("GET", "comparisons")
    assert kept["comparisons"][0] == comparison
    first = comparison["results"][0]
    assert first["answer"]["citations"]
    assert first["figures"]["first_token_ms"] > 0
    assert first["figures"]["tokens_per_second"] > 0
    assert first["figures"]["supported_share"] in (0.0, 1.0)
    rows = {(row["model"], row["settings"]): row for row in kept["table"]}
    assert rows[second, "exact, seed 5"]["answers"] == 1


def test_votes_are_kept_and_taken_back(api: Caller, field: Any, second: str) -> None:
    comparison = compare(api, field, contenders=[{"model": STARTER}, {"model": second}], together=True)[-1][1]["comparison"]
    assert comparison["together"]
    path = f"comparisons/{comparison['id']}/vote"
    assert api.json("POST", path, {"contender": 1})["vote"] == 1
    assert api.json("GET", "comparisons")["comparisons"][0]["vote"] == 1
    assert api.json("POST", path, {"contender": None})["vote"] is None
    for wrong in (2, -1, True, "1", 1.0):
        assert api.json("POST", path, {"contender": wrong}, status=400)["error"]["code"] == "bad_request"
    api("DELETE", f"comparisons/{comparison['id']}", status=204)
    assert api.json("DELETE", f"comparisons/{comparison['id']}", status=404)["error"]["code"] == "no_such_comparison"
    api("POST", path, status=404, json={"contender": 0})


def test_exports_are_downloads_in_three_forms(api: Caller, field: Any, second: str) -> None:
    compare(api, field, contenders=[{"model": STARTER}, {"model": second}])
    for form, suffix in {"csv": ".csv", "markdown": ".md", "json": ".json"}.items():
        answer = api("GET", f"comparisons/export?format={form}")
        assert f"comparisons{suffix}" in answer.headers["Content-Disposition"]
        text = answer.get_data(as_text=True)
        # Spreadsheets take a CSV without the mark for the encoding of the country.
        assert answer.data.startswith(codecs.BOM_UTF8) == (form == "csv")
        if form == "csv":
            assert {row["model"] for row in csv.DictReader(io.StringIO(text))} >= {STARTER, second}
        elif form == "json":
            assert json.loads(text)["comparisons"][0]["question"] == QUESTION
        else:
            assert text.startswith("# Comparison")
    assert "must be one of" in api.json("GET", "comparisons/export?format=xls", status=400)["error"]["message"]


def test_a_refusal_is_not_kept(api: Caller, field: Any, second: str) -> None:
    before = len(api.json("GET", "comparisons")["comparisons"])
    told = api.stream(
        f"collections/{field['id']}/compare", {"question": "Who won the 1998 cup?", "contenders": [{"model": STARTER}, {"model": second}]}
    )
    assert told[-1][1]["comparison"]["id"] is None
    assert all(result["answer"]["refused"] for result in told[-1][1]["comparison"]["results"])
    assert len(api.json("GET", "comparisons")["comparisons"]) == before


def test_one_that_fails_is_told_in_its_column(api: Caller, field: Any, second: str, appliance: Appliance, monkeypatch: pytest.MonkeyPatch) -> None:
    real = appliance.loaded.generator

    def generator(name: str = "", **given: Any) -> Any:
        if name == second:
            raise GeneratorFailed(detail="it crashed")
        return real(name, **given)

    monkeypatch.setattr(appliance.loaded, "generator", generator)
    told = compare(api, field, contenders=[{"model": second}, {"model": STARTER}])
    failed = [value for name, value in told if name == "failed"]
    assert [one["contender"] for one in failed] == [0]
    assert "it crashed" in failed[0]["message"]
    assert [bool(result["answer"]) for result in told[-1][1]["comparison"]["results"]] == [False, True]


@pytest.mark.parametrize(
    ("changed", "status", "code"),
    [
        ({"contenders": [{"model": STARTER}]}, 400, "bad_request"),
        ({"contenders": [{"model": STARTER}] * 7}, 400, "bad_request"),
        ({"contenders": None}, 400, "bad_request"),
        ({"contenders": ["a", "b"]}, 400, "bad_request"),
        ({"contenders": [{"model": STARTER}, {"model": 3}]}, 400, "bad_request"),
        ({"contenders": [{"model": STARTER}, {"model": "nobody"}]}, 404, "no_such_model"),
        ({"contenders": [{"model": STARTER}, {"preset": "wild"}]}, 400, "bad_parameter"),
        ({"contenders": [{"model": STARTER}, {"parameters": {"temperature": 9}}]}, 400, "bad_parameter"),
        ({"contenders": [{"model": STARTER}, {"parameters": [1]}]}, 400, "bad_request"),
        ({"together": 1}, 400, "bad_request"),
        ({"question": " "}, 400, "bad_request"),
        ({"question": "x" * 5000}, 413, "text_too_long"),
        ({"documents": ["x"]}, 400, "bad_request"),
    ],
)
def test_what_can_not_be_compared_is_refused_before_the_stream(api: Caller, field: Any, changed: Any, status: int, code: str) -> None:
    asked = {"question": QUESTION, "contenders": [{"model": STARTER}, {"model": STARTER, "preset": "free"}], **changed}
    assert api.json("POST", f"collections/{field['id']}/compare", asked, status=status)["error"]["code"] == code
    assert api.json("POST", "collections/999999/compare", asked, status=404)["error"]["code"] == "no_such_collection"
