"""Interpreters that were given by address: into the cache once, resumed where they broke off, and compared with --interpreter-sha256."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path, PurePosixPath
from urllib.parse import unquote, urlsplit

from appliance.durable import sha256_of
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
    from bundle.sources.transfer import Wanted, bring, size_at

    where, what = urlsplit(address).netloc, archive_name(address)
    slot = Slot(place.parent, sha256, size_at(address, what, where))
    progress.say(f"Fetching {what}")
    with progress.bars(slot.size, slot.have()) as bars:
        bring(Wanted(what, where, address, slot), bars.file(what, slot.size, slot.have()))
    slot.path.replace(place)
