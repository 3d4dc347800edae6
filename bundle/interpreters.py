"""Interpreters that were given by address: into the cache once, resumed where they broke off, and compared with --interpreter-sha256."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path, PurePosixPath
from urllib.parse import unquote, urlsplit

from appliance.errors import SourceAltered, SourceMissing, SourceUnreachable
from appliance.manifest import sha256_of
from bundle.progress import Progress
from bundle.sources import safe_name
from bundle.spec import Spec


def cached_interpreters(spec: Spec, cache: Path) -> Spec:
    """`spec` with those as files that the cache holds and are what they should be; the others stay addresses. Fetches nothing."""
    places = {address: _place(cache, address, spec.interpreter_sha256[address]) for address in spec.interpreter_urls}
    here = [path for address, path in places.items() if path.is_file() and sha256_of(path) == spec.interpreter_sha256[address]]
    missing = tuple(address for address, path in places.items() if path not in here)
    return replace(spec, interpreters=(*spec.interpreters, *here), interpreter_urls=missing)


def fetch_interpreters(spec: Spec, cache: Path, progress: Progress) -> Spec:
    """`spec` with every interpreter as a file. Raises SourceMissing, SourceUnreachable, SourceAltered, SourceUnsafe."""
    for address in cached_interpreters(spec, cache).interpreter_urls:
        _fetch(address, _place(cache, address, spec.interpreter_sha256[address]), spec.interpreter_sha256[address], progress)
    return cached_interpreters(spec, cache)


def archive_name(address: str) -> str:
    """The file's name, by which one sees what system it is for. Raises SourceUnsafe."""
    return safe_name(PurePosixPath(unquote(urlsplit(address).path)).name, "the interpreter")


def _place(cache: Path, address: str, sha256: str) -> Path:
    return cache / "interpreters" / sha256 / archive_name(address)


def _fetch(address: str, place: Path, sha256: str, progress: Progress) -> None:
    # Late: `plan` and `verify` go without an HTTP client.
    from bundle.sources.store import Slot
    from bundle.sources.transfer import Wanted, bring

    where, what = urlsplit(address).netloc, archive_name(address)
    slot = Slot(place.parent, sha256, _size(address, what, where))
    progress.say(f"Fetching {what}")
    with progress.bars(slot.size, slot.have()) as bars:
        bring(Wanted(what, where, address, slot), bars.file(what, slot.size, slot.have()))
    slot.path.replace(place)


def _size(address: str, what: str, where: str) -> int:
    """What the server says; that it is true shows when the file is compared."""
    import httpx2

    try:
        answer = httpx2.head(address, follow_redirects=True, timeout=20.0, headers={"Accept-Encoding": "identity"})
    except (httpx2.RequestError, httpx2.InvalidURL) as error:
        raise SourceUnreachable(what=what, source=where, detail=type(error).__name__) from error
    if answer.status_code in (404, 410):
        raise SourceMissing(what=what, source=where, detail="there is no such file")
    size = answer.headers.get("Content-Length", "")
    if not answer.is_success or not size.isdigit():
        raise SourceUnreachable(what=what, source=where, detail=f"it answered {answer.status_code}")
    if not int(size):
        raise SourceAltered(what=what, source=where, detail="it is empty")
    return int(size)
