"""What a model that somebody adds is given, by its size: context, evidence, and the longest answer."""

from __future__ import annotations

from dataclasses import dataclass

from appliance.errors import NotAModel
from appliance.models.catalogue import GeneratorSettings
from appliance.models.gguf import Gguf

_LEAST_CONTEXT = 256


@dataclass(frozen=True, slots=True)
class Tier:
    """What a model of some size is given. The figures are those of bundle/catalogue.toml's models of that size."""

    below: float
    """Parameters."""
    context: int
    passages: int
    tokens: int
    max_tokens: int
    advice: str = ""


TIERS = (
    Tier(0.7e9, 2048, 1, 400, 160, "A very small model: it shows how things work, and is not to be relied on."),
    Tier(3e9, 4096, 4, 1600, 300, "A small model: read the quotes beside its words before you rely on them."),
    Tier(6e9, 6144, 6, 2400, 400),
    Tier(float("inf"), 8192, 8, 3600, 500),
)


def settings_of(gguf: Gguf, file_name: str) -> GeneratorSettings:
    """What the model is given, by its size and by the context that it was made for. Raises NotAModel."""
    if gguf.context < _LEAST_CONTEXT:
        raise NotAModel(name=file_name, detail=f"it was made for {gguf.context} tokens of context, and at least {_LEAST_CONTEXT} are needed")
    tier = next(tier for tier in TIERS if gguf.parameters < tier.below)
    context = min(tier.context, gguf.context)
    return GeneratorSettings(
        file="",
        family=gguf.family[:80],
        parameters=gguf.parameters_text,
        quantisation=gguf.quantisation,
        context=context,
        evidence_passages=tier.passages,
        evidence_tokens=min(tier.tokens, context // 2),
        temperature=0.0,
        max_tokens=min(tier.max_tokens, context // 4),
        advice=tier.advice,
    )
