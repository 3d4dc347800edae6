"""Pin, make sure there is room, then bring everything in; what is here already is not fetched again."""

from __future__ import annotations

import errno
import shutil
import time
from collections import deque
from collections.abc import Collection, Iterable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from threading import Event, Thread

from bundle.errors import NoSpace
from bundle.progress import Progress, size_text
from bundle.sources import Download, Fetched, Resolved, Stopped, source_for
from bundle.spec import Spec

# An embedder's folder holds, while it is prepared, the original, the exported graph and the quantised one.
_GROWTH = {"embedder": 3.5}
# More than a few don't make a line faster, and each has its own share of a server's patience.
_AT_ONCE = 4
_LOOK_SECONDS = 0.2
_GRACE_SECONDS = 3.0


@dataclass(frozen=True, slots=True)
class Space:
    """Bytes that a build needs beside what is there."""

    download: int
    build: int
    bundle: int
    """Of those of the build, about what stays: the bundle's own size."""


def resolve(spec: Spec, cache: Path) -> tuple[Resolved, ...]:
    """Every item pinned. Fetches no weights. Raises a BuildError of the source."""
    return tuple(source_for(item, cache).resolve(item) for item in spec.items)


def space_for(resolved: Iterable[Resolved]) -> Space:
    items = tuple(resolved)
    return Space(
        download=sum(one.download - one.cached for one in items),
        build=sum(int(one.unpacked * _GROWTH.get(one.item.role, 1.0)) for one in items),
        # int8 keeps a quarter of an embedder's fp32 weights.
        bundle=sum(one.unpacked // 4 if one.item.role == "embedder" else one.unpacked for one in items),
    )


def check_space(resolved: Iterable[Resolved], cache: Path, output: Path) -> None:
    """Before the first byte. Raises NoSpace naming the place that is short."""
    space = space_for(resolved)
    where_cache, where_output = _existing(cache), _existing(output.parent)
    if where_cache.stat().st_dev == where_output.stat().st_dev:
        needs = [(where_output, space.download + space.build)]
    else:
        needs = [(where_cache, space.download), (where_output, space.build)]
    for where, needed in needs:
        free = shutil.disk_usage(where).free
        if free < needed:
            raise NoSpace(path=where, free=size_text(free), needed=size_text(needed))


def fetch(resolved: Iterable[Resolved], cache: Path, into: Path, progress: Progress) -> tuple[Fetched, ...]:
    """Each item's files under `into`/<id>, checked. Interrupted, what came stays in the cache. Raises BuildError."""
    items = [(one, source_for(one.item, cache)) for one in resolved]
    with _room(cache, sum(one.download - one.cached for one, _ in items)):
        _bring([download for one, source in items for download in source.downloads(one)], progress)
    fetched = []
    for one, source in items:
        folder = into / one.item.id
        shutil.rmtree(folder, ignore_errors=True)
        folder.mkdir(parents=True)
        with _room(into, one.unpacked), progress.bars(one.unpacked) as bars:
            fetched.append(source.fetch(one, folder, bars.file(one.item.title, one.unpacked)))
    return tuple(fetched)


def _bring(downloads: Collection[Download], progress: Progress) -> None:
    """Several at once, until all are here, one fails, or Ctrl-C is pressed; then the others end too, and what they have stays."""
    if not downloads:
        return
    waiting, failures, stop = deque(downloads), deque[BaseException](), Event()
    with progress.bars(sum(one.size for one in downloads), sum(one.have for one in downloads)) as bars:

        def work() -> None:
            while not stop.is_set():
                try:
                    download = waiting.popleft()
                except IndexError:
                    return
                try:
                    download.run(bars.file(download.title, download.size, download.have), stop)
                except BaseException as error:
                    failures.append(error)
                    stop.set()

        threads = [Thread(target=work, daemon=True) for _ in range(min(_AT_ONCE, len(downloads)))]
        try:
            for thread in threads:
                thread.start()
            for thread in threads:
                while thread.is_alive() and not stop.is_set():
                    thread.join(_LOOK_SECONDS)
        finally:
            stop.set()
            # One that waits for a silent server notices late; it is a daemon, and its lock ends with it.
            until = time.monotonic() + _GRACE_SECONDS
            for thread in threads:
                thread.join(max(0.0, until - time.monotonic()))
    if failures:
        raise next((error for error in failures if not isinstance(error, Stopped)), failures[0])


@contextmanager
def _room(where: Path, needed: int) -> Iterator[None]:
    """A disk that fills up in spite of the plan, as NoSpace."""
    try:
        yield
    except OSError as error:
        if error.errno not in (errno.ENOSPC, errno.EDQUOT):
            raise
        place = _existing(where)
        raise NoSpace(path=place, free=size_text(shutil.disk_usage(place).free), needed=size_text(needed)) from error


def _existing(path: Path) -> Path:
    path = path.absolute()
    while not path.exists():
        path = path.parent
    return path
