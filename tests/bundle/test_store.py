"""The cache by content: what counts as here, what doesn't, and what is compared."""

from __future__ import annotations

import hashlib
import threading
from pathlib import Path

import pytest

from bundle.sources import Stopped
from bundle.sources.store import Slot, copy_compared, held

CONTENT = b"weights" * 1000
SHA256 = hashlib.sha256(CONTENT).hexdigest()
GIT = "git:" + hashlib.sha1(b"blob %d\0" % len(CONTENT) + CONTENT).hexdigest()


@pytest.mark.parametrize("digest", [SHA256, GIT], ids=["sha256", "git's own"])
def test_a_part_grows_is_compared_and_gets_its_name(tmp_path: Path, digest: str) -> None:
    slot = Slot(tmp_path, digest, len(CONTENT))
    assert (slot.have(), slot.whole(), slot.right()) == (0, False, False)
    slot.begin('"an-etag"')
    slot.part.write_bytes(CONTENT[:100])
    assert (slot.have(), slot.etag(), slot.whole(), slot.right()) == (100, '"an-etag"', False, False)
    slot.part.write_bytes(CONTENT)
    assert slot.right()
    slot.keep()
    assert (slot.have(), slot.whole()) == (len(CONTENT), True)
    assert [path.read_bytes() for path in tmp_path.iterdir()] == [CONTENT]
    assert ":" not in slot.path.name  # Windows takes none


def test_a_part_of_the_right_length_and_the_wrong_bytes_is_not_right(tmp_path: Path) -> None:
    slot = Slot(tmp_path, SHA256, len(CONTENT))
    slot.begin("")
    slot.part.write_bytes(CONTENT[::-1])
    assert not slot.right()
    slot.discard()
    assert list(tmp_path.iterdir()) == []


def test_a_part_that_is_longer_than_the_file_does_not_count(tmp_path: Path) -> None:
    slot = Slot(tmp_path, SHA256, len(CONTENT))
    slot.begin("")
    slot.part.write_bytes(CONTENT + b"x")
    assert slot.have() == 0


def test_beginning_anew_leaves_no_byte_under_the_new_etag(tmp_path: Path) -> None:
    slot = Slot(tmp_path, SHA256, len(CONTENT))
    slot.begin('"old"')
    slot.part.write_bytes(CONTENT[:100])
    slot.begin('"new"')
    assert (slot.have(), slot.etag()) == (0, '"new"')


@pytest.mark.parametrize("digest", [SHA256, GIT], ids=["sha256", "git's own"])
def test_what_is_handed_on_is_compared(tmp_path: Path, digest: str) -> None:
    (tmp_path / "one").write_bytes(CONTENT)
    assert copy_compared(tmp_path / "one", tmp_path / "deep" / "two", digest)
    assert (tmp_path / "deep" / "two").read_bytes() == CONTENT
    (tmp_path / "one").write_bytes(CONTENT[:-1] + b"x")
    assert not copy_compared(tmp_path / "one", tmp_path / "two", digest)


def test_one_at_a_time_and_who_waits_can_be_told_to_stop(tmp_path: Path) -> None:
    stop, waited = threading.Event(), list[int]()

    def tire() -> None:
        waited.append(1)
        stop.set()

    with held(tmp_path, "name", threading.Event(), lambda: None), held(tmp_path, "other", threading.Event(), lambda: None):
        with pytest.raises(Stopped), held(tmp_path, "name", stop, tire):
            raise AssertionError("two hold it")
        assert waited == [1]
    with held(tmp_path, "name", threading.Event(), lambda: None):
        assert waited == [1]
