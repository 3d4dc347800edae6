"""llama.cpp's code for each kind of processor: forced one by one, refused where it can't run, and changed for an older one where it dies."""

from __future__ import annotations

import sys
from collections.abc import Iterator
from pathlib import Path

import llama_cpp
import pytest

from appliance.errors import GeneratorFailed
from appliance.manifest import Manifest
from appliance.models.generator import Generator
from appliance.models.process import ModelProcess
from appliance.models.processors import variants
from appliance.models.writes import prompt_tokens
from tests.models.test_generator import BRIDGE, answer

LIBRARIES = Path(llama_cpp.__file__).parents[1]
BUILT = sorted({path.name.partition("ggml-cpu-")[2].partition(".")[0] for path in LIBRARIES.glob("bin/*ggml-cpu-*")})
"""What the wheel of this environment holds; none where it was compiled for this machine alone."""


@pytest.fixture
def wrapped(manifest: Manifest, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Generator]:
    """A generator whose child is started by a wrapper: it dies of an illegal instruction for the kinds that `dies-for` names."""
    wrapper = tmp_path / "python"
    wrapper.write_text(
        f'#!/bin/sh\nfor variant; do :; done\necho "[$variant]" >>"{tmp_path}/tried"\n'
        f'grep -qxF "[$variant]" "{tmp_path}/dies-for" && kill -ILL $$\nexec "{sys.executable}" "$@"\n',
        encoding="utf-8",
    )
    wrapper.chmod(0o755)
    monkeypatch.setattr(sys, "executable", str(wrapper))
    model = manifest.model("generator")
    generator = Generator.carried(manifest.folder(model), model, threads=2)
    yield generator
    generator.close()


def dies_for(folder: Path, *kinds: str) -> None:
    (folder / "dies-for").write_text("".join(f"[{kind}]\n" for kind in kinds))


def tried(folder: Path) -> list[str]:
    return [line[1:-1] for line in (folder / "tried").read_text().splitlines()]


def test_llamas_own_choice_comes_first_and_the_oldest_pc_last() -> None:
    assert variants("x86_64") == variants("AMD64") == ("", "haswell", "sandybridge", "sse42", "x64")
    assert variants("aarch64") == ("",)


def forced(manifest: Manifest, kind: str) -> tuple[str, str]:
    """The kind that the child says it uses, and the first tokens it writes; or "" and why it can't."""
    model = manifest.model("generator")
    generator = Generator.carried(manifest.folder(model), model, threads=2)
    generator._variants = [kind]
    try:
        text, _ = answer(generator, BRIDGE, max_tokens=6)
        return generator.variant, text
    except GeneratorFailed as error:
        return "", str(error)
    finally:
        generator.close()


@pytest.mark.slow
def test_every_kind_that_this_processor_runs_writes_the_same_first_words_and_the_others_say_they_cannot(manifest: Manifest) -> None:
    """Kernels round differently, so only the first tokens are compared."""
    own, expected = forced(manifest, "")
    assert BUILT == [] or own in BUILT
    found = {kind: forced(manifest, kind) for kind in BUILT}
    run = {kind: text for kind, (named, text) in found.items() if named == kind}
    assert run == dict.fromkeys(run, expected)
    if BUILT:
        assert {own, "x64", "sse42"} <= set(run)
    for kind, (_, said) in found.items():
        if kind not in run:
            assert f"this processor can't run llama.cpp's code for {kind}" in said


def test_a_kind_that_does_not_exist_is_refused_where_there_are_several(manifest: Manifest) -> None:
    named, said = forced(manifest, "z80")
    assert "this processor can't run llama.cpp's code for z80" in said or (BUILT == [] and not named)


def test_a_child_that_dies_of_an_instruction_is_followed_by_an_older_one_and_the_answer_comes(wrapped: Generator, tmp_path: Path) -> None:
    dies_for(tmp_path, "", "haswell")
    text, done = answer(wrapped, BRIDGE)
    assert "1932" in text
    assert done.reason == "end"
    assert tried(tmp_path) == ["", "haswell", "sandybridge"]
    answer(wrapped, BRIDGE)
    assert len(tried(tmp_path)) == 3, "what died once is not tried again"


def test_counting_tokens_finds_the_older_kind_too(wrapped: Generator, tmp_path: Path) -> None:
    dies_for(tmp_path, "")
    assert prompt_tokens(wrapped, BRIDGE) > 40
    assert tried(tmp_path) == ["", "haswell"]


def test_where_all_of_them_die_the_sentence_says_so(wrapped: Generator, tmp_path: Path) -> None:
    dies_for(tmp_path, *variants("x86_64"))
    with pytest.raises(GeneratorFailed, match="it was built for a newer processor than this one"):
        answer(wrapped, BRIDGE)
    assert tried(tmp_path) == list(variants("x86_64"))


def test_a_child_that_dies_after_it_was_ready_is_not_taken_for_one_of_a_newer_processor(wrapped: Generator, tmp_path: Path) -> None:
    dies_for(tmp_path)
    answer(wrapped, BRIDGE, max_tokens=1)
    process = wrapped._process
    assert isinstance(process, ModelProcess)
    assert process._child is not None
    process._child.send_signal(4)
    process._thread.join(10)
    assert process.ended
    answer(wrapped, BRIDGE, max_tokens=1)
    assert tried(tmp_path) == ["", ""]
