"""Wheels as a source: pip itself fetches small ones from a folder; what is in them is taken out with care."""

from __future__ import annotations

import errno
import hashlib
import os
import socket
import stat
import subprocess
import sys
import threading
import zipfile
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path

import pytest

from bundle.errors import BuildError, SourceAltered, SourceMissing, SourceUnreachable, SourceUnsafe
from bundle.sources import Stopped, scratch
from bundle.sources.package import Packages, _explain
from bundle.spec import Item, PackageSource

MODEL = {"tiny/model/weights.gguf": os.urandom(5_000), "tiny/model/config.json": b"{}", "tiny/model/run.py": b"evil", "tiny/LICENSE": b"terms"}
MakeWheel = Callable[[dict[str, bytes]], Path]


def item_for(wheel: Path, **changed: object) -> Item:
    digest = hashlib.sha256(wheel.read_bytes()).hexdigest()
    source = PackageSource("tiny-model", "1.0", wheel.stat().st_size, digest, "tiny/model", notices=("tiny/LICENSE",))
    return Item("generator", "tiny", "Tiny", "MIT", replace(source, **changed))


def taken(packages: Packages, item: Item, into: Path) -> dict[str, bytes]:
    fetched = packages.fetch(packages.resolve(item), into, lambda count: None)
    return {path.relative_to(into).as_posix(): path.read_bytes() for path in [*fetched.folder.rglob("*"), *fetched.notices] if path.is_file()}


def test_only_the_model_and_its_notices_leave_the_wheel(make_wheel: MakeWheel, tmp_path: Path) -> None:
    item = item_for(make_wheel(MODEL))
    seen: list[int] = []
    packages = Packages(tmp_path / "cache")
    packages.fetch(packages.resolve(item), tmp_path / "first", seen.append)
    assert sum(seen) == item.source.size
    assert taken(packages, item, tmp_path / "into") == {
        "model/weights.gguf": MODEL["tiny/model/weights.gguf"],
        "model/config.json": b"{}",
        "notices/LICENSE": b"terms",
    }


def test_the_plan_needs_no_index(tmp_path: Path, make_wheel: MakeWheel) -> None:
    wheel = make_wheel(MODEL)
    item = item_for(wheel)
    wheel.unlink()
    resolved = Packages(tmp_path / "cache").resolve(item)
    assert (resolved.download, resolved.cached) == (item.source.size, 0)
    assert resolved.record == {"kind": "package", "name": "tiny-model", "version": "1.0", "sha256": item.source.sha256}


def test_a_wheel_is_fetched_once_and_checked_again_before_each_use(make_wheel: MakeWheel, tmp_path: Path) -> None:
    wheel = make_wheel(MODEL)
    item, packages = item_for(wheel), Packages(tmp_path / "cache")
    taken(packages, item, tmp_path / "one")
    original = wheel.read_bytes()
    wheel.unlink()
    assert packages.resolve(item).cached == len(original)
    taken(packages, item, tmp_path / "two")  # the index has nothing any more
    (cached,) = (tmp_path / "cache").rglob("*.whl")
    cached.write_bytes(original[:-1] + b"x")
    with pytest.raises(SourceMissing):
        taken(packages, item, tmp_path / "three")
    wheel.write_bytes(original)
    assert taken(packages, item, tmp_path / "four")


@pytest.mark.parametrize(
    ("changed", "kind", "words"),
    [
        ({"sha256": "0" * 64}, SourceAltered, "sha256 differs"),
        ({"version": "9.9"}, SourceMissing, "no such version"),
        ({"name": "tiny-mode"}, SourceMissing, "no such version"),
        ({"files": ("other.gguf",)}, SourceMissing, "other.gguf"),
        ({"folder": "elsewhere"}, SourceMissing, "elsewhere"),
        ({"notices": ("tiny/NOTICE",)}, SourceMissing, "NOTICE"),
    ],
)
def test_each_failure_is_one_sentence(make_wheel: MakeWheel, tmp_path: Path, changed: dict[str, object], kind: type[BuildError], words: str) -> None:
    item = item_for(make_wheel(MODEL), **changed)
    with pytest.raises(kind) as caught:
        taken(Packages(tmp_path / "cache"), item, tmp_path / "into")
    assert words in str(caught.value)
    assert "\n" not in str(caught.value)
    assert "://" not in str(caught.value)


def test_no_network_is_said(make_wheel: MakeWheel, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    item = item_for(make_wheel(MODEL))
    monkeypatch.delenv("PIP_FIND_LINKS")
    monkeypatch.delenv("PIP_NO_INDEX")
    monkeypatch.setenv("PIP_INDEX_URL", "http://127.0.0.1:9/simple")
    with pytest.raises(SourceUnreachable, match="Check the connection"):
        taken(Packages(tmp_path / "cache"), item, tmp_path / "into")


def test_a_full_disk_is_no_fault_of_the_index() -> None:
    with pytest.raises(OSError, match="No space") as caught:
        _explain("ERROR: Could not install packages due to an OSError: [Errno 28] No space left on device", "tiny-model 1.0", "the package index")
    assert caught.value.errno == errno.ENOSPC


def test_two_who_want_the_same_wheel_fetch_it_once(make_wheel: MakeWheel, tmp_path: Path) -> None:
    item, packages, seen = item_for(make_wheel(MODEL)), Packages(tmp_path / "cache"), list[int]()
    (download,) = packages.downloads(packages.resolve(item))
    threads = [threading.Thread(target=download.run, args=(seen.append, threading.Event())) for _ in range(2)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert sum(seen) == item.source.size == download.size
    assert packages.downloads(packages.resolve(item)) == ()


def test_told_to_stop_it_stops_pip(make_wheel: MakeWheel, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    packages, stop = Packages(tmp_path / "cache"), threading.Event()
    (download,) = packages.downloads(packages.resolve(item_for(make_wheel(MODEL))))
    monkeypatch.delenv("PIP_FIND_LINKS")
    monkeypatch.delenv("PIP_NO_INDEX")
    with socket.create_server(("127.0.0.1", 0)) as silent:  # takes the connection and never answers
        monkeypatch.setenv("PIP_INDEX_URL", f"http://127.0.0.1:{silent.getsockname()[1]}/simple")
        timer = threading.Timer(0.5, stop.set)
        timer.start()
        with pytest.raises(Stopped):
            download.run(lambda count: None, stop)
        timer.join()
    assert [path.name for path in (tmp_path / "cache" / "wheels").iterdir()] == [".locks"]


def hostile(path: Path, *entries: tuple[zipfile.ZipInfo, bytes]) -> Path:
    with zipfile.ZipFile(path, "a", zipfile.ZIP_DEFLATED) as archive:
        for entry, content in entries:
            entry.compress_type = zipfile.ZIP_DEFLATED
            archive.writestr(entry, content)
    return path


def link(name: str) -> zipfile.ZipInfo:
    entry = zipfile.ZipInfo(name)
    entry.external_attr = (stat.S_IFLNK | 0o777) << 16
    return entry


@pytest.mark.filterwarnings("ignore:Duplicate name")
@pytest.mark.parametrize(
    ("entry", "content", "words"),
    [
        (zipfile.ZipInfo("tiny/model/zeros.gguf"), bytes(40 << 20), "packed too tightly"),
        (zipfile.ZipInfo("tiny/model/weights.gguf"), b"again", "same name"),
        (zipfile.ZipInfo("tiny/model/../../../evil.gguf"), b"out", "leads out"),
        (link("tiny/model/link.gguf"), b"/etc/passwd", "is a link"),
    ],
    ids=["bomb", "two of a name", "a way out", "link"],
)
def test_a_hostile_wheel_is_refused(make_wheel: MakeWheel, tmp_path: Path, entry: zipfile.ZipInfo, content: bytes, words: str) -> None:
    item = item_for(hostile(make_wheel(MODEL), (entry, content)))
    with pytest.raises(SourceUnsafe, match=words):
        taken(Packages(tmp_path / "cache"), item, tmp_path / "into")
    assert not (tmp_path / "evil.gguf").exists()


def test_a_damaged_archive_is_called_altered(make_wheel: MakeWheel, tmp_path: Path) -> None:
    """The hash in the catalogue was taken of a file that is no archive: nothing but its name says wheel."""
    wheel = make_wheel(MODEL)
    item = item_for(wheel)
    packages = Packages(tmp_path / "cache")
    taken(packages, item, tmp_path / "one")
    (cached,) = (tmp_path / "cache").rglob("*.whl")
    content = bytearray(cached.read_bytes())
    content[60:90] = bytes(30)
    cached.write_bytes(content)
    damaged = replace(item.source, sha256=hashlib.sha256(content).hexdigest())
    cached.rename(cached.with_name(f"tiny-model-1.0-{damaged.sha256[:12]}.whl"))
    with pytest.raises(SourceAltered):
        taken(packages, replace(item, source=damaged), tmp_path / "two")


def test_what_killed_downloads_left_is_removed_by_the_next(tmp_path: Path) -> None:
    with subprocess.Popen([sys.executable, "-c", ""]) as process:
        pass
    stale, living = tmp_path / f".part-{process.pid}-abc", tmp_path / f".part-{os.getpid()}-abc"
    stale.mkdir()
    living.mkdir()
    with scratch(tmp_path) as own:
        assert own.is_dir()
        assert not stale.exists()
        assert living.exists()
    assert not own.exists()
