"""Damaged and malicious model files: each gets one sentence or loads, nothing of it stays, and a crash costs its own process only."""

from __future__ import annotations

import os
import random
import shutil
import struct
import subprocess
import sys
import time
from collections.abc import Iterator
from pathlib import Path

import pytest

from appliance.errors import NotAModel
from appliance.models.gguf import NotAGguf, gguf_of, read_gguf
from appliance.models.header import read_header
from appliance.models.template import TemplateFailed
from appliance.shelf.adding import prepare
from appliance.shelf.rendering import SECONDS, rendered
from appliance.shelf.shelf import ModelShelf
from tests.tiny_model import tiny_model

MUTATIONS = 300
NUMBERS = (0, 1, 2, 3, 7, 31, 255, 1 << 16, (1 << 31) - 1, 1 << 31, (1 << 32) - 1, 1 << 62, 1 << 63, (1 << 64) - 1)
"""What lengths, counts and offsets are made of that break readers."""


def refusal(path: Path, shelf: ModelShelf) -> str:
    """The sentence that the file gets. It is one, and nothing stays behind."""
    with pytest.raises(NotAModel) as refused:
        prepare(path, shelf, threads=1)
    sentence = str(refused.value)
    assert "\n" not in sentence
    assert len(sentence) < 500
    assert sentence.startswith(f"{path.name} can't be added: ")
    assert not list(shelf.folder.iterdir()) if shelf.folder.is_dir() else True
    return sentence


@pytest.fixture
def empty(home: Path) -> ModelShelf:
    return ModelShelf(home, None)


def test_a_model_that_is_cut_off_at_every_tenth_says_where(second_gguf: Path, tmp_path: Path, empty: ModelShelf) -> None:
    path = tmp_path / "cut.gguf"
    shutil.copyfile(second_gguf, path)
    size = path.stat().st_size
    for tenth in reversed(range(10)):
        os.truncate(path, size * tenth // 10)
        sentence = refusal(path, empty)
        assert "it is cut off: " in sentence if tenth else "it is empty" in sentence, sentence
        assert " MB are missing, from the tensor " in sentence if tenth else True, sentence


def test_a_header_that_is_cut_off_anywhere_is_refused(tmp_path: Path) -> None:
    whole = tiny_model(tmp_path / "tiny.gguf")
    end = read_header(whole).data
    path = tmp_path / "cut.gguf"
    shutil.copyfile(whole, path)
    for length in reversed(range(0, end, 7)):
        os.truncate(path, length)
        with pytest.raises(NotAGguf, match=r"cut off|no GGUF|empty"):
            read_gguf(path)


def mutated(content: bytes, data: int, seed: int = 1) -> Iterator[bytes]:
    """`MUTATIONS` copies, each damaged in one of five ways: a byte, a length, a type, a bit of the tensor table, or numbers of a tensor."""
    draw = random.Random(seed)
    for number in range(MUTATIONS):
        copy = bytearray(content)
        match number % 5:
            case 0:
                copy[draw.randrange(data)] = draw.randrange(256)
            case 1:
                at = draw.randrange(4, data - 8)
                copy[at : at + 8] = struct.pack("<Q", draw.choice(NUMBERS))
            case 2:
                at = draw.randrange(4, data - 4)
                copy[at : at + 4] = struct.pack("<I", draw.choice(NUMBERS) & 0xFFFFFFFF)
            case 3:
                copy[draw.randrange(data - 1100, data)] ^= 1 << draw.randrange(8)
            case _:
                at = draw.randrange(data, len(copy) - 4)
                copy[at : at + 4] = draw.randbytes(4)
        yield bytes(copy)


def test_a_model_that_is_damaged_in_300_ways_is_refused_or_loads_and_a_crash_costs_one_sentence(tmp_path: Path, empty: ModelShelf) -> None:
    """Half of them die in our own checker; the others are loaded for real. Those that crash llama.cpp go the whole way to the shelf."""
    whole = tiny_model(tmp_path / "tiny.gguf")
    reasons, survivors = [], []
    for number, content in enumerate(mutated(whole.read_bytes(), read_header(whole).data)):
        path = tmp_path / f"{number:03}.gguf"
        path.write_bytes(content)
        try:
            gguf_of([read_header(path)])
            survivors.append(path)
        except NotAGguf as error:
            reasons.append(str(error))
    assert all(reason and "\n" not in reason and len(reason) < 300 for reason in reasons)
    assert len(reasons) > MUTATIONS // 3
    told = "".join(f"{path}\n" for path in survivors)
    quiet = {**os.environ, "GGML_NO_BACKTRACE": "1"}
    command = [sys.executable, "-m", "tests.shelf.loading_many"]
    done = subprocess.run(command, input=told, capture_output=True, text=True, check=True, env=quiet, cwd=Path(__file__).parents[2])
    codes = [int(line) for line in done.stdout.split()]
    assert len(codes) == len(survivors)
    crashed = [path for path, code in zip(survivors, codes, strict=True) if code < 0]
    assert codes.count(0) > MUTATIONS // 5, "damaged weights are weights all the same"
    assert crashed, "this seed has files that pass every check and crash llama.cpp: take another one that has"
    for path in crashed:
        assert "llama.cpp refuses it (llama.cpp gave up" in refusal(path, empty)
    refused = next(path for path, code in zip(survivors, codes, strict=True) if code == 3)
    assert "llama.cpp refuses it (" in refusal(refused, empty)
    assert prepare(whole, empty, threads=1).model.name == "tiny", "and the next one is added as if nothing had been"


@pytest.mark.parametrize(
    "template",
    [
        "{% for i in range(99999) %}{% for i in range(99999) %}{% for i in range(99999) %}{% endfor %}{% endfor %}{% endfor %}",
        "{% set n = namespace(x='ab') %}{% for i in range(60) %}{% set n.x = n.x ~ n.x %}{% endfor %}",
        "{{ 'x' * 10 ** 11 }}{{ messages }}",
        "{{" + "(" * 5000 + ")" * 5000 + "}}",
        "{% macro a() %}{{ a() }}{% endmacro %}{{ a() }}",
        "{{ cycler.__init__.__globals__.os.popen('id').read() }}",
        "{% for %}",
        "says nothing of the messages",
    ],
    ids=["endless", "doubling", "large", "deep", "recursion", "escape", "broken", "silent"],
)
def test_a_hostile_template_ends_in_time_with_one_reason(template: str) -> None:
    started = time.monotonic()
    with pytest.raises(TemplateFailed) as failed:
        rendered(template)
    assert time.monotonic() - started < SECONDS + 5
    assert "\n" not in str(failed.value)
    assert str(failed.value).startswith("its chat template ")


def test_a_model_with_a_hostile_template_is_never_loaded(tmp_path: Path, empty: ModelShelf) -> None:
    path = tiny_model(tmp_path / "evil.gguf", template="{{ ('x' * 4000000000) ~ messages }}")
    assert "its chat template takes more time or memory than any template needs" in refusal(path, empty)
