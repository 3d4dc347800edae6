"""What one transfer does when the connection breaks, the server misbehaves, the disk fills up or somebody else is at it. Real sockets, real files."""

from __future__ import annotations

import errno
import hashlib
import os
import threading
from collections.abc import Callable
from datetime import UTC, datetime, timedelta
from email.utils import format_datetime
from pathlib import Path
from typing import Any

import httpx2
import pytest

from bundle.errors import SourceAltered, SourceUnreachable
from bundle.sources import Stopped
from bundle.sources.store import Slot
from bundle.sources.transfer import Patience, Wanted, asked_wait, bring
from tests.bundle.hub_server import BLOCK, HubServer, Repository

WEIGHTS = os.urandom(10 * BLOCK)
SHA256 = hashlib.sha256(WEIGHTS).hexdigest()
QUICK = Patience(tries=3, first=0.01, longest=0.02)
MakeWanted = Callable[..., Wanted]


@pytest.fixture
def wanted(hub: HubServer, tmp_path: Path) -> MakeWanted:
    """A file of the server's, which misbehaves as told."""

    def make(**how: Any) -> Wanted:
        hub.repositories["a/b"] = Repository(**({"files": {"w.gguf": WEIGHTS}} | how))
        slot = Slot(tmp_path / "cache", SHA256, len(WEIGHTS))
        return Wanted("w.gguf of a/b", "the Hub", f"{hub.url}/a/b/resolve/main/w.gguf", slot, said={"X-Linked-ETag": SHA256})

    return make


class Counted:
    """A report that keeps the sum, and whether it was ever more than there is."""

    def __init__(self) -> None:
        self.sum = self.most = 0

    def __call__(self, count: int) -> None:
        self.sum += count
        self.most = max(self.most, self.sum)


def check(one: Wanted, hub: HubServer, most: int = len(WEIGHTS)) -> None:
    """It is here, right, with nothing left beside it, and no more than `most` bytes were sent for it."""
    assert one.slot.path.read_bytes() == WEIGHTS
    assert sorted(path.name for path in one.slot.folder.iterdir()) == [".locks", SHA256]
    assert hub.total()["w.gguf"] <= most


def starts(hub: HubServer) -> list[int]:
    return [one.start for one in hub.sent]


def test_a_file_comes_once_and_is_kept_under_its_hash(wanted: MakeWanted, hub: HubServer) -> None:
    one, seen = wanted(), Counted()
    bring(one, seen)
    check(one, hub)
    assert (seen.sum, seen.most) == (len(WEIGHTS), len(WEIGHTS))
    bring(one, seen)
    assert len(hub.sent) == 1


def test_a_connection_cut_again_and_again_goes_on_from_the_last_byte(wanted: MakeWanted, hub: HubServer) -> None:
    one, seen = wanted(cut_after=BLOCK), Counted()
    bring(one, seen, patience=QUICK)  # more cuts than tries: each brings something, so it is tried on
    check(one, hub)
    assert starts(hub) == [number * BLOCK for number in range(10)]
    assert (seen.sum, seen.most) == (len(WEIGHTS), len(WEIGHTS))


def test_each_request_after_the_first_says_which_version_it_wants_the_rest_of(wanted: MakeWanted, hub: HubServer) -> None:
    bring(wanted(cut_after=4 * BLOCK), Counted(), patience=QUICK)
    asked = [(headers.get("range"), headers.get("if-range")) for _, path, headers in hub.requests if path.startswith("/cdn/")]
    etag = f'"{SHA256[:32]}"'
    assert asked == [(None, None), (f"bytes={4 * BLOCK}-", etag), (f"bytes={8 * BLOCK}-", etag)]


def test_a_server_that_sends_nothing_more_is_given_up_and_what_came_is_kept(wanted: MakeWanted, hub: HubServer) -> None:
    one, seen = wanted(cut_at=3 * BLOCK), Counted()
    with pytest.raises(SourceUnreachable, match="the connection was cut"):
        bring(one, seen, patience=QUICK)
    assert one.slot.part.read_bytes() == WEIGHTS[: 3 * BLOCK]
    assert seen.sum == one.slot.have() == 3 * BLOCK
    assert starts(hub) == [0, 3 * BLOCK, 3 * BLOCK]
    hub.repositories["a/b"].cut_at = None
    bring(one, seen, patience=QUICK, reported=seen.sum)
    check(one, hub)
    assert seen.sum == len(WEIGHTS)


@pytest.mark.parametrize(
    ("how", "begun"),
    [
        ({"ranges": False}, [0, 0]),
        ({"etags": False}, [0, 3 * BLOCK]),
        ({"range_shift": 5}, [0, 3 * BLOCK + 5, 0]),
        ({"chunked": True}, [0, 3 * BLOCK]),
        ({"lie": WEIGHTS[::-1], "lies": 1}, [0, 0]),  # it changed, and If-Range says so
        ({"lie": WEIGHTS[::-1], "lies": 1, "if_range": False}, [0, 3 * BLOCK, 0]),  # it changed, and only the piece's own ETag says so
        ({"lie": WEIGHTS[::-1], "lies": 1, "etags": False}, [0, 3 * BLOCK, 0]),  # it changed, and only the hash says so
    ],
    ids=["no Range", "no ETag", "another piece", "no length", "changed", "changed, no If-Range", "changed, no ETag"],
)
def test_a_cut_is_mended_with_whatever_the_server_can(wanted: MakeWanted, hub: HubServer, how: dict[str, Any], begun: list[int]) -> None:
    one, seen = wanted(cut_after=3 * BLOCK, cuts=1, **how), Counted()
    bring(one, seen, patience=QUICK)
    assert starts(hub) == begun
    check(one, hub, most=2 * len(WEIGHTS))
    assert (seen.sum, seen.most) == (len(WEIGHTS), len(WEIGHTS))


def test_a_server_that_has_less_than_came_already_is_asked_anew(wanted: MakeWanted, hub: HubServer) -> None:
    one = wanted(cut_at=3 * BLOCK)
    with pytest.raises(SourceUnreachable):
        bring(one, Counted(), patience=Patience(tries=1))
    wanted(lie=WEIGHTS[:BLOCK], lies=1, if_range=False)
    bring(one, Counted(), patience=QUICK)
    assert starts(hub) == [0, 0]  # the 416 between them sent nothing
    check(one, hub, most=2 * len(WEIGHTS))


@pytest.mark.parametrize(("how", "begun"), [({}, [0]), ({"cut_after": 6 * BLOCK}, [0, 6 * BLOCK, 0, 6 * BLOCK])], ids=["in one piece", "in two"])
def test_wrong_content_is_thrown_away(wanted: MakeWanted, hub: HubServer, how: dict[str, Any], begun: list[int]) -> None:
    one, seen = wanted(lie=WEIGHTS[::-1], **how), Counted()
    with pytest.raises(SourceAltered, match="its hash differs"):
        bring(one, seen, patience=QUICK)
    assert starts(hub) == begun  # what was put together from two answers gets a second chance, and no more
    assert [path.name for path in one.slot.folder.iterdir()] == [".locks"]
    assert seen.sum == 0


def test_a_kill_before_the_rename_costs_no_request(wanted: MakeWanted, hub: HubServer) -> None:
    one = wanted()
    one.slot.begin("")
    one.slot.part.write_bytes(WEIGHTS)
    bring(one, Counted())
    check(one, hub, most=0)


def test_a_kill_after_the_rename_leaves_nothing_to_the_next_run(wanted: MakeWanted, hub: HubServer) -> None:
    one = wanted()
    one.slot.begin("")
    one.slot.path.write_bytes(WEIGHTS)
    bring(one, Counted())
    check(one, hub, most=0)


@pytest.mark.parametrize(
    "note", [None, b"", b"[]", b'{"etag": "", "size": 7, "digest": "x"}', b"\xff"], ids=["none", "empty", "a list", "another's", "no text"]
)
def test_a_part_that_nothing_is_known_of_does_not_count(wanted: MakeWanted, hub: HubServer, note: bytes | None) -> None:
    one = wanted()
    one.slot.begin("")
    one.slot.part.write_bytes(b"something")
    one.slot.note.unlink()
    if note is not None:
        one.slot.note.write_bytes(note)
    assert one.slot.have() == 0
    bring(one, Counted())
    check(one, hub)


def test_bytes_that_the_disk_lost_in_a_power_cut_are_fetched_anew_before_the_source_is_blamed(wanted: MakeWanted, hub: HubServer) -> None:
    one = wanted()
    one.slot.begin("")
    one.slot.part.write_bytes(bytes(4 * BLOCK))  # the length is there, the bytes are not
    bring(one, Counted())
    assert starts(hub) == [4 * BLOCK, 0]
    check(one, hub, most=2 * len(WEIGHTS))


def test_told_to_stop_it_does_at_the_next_block_and_keeps_what_it_has(wanted: MakeWanted, hub: HubServer) -> None:
    one, stop, caught = wanted(), threading.Event(), []
    hub.hold = threading.Event()

    def work() -> None:
        try:
            bring(one, Counted(), stop)
        except Stopped as error:
            caught.append(error)

    thread = threading.Thread(target=work)
    thread.start()
    hub.moved.wait()
    while not one.slot.have():
        assert thread.is_alive()
    stop.set()
    hub.hold.set()
    thread.join()
    assert len(caught) == 1
    assert 0 < one.slot.have() < len(WEIGHTS)


def test_told_to_stop_while_it_waits_for_a_busy_server_it_does_at_once(wanted: MakeWanted, hub: HubServer) -> None:
    one, stop = wanted(), threading.Event()
    hub.troubles.append(("/cdn/", 503, {"Retry-After": "500"}))
    timer = threading.Timer(0.2, stop.set)
    timer.start()
    with pytest.raises(Stopped):
        bring(one, Counted(), stop)
    timer.join()


def test_a_server_that_falls_silent_is_asked_for_the_rest(wanted: MakeWanted, hub: HubServer, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("bundle.sources.transfer._TIMEOUT", httpx2.Timeout(0.3))
    one, hub.hold = wanted(), threading.Event()
    bring(one, Counted(), patience=QUICK)
    assert starts(hub) == [number * BLOCK for number in range(10)]  # a block each time, and then nothing
    check(one, hub)


def test_two_who_want_the_same_file_fetch_it_once(wanted: MakeWanted, hub: HubServer) -> None:
    one, seen = wanted(), [Counted(), Counted()]
    hub.rate = len(WEIGHTS) * 2
    threads = [threading.Thread(target=bring, args=(one, counted)) for counted in seen]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    check(one, hub)
    assert len(hub.sent) == 1
    assert [counted.sum for counted in seen] == [len(WEIGHTS)] * 2  # the one who waited saw it grow


def test_a_full_disk_is_no_reason_to_try_again(wanted: MakeWanted, hub: HubServer) -> None:
    one = wanted()
    one.slot.folder.mkdir()
    one.slot.part.symlink_to("/dev/full")
    with pytest.raises(OSError, match="No space") as caught:
        bring(one, Counted(), patience=QUICK)
    assert caught.value.errno == errno.ENOSPC
    assert len(hub.sent) == 1


def test_the_pauses_grow_up_to_a_limit_are_spread_and_at_least_what_the_server_asks() -> None:
    patience = Patience(first=1, longest=30)
    for failures, longest in ((1, 1), (2, 2), (3, 4), (6, 30), (50, 30)):
        pauses = {patience.pause(failures) for _ in range(100)}
        assert longest / 2 <= min(pauses) < max(pauses) <= longest
    assert patience.pause(1, asked=7) >= 7


def later(seconds: float) -> str:
    return format_datetime(datetime.now(UTC) + timedelta(seconds=seconds), usegmt=True)


@pytest.mark.parametrize(
    ("status", "headers", "least", "most"),
    [
        (429, {"Retry-After": "12"}, 12, 12),
        (503, {"Retry-After": later(10_000)}, 9_000, 10_000),
        (503, {"Retry-After": later(-50)}, 0, 0),
        (429, {"Retry-After": "soon"}, 0, 0),
        (429, {"RateLimit": '"resolvers";r=0;t=56'}, 56, 56),
        (503, {"RateLimit": '"resolvers";r=0;t=56'}, 0, 0),
        (500, {}, 0, 0),
    ],
)
def test_what_a_server_asks_for_is_understood(status: int, headers: dict[str, str], least: float, most: float) -> None:
    assert least <= asked_wait(httpx2.Response(status, headers=headers)) <= most
