"""Sealed generations of a vector index: a folder that is whole and unchanged, or is not used.

`index/<collection id>/<generation>/` holds Chroma's files, `chunks.json` (which chunks are in it), and `sealed.json`: size and sha256 of each.
"""

from __future__ import annotations

import contextlib
import json
import os
import shutil
from dataclasses import dataclass
from pathlib import Path

import numpy

from appliance.durable import sha256_of, sync_folder, writing_durably
from appliance.library.exact import within
from appliance.library.files import is_link
from appliance.library.reading import Ids

OPENED_CATALOGUE = "chroma.sqlite3"
"""Written by Chroma at every opening, made anew from the sealed one each time: not part of what is sealed."""
SEALED_CATALOGUE = "catalogue.sealed"
BUILDING = ".building"
_SEAL = "sealed.json"
_CONTENTS = "chunks.json"
_MARKS = (_SEAL, _CONTENTS, SEALED_CATALOGUE, OPENED_CATALOGUE)
"""What tells a generation, damaged or not, from a folder of somebody else's that has a number for a name."""


@dataclass(frozen=True, slots=True)
class Generation:
    """A sealed index. `ranges`: which chunk ids it holds, int64 of shape (n, 2), first and one after the last, ascending."""

    folder: Path
    ranges: Ids

    @property
    def newest(self) -> int:
        return int(self.ranges[-1, 1]) - 1

    @property
    def chunks(self) -> int:
        return int((self.ranges[:, 1] - self.ranges[:, 0]).sum())

    def missing_from(self, alive: Ids) -> int:
        """How many of its chunks are not in the library any more. `alive`: the library's ranges."""
        ids = numpy.concatenate([numpy.arange(first, after) for first, after in self.ranges])
        return int((~within(ids, alive)).sum())


def runs(ids: Ids) -> Ids:
    """Ascending ids as ranges, int64 of shape (n, 2): the first of each run and the one after its last."""
    breaks = numpy.flatnonzero(numpy.diff(ids) != 1)
    firsts, lasts = numpy.append(0, breaks + 1), numpy.append(breaks, len(ids) - 1)
    return numpy.stack([ids[firsts], ids[lasts] + 1], axis=1)


def write_contents(folder: Path, ranges: Ids) -> None:
    (folder / _CONTENTS).write_text(json.dumps(ranges.tolist()), encoding="ascii")


def read_contents(folder: Path) -> Ids:
    """Raises OSError, ValueError."""
    return numpy.array(json.loads((folder / _CONTENTS).read_bytes()), dtype=numpy.int64).reshape(-1, 2)


def seal(building: Path) -> Generation:
    """Sync every file of a finished build, write down what they are, and rename it into use. Raises OSError."""
    files = {}
    for path in _files(building):
        with open(path, "rb+") as file:
            os.fsync(file.fileno())
        files[path.relative_to(building).as_posix()] = [path.stat().st_size, sha256_of(path)]
    with writing_durably(building / _SEAL) as note:
        note.write(json.dumps(files).encode())
    folder = building.with_name(building.name.removesuffix(BUILDING))
    os.replace(building, folder)
    sync_folder(folder.parent)
    return Generation(folder, read_contents(folder))


def newest_generation(folder: Path) -> Generation | None:
    """The newest sealed generation of a collection, compared file by file with its seal; None where none is whole."""
    for candidate in sorted(_generations(folder), key=lambda path: int(path.name), reverse=True):
        if is_whole(candidate):
            return Generation(candidate, read_contents(candidate))
    return None


def is_whole(folder: Path) -> bool:
    """Every sealed file is there with its size and sha256, and no other file beside it."""
    try:
        sealed = json.loads((folder / _SEAL).read_bytes())
        found = {path.relative_to(folder).as_posix(): path for path in _files(folder)}
        return sealed.keys() == found.keys() and all([path.stat().st_size, sha256_of(path)] == sealed[name] for name, path in found.items())
    except (OSError, ValueError, AttributeError):
        return False


def next_name(folder: Path) -> str:
    """The name of the next generation: numbers, so that the newest is known without a clock."""
    return str(max((int(path.name.removesuffix(BUILDING)) for path in _generations(folder, unfinished=True)), default=0) + 1)


def indexes(root: Path) -> list[Path]:
    """The folders of `home/index`, one a collection, named by its id."""
    return [path for path in root.iterdir() if _numbered(path, path.name)] if root.is_dir() and not is_link(root) else []


def discard_others(folder: Path, keep: Path | None) -> None:
    """Remove every generation but `keep`, unfinished ones too. What can't be removed now is removed another time."""
    for path in _generations(folder, unfinished=True):
        if path != keep and (path.name.endswith(BUILDING) or any((path / name).is_file() for name in _MARKS)):
            with contextlib.suppress(OSError):
                shutil.rmtree(path)
    if keep is None and not is_link(folder):
        with contextlib.suppress(OSError):
            folder.rmdir()


def discard_stale(folder: Path, alive: Ids) -> None:
    """Remove unfinished generations, and those that hold chunks which the library doesn't have any more."""
    keep = None
    for path in sorted(_generations(folder), key=lambda path: int(path.name)):
        with contextlib.suppress(OSError, ValueError):
            if not Generation(path, read_contents(path)).missing_from(alive):
                keep = path
    discard_others(folder, keep)


def _generations(folder: Path, *, unfinished: bool = False) -> list[Path]:
    if not folder.is_dir() or is_link(folder):
        return []
    return [path for path in folder.iterdir() if _numbered(path, path.name.removesuffix(BUILDING) if unfinished else path.name)]


def _numbered(path: Path, name: str) -> bool:
    return name.isascii() and name.isdigit() and path.is_dir() and not is_link(path)


def _files(folder: Path) -> list[Path]:
    ours = {_SEAL, *(OPENED_CATALOGUE + ending for ending in ("", "-journal", "-wal", "-shm"))}
    return sorted(path for path in folder.rglob("*") if path.is_file() and path.name not in ours)
