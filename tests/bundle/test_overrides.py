"""What the command line says over a profile, and what it can't say."""

from __future__ import annotations

import hashlib
from pathlib import Path
from typing import Any

import pytest

from appliance.errors import BadRequest, NoSuchPath
from bundle.overrides import Wishes, embedder_from, generator_from, with_wishes
from bundle.spec import HubSource, Spec, host_platform, read_spec

COMMIT = "0123456789abcdef" * 2 + "01234567"


def starter(**wishes: Any) -> Spec:
    return with_wishes(read_spec("starter"), Wishes(**wishes))


def test_without_a_word_it_is_the_profile_for_this_machine() -> None:
    spec = starter()
    assert spec.items == read_spec("starter").items
    assert (spec.platforms, spec.provider, spec.filesystem, spec.accepted) == ((host_platform(),), "host", "fat32", ())


def test_a_generator_of_the_catalogue_brings_its_settings_and_another_takes_the_limits_of_the_one_it_replaces() -> None:
    known = starter(llms=("Qwen/Qwen3-4B-GGUF:Qwen3-4B-Q4_K_M.gguf",)).items[1]
    assert (known.id, known.settings["context"], known.licence) == ("qwen3-4b", 6144, "Apache-2.0")
    one = starter(llms=(f"someone/Some.Model-1.5B-Instruct-GGUF:quants/Some.Model-1.5B-Instruct-Q5_K_M.gguf@{COMMIT}",)).items[1]
    assert one.source == HubSource("someone/Some.Model-1.5B-Instruct-GGUF", COMMIT, ("quants/Some.Model-1.5B-Instruct-Q5_K_M.gguf",))
    assert (one.id, one.title, one.licence) == ("some.model-1.5b-instruct-q5_k_m", "Some.Model-1.5B-Instruct-Q5_K_M", "")
    settings = dict(one.settings)
    assert (settings["family"], settings["parameters"], settings["quantisation"]) == ("some", "1.5B", "Q5_K_M")
    assert (settings["context"], settings["evidence"]) == (2048, {"passages": 1, "tokens": 400})
    assert (settings["advice"], one.memory) == ("", {})  # what is known of the starter's model is not said of this one


def test_every_part_of_a_model_that_was_split_is_taken() -> None:
    one = generator_from("a/b-GGUF:big-Q8_0-00002-of-00003.gguf", read_spec("starter").items[1])
    assert isinstance(one.source, HubSource)
    assert one.source.files == tuple(f"big-Q8_0-0000{number}-of-00003.gguf" for number in (1, 2, 3))
    assert one.settings["file"] == "big-Q8_0-00001-of-00003.gguf"  # llama.cpp finds the others from the first
    assert one.id == "big-q8_0"


def test_an_embedder_of_the_catalogue_is_recognised_and_another_is_taken_as_its_card_describes_it() -> None:
    known = starter(embedder=f"ibm-granite/granite-embedding-small-english-r2@{COMMIT}").items[0]
    assert known.id == "granite-embedding-small-english-r2"
    assert isinstance(known.source, HubSource)
    assert known.source.revision == COMMIT
    assert embedder_from("BAAI/bge-small-en-v1.5").source == HubSource("BAAI/bge-small-en-v1.5")


def test_packs_systems_and_files_are_taken_as_they_are_given(tmp_path: Path) -> None:
    for name in ("manuals", "laws"):
        (tmp_path / name).mkdir()
    (tmp_path / "llama.whl").touch()
    (tmp_path / "python.tar.gz").write_bytes(b"python")
    own = hashlib.sha256(b"python").hexdigest()
    address = "https://example.org/python.tar.gz"
    spec = starter(
        packs=(tmp_path / "manuals", tmp_path / "laws"),
        platforms=("windows-x64", "linux-x64", "windows-x64"),
        provider="pbs",
        interpreters=(str(tmp_path / "python.tar.gz"), address),
        interpreter_sha256=(own, "b" * 64),
        wheels=(tmp_path / "llama.whl",),
        filesystem="exfat",
        accepted=("MIT", "MIT"),
    )
    assert [pack.name for pack in spec.packs] == ["manuals", "laws"]
    assert spec.platforms == ("windows-x64", "linux-x64")
    assert (spec.interpreters, spec.interpreter_urls) == ((tmp_path / "python.tar.gz",), (address,))
    assert spec.interpreter_sha256 == {str(tmp_path / "python.tar.gz"): own, address: "b" * 64}
    assert (spec.wheels, spec.filesystem, spec.accepted) == ((tmp_path / "llama.whl",), "exfat", ("MIT",))
    assert starter(provider="none").platforms == ()
    with pytest.raises(BadRequest, match=f"python.tar.gz is not what --interpreter-sha256 says: its own sha256 is {own}"):
        starter(interpreters=(str(tmp_path / "python.tar.gz"),), interpreter_sha256=("a" * 64,))


@pytest.mark.parametrize(
    ("wishes", "words"),
    [
        ({"llms": ("Qwen/Qwen3-4B-GGUF",)}, "--llm takes a repository and a GGUF file"),
        ({"llms": ("Qwen3-4B-GGUF:x.gguf",)}, "--llm takes a repository"),
        ({"llms": ("a/b:weights.bin",)}, "GGUF"),
        ({"llms": ("a/b:../../x.gguf",)}, "GGUF"),
        ({"llms": ("a/b:x.gguf@main",)}, "40 hexadecimal digits"),
        ({"llms": ("a/b:模型.gguf",)}, "gives no name"),
        ({"llms": ("a/b:x-Q4_0.gguf", "c/d:x-Q4_0.gguf")}, "names x-q4_0 twice"),
        ({"embedder": "bge-small"}, "--embedder takes a repository"),
        ({"embedder": "a/b:model.safetensors"}, "--embedder takes a repository"),
        ({"embedder": "a/b@v2"}, "40 hexadecimal digits"),
        ({"platforms": ("solaris-x64",)}, "--platform can't be 'solaris-x64'; known are linux-x64"),
        ({"provider": "conda"}, "--runtime can't be 'conda'"),
        ({"filesystem": "ntfs"}, "--filesystem can't be 'ntfs'"),
        ({"provider": "none", "platforms": ("linux-x64",)}, "--platform and --runtime none can't be together"),
        ({"provider": "system", "interpreters": ("python.tar.gz",)}, "--interpreter and --runtime system"),
        ({"provider": "none", "wheels": (Path("x.whl"),)}, "--wheel and --runtime none"),
        ({"interpreter_sha256": ("a" * 64,)}, "once for each --interpreter"),
        ({"interpreters": ("a", "b"), "interpreter_sha256": ("a" * 64,)}, "once for each --interpreter"),
        ({"interpreters": ("a",), "interpreter_sha256": ("A" * 64,)}, "64 hexadecimal"),
        ({"interpreters": ("https://example.org/p.tar.gz",)}, "needs --interpreter-sha256"),
        ({"interpreters": ("http://example.org/p.tar.gz",), "interpreter_sha256": ("a" * 64,)}, "https"),
        ({"accepted": ("it's fine",)}, "--accept-licence"),
    ],
)
def test_what_can_not_be_is_one_sentence(wishes: dict[str, Any], words: str) -> None:
    with pytest.raises(BadRequest, match=words) as caught:
        starter(**wishes)
    assert caught.value.exit_code == 2
    assert "\n" not in str(caught.value)


@pytest.mark.parametrize("wishes", [{"packs": (Path("nowhere"),)}, {"interpreters": ("nowhere.tar.gz",)}, {"wheels": (Path("nowhere.whl"),)}])
def test_what_is_not_there_is_named(wishes: dict[str, Any]) -> None:
    with pytest.raises(NoSuchPath, match="nowhere"):
        starter(**wishes)
