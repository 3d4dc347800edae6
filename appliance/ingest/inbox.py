"""Uploads on their way into the library, on disk: a folder a job, `inbox/<job id>/`, that outlives a kill.

`job.json` names the files, `000000`, `000001`, … are their contents, `lines.jsonl` what became of those that are through. A
folder appears whole or not at all; a file goes once its document is durable or has failed for good.
"""

from __future__ import annotations

import json
import os
import re
import secrets
import shutil
import time
from collections.abc import Iterable
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any, BinaryIO, Protocol

from appliance.documents import IngestLine, UnreadPage
from appliance.durable import storage_error, sync_folder
from appliance.errors import BadRequest, DiskFull
from appliance.ingest.sources import safe_name
from appliance.library.files import clear, is_link

LARGEST_JOB = 8 << 30
"""Bytes in one upload: more belongs into `haversack ingest`, which makes no second copy on the way."""
_RESERVE = 64 << 20
"""Bytes left free on the disk: the library needs room for its journal."""
_PIECE = 1 << 20
_LONGEST_NAME = 1024
_JOB = r"[0-9]{20}-[0-9a-f]{8}"
_INSIDE = r"[0-9]{6}|job\.json|lines\.jsonl"
"""What a job's folder is called, and what is in it."""


class Stream(Protocol):
    """An upload: `read(size)` gives the next bytes, b"" at the end."""

    def read(self, size: int, /) -> bytes: ...


@dataclass(frozen=True, slots=True)
class StagedFile:
    path: Path
    name: str


@dataclass(frozen=True, slots=True)
class StagedJob:
    id: str
    """Sorts by the time it came."""
    collection: str
    files: tuple[StagedFile, ...]
    """All that came, those that are through already too."""
    lines: tuple[IngestLine, ...] = ()

    @property
    def left(self) -> tuple[StagedFile, ...]:
        through = {line.document for line in self.lines}
        return tuple(file for file in self.files if file.name not in through and file.path.exists())


class Inbox:
    def __init__(self, folder: Path) -> None:
        self._folder = folder

    def stage(self, collection: str, files: Iterable[tuple[str, Stream]], expected: int = 0) -> StagedJob:
        """Write an upload to disk, durably. `expected` is how many bytes will come, where that is known.

        Raises BadRequest where it is empty or too large, DiskFull, LibraryReadOnly, and what a stream raises; nothing stays then.
        """
        identity = f"{time.time_ns():020d}-{secrets.token_hex(4)}"
        part = self._folder / f".{identity}.part"
        self._check(expected, 2 * expected)  # the upload, and the original that the library keeps
        try:
            part.mkdir(parents=True, mode=0o700)
        except OSError as error:
            raise storage_error(error, self._folder) from error
        try:
            names: list[str] = []
            written = 0
            for index, (name, stream) in enumerate(files):
                written += self._write(part / f"{index:06d}", stream, written)
                names.append(_unlike(_clean(name), names))
            if not names:
                raise BadRequest(detail="There is no file in this upload. Choose one or more files.")
            try:
                _write_durably(part / "job.json", json.dumps({"collection": collection, "names": names}).encode())
                sync_folder(part)
                os.rename(part, self._folder / identity)
                sync_folder(self._folder)
            except OSError as error:
                raise storage_error(error, self._folder) from error
        except BaseException:
            clear(part, _INSIDE)
            raise
        return self._job(identity, collection, names, ())

    def unfinished(self) -> tuple[StagedJob, ...]:
        """The jobs that a stopped or killed process left, oldest first; half-staged ones are removed.

        A job that holds a link isn't ours: on a stick, it could have any file of this machine read in.
        """
        jobs = []
        for folder in sorted(self._folder.iterdir()) if self._folder.is_dir() and not is_link(self._folder) else ():
            if re.fullmatch(rf"\.{_JOB}\.part", folder.name):
                clear(folder, _INSIDE)
                continue
            try:
                if not re.fullmatch(_JOB, folder.name) or is_link(folder) or any(is_link(path) for path in folder.iterdir()):
                    continue
                data = json.loads((folder / "job.json").read_text(encoding="utf-8"))
                jobs.append(self._job(folder.name, str(data["collection"]), [str(name) for name in data["names"]], _lines(folder / "lines.jsonl")))
            except (OSError, ValueError, KeyError, TypeError):
                continue  # not ours, or damaged: left as it is for whoever looks
        return tuple(jobs)

    def through(self, job: StagedJob, file: StagedFile, line: IngestLine) -> None:
        """The document is durable, or has failed for good: note its line, remove the file. Raises DiskFull, LibraryReadOnly."""
        try:
            with (self._folder / job.id / "lines.jsonl").open("a", encoding="utf-8") as stream:
                stream.write("\n" + json.dumps(asdict(line)))  # the break comes first: a torn line spoils only itself
        except OSError as error:
            raise storage_error(error, self._folder) from error
        finally:
            file.path.unlink(missing_ok=True)  # on a full disk above all

    def discard(self, job_id: str) -> None:
        clear(self._folder / job_id, _INSIDE)

    def _job(self, identity: str, collection: str, names: list[str], lines: tuple[IngestLine, ...]) -> StagedJob:
        folder = self._folder / identity
        return StagedJob(identity, collection, tuple(StagedFile(folder / f"{index:06d}", name) for index, name in enumerate(names)), lines)

    def _write(self, path: Path, stream: Stream, before: int) -> int:
        """Bytes written. `before` were written in this job already."""
        size = 0
        with _created(path) as file:
            while piece := stream.read(_PIECE):
                size += len(piece)
                self._check(before + size, len(piece))
                try:
                    file.write(piece)
                except OSError as error:
                    raise storage_error(error, self._folder) from error
            try:
                file.flush()
                os.fsync(file.fileno())
            except OSError as error:
                raise storage_error(error, self._folder) from error
        return size

    def _check(self, total: int, coming: int) -> None:
        """Whether an upload of `total` bytes may go on, and `coming` more bytes have room."""
        if total > LARGEST_JOB:
            raise BadRequest(detail=f"One upload may have {LARGEST_JOB >> 30} GiB. Put this in with `haversack ingest`, or in parts.")
        there = next(folder for folder in (self._folder, *self._folder.parents) if folder.exists())
        if shutil.disk_usage(there).free < coming + _RESERVE:
            raise DiskFull(path=self._folder)


def _created(path: Path) -> BinaryIO:
    try:
        return path.open("xb")
    except OSError as error:
        raise storage_error(error, path.parent) from error


def _write_durably(path: Path, content: bytes) -> None:
    with path.open("xb") as file:
        file.write(content)
        file.flush()
        os.fsync(file.fileno())


def _clean(name: str) -> str:
    """What a browser calls a file is text for the library, never a path: no root, no "..", no NUL."""
    parts = [part for part in safe_name(name).replace("\0", "").split("/") if part not in ("", ".", "..")]
    return "/".join(parts)[-_LONGEST_NAME:].lstrip("/") or "unnamed"


def _unlike(name: str, taken: list[str]) -> str:
    """Two files of one name in one upload are two documents: the second is "letter (2).txt"."""
    stem, suffix = os.path.splitext(name)
    count = 1
    free = name
    while free in taken:
        count += 1
        free = f"{stem} ({count}){suffix}"
    return free


def _lines(path: Path) -> tuple[IngestLine, ...]:
    """What was noted; a last line that a kill tore is left out: its file is still there or its document is stored."""
    found = []
    try:
        written = path.read_text(encoding="utf-8").split("\n")
    except OSError:
        return ()
    for text in written:
        try:
            data: dict[str, Any] = json.loads(text)
            data["pages_unread"] = tuple(UnreadPage(**unread) for unread in data["pages_unread"])
            found.append(IngestLine(**data))
        except (ValueError, KeyError, TypeError):
            continue
    return tuple(found)
