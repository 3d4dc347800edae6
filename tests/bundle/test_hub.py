"""The Hub as a source: what is planned, what is refused, and what each failure is called. The client is huggingface_hub, unmodified."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest

from appliance.errors import BuildError, LicenceRefused, SourceAltered, SourceMissing, SourceRefused, SourceUnreachable, SourceUnsafe
from bundle.sources.hub import Hub
from bundle.spec import HubSource, Item

WEIGHTS = bytes(range(256)) * 400
REVISION = "12" * 20


def repository(**changed: Any) -> SimpleNamespace:
    files = {"small.Q4.gguf": WEIGHTS, "large.Q8.gguf": WEIGHTS * 2, "README.md": b"# Card\n", "LICENSE": b"terms\n", "run.py": b"evil\n"}
    return SimpleNamespace(
        **({"files": files, "licence": "apache-2.0", "revision": REVISION, "gated": False, "cut_after": None, "lie": None} | changed)
    )


def item(role: str = "generator", licence: str = "Apache-2.0", **source: Any) -> Item:
    given = {"repository": "someone/model", "files": ("small.Q4.gguf",)} | source
    return Item(role, "model", "Model", licence, HubSource(**given))


@pytest.fixture
def source(hub: Any, tmp_path: Path) -> Hub:
    hub.repositories["someone/model"] = repository()
    return Hub(tmp_path / "cache")


def fetch(source: Hub, one: Item, into: Path) -> dict[str, bytes]:
    fetched = source.fetch(source.resolve(one), into, lambda count: None)
    return {path.relative_to(into).as_posix(): path.read_bytes() for path in [*fetched.folder.rglob("*"), *fetched.notices] if path.is_file()}


def test_the_plan_pins_the_commit_and_every_hash_and_downloads_nothing(source: Hub, hub: Any) -> None:
    resolved = source.resolve(item())
    assert resolved.record["revision"] == REVISION
    assert resolved.licence == "Apache-2.0"
    assert [(file.path, file.size) for file in resolved.files] == [("small.Q4.gguf", len(WEIGHTS)), ("README.md", 7), ("LICENSE", 6)]
    assert len(resolved.record["sha256"]) == 64
    assert resolved.cached == 0
    assert hub.downloads() == []


def test_what_is_fetched_is_weights_and_notices_and_only_once(source: Hub, hub: Any, tmp_path: Path) -> None:
    seen: list[int] = []
    resolved = source.resolve(item())
    source.fetch(resolved, tmp_path / "one", seen.append)
    assert sum(seen) == resolved.download
    count = len(hub.downloads())
    assert fetch(source, item(), tmp_path / "two") == {
        "model/small.Q4.gguf": WEIGHTS,
        "notices/README.md": b"# Card\n",
        "notices/LICENSE": b"terms\n",
    }
    assert len(hub.downloads()) == count
    assert source.resolve(item()).cached == resolved.download


def test_a_token_goes_to_the_hub_alone_and_stays_out_of_the_cache(hub: Any, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("HF_TOKEN", "hf_secret")
    hub.repositories["someone/model"] = repository(gated=True)
    fetch(Hub(tmp_path / "cache"), item(), tmp_path / "into")
    for method, path, headers in hub.requests:
        assert (headers.get("authorization") == "Bearer hf_secret") is not path.startswith("/cdn/"), (method, path)
    assert not any(b"hf_secret" in path.read_bytes() for path in tmp_path.rglob("*") if path.is_file())


def test_an_embedder_leaves_twins_code_and_pickle_behind(source: Hub, hub: Any, tmp_path: Path) -> None:
    files = {"model.safetensors": WEIGHTS, "config.json": b"{}", "1_Pooling/config.json": b"{}", "vocab.txt": b"a\n"}
    others = {"pytorch_model.bin": b"x", "onnx/model.onnx": b"x", "openvino/model.xml": b"x", "code.py": b"x", ".gitattributes": b"x"}
    hub.repositories["someone/model"] = repository(files=files | others)
    assert set(fetch(source, item("embedder", files=()), tmp_path / "into")) == {f"model/{name}" for name in files}


def gated(hub: Any) -> None:
    hub.repositories["someone/model"].gated = True


def gone(hub: Any) -> None:
    hub.repositories.clear()


def lying_hash(hub: Any) -> None:
    hub.repositories["someone/model"].lie = WEIGHTS[::-1]


def lying_size(hub: Any) -> None:
    hub.repositories["someone/model"].lie = WEIGHTS[:1000]


def cut(hub: Any) -> None:
    hub.repositories["someone/model"].cut_after = 5_000


def nothing(hub: Any) -> None: ...


CASES: list[tuple[str, Callable[[Any], None], Item, type[BuildError], str]] = [
    ("no such repository", gone, item(), SourceMissing, "no such repository"),
    ("no such revision", nothing, item(revision="9" * 40), SourceMissing, "no such revision"),
    ("no such file", nothing, item(files=("other.gguf",)), SourceMissing, "other.gguf"),
    ("not a name", nothing, item(repository="a/b/c d"), SourceMissing, "repository's name"),
    ("gated", gated, item(), SourceRefused, "HF_TOKEN"),
    ("another size than the catalogue's", nothing, item(size=7), SourceAltered, "the catalogue says 7"),
    ("another hash than the catalogue's", nothing, item(sha256="0" * 64), SourceAltered, "catalogue"),
    ("wrong content", lying_hash, item(), SourceAltered, "hash differs"),
    ("wrong size", lying_size, item(), SourceUnreachable, "small.Q4.gguf"),
    ("pickle asked for", nothing, item(files=("run.py",)), SourceUnsafe, "can hold code"),
    ("no safetensors", nothing, item("embedder", files=()), SourceUnsafe, "safetensors"),
    ("cut connection", cut, item(), SourceUnreachable, "run the same command again"),
]


@pytest.mark.parametrize(("provoke", "one", "kind", "words"), [case[1:] for case in CASES], ids=[case[0] for case in CASES])
def test_each_failure_is_one_sentence_and_leaves_nothing_wrong_in_the_cache(
    source: Hub,
    hub: Any,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    provoke: Callable[[Any], None],
    one: Item,
    kind: type[BuildError],
    words: str,
) -> None:
    monkeypatch.setattr("huggingface_hub.file_download.time.sleep", lambda seconds: None)  # the client's own pauses between its retries
    provoke(hub)
    with pytest.raises(kind) as caught:
        fetch(source, one, tmp_path / "into")
    assert words in str(caught.value)
    assert "\n" not in str(caught.value)
    assert not list((tmp_path / "cache").rglob("*.gguf"))
    assert not list((tmp_path / "cache").rglob(".part-*"))


@pytest.mark.parametrize(("ours", "theirs"), [("", None), ("", "other"), ("MIT", "apache-2.0"), ("LFM-1.0", None)])
def test_a_licence_that_is_unknown_or_disputed_is_refused(source: Hub, hub: Any, ours: str, theirs: str | None) -> None:
    hub.repositories["someone/model"].licence = theirs
    with pytest.raises(LicenceRefused):
        source.resolve(item(licence=ours))


@pytest.mark.parametrize("name", ["../evil.gguf", "/etc/evil.gguf", "a\\..\\evil.gguf", "C:evil.gguf"])
def test_names_that_lead_out_of_their_folder_are_refused(source: Hub, hub: Any, name: str) -> None:
    hub.repositories["someone/model"].files[name] = WEIGHTS
    with pytest.raises(SourceUnsafe, match="leads out"):
        source.resolve(item())


def test_no_network_is_one_sentence(source: Hub, monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    monkeypatch.setenv("HF_ENDPOINT", "http://127.0.0.1:9")
    with pytest.raises(SourceUnreachable, match="Check the connection"):
        Hub(tmp_path).resolve(item())
