"""One file over HTTP, and the rest of it when the connection breaks: Range and If-Range, back-off, and the hash before the name.

huggingface_hub 2.4 deletes what a broken download had. This goes on from the last byte on the disk, in the same run or after a kill.
"""

from __future__ import annotations

import random
import re
import time
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from email.utils import parsedate_to_datetime
from threading import Event

import httpx2

from bundle.errors import SourceAltered, SourceMissing, SourceUnreachable
from bundle.sources import Report, Stopped
from bundle.sources.store import Slot, held

_TIMEOUT = httpx2.Timeout(30.0, connect=20.0)
PASSING = {408, 429, 500, 502, 503, 504}
"""Answers that pass: too many requests, an overloaded or restarting server."""


@dataclass(frozen=True, slots=True)
class Patience:
    """How long to try while not a byte comes; each byte that does starts the count anew."""

    tries: int = 8
    first: float = 1.0
    """Seconds before the second try; twice that before the third, and so on."""
    longest: float = 30.0
    asked: float = 600.0
    """The longest that a server may ask for by Retry-After; beyond, the build ends and says so."""

    def pause(self, failures: int, asked: float = 0.0) -> float:
        """Seconds, at least what the server asked for; spread at random, so that the transfers of many builders don't come back all at once."""
        longest = min(self.longest, self.first * 2.0 ** (failures - 1))
        return asked + random.uniform(longest / 2, longest)


@dataclass(frozen=True, slots=True)
class Wanted:
    """A file as its source promised it."""

    what: str
    source: str
    url: str
    slot: Slot
    headers: Mapping[str, str] = field(default_factory=dict)
    """For the first host alone where they hold a token: the client drops `Authorization` on the way to another one."""
    said: Mapping[str, str] = field(default_factory=dict)
    """Headers that must say this, in whichever answer on the way has them."""
    explain: Callable[[httpx2.Response], None] = lambda response: None
    """Raises the error that fits an answer which is final and no file."""


class _Broken(Exception):
    """It stopped before its end, in a way that another try may mend."""

    def __init__(self, why: str, wait: float = 0.0) -> None:
        super().__init__(why)
        self.wait = wait


def bring(wanted: Wanted, report: Report, stop: Event | None = None, patience: Patience | None = None, reported: int = 0) -> None:
    """The file into its slot of the cache, compared. What came before stays and counts; `reported` bytes of it the caller knows of.

    Raises SourceAltered (thrown away), SourceUnreachable (kept), what `wanted.explain` raises, Stopped (kept), OSError (kept).
    """
    slot, stop = wanted.slot, stop or Event()
    meter = _Meter(report, reported)
    with held(slot.folder, slot.path.name, stop, waiting=lambda: meter.at(slot.have())):
        meter.at(slot.have())
        for last in (False, True):
            if slot.whole():
                slot.discard()  # what a kill left between the two names
                return
            pieces = _fill(wanted, meter, stop, patience or Patience())
            if slot.right():
                slot.keep()
                return
            slot.discard()
            meter.at(0)
            # Put together from several answers, it may be two versions of the file, or have lost bytes in a power cut: once more, in one piece.
            if last or pieces == 1:
                break
    raise _altered(wanted, "its hash differs from the promised one")


def _fill(wanted: Wanted, meter: _Meter, stop: Event, patience: Patience) -> int:
    """Try until every byte is here; returns how many answers it was put together from, the part that was here as one."""
    slot, failures = wanted.slot, 0
    most = slot.have()
    pieces = int(most > 0)
    with httpx2.Client(timeout=_TIMEOUT, follow_redirects=True, headers={"Accept-Encoding": "identity"}) as client:
        while slot.have() < slot.size or not slot.part.exists():
            pieces += 1
            try:
                _ask(client, wanted, meter, stop)
            except (httpx2.TransportError, _Broken) as error:
                failures = 1 if slot.have() > most else failures + 1
                most = max(most, slot.have())
                asked, detail = (error.wait, str(error)) if isinstance(error, _Broken) else (0.0, words_for(error))
                if failures >= patience.tries:
                    raise SourceUnreachable(what=wanted.what, source=wanted.source, detail=detail) from error
                if asked > patience.asked:
                    raise SourceUnreachable(
                        what=wanted.what, source=wanted.source, detail=f"{detail}, and asks to wait {asked / 60:.0f} minutes"
                    ) from error
                if stop.wait(patience.pause(failures, asked)):
                    raise Stopped from error
            except (httpx2.RequestError, httpx2.InvalidURL) as error:  # redirected in a circle, or to no address
                raise SourceUnreachable(what=wanted.what, source=wanted.source, detail=words_for(error)) from error
    return pieces


def _ask(client: httpx2.Client, wanted: Wanted, meter: _Meter, stop: Event) -> None:
    """One request for what is missing, written as it comes: a kill loses no more than the block that was under way."""
    slot = wanted.slot
    have, etag = slot.have(), slot.etag()
    headers = dict(wanted.headers)
    if have:
        headers |= {"Range": f"bytes={have}-"} | ({"If-Range": etag} if etag else {})
    with client.stream("GET", wanted.url, headers=headers) as response:
        start = _start(response, wanted, have, etag)
        if start == 0:
            slot.begin(_strong(response))
            meter.at(0)
        here = start
        with slot.part.open("ab") as part:
            for block in response.iter_raw():
                if stop.is_set():
                    raise Stopped
                here += len(block)
                if here > slot.size:
                    part.close()
                    slot.discard()
                    raise _altered(wanted, f"more than the promised {slot.size} bytes came")
                part.write(block)
                part.flush()
                meter.at(here)
    if here < slot.size:
        raise _Broken("it ended early")


def _start(response: httpx2.Response, wanted: Wanted, have: int, etag: str) -> int:
    """Where the answer's bytes begin: at `have`, or at 0 when the server sends the file anew. Raises where it is no piece of the file."""
    status, size = response.status_code, wanted.slot.size
    foreign = bool(response.history) and response.url.host != response.history[0].url.host
    if status in PASSING or (foreign and status in (401, 403)):  # the content host's addresses run out; the next redirect brings a new one
        raise _Broken(f"it answered {status}", asked_wait(response))
    if status == 416:
        wanted.slot.discard()
        raise _Broken("it has less of it than before")
    if status not in (200, 206):
        wanted.explain(response)
        raise SourceUnreachable(what=wanted.what, source=wanted.source, detail=f"it answered {status}")
    for name, value in wanted.said.items():
        for answer in (*response.history, response):
            found = _plain(answer.headers.get(name, ""))
            if found and found != value:
                raise _altered(wanted, f"{name} says {found[:64]} instead of {value}")
    if response.headers.get("Content-Encoding", "identity") != "identity":
        raise _altered(wanted, "it came compressed, which was not asked for")
    start = 0
    if status == 206:
        match = re.fullmatch(r"bytes (\d+)-\d+/(\d+|\*)", response.headers.get("Content-Range", ""))
        if match is None or int(match[1]) != have or (etag and _strong(response) not in ("", etag)):
            wanted.slot.discard()
            raise _Broken("it sent another piece than was asked for")
        if match[2] not in ("*", str(size)):
            raise _altered(wanted, f"it has {match[2]} bytes instead of {size}")
        start = have
    length = response.headers.get("Content-Length", "")
    came = start + int(length) if length.isdigit() else None
    if came != size and "html" in response.headers.get("Content-Type", ""):
        raise _altered(wanted, "a web page came instead, perhaps the network's sign-in page")
    if came is not None and came != size:
        raise _altered(wanted, f"it has {came} bytes instead of {size}")
    return start


def size_at(url: str, what: str, source: str) -> int:
    """Bytes of a file that nothing but its address and hash is known of; that it is true shows when the file is compared.

    Raises SourceMissing, SourceUnreachable, SourceAltered.
    """
    try:
        answer = httpx2.head(url, follow_redirects=True, timeout=_TIMEOUT, headers={"Accept-Encoding": "identity"})
    except (httpx2.RequestError, httpx2.InvalidURL) as error:
        raise SourceUnreachable(what=what, source=source, detail=words_for(error)) from error
    if answer.status_code in (404, 410):
        raise SourceMissing(what=what, source=source, detail="there is no such file")
    size = answer.headers.get("Content-Length", "")
    if not answer.is_success or not size.isdigit():
        raise SourceUnreachable(what=what, source=source, detail=f"it answered {answer.status_code}")
    if not int(size):
        raise SourceAltered(what=what, source=source, detail="it is empty")
    return int(size)


def asked_wait(response: httpx2.Response) -> float:
    """Seconds that the server wants to be left alone for: Retry-After as a number or a date, else what the Hub's own RateLimit says."""
    said = response.headers.get("Retry-After", "").strip()
    if said.isdigit():
        return float(said)
    try:
        return max(0.0, parsedate_to_datetime(said).timestamp() - time.time())
    except ValueError:
        match = re.search(r";\s*t=(\d+)", response.headers.get("RateLimit", "")) if response.status_code == 429 else None
        return float(match[1]) if match else 0.0


def _strong(response: httpx2.Response) -> str:
    """The answer's ETag where it vouches for every byte; weak ones don't, and If-Range may not carry them."""
    etag = response.headers.get("ETag", "")
    return "" if etag.startswith("W/") else etag


def _plain(etag: str) -> str:
    return etag.removeprefix("W/").strip('"')


def _altered(wanted: Wanted, detail: str) -> SourceAltered:
    return SourceAltered(what=wanted.what, source=wanted.source, detail=detail)


def words_for(error: Exception) -> str:
    """What broke, in words; the client's own have addresses in them. huggingface_hub has the same client."""
    kinds: list[tuple[type[Exception], str]] = [
        (httpx2.ConnectTimeout, "no answer"),
        (httpx2.ConnectError, "no connection"),
        (httpx2.TimeoutException, "it fell silent"),
        (httpx2.RemoteProtocolError, "the connection was cut"),
        (httpx2.NetworkError, "the connection was cut"),
        (httpx2.TooManyRedirects, "it redirects in a circle"),
    ]
    return next((words for kind, words in kinds if isinstance(error, kind)), type(error).__name__)


class _Meter:
    """Turns places in the file into the counts that a report takes; less than nothing where bytes were thrown away."""

    def __init__(self, report: Report, place: int) -> None:
        self._report, self._place = report, place

    def at(self, place: int) -> None:
        if place != self._place:
            self._report(place - self._place)
            self._place = place
