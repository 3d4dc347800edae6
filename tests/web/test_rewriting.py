"""A model that is chosen for rewriting completes the page's follow-up questions; without one the rules do."""

from __future__ import annotations

from collections.abc import Generator
from typing import Any

import pytest

from appliance.answer import rewriting
from appliance.documents import Queued
from appliance.models.writes import Writes
from appliance.runtime import Appliance
from tests.shelf.conftest import STARTER
from tests.web.calling import Caller


def test_the_chosen_model_is_asked_and_the_search_goes_on_with_what_code_takes(
    api: Caller, field: Any, appliance: Appliance, monkeypatch: pytest.MonkeyPatch
) -> None:
    asked: list[str] = []
    real = rewriting.asked_of

    def listening(model: Writes, *rest: Any) -> Generator[Queued, None, str]:
        asked.append(model.name)
        return real(model, *rest)

    monkeypatch.setattr(rewriting, "asked_of", listening)

    def follow_up() -> str:
        first = api.stream(f"collections/{field['id']}/ask", {"question": "When was the clinic in Goma opened?"})[-1][1]
        body = {"question": "And how many beds does it have?", "conversation": first["conversation"]["id"]}
        told = dict(api.stream(f"collections/{field['id']}/ask", body))
        return str(told["evidence_ready"]["searched_for"])

    by_rule = follow_up()
    assert not asked
    appliance.shelf.use(STARTER, "rewriting")
    try:
        completed = follow_up()
    finally:
        appliance.shelf.use("", "rewriting")
    assert asked == [appliance.answering.title]
    assert completed == by_rule or completed.endswith("?")
    assert "Goma" in by_rule
