"""Every entry of the catalogue, as far as it can be checked without a network. What the Hub says differently, `plan` says."""

from __future__ import annotations

import re
from pathlib import Path

import pytest

from appliance.licences import may_be_passed_on
from appliance.machine.weights import BUFFERS, PROGRAM, memory_needed
from appliance.manifest import Model
from appliance.models.catalogue import generator_settings
from appliance.models.ggml import WRITING
from bundle import plan
from bundle.spec import HubSource, Item, PackageSource, profiles, read_catalogue, read_item, read_spec

ITEMS = [read_item(name, entry, Path()) for name, entry in read_catalogue().items()]
GENERATORS = [item for item in ITEMS if item.role == "generator"]
SYSTEM = 2_000_000_000
"""What the system and a browser take (research/packaging.md §5's rule)."""
BITS = {"Q4_1": (4.9, 6.0), "Q4_K_M": (4.4, 6.6), "Q8_0": (8.0, 9.2)}
"""Bits a weight that a file of that kind may have: small models keep a larger share of theirs in tables of higher precision."""


def named(items: list[Item]) -> list[str]:
    return [item.id for item in items]


def test_every_family_of_the_workshop_is_there_for_a_small_laptop_and_a_larger_one() -> None:
    families: dict[str, set[int]] = {}
    for item in GENERATORS:
        families.setdefault(str(item.settings["family"]), set()).add(item.ram)
    assert {"llama", "qwen3", "phi", "mistral", "gemma"} <= set(families)
    assert {4, 8, 16} <= families["llama"]
    assert {4, 8, 16} <= families["qwen3"]
    assert {4, 8} <= families["gemma"]


@pytest.mark.parametrize("item", GENERATORS, ids=named(GENERATORS))
def test_a_language_model_has_all_that_the_appliance_reads(item: Item) -> None:
    settings = generator_settings(Model("generator", item.id, item.title, "models/x", item.licence, {}, item.settings))
    assert settings.parameters
    assert settings.evidence_tokens + settings.max_tokens < settings.context
    assert item.ram in (4, 8, 16)
    assert str(item.settings["good_for"]).endswith(".")
    assert may_be_passed_on(item.licence), "what can't go on a stick is no part of a bundle"
    if isinstance(item.source, HubSource):
        assert item.settings["file"] in item.source.files


@pytest.mark.parametrize("item", [item for item in ITEMS if isinstance(item.source, HubSource)], ids=lambda item: str(item.id))
def test_a_source_is_named_as_the_hub_names_it(item: Item) -> None:
    source = item.source
    assert isinstance(source, HubSource)
    assert re.fullmatch(r"[A-Za-z0-9][\w.-]*/[A-Za-z0-9][\w.-]*", source.repository)
    assert re.fullmatch(r"([0-9a-f]{40})?", source.revision)
    assert re.fullmatch(r"([0-9a-f]{64})?", source.sha256)
    assert all(re.fullmatch(r"[\w.-]+\.gguf", file) for file in source.files)


def size_of(item: Item) -> int:
    """Bytes of its file; 0 where nobody states it, and the Hub does when the plan is made."""
    if isinstance(item.source, HubSource):
        return item.source.size
    assert isinstance(item.source, PackageSource)
    return item.source.unpacked


@pytest.mark.parametrize("item", [item for item in GENERATORS if size_of(item)], ids=lambda item: str(item.id))
def test_size_parameters_and_quantisation_agree(item: Item) -> None:
    size = size_of(item)
    number, unit = re.fullmatch(r"([\d.]+)([MB])", str(item.settings["parameters"])).groups()  # type: ignore[union-attr]
    bits = size * 8 / (float(number) * (1e9 if unit == "B" else 1e6))
    least, most = BITS[str(item.settings["quantisation"])]
    assert least <= bits <= most


@pytest.mark.parametrize("item", [item for item in GENERATORS if item.memory], ids=lambda item: str(item.id))
def test_it_fits_into_the_laptops_that_it_is_for(item: Item) -> None:
    size = size_of(item)
    width = 2 * item.memory["layers"] * item.memory["kv_heads"] * item.memory["head_dimensions"]
    assert memory_needed(size, int(item.settings["context"]), width) + SYSTEM <= item.ram * 2**30


def test_the_builder_reckons_as_the_appliance_does() -> None:
    assert (plan._BUFFERS, plan._RUNTIME) == (BUFFERS, PROGRAM)


def test_no_two_entries_are_the_same_file() -> None:
    files = [(item.source.repository, item.source.files) for item in GENERATORS if isinstance(item.source, HubSource)]
    assert len(set(files)) == len(files)


def test_architectures_of_the_families_are_known_to_the_engine() -> None:
    assert {"llama", "qwen3", "phi3", "mistral3", "gemma3", "gemma4", "smollm3", "granite", "lfm2"} <= WRITING


@pytest.mark.parametrize("profile", profiles())
def test_a_profile_asks_for_no_more_than_its_laptops_have(profile: str) -> None:
    spec = read_spec(profile)
    assert all(item.ram <= spec.ram_gb for item in spec.items)


def test_the_table_in_the_documents_has_every_language_model() -> None:
    text = (Path(__file__).parents[2] / "docs" / "building.md").read_text(encoding="utf-8")
    for item in GENERATORS:
        assert f"| {item.ram} GB | {item.title}, " in text
        assert f"| `{item.id}` |" in text
