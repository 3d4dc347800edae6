"""Models that are on this machine already: a folder, or one file."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Iterator
from pathlib import Path

from appliance.durable import sha256_of
from bundle.errors import SourceAltered, SourceMissing, SourceUnsafe
from bundle.sources import Download, Fetched, Report, Resolved, SourceFile, carried, is_notice, safe_name
from bundle.spec import FolderSource, Item

_BLOCK = 4 << 20


class Folder:
    """Files by path; their sha256 is taken when the plan is made, and taken again while copying."""

    def resolve(self, item: Item) -> Resolved:
        path = _path(item)
        if not path.exists():
            raise SourceMissing(what=item.title, source="this machine", detail=f"there is no {path}")
        files = tuple(SourceFile(name, file.stat().st_size, sha256_of(file)) for name, file in _walk(path, item) if carried(name))
        if not files:
            raise SourceMissing(what=item.title, source=path, detail="it holds no weights, tokenizer or settings")
        size = sum(file.size for file in files)
        content = hashlib.sha256(json.dumps([(file.path, file.digest) for file in files]).encode()).hexdigest()
        return Resolved(item, item.licence, {"kind": "folder", "name": path.name, "sha256": content}, files, size, size, size)

    def downloads(self, resolved: Resolved) -> tuple[Download, ...]:
        return ()

    def fetch(self, resolved: Resolved, into: Path, report: Report) -> Fetched:
        path = _path(resolved.item)
        own = dict(_walk(path, resolved.item))
        for file in resolved.files:
            if file.path not in own or _copy(own[file.path], into / "model" / file.path, report) != file.digest:
                raise SourceAltered(what=file.path, source=path, detail="it changed while it was copied")
        for name, notice in own.items():
            if is_notice(name):
                _copy(notice, into / "notices" / name, lambda count: None)
        return Fetched(resolved, into / "model", tuple(sorted((into / "notices").glob("*"))))


def _walk(path: Path, item: Item) -> Iterator[tuple[str, Path]]:
    if path.is_file() and not path.is_symlink():
        yield safe_name(path.name, item.title), path
        return
    for file in sorted(path.rglob("*")):
        if file.is_symlink():
            raise SourceUnsafe(what=item.title, detail=f"{file.name} is a link")
        if file.is_file():
            yield safe_name(file.relative_to(path).as_posix(), item.title), file


def _copy(source: Path, target: Path, report: Report) -> str:
    """Copy and return the sha256 of what was written."""
    digest = hashlib.sha256()
    target.parent.mkdir(parents=True, exist_ok=True)
    with source.open("rb") as reading, target.open("wb") as writing:
        while block := reading.read(_BLOCK):
            writing.write(block)
            digest.update(block)
            report(len(block))
    return digest.hexdigest()


def _path(item: Item) -> Path:
    assert isinstance(item.source, FolderSource)
    return item.source.path
