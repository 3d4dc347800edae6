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
from threading import Event
from typing import Protocol

from bundle.errors import SourceUnsafe
from bundle.spec import FolderSource, HubSource, Item, PackageSource

WEIGHTS = (".safetensors", ".gguf", ".onnx")
SETTINGS = (".json", ".txt", ".model", ".jinja")
"""Tokenizers and settings; `.model` is sentencepiece's."""

Report = Callable[[int], None]
"""Called with the bytes that have come since the last call; fewer than none where some had to be thrown away."""


class Stopped(Exception):
    """This transfer was told to stop: another one failed, or Ctrl-C was pressed. What it has is kept."""


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
    """The catalogue's, else what the source says, as it says it; empty where neither does. Whether it may be carried is the plan's to judge."""
    record: Mapping[str, str]
    """What the manifest keeps of the source: kind, name and version or revision, sha256."""
    files: tuple[SourceFile, ...]
    download: int
    """Bytes that the whole item takes to fetch."""
    cached: int
    """Bytes of them that are here already."""
    unpacked: int
    """Bytes of the model's own files."""
    gated: str = ""
    """The address of the page where its terms are accepted; empty where it is given to everyone."""
    terms: str = ""
    """What the source says its licence is, verbatim; empty where it says nothing."""

    @property
    def told(self) -> str:
        """What the source says where the catalogue says something else; empty where they agree, or one is silent."""
        return self.terms if self.terms.lower() != self.licence.lower() else ""


@dataclass(frozen=True, slots=True)
class Fetched:
    """A model's files under `folder`, checked, and the notices (licence, card) that travel with it."""

    resolved: Resolved
    folder: Path
    notices: tuple[Path, ...]


@dataclass(frozen=True, slots=True)
class Download:
    """A file that is still to come into the cache. Several may run at once, in threads."""

    title: str
    size: int
    have: int
    """Bytes of it that an earlier build left."""
    run: Callable[[Report, Event], None]
    """Brings it; ends with Stopped soon after the event is set. Raises what `Source.fetch` raises."""


class Source(Protocol):
    def resolve(self, item: Item) -> Resolved:
        """Pin the item. Raises SourceMissing, SourceRefused, SourceUnreachable, SourceUnsafe, SourceAltered, TokenRefused."""

    def downloads(self, resolved: Resolved) -> tuple[Download, ...]:
        """What is still to come into the cache."""

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
