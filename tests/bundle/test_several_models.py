"""A bundle with two language models, really built: both are on the shelf, both answer."""

from __future__ import annotations

import threading
from pathlib import Path

from appliance.manifest import read_manifest
from appliance.models.generator import Message, Piece
from appliance.models.request import Request
from appliance.shelf.loaded import Loaded
from appliance.shelf.shelf import ModelShelf
from bundle.build import build
from bundle.lock import describe, lock_path, read_lock
from bundle.overrides import Wishes, with_wishes
from bundle.progress import Progress
from bundle.sources import cache_folder
from bundle.spec import read_spec

PROFILE = """
title = "Two"
embedder = "all-minilm-l6-v2"
generator = ["second", "smollm2-135m-instruct"]
guide = false

[catalogue.second]
role = "generator"
title = "Second"
licence = "Apache-2.0"
source = { kind = "folder", path = "FILE" }

[catalogue.second.settings]
file = "NAME"
family = "smollm2"
parameters = "135M"
quantisation = "Q4_0"
context = 1024
evidence = { passages = 1, tokens = 300 }
temperature = 0.0
max_tokens = 100
"""


def test_two_language_models_are_built_listed_and_asked(second_gguf: Path, tmp_path: Path, progress: Progress) -> None:
    profile = tmp_path / "two.toml"
    profile.write_text(PROFILE.replace("FILE", str(second_gguf)).replace("NAME", second_gguf.name), encoding="utf-8")
    spec = with_wishes(read_spec(str(profile)), Wishes(provider="none"))
    output = tmp_path / "dist"
    build(spec, output, cache_folder(), progress)
    manifest = read_manifest(output)
    assert [(model.role, model.id) for model in manifest.models] == [
        ("embedder", "all-minilm-l6-v2"),
        ("generator", "second"),
        ("generator", "smollm2-135m-instruct"),
    ]
    assert set(read_lock(lock_path(output)).spec["models"]) == set(describe(spec)["models"]) == set(spec.slots())
    assert "Second" in (output / "READ-ME-FIRST.html").read_text(encoding="utf-8")
    assert not build(spec, output, cache_folder(), progress).fresh

    shelf = ModelShelf(tmp_path / "home", manifest)
    assert [model.name for model in shelf.all()] == ["second", "smollm2-135m-instruct"]
    loaded = Loaded(shelf, 2)
    try:
        for name in ("", "smollm2-135m-instruct"):
            events = loaded.generator(name).generate(Request([Message("user", "Say hello.")], 4), threading.Event())
            assert "".join(event.text for event in events if isinstance(event, Piece))
        assert sorted(state.state for state in loaded.states().values()) == ["ready", "ready"]
    finally:
        loaded.close()
