"""The shelf: what is on it, what is chosen, what comes and goes, and a stick that somebody else has written."""

from __future__ import annotations

import json
import os
import shutil
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

from appliance.errors import BadRequest, BundleAltered, ModelAltered, ModelBusy, ModelTaken, NoSuchModel
from appliance.licences import licence_sentence, may_be_passed_on
from appliance.machine.facts import Memory
from appliance.manifest import Manifest, read_manifest
from appliance.models.parameters import Parameters
from appliance.models.protocol import Message
from appliance.shelf.entries import ENTRY, check_name, name_of, read_entry
from appliance.shelf.fitting import free_for_models, misfit
from appliance.shelf.listing import model_as_json
from appliance.shelf.purposes import CHOICES, PURPOSES, SPEEDS, Speed
from appliance.shelf.shelf import ModelShelf
from tests.shelf.conftest import STARTER, Add, prepared

SPEED = Speed(120.5, 30.25, "2026-11-24T16:00:00Z", 2, "AMD EPYC")


def test_the_bundles_model_says_what_its_manifest_and_its_file_know(shelf: ModelShelf) -> None:
    (model,) = shelf.all()
    assert (model.name, model.origin, model.licence, model.may_be_carried) == (STARTER, "bundle", "Apache-2.0", True)
    assert (model.architecture, model.trained_context, model.can_call_tools) == ("llama", 8192, False)
    assert "im_start" in model.template
    # 30 layers, 3 KV heads of 64 numbers, keys and values, 2 bytes each; then llama.cpp's buffers and the program.
    assert model.memory(1000) - model.memory(0) == (1000 - model.settings.context) * 30 * 3 * 64 * 2 * 2
    assert model.memory(100_000) == model.memory(8192)
    assert model.memory() > model.size > 98_000_000


def test_an_added_model_is_read_back_as_it_was_put_in(shelf: ModelShelf, second_gguf: Path, manifest: Manifest) -> None:
    ready = prepared(shelf, second_gguf, "second")
    told = replace(
        ready.model,
        system="Answer in one sentence.",
        parameters=Parameters(temperature=0.6, seed=7),
        examples=(Message("user", "Hello"), Message("assistant", "Good day.")),
    )
    added = shelf.add(replace(ready, model=told))
    found = ModelShelf(shelf.home, manifest).find("second:latest")
    assert found == added
    assert (found.system, found.parameters.told(), found.examples) == ("Answer in one sentence.", {"temperature": 0.6, "seed": 7}, told.examples)
    assert found.file == shelf.folder / "second" / "model.gguf"
    assert not ready.folder.exists()
    assert [model.name for model in shelf.all()] == [STARTER, "second"]
    shelf.verify(found)


def test_a_name_is_taken_once(shelf: ModelShelf, add: Add, second_gguf: Path) -> None:
    add("second")
    for name in ("second", STARTER):
        ready = prepared(shelf, second_gguf, name)
        with pytest.raises(ModelTaken, match=name):
            shelf.add(ready)
        shutil.rmtree(ready.folder)


@pytest.mark.parametrize("name", ["", "Upper", "../x", "a/b", "a@b", "-a", ".a", "a.", "con", "nul.gguf", "x" * 65, "ä", "a\n"])
def test_what_can_not_be_a_name_on_every_disk_is_refused(name: str) -> None:
    with pytest.raises(BadRequest):
        check_name(name)


@pytest.mark.parametrize(("text", "name"), [("Qwen3 1.7B (Q4_K_M)", "qwen3-1.7b-q4_k_m"), ("  ", "model"), ("NUL", "model-nul"), ("../../x", "x")])
def test_a_name_is_made_of_any_title(text: str, name: str) -> None:
    assert check_name(name_of(text)) == name


def test_purposes_without_a_model_follow_answering_and_rewriting_needs_none(shelf: ModelShelf, add: Add) -> None:
    add("second")
    assert shelf.purposes() == dict.fromkeys(PURPOSES, STARTER) | {"rewriting": ""}
    shelf.use("second")
    shelf.use(STARTER, "translating")
    assert shelf.purposes() == {"answering": "second", "summarising": "second", "rewriting": "", "translating": STARTER}
    shelf.use("second:latest", "rewriting")
    assert ModelShelf(shelf.home, None).told() == {"answering": "second", "translating": STARTER, "rewriting": "second"}
    shelf.use("", "answering")
    assert shelf.purposes()["answering"] == STARTER
    with pytest.raises(BadRequest, match="translating"):
        shelf.use("second", "dancing")
    with pytest.raises(NoSuchModel):
        shelf.use("third")


def test_removing_takes_file_entry_and_choice(shelf: ModelShelf, add: Add) -> None:
    folder = add("second").file.parent
    shelf.use("second")
    shelf.remove("second")
    assert not folder.exists()
    assert list(shelf.folder.iterdir()) == []
    assert shelf.told() == {}
    assert shelf.purposes()["answering"] == STARTER
    with pytest.raises(NoSuchModel):
        shelf.remove("second")
    with pytest.raises(ModelBusy, match="belongs to the bundle"):
        shelf.remove(STARTER)


def test_speeds_belong_to_the_file_and_are_kept(shelf: ModelShelf, add: Add, manifest: Manifest) -> None:
    add("second")
    assert shelf.speed("second") is None
    shelf.keep_speed("second", SPEED)
    shelf.keep_speed(STARTER, replace(SPEED, writing=50.0))
    again = ModelShelf(shelf.home, manifest)
    assert again.speed("second") == SPEED
    assert again.speed(STARTER) == replace(SPEED, writing=50.0)
    shelf.remove("second")
    shelf.keep_speed(STARTER, SPEED)
    assert len(json.loads((shelf.home / SPEEDS).read_text())) == 1


def test_a_file_that_is_gone_or_altered_is_listed_with_the_sentence_and_not_chosen(shelf: ModelShelf, add: Add) -> None:
    model = add("second")
    shelf.use("second")
    content = model.file.read_bytes()
    model.file.unlink()
    assert shelf.problem(model).startswith("second is not as it was added (model.gguf is gone).")
    assert shelf.purposes()["answering"] == STARTER
    with pytest.raises(ModelAltered, match=r"model\.gguf is gone"):
        shelf.verify(model)
    model.file.write_bytes(content[:-1] + bytes([content[-1] ^ 1]))
    assert shelf.problem(model) == ""  # nobody has read it yet
    with pytest.raises(ModelAltered, match=r"model\.gguf is altered"):
        shelf.verify(model)
    assert "altered" in shelf.problem(model)
    assert shelf.purposes()["answering"] == STARTER
    model.file.write_bytes(content)
    assert shelf.problem(model) == ""
    shelf.verify(model)
    assert shelf.purposes()["answering"] == "second"
    model.file.write_bytes(content[:-1])
    assert "altered" in shelf.problem(model)


def test_a_change_that_keeps_size_and_time_is_found_all_the_same(shelf: ModelShelf, add: Add) -> None:
    model = add("second")
    shelf.verify(model)
    before = model.file.stat()
    with model.file.open("r+b") as stream:
        stream.seek(-1, os.SEEK_END)
        stream.write(b"\x99" if stream.read(1) != b"\x99" else b"\x98")
    os.utime(model.file, ns=(before.st_atime_ns, before.st_mtime_ns))
    with pytest.raises(ModelAltered):  # the time of the last change of its inode can't be set back
        shelf.verify(model)


def test_an_altered_model_of_the_bundle_is_told_as_the_bundles(tmp_path: Path, manifest: Manifest) -> None:
    copy = tmp_path / "bundle"
    shutil.copytree(manifest.root, copy, ignore=shutil.ignore_patterns("runtime"))
    shelf = ModelShelf(tmp_path / "home", read_manifest(copy))
    (model,) = shelf.all()
    with model.file.open("r+b") as stream:
        stream.seek(5000)
        stream.write(b"????")
    with pytest.raises(BundleAltered, match="is altered"):
        shelf.verify(model)
    assert shelf.problem(model).startswith("models/")
    assert shelf.chosen() == model  # there is no other: whoever loads it is told
    model.file.unlink()
    assert "is missing" in shelf.problem(model)


def test_an_added_model_steps_aside_for_a_bundle_that_has_its_name(shelf: ModelShelf, add: Add, manifest: Manifest) -> None:
    add("second")
    os.rename(shelf.folder / "second", shelf.folder / STARTER)
    assert [(model.name, model.origin) for model in shelf.all()] == [(STARTER, "bundle"), (f"{STARTER}-added", "added")]
    shelf.remove(f"{STARTER}-added")
    assert len(shelf.all()) == 1


def test_without_a_bundle_the_added_ones_are_there(shelf: ModelShelf, add: Add) -> None:
    bare = ModelShelf(shelf.home, None)
    with pytest.raises(NoSuchModel):
        bare.chosen()
    assert bare.purposes() == dict.fromkeys(PURPOSES, "")
    add("second")
    assert bare.purposes()["answering"] == "second"


HOSTILE: list[dict[str, Any] | bytes] = [
    b"",
    b"[]",
    b"\xff\xfe",
    b"[" * 100_000,
    b'"' + b"x" * (5 << 20) + b'"',
    {"format": 2},
    {"format": True},
    {"files": []},
    {"files": "model.gguf"},
    {"files": [{"name": "../../../etc/passwd", "size": 1, "sha256": "0" * 64}]},
    {"files": [{"name": "/etc/passwd", "size": 1, "sha256": "0" * 64}]},
    {"files": [{"name": "entry.json", "size": 1, "sha256": "0" * 64}]},
    {"files": [{"name": "model.gguf", "size": -1, "sha256": "0" * 64}]},
    {"files": [{"name": "model.gguf", "size": 1.0, "sha256": "0" * 64}]},
    {"files": [{"name": "model.gguf", "size": 1, "sha256": "short"}]},
    {"files": [{"name": "model.gguf", "size": 1, "sha256": "0" * 64}] * 2},
    {"title": 5},
    {"title": "x" * 2000},
    {"settings": None},
    {"settings": {}},
    {"kv_width": 1e999},
    {"trained_context": -5},
    {"parameters": {"temperature": 99}},
    {"parameters": {"unheard": 1}},
    {"parameters": []},
    {"system": "x" * 5000},
    {"template": "x" * 300_000},
    {"examples": [["user"]]},
    {"examples": [["robot", "x"]]},
    {"examples": 7},
]


@pytest.mark.parametrize("change", HOSTILE, ids=lambda change: str(change)[:50])
def test_a_hostile_entry_is_one_sentence_and_can_be_removed(shelf: ModelShelf, add: Add, change: dict[str, Any] | bytes) -> None:
    add("second")
    file = shelf.folder / "second" / ENTRY
    content = change if isinstance(change, bytes) else json.dumps({**json.loads(file.read_bytes()), **change}).encode()
    file.write_bytes(content)
    with pytest.raises(ValueError, match=r"."):
        read_entry(file.parent)
    assert [model.name for model in shelf.all()] == [STARTER]
    sentence = shelf.unreadable()["second"]
    assert sentence.startswith("second is not as it was added (")
    assert len(sentence) < 400
    with pytest.raises(ModelAltered):
        shelf.find("second")
    shelf.remove("second")
    assert shelf.unreadable() == {}


def test_a_context_among_a_models_parameters_is_the_one_that_is_counted(shelf: ModelShelf, add: Add) -> None:
    add("second")
    file = shelf.folder / "second" / ENTRY
    file.write_text(json.dumps({**json.loads(file.read_bytes()), "parameters": {"context": 512, "seed": 3}}))
    model = shelf.find("second")
    settings = model.settings
    assert (settings.context, settings.evidence_tokens, settings.max_tokens) == (512, 256, 160)
    assert model.memory() == model.memory(512)
    assert model_as_json(shelf, model)["context"] == 512


def test_links_lead_nowhere(shelf: ModelShelf, add: Add, tmp_path: Path, second_gguf: Path) -> None:
    model = add("second")
    model.file.unlink()
    model.file.symlink_to(second_gguf)
    assert "altered" in shelf.problem(model)
    with pytest.raises(ModelAltered):
        shelf.verify(model)
    elsewhere = tmp_path / "elsewhere"
    shutil.move(shelf.folder / "second", elsewhere)
    (shelf.folder / "second").symlink_to(elsewhere)
    assert [one.name for one in shelf.all()] == [STARTER]
    with pytest.raises(NoSuchModel):
        shelf.remove("second")
    assert (elsewhere / ENTRY).is_file()


@pytest.mark.parametrize("content", [b"", b"[]", b"[" * 100_000, b"\xff", b'{"answering": 5, "dancing": "x", "summarising": "second"}'])
def test_choices_and_speeds_that_can_not_be_understood_count_as_none(shelf: ModelShelf, add: Add, content: bytes) -> None:
    add("second")
    (shelf.home / CHOICES).write_bytes(content)
    (shelf.home / SPEEDS).write_bytes(content)
    assert shelf.purposes()["answering"] == STARTER
    assert shelf.speeds() == {}
    shelf.use("second")
    shelf.keep_speed("second", SPEED)
    assert (shelf.purposes()["answering"], shelf.speed("second")) == ("second", SPEED)


def test_speeds_that_can_not_be_are_left_out(shelf: ModelShelf) -> None:
    good = {"reading": 1, "writing": 2, "when": "x", "threads": 1, "processor": "y"}
    digest = shelf.all()[0].sha256
    for bad in ({"reading": 0}, {"writing": -1}, {"reading": float("inf")}, {"reading": float("nan")}, {"threads": None}, {"writing": "x"}):
        shelf.home.mkdir(exist_ok=True)
        (shelf.home / SPEEDS).write_text(json.dumps({digest: {**good, **bad}}))
        assert shelf.speed(STARTER) is None


def test_reading_makes_nothing(shelf: ModelShelf) -> None:
    assert shelf.all()
    assert shelf.purposes()
    assert shelf.unreadable() == {}
    assert not shelf.home.exists()


def test_what_does_not_fit_says_so_with_the_figures(shelf: ModelShelf) -> None:
    (model,) = shelf.all()
    needed = model.memory()
    assert misfit(model, Memory(needed * 2, needed), needed) == ""
    assert misfit(model, Memory(), None) == ""
    much = misfit(model, Memory(500_000_000, 400_000_000), 400_000_000)
    assert much == "It needs 0.6 GB of memory with 2048 tokens of context, and this machine has 0.5 GB: take a smaller model."
    now = misfit(model, Memory(16_000_000_000, 300_000_000), 300_000_000)
    assert now.startswith("It needs 0.6 GB of memory with 2048 tokens of context, and 0.3 GB are free: close other programs")


def test_where_the_system_tells_the_total_alone_that_is_the_limit() -> None:
    assert free_for_models(Memory(8_000_000_000, None), ()) == 8_000_000_000
    assert free_for_models(Memory(), ()) is None
    assert free_for_models(Memory(8_000_000_000, 1_000_000_000), [200_000_000, 0]) == 1_200_000_000


@pytest.mark.parametrize(
    ("licence", "may"),
    [
        ("Apache-2.0", True),
        ("apache-2.0", True),
        ("MIT OR Apache-2.0", True),
        ("Apache-2.0 WITH LLVM-exception", True),
        ("LicenseRef-Gemma", True),
        ("llama3.2", True),
        ("CC-BY-NC-4.0", None),
        ("Apache-2.0 AND CC-BY-NC-4.0", None),
        ("other", None),
        ("", None),
    ],
)
def test_a_licence_is_known_to_allow_or_it_is_said_that_it_is_not_known(licence: str, may: bool | None) -> None:
    assert may_be_passed_on(licence) is may
    assert licence_sentence(licence).endswith(".")
    assert ("may be passed on" in licence_sentence(licence)) is (may is True)
