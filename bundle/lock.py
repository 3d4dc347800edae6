"""`<output>.lock`: what was resolved for a bundle, so that the same one can be made again, and nobody is asked for the newest.

JSON, beside the bundle and never in it; docs/building.md has its fields. It carries a hash of itself: what was altered or cut short isn't used.
"""

from __future__ import annotations

import hashlib
import json
import re
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import asdict, dataclass, replace
from pathlib import Path
from typing import Any

from appliance.durable import sha256_of, writing_durably
from bundle import TOOL, VERSION
from bundle.errors import LockDisagrees, LockMissing, LockUnreadable, SourceAltered
from bundle.sources import Fetched, Resolved, SourceFile, carried, is_notice, safe_name, source_for
from bundle.spec import FolderSource, HubSource, Item, Spec

FORMAT = 1


@dataclass(frozen=True, slots=True)
class LockedFile:
    path: str
    size: int
    sha256: str
    digest: str
    """What its source calls it by: the sha256, or for the Hub's small files `git:` and git's own hash."""


@dataclass(frozen=True, slots=True)
class LockedItem:
    role: str
    id: str
    licence: str
    terms: str
    source: Mapping[str, str]
    """As the manifest has it: kind, repository or package, 40-hex revision or version, sha256."""
    files: tuple[LockedFile, ...]
    download: int
    unpacked: int


@dataclass(frozen=True, slots=True)
class LockedRuntime:
    """What a runtime was made from: sha256 by name ("cpython-3.11.9….tar.gz", "llama_cpp_python-….whl", "requirements.lock")."""

    platform: str
    provider: str
    parts: Mapping[str, str]


@dataclass(frozen=True, slots=True)
class Lock:
    created: str
    """The bundle's own date, ISO 8601 in UTC: built again, it has the same one."""
    spec: Mapping[str, Any]
    """What the profile and the command line said (`describe`)."""
    items: tuple[LockedItem, ...]
    runtimes: tuple[LockedRuntime, ...] = ()


def lock_path(output: Path) -> Path:
    """`dist/starter.lock` for the bundle `dist/starter`."""
    return output.with_name(output.name + ".lock")


def describe(spec: Spec) -> dict[str, Any]:
    """All that decides what is built, as JSON, without this machine's paths. Reads every byte of packs' documents, interpreters and wheels."""
    return {
        "profile": spec.profile,
        "title": spec.title,
        "languages": list(spec.languages),
        "ram": spec.ram_gb,
        "guide": spec.guide,
        "filesystem": spec.filesystem,
        "platforms": list(spec.platforms),
        "runtime": spec.provider,
        "interpreters": {path.name: sha256_of(path) for path in spec.interpreters}
        | {address.rpartition("/")[2]: spec.interpreter_sha256[address] for address in spec.interpreter_urls},
        "wheels": {path.name: sha256_of(path) for path in spec.wheels},
        "packs": {folder.name: content_of(folder) for folder in spec.packs},
        "models": {slot: _described(item) for slot, item in zip(spec.slots(), spec.items, strict=True)},
    }


def make_lock(spec: Spec, fetched: Iterable[Fetched], created: str, runtimes: Iterable[LockedRuntime] = ()) -> Lock:
    """The lock of a bundle, from what has just been fetched: its files must still lie where `fetch` put them."""
    items = []
    for one in fetched:
        known = one.resolved
        files = tuple(LockedFile(file.path, file.size, _sha256(one, file), file.digest) for file in known.files)
        items.append(
            LockedItem(known.item.role, known.item.id, known.licence, known.terms, dict(known.record), files, known.download, known.unpacked)
        )
    return Lock(created, describe(spec), tuple(items), tuple(runtimes))


def write_lock(lock: Lock, path: Path) -> None:
    """Under its name only when it is whole."""
    content = {"format": FORMAT, "tool": {"name": TOOL, "version": VERSION}, **asdict(lock)}
    with writing_durably(path) as stream:
        stream.write((json.dumps(content | {"sha256": _sum(content)}, indent=1, ensure_ascii=False) + "\n").encode())


def read_lock(path: Path) -> Lock:
    """Raises LockMissing, LockUnreadable for what was altered, cut short, or is no lock."""
    try:
        content = json.loads(path.read_text(encoding="utf-8"))
        stated = content.pop("sha256")
        if content["format"] != FORMAT:
            raise LockUnreadable(path=path, detail=f"it has format {content['format']}, and this tool knows {FORMAT}")
        if stated != _sum(content):
            raise LockUnreadable(path=path, detail="it was altered since it was written")
        items = [_item(entry) for entry in content["items"]]
        return Lock(content["created"], content["spec"], tuple(items), tuple(LockedRuntime(**entry) for entry in content["runtimes"]))
    except FileNotFoundError as error:
        raise LockMissing(path=path) from error
    except OSError as error:
        raise LockUnreadable(path=path, detail=error.strerror or error) from error
    except (ValueError, KeyError, TypeError, AttributeError, RecursionError) as error:
        raise LockUnreadable(path=path, detail=f"it is no lock of {TOOL}, or not all of it") from error


def _item(entry: Mapping[str, Any]) -> LockedItem:
    item = LockedItem(**{**entry, "files": tuple(_file(file) for file in entry["files"])})
    if not all(isinstance(value, str) for value in (item.id, item.licence, item.terms, item.source["kind"], item.source["name"])):
        raise ValueError(item.role)
    return item


def _file(entry: Mapping[str, Any]) -> LockedFile:
    """A lock may come from elsewhere: what it names must be what a bundle takes. Raises SourceUnsafe, ValueError, TypeError."""
    file = LockedFile(**entry)
    safe_name(file.path, "the lock")
    if not (carried(file.path) or is_notice(file.path) or file.path.endswith(".whl")) or type(file.size) is not int or file.size < 0:
        raise ValueError(file.path)
    if not re.fullmatch(r"[0-9a-f]{64}", file.sha256) or not re.fullmatch(r"[0-9a-f]{64}|git:[0-9a-f]{40}", file.digest):
        raise ValueError(file.path)
    return file


def is_lock_of(path: Path, created: str) -> bool:
    """Whether the lock at `path` is that of the bundle made then: a build that was stopped may have left an older one."""
    try:
        return read_lock(path).created == created
    except (LockMissing, LockUnreadable):
        return False


def resolve_locked(spec: Spec, lock: Lock, path: Path, cache: Path) -> tuple[Resolved, ...]:
    """Every item as the lock has it; the Hub isn't asked for anything. `path` is the lock's, for what is said.

    Raises LockDisagrees where the profile, a folder or a package is not what was locked.
    """
    difference = _difference(describe(spec), lock.spec)
    if difference:
        raise LockDisagrees(path=path, detail=difference)
    locked = {(one.role, one.id): one for one in lock.items}
    return tuple(_resolved(item, locked.get((item.role, item.id)), path, cache) for item in spec.items)


def check_fetched(lock: Lock, fetched: Iterable[Fetched]) -> None:
    """That what came is what was locked, by sha256, also where the Hub goes by a weaker hash. Raises SourceAltered."""
    wanted = {(one.role, one.id, file.path): file.sha256 for one in lock.items for file in one.files}
    for one in fetched:
        for file in one.resolved.files:
            if _sha256(one, file) != wanted[one.resolved.item.role, one.resolved.item.id, file.path]:
                what = f"{file.path} of {one.resolved.item.title}"
                raise SourceAltered(what=what, source=one.resolved.record["name"], detail="its sha256 is not the lock's")


def check_runtimes(lock: Lock, runtimes: Sequence[LockedRuntime], path: Path) -> None:
    """That the runtimes are made from what was locked. Raises LockDisagrees."""
    before, now = ({one.platform: {"provider": one.provider, **one.parts} for one in given} for given in (lock.runtimes, runtimes))
    difference = _difference(now, before)
    if difference:
        raise LockDisagrees(path=path, detail=difference)


def _resolved(item: Item, locked: LockedItem | None, path: Path, cache: Path) -> Resolved:
    if locked is None:
        raise LockDisagrees(path=path, detail=f"it says nothing of {item.title}")
    source = source_for(item, cache)
    if not isinstance(item.source, HubSource):
        found = source.resolve(item)
        if dict(found.record) != dict(locked.source):
            raise LockDisagrees(path=path, detail=f"{found.record['name']} ({found.record['kind']}) is not what it was when {item.title} was locked")
        return found
    if not re.fullmatch(r"[0-9a-f]{40}", locked.source.get("revision", "")) or locked.source["name"] != item.source.repository:
        raise LockDisagrees(path=path, detail=f"it pins {item.title} to no commit of {item.source.repository}")
    files = tuple(SourceFile(file.path, file.size, file.digest) for file in locked.files)
    resolved = Resolved(item, locked.licence, locked.source, files, locked.download, 0, locked.unpacked, terms=locked.terms)
    return replace(resolved, cached=locked.download - sum(one.size - one.have for one in source.downloads(resolved)))


def _sha256(fetched: Fetched, file: SourceFile) -> str:
    """A file's sha256: as promised, since it was compared with that; else taken of the file itself."""
    if not file.digest.startswith("git:"):
        return file.digest
    places = [fetched.folder / file.path, fetched.folder.parent / "notices" / file.path]
    return sha256_of(next(place for place in places if place.is_file()))


def _described(item: Item) -> dict[str, Any]:
    source = asdict(item.source)
    if isinstance(item.source, FolderSource):
        source["path"] = item.source.path.name
    told = {"id": item.id, "title": item.title, "licence": item.licence, "source": source, "settings": dict(item.settings)}
    return dict(json.loads(json.dumps(told)))  # tuples as JSON has them, so that both sides compare


def content_of(folder: Path) -> str:
    """One hash for all documents of a pack: their paths and their own hashes."""
    lines = [f"{path.relative_to(folder).as_posix()} {sha256_of(path)}\n" for path in sorted(folder.rglob("*")) if path.is_file()]
    return hashlib.sha256("".join(lines).encode()).hexdigest()


def _difference(now: Any, locked: Any, name: str = "") -> str:
    """The first value in which they differ, in words; empty where they don't."""
    if isinstance(now, Mapping) and isinstance(locked, Mapping):
        for key in dict.fromkeys([*now, *locked]):
            found = _difference(now.get(key), locked.get(key), f"{name}.{key}".lstrip("."))
            if found:
                return found
        return ""
    return "" if now == locked else f"{name} is {_short(now)} now, and {_short(locked)} in it"


def _short(value: Any) -> str:
    text = "nothing" if value is None else json.dumps(value, ensure_ascii=False)
    return text if len(text) <= 80 else text[:77] + "…"


def _sum(content: Mapping[str, Any]) -> str:
    return hashlib.sha256(json.dumps(content, sort_keys=True, ensure_ascii=False, separators=(",", ":")).encode()).hexdigest()
