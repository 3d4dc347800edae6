from __future__ import annotations

from dataclasses import replace
from typing import Any

import pytest

from appliance.errors import BundleUnreadable
from appliance.manifest import Manifest
from appliance.models.catalogue import generator_settings


def test_the_starter_model_says_what_it_can_do(manifest: Manifest) -> None:
    settings = generator_settings(manifest.model("generator"))
    assert settings.file.endswith(".gguf")
    assert settings.family == "smollm2"
    assert settings.evidence_passages >= 1
    assert settings.evidence_tokens < settings.context
    assert settings.advice


@pytest.mark.parametrize(
    ("change", "complaint"),
    [
        ({"context": 7}, "context is 7"),
        ({"context": "many"}, "many"),
        ({"file": "../other.gguf"}, "not a name inside"),
        ({"file": "/etc/passwd"}, "not a name inside"),
        ({"temperature": 9}, "temperature is 9"),
        ({"evidence": {"passages": 0, "tokens": 400}}, "passages is 0"),
        ({"evidence": {"passages": 1, "tokens": 99999}}, "tokens is 99999"),
        ({"evidence": None}, "settings of"),
        ({"max_tokens": 0}, "max_tokens is 0"),
        ({"context": float("inf")}, "context is inf"),
        ({"max_tokens": True}, "max_tokens is True"),
        ({"temperature": 10**400}, "settings of"),
    ],
)
def test_a_wrong_value_is_named(manifest: Manifest, change: dict[str, Any], complaint: str) -> None:
    model = manifest.model("generator")
    with pytest.raises(BundleUnreadable, match=complaint):
        generator_settings(replace(model, settings={**model.settings, **change}))


@pytest.mark.parametrize("name", ["file", "family", "context", "evidence", "temperature", "max_tokens"])
def test_a_missing_value_is_named(manifest: Manifest, name: str) -> None:
    model = manifest.model("generator")
    settings = {key: value for key, value in model.settings.items() if key != name}
    with pytest.raises(BundleUnreadable, match=f"nothing is said about '{name}'"):
        generator_settings(replace(model, settings=settings))
