"""The lock: what was resolved, made again from it without asking for the newest, and refused where it fits no more."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

from bundle.errors import BuildError, LockDisagrees, LockMissing, LockUnreadable, SourceAltered
from bundle.fetch import fetch, resolve
from bundle.lock import (
    Lock,
    LockedRuntime,
    check_fetched,
    check_runtimes,
    describe,
    is_lock_of,
    lock_path,
    make_lock,
    read_lock,
    resolve_locked,
    write_lock,
)
from bundle.overrides import Wishes, with_wishes
from bundle.progress import Progress
from bundle.sources import Fetched
from bundle.spec import Spec, read_spec
from tests.bundle.hub_server import Repository

REVISION = "ab" * 20
WHEN = "2026-11-24T12:00:00Z"
PROFILE = """
embedder = "local"
generator = "far"
[catalogue.local]
role = "embedder"
title = "Local"
licence = "MIT"
source = { kind = "folder", path = "local" }
[catalogue.far]
role = "generator"
title = "Far"
licence = "Apache-2.0"
source = { kind = "hub", repository = "someone/far", files = ["far.gguf"] }
settings = { file = "far.gguf", family = "llama", context = 512, evidence = { passages = 1, tokens = 100 } }
"""
GGUF = b"GGUF" + bytes(range(256)) * 40


@pytest.fixture
def spec(tmp_path: Path, hub: Any) -> Spec:
    """An embedder from a folder, a generator from the Hub, a pack."""
    for name, content in {
        "local/model.safetensors": b"weights",
        "local/config.json": b"{}",
        "laws/one.txt": b"Thou shalt.",
        "mine.toml": PROFILE.encode(),
    }.items():
        (tmp_path / name).parent.mkdir(exist_ok=True)
        (tmp_path / name).write_bytes(content)
    hub.repositories["someone/far"] = Repository({"far.gguf": GGUF, "README.md": b"# Far", "LICENSE": b"terms"}, revision=REVISION)
    return with_wishes(read_spec(str(tmp_path / "mine.toml")), Wishes(packs=(tmp_path / "laws",)))


@pytest.fixture
def locked(spec: Spec, tmp_path: Path, progress: Progress) -> tuple[Lock, Path]:
    """What a first build leaves."""
    fetched = fetch(resolve(spec, tmp_path / "cache"), tmp_path / "cache", tmp_path / "first", progress)
    path = lock_path(tmp_path / "dist")
    write_lock(make_lock(spec, fetched, WHEN, [LockedRuntime("linux-x64", "host", {"requirements.lock": "e" * 64})]), path)
    return read_lock(path), path


def test_it_lies_beside_the_bundle_and_says_what_was_resolved(locked: tuple[Lock, Path], tmp_path: Path) -> None:
    lock, path = locked
    assert path == tmp_path / "dist.lock"
    assert lock.created == WHEN
    generator = next(one for one in lock.items if one.role == "generator")
    assert (generator.source["name"], generator.source["revision"]) == ("someone/far", REVISION)
    files = {file.path: file for file in generator.files}
    assert set(files) == {"far.gguf", "README.md", "LICENSE"}
    for name, content in {"far.gguf": GGUF, "README.md": b"# Far", "LICENSE": b"terms"}.items():
        assert (files[name].size, files[name].sha256) == (len(content), hashlib.sha256(content).hexdigest())
    assert str(tmp_path) not in path.read_text(encoding="utf-8")  # it may go to another machine
    assert [file.name for file in tmp_path.iterdir() if file.suffix == ".part"] == []


def test_locked_asks_the_hub_for_nothing_and_brings_the_same_files(
    spec: Spec, locked: tuple[Lock, Path], hub: Any, tmp_path: Path, progress: Progress
) -> None:
    lock, path = locked
    asked = len(hub.requests)
    resolved = resolve_locked(spec, lock, path, tmp_path / "cache")
    assert len(hub.requests) == asked
    assert resolved[1].cached == resolved[1].download
    again = fetch(resolved, tmp_path / "cache", tmp_path / "second", progress)
    assert len(hub.requests) == asked  # everything was in the cache
    check_fetched(lock, again)
    for first in (tmp_path / "first").rglob("*"):
        if first.is_file():
            assert (tmp_path / "second" / first.relative_to(tmp_path / "first")).read_bytes() == first.read_bytes()


def test_locked_stays_with_its_commit_when_the_repository_has_moved_on(
    spec: Spec, locked: tuple[Lock, Path], hub: Any, tmp_path: Path, progress: Progress
) -> None:
    lock, path = locked
    hub.repositories["someone/far"].files["far.gguf"] = b"GGUF newer"  # under its old commit: a mirror that lies
    resolved = resolve_locked(spec, lock, path, tmp_path / "empty")
    assert resolved[1].record["revision"] == REVISION
    assert resolved[1].cached == 0
    with pytest.raises(BuildError):
        fetch(resolved, tmp_path / "empty", tmp_path / "second", progress)
    del hub.repositories["someone/far"]
    assert resolve_locked(spec, lock, path, tmp_path / "cache")[1].cached == resolved[1].download


@pytest.mark.parametrize(
    ("change", "words"),
    [
        (lambda spec: replace(spec, title="Other"), 'title is "Other" now, and "mine" in it'),
        (lambda spec: replace(spec, languages=("fr",)), r"languages is \[\"fr\"\] now"),
        (lambda spec: replace(spec, filesystem="exfat"), "filesystem is"),
        (lambda spec: replace(spec, platforms=("windows-x64",)), "platforms is"),
        (lambda spec: replace(spec, packs=()), r"packs\.laws is nothing now"),
        (
            lambda spec: with_wishes(spec, Wishes(llms=("Qwen/Qwen3-4B-GGUF:Qwen3-4B-Q4_K_M.gguf",))),
            r"models\.generator\.id is \"qwen3-4b\" now, and \"far\" in it",
        ),
        (lambda spec: with_wishes(spec, Wishes(llms=(f"someone/far:far.gguf@{'c' * 40}",))), r"models\.generator\."),
        (
            lambda spec: replace(spec, items=(spec.items[0], replace(spec.items[1], settings={**spec.items[1].settings, "context": 1024}))),
            r"models\.generator\.settings\.context is 1024 now, and 512 in it",
        ),
    ],
)
def test_a_profile_that_says_something_else_than_the_lock_is_refused(
    spec: Spec, locked: tuple[Lock, Path], tmp_path: Path, change: Callable[[Spec], Spec], words: str
) -> None:
    lock, path = locked
    with pytest.raises(LockDisagrees, match=words) as caught:
        resolve_locked(change(spec), lock, path, tmp_path / "cache")
    assert "\n" not in str(caught.value)
    assert caught.value.exit_code == 1


def test_a_folder_that_holds_something_else_is_refused(spec: Spec, locked: tuple[Lock, Path], tmp_path: Path) -> None:
    lock, path = locked
    (tmp_path / "laws" / "one.txt").write_bytes(b"Thou shalt not.")
    with pytest.raises(LockDisagrees, match=r"packs\.laws"):
        resolve_locked(spec, lock, path, tmp_path / "cache")
    (tmp_path / "laws" / "one.txt").write_bytes(b"Thou shalt.")
    (tmp_path / "local" / "model.safetensors").write_bytes(b"Weights")
    with pytest.raises(LockDisagrees, match="not what it was when Local was locked"):
        resolve_locked(spec, lock, path, tmp_path / "cache")


def test_what_is_licensed_and_where_things_lie_is_not_part_of_the_agreement(spec: Spec, locked: tuple[Lock, Path], tmp_path: Path) -> None:
    lock, path = locked
    resolve_locked(replace(spec, accepted=("MIT",)), lock, path, tmp_path / "cache")
    moved = tmp_path / "elsewhere"
    moved.mkdir()
    (tmp_path / "laws").rename(moved / "laws")
    resolve_locked(replace(spec, packs=(moved / "laws",)), lock, path, tmp_path / "cache")


def test_a_file_that_only_looks_the_same_to_the_hub_is_refused(spec: Spec, locked: tuple[Lock, Path], tmp_path: Path) -> None:
    """For its small files the Hub promises git's SHA-1, which can be forged."""
    lock, path = locked
    resolved = resolve_locked(spec, lock, path, tmp_path / "cache")
    (tmp_path / "first" / "far" / "notices" / "README.md").write_bytes(b"# Foe")
    with pytest.raises(SourceAltered, match=r"README\.md of Far"):
        check_fetched(lock, [Fetched(resolved[1], tmp_path / "first" / "far" / "model", ())])


def test_runtimes_are_compared_too(locked: tuple[Lock, Path]) -> None:
    lock, path = locked
    check_runtimes(lock, lock.runtimes, path)
    other = LockedRuntime("linux-x64", "host", {"requirements.lock": "f" * 64})
    with pytest.raises(LockDisagrees, match=r"linux-x64\.requirements\.lock"):
        check_runtimes(lock, [other], path)
    with pytest.raises(LockDisagrees, match="linux-x64 is nothing now"):
        check_runtimes(lock, [], path)


def test_an_interpreter_and_a_wheel_are_known_by_what_is_in_them(tmp_path: Path) -> None:
    (tmp_path / "python.tar.gz").write_bytes(b"python")
    (tmp_path / "llama.whl").write_bytes(b"llama")
    address = "https://example.org/other.tar.gz"
    wishes = Wishes(
        interpreters=(str(tmp_path / "python.tar.gz"), address),
        interpreter_sha256=(hashlib.sha256(b"python").hexdigest(), "b" * 64),
        wheels=(tmp_path / "llama.whl",),
    )
    said = describe(with_wishes(read_spec("starter"), wishes))
    assert said["interpreters"] == {"python.tar.gz": hashlib.sha256(b"python").hexdigest(), "other.tar.gz": "b" * 64}
    assert said["wheels"] == {"llama.whl": hashlib.sha256(b"llama").hexdigest()}


def rewritten(path: Path, change: Callable[[dict[str, Any]], object]) -> None:
    """The lock altered by someone who knows how to compute its hash."""
    content = json.loads(path.read_text(encoding="utf-8"))
    del content["sha256"]
    change(content)
    plain = json.dumps(content, sort_keys=True, ensure_ascii=False, separators=(",", ":")).encode()
    path.write_text(json.dumps(content | {"sha256": hashlib.sha256(plain).hexdigest()}), encoding="utf-8")


@pytest.mark.parametrize(
    ("content", "words"),
    [
        (b"", "it is no lock of haversack-bundle, or not all of it"),
        (b"{}", "it is no lock"),
        (b"[1, 2]", "it is no lock"),
        (b"[" * 200_000, "it is no lock"),
        (b'{"lockfileVersion": 3, "packages": {}}', "it is no lock"),
        (b"\xff\xfe", "it is no lock"),
        (b'{"format": 1, "sha256": "00"}', "altered"),
        (b'{"format": 7, "sha256": "00"}', "format 7"),
    ],
)
def test_what_is_no_lock_is_said(tmp_path: Path, content: bytes, words: str) -> None:
    path = tmp_path / "dist.lock"
    path.write_bytes(content)
    with pytest.raises(LockUnreadable, match=words):
        read_lock(path)


def test_no_lock_says_how_to_get_one(tmp_path: Path) -> None:
    with pytest.raises(LockMissing, match="Build once without --locked"):
        read_lock(tmp_path / "dist.lock")
    (tmp_path / "folder.lock").mkdir()
    with pytest.raises(LockUnreadable, match="Is a directory"):
        read_lock(tmp_path / "folder.lock")


def test_the_lock_of_another_build_is_not_taken_for_this_one_s(locked: tuple[Lock, Path], tmp_path: Path) -> None:
    _, path = locked
    assert is_lock_of(path, WHEN)
    assert not is_lock_of(path, "2026-11-24T12:00:01Z")
    assert not is_lock_of(tmp_path / "no.lock", WHEN)
    path.write_bytes(b"{}")
    assert not is_lock_of(path, WHEN)


def test_every_cut_and_every_flipped_byte_is_noticed(locked: tuple[Lock, Path]) -> None:
    _, path = locked
    whole = path.read_bytes()
    for length in range(0, len(whole) - 2, 97):
        path.write_bytes(whole[:length])
        with pytest.raises(LockUnreadable):
            read_lock(path)
    for position in range(0, len(whole), 31):
        flipped = whole[:position] + bytes([whole[position] ^ 1]) + whole[position + 1 :]
        path.write_bytes(flipped)
        try:
            assert json.loads(flipped) == json.loads(whole)  # a space more or less says nothing else
        except (AssertionError, ValueError):
            with pytest.raises(LockUnreadable):
                read_lock(path)


@pytest.mark.parametrize(
    "change",
    [
        lambda content: content["items"][1]["files"][0].update(path="../../../etc/passwd.gguf"),
        lambda content: content["items"][1]["files"][0].update(path="modeling.py"),
        lambda content: content["items"][1]["files"][0].update(size=-1),
        lambda content: content["items"][1]["files"][0].update(sha256="0"),
        lambda content: content["items"][1]["files"][0].update(digest="md5:" + "0" * 32),
        lambda content: content["items"][1].pop("terms"),
        lambda content: content["items"][1].update(source=["hub", "someone/far"]),
        lambda content: content["items"][1].update(more=1),
        lambda content: content.pop("runtimes"),
    ],
)
def test_a_lock_made_by_someone_else_can_not_bring_what_no_bundle_takes(
    locked: tuple[Lock, Path], change: Callable[[dict[str, Any]], object]
) -> None:
    _, path = locked
    rewritten(path, change)
    with pytest.raises(BuildError) as caught:
        read_lock(path)
    assert "\n" not in str(caught.value)


@pytest.mark.parametrize(
    ("change", "words"),
    [
        (lambda content: content["items"].pop(1), "says nothing of Far"),
        (lambda content: content["items"][1].update(id="near"), "says nothing of Far"),
        (lambda content: content["items"][1]["source"].update(name="evil/far"), "no commit of someone/far"),
        (lambda content: content["items"][1]["source"].update(revision="main"), "no commit of someone/far"),
    ],
)
def test_a_lock_that_contradicts_itself_is_refused(
    spec: Spec, locked: tuple[Lock, Path], tmp_path: Path, change: Callable[[dict[str, Any]], object], words: str
) -> None:
    _, path = locked
    rewritten(path, change)
    with pytest.raises(LockDisagrees, match=words):
        resolve_locked(spec, read_lock(path), path, tmp_path / "cache")
