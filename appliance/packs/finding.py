"""Which packs there are: those that were opened in this library, found again where they are now, and those that lie on the bundle.

Only what the bundle's signed list names is opened by itself: whatever else was put beside it is named, and not read. Of two editions (one
title, one key) the newer is open. The first key that signed a pack of some title is the one that is known for it: another key's is opened all
the same, beside it, and that is said.
"""

from __future__ import annotations

import contextlib
import os
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any, Literal

from appliance.durable import sha256_of
from appliance.errors import HaversackError, NoSuchPack, NotAPack, PackAltered, PackError, PackGone, PackOfAnotherEmbedder, PackTooNew
from appliance.library import mounts
from appliance.library.mounts import Remembered
from appliance.library.store import Library
from appliance.minisign import PublicKey
from appliance.packs.creating import FOLDER
from appliance.packs.file import SUFFIX, PackFile, read_pack

State = Literal["open", "closed", "gone", "altered", "unreadable", "newer format", "other embedder", "older edition", "not listed"]
MOST = 100
"""Packs that are looked at on a bundle: the end of each is read at every start."""
BORROWED = 1 << 20
"""Collection ids of packs that a process which only reads finds on the bundle: nothing remembers them."""


@dataclass(frozen=True, slots=True)
class Listed:
    """A pack and how it is with it. `collection` is its name here; `collection_id` is 0 where it has none."""

    collection: str
    collection_id: int
    path: str
    state: State
    sentence: str
    """The state in words."""
    on_bundle: bool
    note: str = ""
    """What the reader must know of its key, "" where there is nothing."""
    pack: PackFile | None = None
    error: HaversackError | None = None
    """What whoever asks for it is told; None where it is open."""


@dataclass(frozen=True, slots=True)
class Carried:
    """The packs of a bundle whose manifest was verified, by a key that is trusted."""

    folder: Path
    files: Mapping[str, tuple[int, str]]
    """What the manifest names in that folder: size in bytes and sha256, by the file's name."""
    signer: PublicKey | None
    """Whose the manifest is."""


def look(library: Library, carried: Carried | None, embedder: str) -> tuple[Listed, ...]:
    """Every pack, those that were opened first; new ones of the bundle are remembered where the library is open for writing."""
    on_bundle, others = _on_bundle(carried)
    found = _found(library, on_bundle)
    if library.writable:
        _open_new(library, on_bundle, found, embedder)
    known = mounts.remembered(library)
    listed = [_again(one, found[one.identity], embedder, on_bundle) for one in known]
    for pack in on_bundle:
        if pack.identity not in {one.identity for one in known}:
            listed = _borrowed(library, listed, _new(pack, listed, embedder))
    return (*_with_notes(listed, known), *(one for one in others if one.path not in {one.path for one in known}))


def open_pack(library: Library, pack: PackFile) -> Remembered:
    """Remember that this pack is open. An older edition gives way to it."""
    for one in mounts.remembered(library):
        if (one.title, one.signer) == (pack.title, pack.signer.fingerprint) and one.identity != pack.identity and one.is_open:
            mounts.retire(library.database, one.collection_id)
    return mounts.remember(library.database, pack.identity, pack.title, pack.signer.fingerprint, str(pack.path))


def facts(pack: PackFile) -> dict[str, Any]:
    """What a pack says of itself, in the documented form."""
    return {
        "title": pack.title,
        "documents": pack.documents,
        "pages": pack.pages,
        "chunks": pack.chunks,
        "bytes": pack.size,
        "embedder": pack.embedder,
        "created": pack.created,
        "signer": pack.signer.fingerprint,
    }


def listed_as_json(one: Listed) -> dict[str, Any]:
    """The documented form of a listed pack; see docs/packs.md."""
    names = ("collection", "collection_id", "path", "state", "sentence", "on_bundle", "note")
    return {**{name: getattr(one, name) for name in names}, **(facts(one.pack) if one.pack else {})}


def _on_bundle(carried: Carried | None) -> tuple[list[PackFile], list[Listed]]:
    """Those that the bundle's list names, the newest first, and what is to be said of the other files there. Each is read once."""
    found: list[PackFile] = []
    others: list[Listed] = []
    # What the list doesn't name comes last, so that nothing that was put there pushes out what it names.
    there = sorted(_files(carried.folder), key=lambda path: path.name not in carried.files) if carried else []
    for path in there[:MOST]:
        if carried is None or path.name not in carried.files:
            sentence = "not part of this bundle; open it with `haversack pack open FILE`"
            others.append(Listed(path.stem, 0, str(path), "not listed", sentence, True, error=NoSuchPack(name=path.stem)))
            continue
        try:
            found.append(_as_listed(path, carried))
        except HaversackError as error:
            others.append(Listed(path.stem, 0, str(path), _state(error), str(error), True, error=error))
    if carried and len(there) > MOST:
        sentence = f"there are {len(there)} packs, and {MOST} are looked at; open another with `haversack pack open FILE`"
        others.append(Listed(carried.folder.name, 0, str(carried.folder), "not listed", sentence, True))
    # Of two editions the newer comes first, and is the one that is opened.
    return sorted(found, key=lambda pack: (pack.created, pack.path.name), reverse=True), others


def _as_listed(path: Path, carried: Carried) -> PackFile:
    """The pack that the bundle's list names, and no other under its name. Raises NotAPack, PackTooNew, PackAltered."""
    size, digest = carried.files[path.name]
    pack = read_pack(path)
    try:
        # Whose signature the list has may sign for his packs too; any other's is hashed to its last byte, originals and all.
        if pack.size == size and (pack.signer == carried.signer or sha256_of(path) == digest):
            return pack
    except OSError as error:
        raise NotAPack(path=path, detail=error.strerror or error) from error
    raise PackAltered(path=path, detail="the bundle's list names another file")


def _files(folder: Path) -> list[Path]:
    """None where the folder isn't there, or its stick has gone. macOS puts a `._name` beside every file on a stick: that is no pack."""
    try:
        return sorted(path for path in folder.iterdir() if path.name.endswith(SUFFIX) and not path.name.startswith(".") and path.is_file())
    except OSError:
        return []


def _found(library: Library, on_bundle: Sequence[PackFile]) -> dict[str, PackFile | HaversackError]:
    """By identity: the packs of the bundle; and of the remembered ones that aren't there, each where it was, else in the home, else why not."""
    found: dict[str, PackFile | HaversackError] = {pack.identity: pack for pack in on_bundle}
    missing = [one for one in mounts.remembered(library) if one.identity not in found]
    found |= {one.identity: _where_it_was(one) for one in missing}
    if any(isinstance(found[one.identity], HaversackError) for one in missing):
        for path in _files(library.home / FOLDER):  # those embedded again: with --portable the home moves, and they with it
            with contextlib.suppress(HaversackError):
                pack = read_pack(path)
                if isinstance(found.get(pack.identity), HaversackError):
                    found[pack.identity] = pack
    return found


def _where_it_was(known: Remembered) -> PackFile | HaversackError:
    path = Path(known.path)
    if not os.path.isfile(path):
        return PackGone(name=known.name, path=known.path)
    try:
        pack = read_pack(path)
    except HaversackError as error:
        return error
    return pack if pack.identity == known.identity else PackAltered(path=known.path, detail="another file lies there now")


def _open_new(library: Library, on_bundle: Sequence[PackFile], found: Mapping[str, PackFile | HaversackError], embedder: str) -> None:
    """Remember those of the bundle that were never opened here and have no newer edition that is open."""
    known = mounts.remembered(library)
    listed = [_again(one, found[one.identity], embedder, on_bundle) for one in known]
    for pack in on_bundle:
        new = _new(pack, listed, embedder)
        if new.state == "open" and pack.identity not in {one.identity for one in known}:
            open_pack(library, pack)
            listed.append(new)


def _again(known: Remembered, found: PackFile | HaversackError, embedder: str, on_bundle: Sequence[PackFile]) -> Listed:
    """A remembered pack as it was found, or why it wasn't."""
    here = found in on_bundle
    pack = found if isinstance(found, PackFile) else None
    if not known.is_open:
        sentence = "closed" if pack else "closed, and not there now"
        path = str(pack.path) if pack else known.path
        return Listed(known.name, known.collection_id, path, "closed", sentence, here, "", pack, NoSuchPack(name=known.name))
    if isinstance(found, HaversackError):
        return Listed(known.name, known.collection_id, known.path, _state(found), str(found), here, error=found)
    return _judged(found, known.collection_id, known.name, embedder, on_bundle=here)


def _new(pack: PackFile, listed: Sequence[Listed], embedder: str) -> Listed:
    """A pack of the bundle that was never opened here."""
    judged = _judged(pack, 0, pack.title, embedder, on_bundle=True)
    newer = any(one.state == "open" and one.pack and _same_line(one.pack, pack) and one.pack.created >= pack.created for one in listed)
    if judged.state != "open" or not newer:
        return judged
    return _older(judged)


def _older(one: Listed) -> Listed:
    return replace(one, state="older edition", sentence="an older edition of one that is open", error=NoSuchPack(name=one.collection))


def _borrowed(library: Library, listed: Sequence[Listed], new: Listed) -> list[Listed]:
    """Where nothing can be remembered: a number and a name for this run, in the place of older editions."""
    if new.state != "open" or new.pack is None:
        return [*listed, new]
    older = [one for one in listed if one.state == "open" and one.pack and _same_line(one.pack, new.pack)]
    remaining = [_older(one) if one in older else one for one in listed]
    taken = {one.name for one in library.collections()} - {one.collection for one in older}
    taken |= {one.collection for one in listed if one not in older}
    name = next(one for one in (new.collection, *(f"{new.collection} ({number})" for number in range(2, BORROWED))) if one not in taken)
    return [*remaining, replace(new, collection=name, collection_id=BORROWED + sum(one.collection_id >= BORROWED for one in remaining))]


def _same_line(one: PackFile, other: PackFile) -> bool:
    return (one.title, one.signer) == (other.title, other.signer)


def _judged(pack: PackFile, collection_id: int, name: str, embedder: str, *, on_bundle: bool) -> Listed:
    if embedder and pack.embedder != embedder:
        error = PackOfAnotherEmbedder(path=pack.path, found=pack.embedder, wanted=embedder, estimate=pack.counts)
        return Listed(name, collection_id, str(pack.path), "other embedder", f"made with {pack.embedder}", on_bundle, "", pack, error)
    return Listed(name, collection_id, str(pack.path), "open", "open, on the bundle" if on_bundle else "open", on_bundle, "", pack)


def _state(error: HaversackError) -> State:
    kinds: dict[type[PackError], State] = {PackGone: "gone", PackTooNew: "newer format", NotAPack: "unreadable"}
    return next((state for kind, state in kinds.items() if isinstance(error, kind)), "altered")


def _with_notes(listed: Iterable[Listed], known: Sequence[Remembered]) -> Iterable[Listed]:
    """Say where a title is signed by another key than its first."""
    first: dict[str, str] = {}
    for one in known:
        first.setdefault(one.title, one.signer)
    for entry in listed:
        pack = entry.pack
        expected = first.get(pack.title) if pack else None
        if pack and expected and expected != pack.signer.fingerprint:
            note = f"The first pack of this name was signed by another key ({expected}). Ask whoever made this one before you rely on it."
            entry = replace(entry, note=note)
        yield entry
