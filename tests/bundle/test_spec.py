"""Profiles and the catalogue: what is read from them, and what is refused with its reason."""

from __future__ import annotations

import tomllib
from pathlib import Path

import pytest

from appliance.errors import BadProfile
from appliance.manifest import Model
from appliance.models.catalogue import generator_settings
from bundle.spec import CATALOGUE, FolderSource, HubSource, PackageSource, profiles, read_spec

OWN = """
title = "Mine"
models = ["all-minilm-l6-v2", "my-model"]
[catalogue.my-model]
role = "generator"
title = "My model"
licence = "MIT"
source = { kind = "folder", path = "models/mine.gguf" }
settings = { file = "mine.gguf", family = "llama", context = 4096, evidence = { passages = 4, tokens = 1600 } }
"""


def write(tmp_path: Path, text: str, name: str = "mine.toml") -> str:
    (tmp_path / name).write_text(text, encoding="utf-8")
    return str(tmp_path / name)


def test_starter_comes_from_the_package_index_alone() -> None:
    spec = read_spec("starter")
    assert {item.role for item in spec.items} == {"embedder", "generator"}
    for item in spec.items:
        assert isinstance(item.source, PackageSource)
        assert len(item.source.sha256) == 64
        assert item.licence == "Apache-2.0"
    generator = next(item for item in spec.items if item.role == "generator")
    assert generator.settings["evidence"] == {"passages": 1, "tokens": 400}
    assert generator.settings["temperature"] == 0


def test_every_profile_and_every_entry_of_the_catalogue_can_be_read(tmp_path: Path) -> None:
    for profile in profiles():
        assert read_spec(profile).profile == profile
    catalogue = tomllib.loads(CATALOGUE.read_text(encoding="utf-8"))
    embedders = [name for name, entry in catalogue.items() if entry["role"] == "embedder"]
    generators = [name for name, entry in catalogue.items() if entry["role"] == "generator"]
    kinds = set()
    for embedder in embedders:
        for generator in generators:
            spec = read_spec(write(tmp_path, f'models = ["{embedder}", "{generator}"]'))
            kinds |= {type(item.source) for item in spec.items}
    assert kinds == {PackageSource, HubSource}


def test_a_profile_of_ones_own_can_bring_models(tmp_path: Path) -> None:
    spec = read_spec(write(tmp_path, OWN))
    assert (spec.profile, spec.title) == ("mine", "Mine")
    assert spec.items[1].source == FolderSource((tmp_path / "models" / "mine.gguf").resolve())


@pytest.mark.parametrize(
    ("text", "words"),
    [
        ("models = [", "Expected|Invalid|Unclosed|Cannot"),
        ("title = 'x'", "'models' is not given"),
        ("models = []", "list of different names"),
        ("models = 'all-minilm-l6-v2'", "list of different names"),
        ("models = ['all-minilm-l6-v2', 'all-minilm-l6-v2']", "list of different names"),
        ("models = ['nothing-like-it']", "no model 'nothing-like-it'"),
        ("models = ['all-minilm-l6-v2']", "exactly one generator"),
        (OWN.replace('"generator"', '"oracle"'), "role 'oracle'"),
        (OWN.replace('"folder"', '"torrent"'), "'torrent'"),
        (OWN.replace('file = "mine.gguf", ', ""), "no settings.file"),
        (OWN.replace('path = "models/mine.gguf"', 'where = "x"'), "'path' is not given"),
        (OWN.replace("my-model", '"../up"'), "every system"),
        (OWN.replace('{ kind = "folder", path = "models/mine.gguf" }', '{ kind = "hub", repository = "a/b", revision = "main" }'), "40 hexadecimal"),
        (OWN.replace('{ kind = "folder", path = "models/mine.gguf" }', '{ kind = "hub", repositry = "a/b" }'), "repositry"),
        (OWN.replace("title = ", "titel = "), "'title' is not given"),
    ],
)
def test_what_is_wrong_in_a_profile_is_said(tmp_path: Path, text: str, words: str) -> None:
    if "../up" in text:
        text = text.replace('"all-minilm-l6-v2", ""../up""', '"all-minilm-l6-v2", "../up"')
    with pytest.raises(BadProfile, match=words) as caught:
        read_spec(write(tmp_path, text))
    assert caught.value.exit_code == 2


def test_an_unknown_name_lists_those_there_are() -> None:
    with pytest.raises(BadProfile, match="starter"):
        read_spec("no-such-profile")
    with pytest.raises(BadProfile, match="No such file"):
        read_spec("no-such-profile.toml")


def test_a_name_that_windows_would_stumble_over_is_refused(tmp_path: Path) -> None:
    with pytest.raises(BadProfile, match="file name"):
        read_spec(write(tmp_path, OWN, "My Profile.toml"))


def test_generator_settings_are_those_that_the_appliance_reads() -> None:
    for item in read_spec("starter").items:
        if item.role == "generator":
            model = Model(item.role, item.id, item.title, f"models/{item.id}", item.licence, {}, item.settings)
            assert generator_settings(model).file == item.settings["file"]
