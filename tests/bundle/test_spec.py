"""Profiles and what is read from them; what is wrong in one is said with its reason."""

from __future__ import annotations

from pathlib import Path

import pytest

from appliance.errors import BadProfile, BadRequest, NoSuchPath
from appliance.manifest import Model
from appliance.models.catalogue import generator_settings
from bundle.spec import PLATFORMS, FolderSource, HubSource, PackageSource, host_platform, pack_folders, profiles, read_catalogue, read_spec

OWN = """
title = "Mine"
languages = ["en", "fr"]
ram = 8
embedder = "all-minilm-l6-v2"
generator = "my-model"
guide = false
packs = ["manuals"]
platforms = ["linux-x64", "windows-x64"]
[catalogue.my-model]
role = "generator"
title = "My model"
licence = "MIT"
source = { kind = "folder", path = "models/mine.gguf" }
settings = { file = "mine.gguf", family = "llama", context = 4096, evidence = { passages = 4, tokens = 1600 } }
"""
SOURCE = '{ kind = "folder", path = "models/mine.gguf" }'


def write(tmp_path: Path, text: str, name: str = "mine.toml") -> str:
    (tmp_path / "manuals").mkdir(exist_ok=True)
    (tmp_path / name).write_text(text, encoding="utf-8")
    return str(tmp_path / name)


def test_starter_comes_from_the_package_index_alone() -> None:
    spec = read_spec("starter")
    assert [item.role for item in spec.items] == ["embedder", "generator"]
    for item in spec.items:
        assert isinstance(item.source, PackageSource)
        assert len(item.source.sha256) == 64
        assert item.licence == "Apache-2.0"
    generator = spec.items[1]
    assert generator.settings["evidence"] == {"passages": 1, "tokens": 400}
    assert generator.settings["temperature"] == 0


def test_every_pair_of_the_catalogue_makes_a_profile(tmp_path: Path) -> None:
    catalogue = read_catalogue()
    embedders = [name for name, entry in catalogue.items() if entry["role"] == "embedder"]
    generators = [name for name, entry in catalogue.items() if entry["role"] == "generator"]
    kinds = set()
    for embedder in embedders:
        for generator in generators:
            spec = read_spec(write(tmp_path, f'embedder = "{embedder}"\ngenerator = "{generator}"'))
            kinds |= {type(item.source) for item in spec.items}
    assert kinds == {PackageSource, HubSource}


def test_a_profile_of_ones_own_can_bring_models_packs_and_systems(tmp_path: Path) -> None:
    spec = read_spec(write(tmp_path, OWN))
    assert (spec.profile, spec.title, spec.languages, spec.ram_gb, spec.guide) == ("mine", "Mine", ("en", "fr"), 8, False)
    assert spec.items[1].source == FolderSource((tmp_path / "models" / "mine.gguf").resolve())
    assert spec.packs == ((tmp_path / "manuals").resolve(),)
    assert spec.platforms == ("linux-x64", "windows-x64")


def test_a_reranker_and_an_ocr_model_have_slots_that_are_empty_by_default(tmp_path: Path) -> None:
    for profile in profiles():
        assert {item.role for item in read_spec(profile).items} == {"embedder", "generator"}
    text = OWN.replace("guide = false", 'reranker = "ettin-reranker-17m-v1"\nocr = "letters"') + (
        '\n[catalogue.letters]\nrole = "ocr"\ntitle = "Letters"\nlicence = "Apache-2.0"\nsource = { kind = "folder", path = "letters" }\n'
    )
    assert [item.role for item in read_spec(write(tmp_path, text)).items] == ["embedder", "generator", "reranker", "ocr"]


@pytest.mark.parametrize(
    ("text", "words"),
    [
        ("generator = [", "Expected|Invalid|Unclosed|Cannot"),
        ("title = 'x'", "'embedder' is not given"),
        ("embedder = 'all-minilm-l6-v2'", "'generator' is not given"),
        (OWN.replace('embedder = "all-minilm-l6-v2"', 'embedder = ""'), "no model ''"),
        (OWN.replace('embedder = "all-minilm-l6-v2"', 'embedder = "nothing-like-it"'), "no model 'nothing-like-it'"),
        (OWN.replace('embedder = "all-minilm-l6-v2"', 'embedder = ["all-minilm-l6-v2"]'), "unhashable|no model"),
        (OWN.replace('embedder = "all-minilm-l6-v2"', 'embedder = "my-model"'), "my-model is a model of the role generator, not embedder"),
        (OWN.replace("guide = false", 'reranker = "all-minilm-l6-v2"'), "of the role embedder, not reranker"),
        (OWN.replace("ram = 8", 'ram = "8"'), "whole number of GiB"),
        (OWN.replace("ram = 8", "ram = true"), "whole number of GiB"),
        (OWN.replace("guide = false", 'guide = "no"'), "true or false"),
        (OWN.replace('["en", "fr"]', '"en"'), "languages must be a list"),
        (OWN.replace('["en", "fr"]', '["en", "en"]'), "languages must be a list of different"),
        (OWN.replace("windows-x64", "amiga"), "platform 'amiga'"),
        (OWN.replace("packs = ", "packz = "), "'packz' is not known; known are .*packs"),
        (OWN.replace('"generator"', '"oracle"'), "role 'oracle'"),
        (OWN.replace('"folder"', '"torrent"'), "'torrent'"),
        (OWN.replace('file = "mine.gguf", ', ""), "no settings.file"),
        (OWN.replace('path = "models/mine.gguf"', 'where = "x"'), "'path' is not given"),
        (OWN.replace('generator = "my-model"', 'generator = "../up"').replace("[catalogue.my-model]", '[catalogue."../up"]'), "every system"),
        (OWN.replace(SOURCE, '{ kind = "hub", repository = "a/b", revision = "main" }'), "40 hexadecimal"),
        (OWN.replace(SOURCE, '{ kind = "hub", repositry = "a/b" }'), "repositry"),
        (OWN.replace('licence = "MIT"', 'license = "MIT"'), "my-model says 'license'"),
        (OWN + "memory = { layers = 28 }", "memory of my-model must be layers, kv_heads, head_dimensions"),
        (OWN.replace('title = "My model"', 'titel = "My model"'), "says 'titel'"),
    ],
)
def test_what_is_wrong_in_a_profile_is_said(tmp_path: Path, text: str, words: str) -> None:
    with pytest.raises(BadProfile, match=words) as caught:
        read_spec(write(tmp_path, text))
    assert caught.value.exit_code == 2
    assert "\n" not in str(caught.value)


def test_an_unknown_name_lists_those_there_are() -> None:
    with pytest.raises(BadProfile, match="starter"):
        read_spec("no-such-profile")
    with pytest.raises(BadProfile, match="No such file"):
        read_spec("no-such-profile.toml")


def test_a_name_that_windows_would_stumble_over_is_refused(tmp_path: Path) -> None:
    with pytest.raises(BadProfile, match="file name"):
        read_spec(write(tmp_path, OWN, "My Profile.toml"))


def test_a_pack_must_be_a_folder_that_is_there_and_have_a_name_of_its_own(tmp_path: Path) -> None:
    with pytest.raises(NoSuchPath, match="manual"):
        read_spec(write(tmp_path, OWN.replace("manuals", "manual")))
    for name in ("a/Laws", "b/laws"):
        (tmp_path / name).mkdir(parents=True)
    with pytest.raises(BadRequest, match="'laws'"):
        pack_folders([tmp_path / "a" / "Laws", tmp_path / "b" / "laws"])


def test_this_machine_is_one_of_the_platforms_or_says_what_to_do(monkeypatch: pytest.MonkeyPatch) -> None:
    assert host_platform() in PLATFORMS
    monkeypatch.setattr("platform.machine", lambda: "riscv64")
    with pytest.raises(BadRequest, match=r"riscv64.*--platform"):
        host_platform()


def test_generator_settings_are_those_that_the_appliance_reads() -> None:
    for profile in profiles():
        generator = read_spec(profile).items[1]
        model = Model(generator.role, generator.id, generator.title, f"models/{generator.id}", generator.licence, {}, generator.settings)
        settings = generator_settings(model)
        assert settings.file == generator.settings["file"]
        assert settings.evidence_tokens + settings.max_tokens < settings.context


def test_a_profile_can_carry_several_language_models_and_the_first_answers(tmp_path: Path) -> None:
    profile = tmp_path / "mine.toml"
    profile.write_text('generator = ["qwen3-4b", "smollm2-135m-instruct"]\nembedder = "all-minilm-l6-v2"\n')
    spec = read_spec(str(profile))
    assert [(item.role, item.id) for item in spec.items] == [
        ("embedder", "all-minilm-l6-v2"),
        ("generator", "qwen3-4b"),
        ("generator", "smollm2-135m-instruct"),
    ]
    assert spec.slots() == ("embedder", "generator", "generator smollm2-135m-instruct")


@pytest.mark.parametrize("names", ["[]", '["qwen3-4b", "qwen3-4b"]', "[3]", '["no-such-model"]', '["all-minilm-l6-v2"]', "{}"])
def test_a_bad_list_of_language_models_is_one_sentence(tmp_path: Path, names: str) -> None:
    profile = tmp_path / "mine.toml"
    profile.write_text(f'generator = {names}\nembedder = "all-minilm-l6-v2"\n')
    with pytest.raises(BadProfile):
        read_spec(str(profile))
