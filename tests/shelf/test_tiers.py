"""What an added model is given follows from its size, as it does in the catalogue."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

from appliance.models.gguf import read_gguf
from appliance.shelf.tiers import settings_of


def test_what_is_given_follows_from_the_size(second_gguf: Path) -> None:
    gguf = read_gguf(second_gguf)
    given = [settings_of(replace(gguf, parameters=int(size), context=40960), "x") for size in (1e8, 1.7e9, 4e9, 8e9)]
    assert [(one.context, one.evidence_passages, one.evidence_tokens, one.max_tokens) for one in given] == [
        (2048, 1, 400, 160),
        (4096, 4, 1600, 300),
        (6144, 6, 2400, 400),
        (8192, 8, 3600, 500),
    ], "as bundle/catalogue.toml has it for models of these sizes"
    small = settings_of(replace(gguf, parameters=int(8e9), context=1024), "x")
    assert (small.context, small.evidence_tokens, small.max_tokens) == (1024, 512, 256)
