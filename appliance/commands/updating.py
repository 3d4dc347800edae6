"""`haversack update`: the bundle that this machine runs from, brought up to another one or by a delta."""

from __future__ import annotations

import argparse
import json
import sys
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path

from appliance.carrying.carry import Carried
from appliance.carrying.carry import update as bring
from appliance.carrying.meter import Add, size_text
from appliance.carrying.target import Terms, bundle_there
from appliance.config import Settings
from appliance.printable import counted
from appliance.trust import check_trust

_SECONDS = 2.0


def update(settings: Settings, given: argparse.Namespace) -> int:
    """The bundle that is there must be one that this library trusts, and what is offered must be signed by the same key."""
    check_trust(bundle_there(settings.bundle), settings.home)
    carried = bring(Path(given.source).absolute(), settings.bundle, Terms(allow_downgrade=given.allow_downgrade), Lines())
    if given.json:
        print(json.dumps(_data(settings, carried), ensure_ascii=False))
        return 0
    if carried.files:
        print(f"The bundle at {settings.bundle} is now that of {carried.manifest.created}.")
        print(f"Brought {counted(carried.files, 'file')}, {size_text(carried.size)}; each was read back and is right.")
        print("The library is as it was. Start Haversack again to work with the new one.")
    else:
        print(f"The bundle at {settings.bundle} is that of {carried.manifest.created} already, and every file of it is right.")
    if carried.removed:
        print(f"Removed of the bundle before: {counted(len(carried.removed), 'file')}, {size_text(carried.freed)}.")
    for path in carried.strangers:
        print(f"Left alone, no bundle of ours named it: {path}")
    return 0


def _data(settings: Settings, carried: Carried) -> dict[str, object]:
    return {
        "bundle": str(settings.bundle),
        "created": carried.manifest.created,
        "files": carried.files,
        "bytes": carried.size,
        "removed": list(carried.removed),
        "freed_bytes": carried.freed,
        "strangers": list(carried.strangers),
        "read_back": sorted(carried.readings),
    }


class Lines:
    """A plain line every two seconds on stderr: how far all of it is."""

    def __init__(self, clock: Callable[[], float] = time.monotonic) -> None:
        self._clock = clock
        self._size = self._done = 0
        self._told = clock()

    def say(self, line: str) -> None:
        print(line, file=sys.stderr, flush=True)

    @contextmanager
    def bars(self, size: int) -> Iterator[Lines]:
        self._size, self._done, self._told = size, 0, self._clock()
        yield self

    def file(self, title: str, _size: int) -> Add:
        def add(count: int) -> None:
            self._done += count
            if self._clock() - self._told >= _SECONDS:
                self._told = self._clock()
                self.say(f"  {size_text(self._done)} of {size_text(self._size)} ({title})")

        return add
