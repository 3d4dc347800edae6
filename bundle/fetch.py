"""Pin, make sure there is room, then bring everything in; what is here already is not fetched again."""

from __future__ import annotations

import errno
import shutil
from collections.abc import Iterable
from dataclasses import dataclass
from pathlib import Path

from appliance.errors import NoSpace
from bundle.progress import Progress, size_text
from bundle.sources import Fetched, Resolved, source_for
from bundle.spec import Spec

# An embedder's folder holds, while it is prepared, the original, the exported graph and the quantised one.
_GROWTH = {"embedder": 3.5, "generator": 1.0}


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
        build=sum(int(one.unpacked * _GROWTH[one.item.role]) for one in items),
        # int8 keeps a quarter of an embedder's fp32 weights.
        bundle=sum(one.unpacked if one.item.role == "generator" else one.unpacked // 4 for one in items),
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
    """Each item's files under `into`/<id>, checked. Interrupted, what is complete stays in the cache. Raises BuildError."""
    fetched = []
    for one in resolved:
        folder = into / one.item.id
        shutil.rmtree(folder, ignore_errors=True)
        folder.mkdir(parents=True)
        progress.begin(one.item.title, max(1, one.download - one.cached))
        try:
            fetched.append(source_for(one.item, cache).fetch(one, folder, progress.add))
        except OSError as error:
            if error.errno in (errno.ENOSPC, errno.EDQUOT):
                raise NoSpace(path=into, free=size_text(shutil.disk_usage(into).free), needed=size_text(one.download + one.unpacked)) from error
            raise
        progress.end()
    return tuple(fetched)


def _existing(path: Path) -> Path:
    path = path.absolute()
    while not path.exists():
        path = path.parent
    return path
