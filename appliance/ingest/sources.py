"""Files and folders as the user named them → the files to read, each with the name its document will have."""

from __future__ import annotations

import os
import stat
from collections.abc import Iterable, Iterator
from dataclasses import dataclass, replace
from pathlib import Path

from appliance.errors import FileUnreadable, IngestError, KindUnknown, NoSuchPath


@dataclass(frozen=True, slots=True)
class Source:
    """A file to ingest under `name`: relative to the folder that was named, with "/"; the bare file name where it was named itself."""

    path: Path
    name: str
    optional: bool = False
    """One of a folder's many: where it is of a kind we don't read, it is skipped, and that is no failure."""
    folder: Path | None = None
    """The folder that was named, None where the file itself was."""
    problem: IngestError | None = None
    """Why it won't be read, where that is known already: a pipe, a link that leads out of the folder, a folder we may not open."""


def find_sources(paths: Iterable[Path]) -> tuple[Source, ...]:
    """All files under `paths`, each once, in the order given and sorted inside a folder; hidden ones are passed over.

    Two files that would have the same name keep apart by the folder that they are in. Raises NoSuchPath before anything is read.
    """
    found: dict[str, Source] = {}
    known: dict[Path, str] = {}
    for path in [Path(path) for path in paths]:
        if not os.path.lexists(path) or not path.exists():
            raise NoSuchPath(path=safe_name(str(path)))
        for source in _walk(path) if path.is_dir() else [Source(path, safe_name(path.absolute().name), problem=_irregular(path))]:
            real = source.path.absolute() if source.problem else source.path.resolve()
            if real not in known:
                name = known[real] = _free_name(source, found)
                found[name] = replace(source, name=name)
    return tuple(found.values())


def safe_name(name: str) -> str:
    """A name that can be stored and shown: bytes that are no UTF-8 become "\\xff" and so on, so that two such names stay two."""
    try:
        name.encode()
    except UnicodeEncodeError:
        return name.encode("utf-8", "surrogateescape").decode("utf-8", "backslashreplace")
    return name


def _walk(root: Path) -> Iterator[Source]:
    """The files of a folder by name, its own first. Folders behind links are not entered: they may lead round in circles."""
    inside = root.resolve()
    waiting = [root]
    while waiting:
        folder = waiting.pop()
        try:
            entries = sorted((entry for entry in os.scandir(folder) if not entry.name.startswith(".")), key=lambda entry: entry.name)
        except OSError as error:
            problem = FileUnreadable(detail=f"This folder can't be opened ({error.strerror}).")
            yield Source(folder, _relative(folder, root), True, root, problem)
            continue
        for entry in entries:
            if not entry.is_dir(follow_symlinks=False):
                path = Path(entry.path)
                yield Source(path, _relative(path, root), True, root, _leads_out(path, inside) if entry.is_symlink() else _irregular(path))
        waiting.extend(Path(entry.path) for entry in reversed(entries) if entry.is_dir(follow_symlinks=False))


def _relative(path: Path, root: Path) -> str:
    return safe_name(path.relative_to(root).as_posix()) if path != root else safe_name(root.absolute().name)


def _leads_out(link: Path, inside: Path) -> IngestError | None:
    try:
        target = link.resolve(strict=True)
    except (OSError, RuntimeError):
        return KindUnknown(detail="a link that leads nowhere")
    if not target.is_relative_to(inside):
        return KindUnknown(detail="a link that leads out of the folder")
    return KindUnknown(detail="a link to a folder") if target.is_dir() else _irregular(target)


def _irregular(path: Path) -> IngestError | None:
    """A pipe or a device is never opened: reading it may wait for ever."""
    try:
        regular = stat.S_ISREG(path.stat().st_mode)
    except OSError as error:
        return FileUnreadable(detail=f"This file can't be opened ({error.strerror}).")
    return None if regular else KindUnknown(detail="a pipe or a device")


def _free_name(source: Source, taken: dict[str, Source]) -> str:
    name, folder = source.name, (source.folder or source.path.parent).resolve()
    while name in taken:
        above = safe_name(folder.name)
        # At the top of the file system there is no folder left to tell them apart by.
        name, folder = (f"{above}/{name}", folder.parent) if above else (f"_{name}", folder)
    return name
