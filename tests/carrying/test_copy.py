"""One file onto a stick: hashed on the way, read back past the cache, gone on with where it stopped."""

from __future__ import annotations

import hashlib
import io
import os
from functools import partial
from pathlib import Path
from typing import IO

import pytest

from appliance.carrying.copy import copy, plain, read_back, replace
from appliance.errors import BundleAltered, StickFailing, TargetRefused
from appliance.manifest import BundleFile
from tests.carrying.making import Heard, noise
from tests.images import Stick

CONTENT = noise(1, 3_000_001)
FILE = BundleFile("models/m/model.gguf", len(CONTENT), hashlib.sha256(CONTENT).hexdigest(), "generator")
NEW = "models/m/model.gguf.new"


def source() -> IO[bytes]:
    return io.BytesIO(CONTENT)


class Counted(io.BytesIO):
    """Counts what is read of it."""

    count = 0

    def read(self, size: int | None = -1, /) -> bytes:
        block = super().read(size)
        Counted.count += len(block)
        return block


def test_a_file_is_written_and_read_back_past_the_cache(stick: Stick) -> None:
    heard = Heard()
    assert copy(source, FILE, stick.mount, heard.file("", 0)) == "direct"
    assert heard.done == 2 * len(CONTENT)
    replace(stick.mount, FILE.path)
    assert (stick.mount / FILE.path).read_bytes() == CONTENT


def test_a_copy_goes_on_from_where_it_stopped(stick: Stick) -> None:
    (stick.mount / "models/m").mkdir(parents=True)
    (stick.mount / NEW).write_bytes(CONTENT[:2_000_000])
    Counted.count = 0
    copy(partial(Counted, CONTENT), FILE, stick.mount, Heard().file("", 0))
    assert Counted.count == len(CONTENT) - 2_000_000
    assert (stick.mount / NEW).read_bytes() == CONTENT


@pytest.mark.parametrize("rest", [b"\0" * 2_000_000, CONTENT[:1000] + b"?" + CONTENT[1001:2000], CONTENT + b"more", CONTENT[:-1] + b"?"])
def test_what_a_power_cut_left_is_not_believed(tmp_path: Path, rest: bytes) -> None:
    (tmp_path / "models/m").mkdir(parents=True)
    (tmp_path / NEW).write_bytes(rest)
    heard = Heard()
    copy(source, FILE, tmp_path, heard.file("", 0))
    assert (tmp_path / NEW).read_bytes() == CONTENT
    assert heard.done == 2 * len(CONTENT)


@pytest.mark.parametrize("lie", [CONTENT[:-1], CONTENT + b"x", b"", CONTENT[:-1] + b"?"])
def test_a_source_that_changed_meanwhile_is_refused_and_nothing_of_it_stays(tmp_path: Path, lie: bytes) -> None:
    with pytest.raises(BundleAltered, match=r"model\.gguf"):
        copy(partial(io.BytesIO, lie), FILE, tmp_path, Heard().file("", 0))
    assert not (tmp_path / NEW).exists()


def test_a_stick_that_gives_back_something_else_is_said_to_be_failing(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    fsync = os.fsync

    def bad_block(handle: int) -> None:
        fsync(handle)
        os.pwrite(handle, b"\0\0\0\0", 1_000_000)

    monkeypatch.setattr(os, "fsync", bad_block)
    with pytest.raises(StickFailing, match="reads back differently"):
        copy(source, FILE, tmp_path, Heard().file("", 0))
    assert not (tmp_path / NEW).exists()


def test_without_direct_reading_the_cache_is_emptied_and_without_that_it_is_said(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    (tmp_path / "x").write_bytes(CONTENT)
    monkeypatch.delattr(os, "O_DIRECT")
    found = read_back(tmp_path / "x", Heard().file("", 0))
    assert (found.sha256, found.reading) == (FILE.sha256, "dropped")
    monkeypatch.delattr(os, "posix_fadvise")
    assert read_back(tmp_path / "x", Heard().file("", 0)).reading == "cached"


def test_files_of_every_size_around_a_block_are_read_whole(tmp_path: Path) -> None:
    for size in (0, 1, 511, 512, 4095, 4096, 4097, (1 << 20) - 1, 1 << 20, (1 << 20) + 1):
        (tmp_path / "x").write_bytes(CONTENT[:size])
        assert read_back(tmp_path / "x", Heard().file("", 0)).sha256 == hashlib.sha256(CONTENT[:size]).hexdigest()


def test_a_link_on_the_way_is_not_followed(tmp_path: Path) -> None:
    (tmp_path / "elsewhere").mkdir()
    (tmp_path / "stick").mkdir()
    (tmp_path / "stick/models").symlink_to(tmp_path / "elsewhere")
    with pytest.raises(TargetRefused, match="models in it is a link"):
        copy(source, FILE, tmp_path / "stick", Heard().file("", 0))
    with pytest.raises(TargetRefused):
        plain(tmp_path / "stick", "models/x")
    assert list((tmp_path / "elsewhere").iterdir()) == []
