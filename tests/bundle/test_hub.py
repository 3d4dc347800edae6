"""The Hub as a source: what is planned, what is refused, and what each failure is called. The client is huggingface_hub, unmodified."""

from __future__ import annotations

import socket
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from bundle.errors import BuildError, SourceAltered, SourceMissing, SourceRefused, SourceUnreachable, SourceUnsafe, TokenRefused
from bundle.sources.hub import Hub
from bundle.sources.transfer import Patience
from bundle.spec import HubSource, Item
from tests.bundle.hub_server import HubServer, Repository, hash_of

WEIGHTS = bytes(range(256)) * 400
REVISION = "12" * 20
QUICK = Patience(tries=3, first=0.01, longest=0.02)


def repository(**changed: Any) -> Repository:
    files = {"small.Q4.gguf": WEIGHTS, "large.Q8.gguf": WEIGHTS * 2, "README.md": b"# Card\n", "LICENSE": b"terms\n", "run.py": b"evil\n"}
    return Repository(**({"files": files, "revision": REVISION} | changed))


def item(role: str = "generator", licence: str = "Apache-2.0", **source: Any) -> Item:
    given = {"repository": "someone/model", "files": ("small.Q4.gguf",)} | source
    return Item(role, "model", "Model", licence, HubSource(**given))


@pytest.fixture
def source(hub: HubServer, tmp_path: Path) -> Hub:
    hub.repositories["someone/model"] = repository()
    return Hub(tmp_path / "cache", QUICK)


def fetch(source: Hub, one: Item, into: Path) -> dict[str, bytes]:
    fetched = source.fetch(source.resolve(one), into, lambda count: None)
    return {path.relative_to(into).as_posix(): path.read_bytes() for path in [*fetched.folder.rglob("*"), *fetched.notices] if path.is_file()}


def test_the_plan_pins_the_commit_and_every_hash_and_downloads_nothing(source: Hub, hub: HubServer) -> None:
    resolved = source.resolve(item())
    assert resolved.record["revision"] == REVISION
    assert resolved.licence == "Apache-2.0"
    assert [(file.path, file.size) for file in resolved.files] == [("small.Q4.gguf", len(WEIGHTS)), ("README.md", 7), ("LICENSE", 6)]
    assert len(resolved.record["sha256"]) == 64
    assert resolved.cached == 0
    assert hub.downloads() == []


def test_what_is_fetched_is_weights_and_notices_and_only_once(source: Hub, hub: HubServer, tmp_path: Path) -> None:
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


def test_a_token_goes_to_the_hub_alone_and_stays_out_of_the_cache(hub: HubServer, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("HF_TOKEN", "hf_secret")
    hub.repositories["someone/model"] = repository(gated=True)
    fetch(Hub(tmp_path / "cache", QUICK), item(), tmp_path / "into")
    for method, path, headers in hub.requests:
        assert (headers.get("authorization") == "Bearer hf_secret") is not path.startswith("/cdn/"), (method, path)
    assert not any(b"hf_secret" in path.read_bytes() for path in tmp_path.rglob("*") if path.is_file())


def test_an_embedder_leaves_twins_code_and_pickle_behind(source: Hub, hub: HubServer, tmp_path: Path) -> None:
    files = {"model.safetensors": WEIGHTS, "config.json": b"{}", "1_Pooling/config.json": b"{}", "vocab.txt": b"a\n"}
    others = {"pytorch_model.bin": b"x", "onnx/model.onnx": b"x", "openvino/model.xml": b"x", "code.py": b"x", ".gitattributes": b"x"}
    hub.repositories["someone/model"] = repository(files=files | others)
    assert set(fetch(source, item("embedder", files=()), tmp_path / "into")) == {f"model/{name}" for name in files}


def nothing(hub: HubServer) -> None: ...


def gone(hub: HubServer) -> None:
    hub.repositories.clear()


def changed(**how: Any) -> Callable[[HubServer], None]:
    def provoke(hub: HubServer) -> None:
        hub.repositories["someone/model"] = repository(**how)

    return provoke


def trouble(*troubles: tuple[str, int, dict[str, str]]) -> Callable[[HubServer], None]:
    return lambda hub: hub.troubles.extend(troubles)


PAGE = {"Content-Type": "text/html"}
CASES: list[tuple[str, Callable[[HubServer], None], Item, type[BuildError], str]] = [
    ("no such repository", gone, item(), SourceMissing, "no such repository"),
    ("no such revision", nothing, item(revision="9" * 40), SourceMissing, "no such revision"),
    ("no such file", nothing, item(files=("other.gguf",)), SourceMissing, "other.gguf"),
    ("a file that is promised and not there", trouble(("/resolve/", 404, {"X-Error-Code": "EntryNotFound"})), item(), SourceMissing, "small.Q4.gguf"),
    ("not a name", nothing, item(repository="a/b/c d"), SourceMissing, "repository's name"),
    ("another size than the catalogue's", nothing, item(size=7), SourceAltered, "the catalogue says 7"),
    ("another hash than the catalogue's", nothing, item(sha256="0" * 64), SourceAltered, "catalogue"),
    ("wrong content", changed(lie=WEIGHTS[::-1]), item(), SourceAltered, "hash differs"),
    ("too short", changed(lie=WEIGHTS[:1000]), item(), SourceAltered, "1000 bytes instead of"),
    ("too long", changed(lie=WEIGHTS * 2), item(), SourceAltered, "bytes instead of"),
    ("too long, and not saying so", changed(lie=WEIGHTS * 2, chunked=True), item(), SourceAltered, "more than the promised"),
    ("a length that is no truth", changed(length=len(WEIGHTS) + 1), item(), SourceAltered, "bytes instead of"),
    ("another file after the redirect", changed(linked="ab" * 32), item(), SourceAltered, "X-Linked-ETag says abab"),
    ("another commit", trouble(("/resolve/", 200, {"X-Repo-Commit": "9" * 40})), item(), SourceAltered, "X-Repo-Commit says 9999"),
    ("a web page", trouble(("/cdn/", 200, PAGE)), item(), SourceAltered, "sign-in page"),
    ("a web page of no length", changed(lie=b"<html>", chunked=True, type="text/html; charset=utf-8"), item(), SourceAltered, "sign-in page"),
    ("a web page instead of the plan", trouble(("/api/", 200, PAGE)), item(), SourceUnreachable, "HF_ENDPOINT"),
    ("a plan that is no plan", trouble(("/api/", 200, {"Content-Length": "0"})), item(), SourceUnreachable, "HF_ENDPOINT"),
    ("compressed all the same", trouble(("/cdn/", 200, {"Content-Encoding": "gzip"})), item(), SourceAltered, "compressed"),
    ("pickle asked for", nothing, item(files=("run.py",)), SourceUnsafe, "can hold code"),
    ("no safetensors", nothing, item("embedder", files=()), SourceUnsafe, "safetensors"),
    ("busy for long", trouble(*[("/cdn/", 503, {})] * 3), item(), SourceUnreachable, "it answered 503"),
    ("busy when planned", trouble(*[("/api/", 429, {})] * 3), item(), SourceUnreachable, "it answered 429"),
    ("asks for an hour", trouble(("/cdn/", 429, {"Retry-After": "3600"})), item(), SourceUnreachable, "asks to wait 60 minutes"),
    ("asks for an hour when planned", trouble(("/api/", 429, {"Retry-After": "3600"})), item(), SourceUnreachable, "asks to wait 60 minutes"),
    ("broken for good", trouble(("/resolve/", 418, {})), item(), SourceUnreachable, "it answered 418"),
    (
        "redirected in a circle",
        trouble(*[("/cdn/", 302, {"Location": "/cdn/someone/model/small.Q4.gguf"})] * 30),
        item(),
        SourceUnreachable,
        "circle",
    ),
    ("redirected to nowhere", trouble(*[("/cdn/", 302, {"Location": "ftp://nowhere/file"})] * 3), item(), SourceUnreachable, "small.Q4.gguf"),
]


@pytest.mark.parametrize(("provoke", "one", "kind", "words"), [case[1:] for case in CASES], ids=[case[0] for case in CASES])
def test_each_failure_is_one_sentence_and_leaves_nothing_wrong_in_the_cache(
    source: Hub, hub: HubServer, tmp_path: Path, provoke: Callable[[HubServer], None], one: Item, kind: type[BuildError], words: str
) -> None:
    provoke(hub)
    with pytest.raises(kind) as caught:
        fetch(source, one, tmp_path / "into")
    assert words in str(caught.value)
    assert "\n" not in str(caught.value)
    assert "127.0.0.1" not in str(caught.value)
    assert kept(tmp_path / "cache") == set()


def kept(cache: Path) -> set[str]:
    """The names of what the cache holds of the weights, whole or growing."""
    return {path.name for path in cache.rglob(f"{hash_of(WEIGHTS, 'sha256')}*") if ".locks" not in path.parts}


def test_a_gated_repository_can_be_planned_and_its_page_is_named(
    source: Hub, hub: HubServer, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    hub.repositories["someone/model"].gated = True
    resolved = source.resolve(item())
    assert resolved.gated == f"{hub.url}/someone/model"
    with pytest.raises(SourceRefused) as caught:
        source.fetch(resolved, tmp_path / "into", lambda count: None)
    assert f"Accept its terms at {hub.url}/someone/model, set HF_TOKEN" in str(caught.value)
    hub.repositories["someone/model"].token = "hf_of_someone_else"
    monkeypatch.setenv("HF_TOKEN", "hf_mine")  # valid, but its owner has not accepted the terms
    with pytest.raises(SourceRefused, match="Accept its terms"):
        fetch(Hub(tmp_path / "cache", QUICK), item(), tmp_path / "again")


@pytest.mark.parametrize("where", ["/api/", "/resolve/"])
@pytest.mark.parametrize("status", [401, 403])
def test_a_token_that_is_refused_is_said_and_not_shown(
    hub: HubServer, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, where: str, status: int
) -> None:
    hub.repositories["someone/model"] = repository()
    hub.troubles.append((where, status, {"X-Error-Message": "Invalid credentials in Authorization header"}))
    monkeypatch.setenv("HF_TOKEN", "hf_stale")
    with pytest.raises(TokenRefused, match="refused the token in HF_TOKEN") as caught:
        fetch(Hub(tmp_path / "cache", QUICK), item(), tmp_path / "into")
    assert "hf_stale" not in str(caught.value)


def test_a_token_that_the_hub_does_not_know_is_refused_even_for_what_is_open_to_all(
    hub: HubServer, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    hub.repositories["someone/model"] = repository()
    hub.known_tokens = {"hf_good"}
    monkeypatch.setenv("HF_TOKEN", "hf_stale")
    with pytest.raises(TokenRefused, match="unset HF_TOKEN"):
        Hub(tmp_path, QUICK).resolve(item())
    monkeypatch.setenv("HF_TOKEN", "hf_good")
    assert Hub(tmp_path, QUICK).resolve(item())
    with pytest.raises(SourceMissing, match="no such repository"):
        Hub(tmp_path, QUICK).resolve(item(repository="someone/other"))


@pytest.mark.parametrize("token", ["hf_a\nb", "hf_“quoted”", "hf_a b"])
def test_what_can_be_no_token_is_sent_nowhere(hub: HubServer, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, token: str) -> None:
    monkeypatch.setenv("HF_TOKEN", token)
    with pytest.raises(TokenRefused):
        Hub(tmp_path, QUICK).resolve(item())
    assert hub.requests == []


def test_a_hub_that_is_busy_for_a_while_is_waited_for(hub: HubServer, tmp_path: Path) -> None:
    hub.repositories["someone/model"] = repository()
    hub.troubles += [("/api/", 503, {}), ("/resolve/", 429, {"Retry-After": "0"}), ("/cdn/", 500, {}), ("/cdn/", 403, {}), ("/resolve/", 502, {})]
    patient = Hub(tmp_path / "cache", Patience(tries=5, first=0.01, longest=0.02))
    assert fetch(patient, item(), tmp_path / "into")["model/small.Q4.gguf"] == WEIGHTS
    assert hub.troubles == []


@pytest.mark.parametrize(
    ("ours", "theirs", "name", "licence", "terms", "told"),
    [
        ("Apache-2.0", "apache-2.0", None, "Apache-2.0", "apache-2.0", ""),
        ("", "mit", None, "mit", "mit", ""),
        ("MIT", "apache-2.0", None, "MIT", "apache-2.0", "apache-2.0"),
        ("MIT", None, None, "MIT", "", ""),
        ("", None, None, "", "", ""),
        ("", "other", None, "other", "other", ""),
        ("", "other", "lfm-1.0", "lfm-1.0", "lfm-1.0", ""),
    ],
)
def test_the_licence_is_reported_as_it_is_told(
    source: Hub, hub: HubServer, ours: str, theirs: str | None, name: str | None, licence: str, terms: str, told: str
) -> None:
    hub.repositories["someone/model"] = repository(licence=theirs, licence_name=name)
    resolved = source.resolve(item(licence=ours))
    assert (resolved.licence, resolved.terms, resolved.told) == (licence, terms, told)


@pytest.mark.parametrize("name", ["../evil.gguf", "/etc/evil.gguf", "a\\..\\evil.gguf", "C:evil.gguf"])
def test_names_that_lead_out_of_their_folder_are_refused(source: Hub, hub: HubServer, name: str) -> None:
    hub.repositories["someone/model"].files[name] = WEIGHTS
    with pytest.raises(SourceUnsafe, match="leads out"):
        source.resolve(item())


def test_a_hash_that_is_a_path_is_no_hash(source: Hub, hub: HubServer, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("tests.bundle.hub_server.hash_of", lambda content, kind: "../" * 20 + "etcp")
    with pytest.raises(SourceAltered, match="no size and hash"):
        source.resolve(item())


def test_what_the_disk_lost_in_the_cache_is_fetched_again(source: Hub, hub: HubServer, tmp_path: Path) -> None:
    fetch(source, item(), tmp_path / "one")
    (cached,) = (tmp_path / "cache" / "hub").glob(hash_of(WEIGHTS, "sha256"))
    cached.write_bytes(WEIGHTS[:-1] + b"x")
    assert fetch(source, item(), tmp_path / "two")["model/small.Q4.gguf"] == WEIGHTS


def test_a_silent_mirror_is_one_sentence(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    monkeypatch.setattr("bundle.sources.hub._TIMEOUT_SECONDS", 0.2)
    with socket.create_server(("127.0.0.1", 0)) as silent:
        monkeypatch.setenv("HF_ENDPOINT", f"http://127.0.0.1:{silent.getsockname()[1]}")
        with pytest.raises(SourceUnreachable, match="it fell silent"):
            Hub(tmp_path).resolve(item())


def test_no_network_is_one_sentence(source: Hub, monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    monkeypatch.setenv("HF_ENDPOINT", "http://127.0.0.1:9")
    with pytest.raises(SourceUnreachable, match="Check the connection"):
        Hub(tmp_path).resolve(item())
