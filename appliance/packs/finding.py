"""Which packs there are: those that were opened in this library, found again where they are now, and those that lie on the bundle.

Of two editions (one title, one key) the newer is open. The first key that signed a pack of some title is the one that is known for it:
another key's is opened all the same, beside it, and that is said.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any, Literal

from appliance.errors import HaversackError, NoSuchPack, NotAPack, PackAltered, PackError, PackGone, PackOfAnotherEmbedder, PackTooNew
from appliance.library import mounts
from appliance.library.mounts import Remembered
from appliance.library.store import Library
from appliance.packs.creating import FOLDER
from appliance.packs.file import SUFFIX, PackFile, read_pack

State = Literal["open", "closed", "gone", "altered", "unreadable", "newer format", "other embedder", "older edition"]
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


def look(library: Library, folder: Path | None, embedder: str) -> tuple[Listed, ...]:
    """Every pack, those that were opened first; new ones of the bundle are remembered where the library is open for writing."""
    on_bundle, broken = _in_folder(folder)
    known = mounts.remembered(library)
    at_home, _ = _in_folder(library.home / FOLDER)  # those embedded again: with --portable the home moves, and they with it
    listed = [_again(one, on_bundle, at_home, embedder) for one in known]
    for pack in on_bundle:
        if pack.identity in {one.identity for one in known}:
            continue
        new = _new(pack, listed, embedder)
        if new.state == "open" and library.writable:
            open_pack(library, pack)
            return look(library, folder, embedder)  # older editions have given way to it
        listed = _borrowed(library, listed, new)
    return tuple(_with_notes(listed, known)) + tuple(_broken(path, error) for path, error in broken)


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


def _in_folder(folder: Path | None) -> tuple[list[PackFile], list[tuple[Path, HaversackError]]]:
    found: list[PackFile] = []
    broken: list[tuple[Path, HaversackError]] = []
    for path in _files(folder):
        try:
            found.append(read_pack(path))
        except HaversackError as error:
            broken.append((path, error))
    # Of two editions the newer comes first, and is the one that is opened.
    return sorted(found, key=lambda pack: (pack.created, pack.path.name), reverse=True), broken


def _files(folder: Path | None) -> list[Path]:
    """None where the folder isn't there, or its stick has gone. macOS puts a `._name` beside every file on a stick: that is no pack."""
    try:
        return sorted(path for path in folder.iterdir() if path.name.endswith(SUFFIX) and not path.name.startswith(".")) if folder else []
    except OSError:
        return []


def _again(known: Remembered, on_bundle: Sequence[PackFile], at_home: Sequence[PackFile], embedder: str) -> Listed:
    """A remembered pack: where it was, else on the bundle, else in the home, else gone."""
    here = next((pack for pack in on_bundle if pack.identity == known.identity), None)
    error: HaversackError = PackGone(name=known.name, path=known.path)
    pack = here or next((pack for pack in at_home if pack.identity == known.identity), None)
    if pack is None or str(pack.path) == known.path:
        try:
            pack = read_pack(Path(known.path))
            if pack.identity != known.identity:
                pack, error = None, PackAltered(path=known.path, detail="another file lies there now")
        except HaversackError as found:
            error = found if Path(known.path).is_file() else error
            pack = None
    if not known.is_open:
        closed = NoSuchPack(name=known.name)
        sentence = "closed" if pack else "closed, and not there now"
        return Listed(known.name, known.collection_id, str(pack.path if pack else known.path), "closed", sentence, here is not None, "", pack, closed)
    if pack is None:
        return Listed(known.name, known.collection_id, known.path, _state(error), str(error), here is not None, error=error)
    return _judged(pack, known.collection_id, known.name, embedder, on_bundle=here is not None)


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
        counts = f"{pack.documents} documents, {pack.chunks} passages"
        error = PackOfAnotherEmbedder(path=pack.path, found=pack.embedder, wanted=embedder, estimate=counts)
        return Listed(name, collection_id, str(pack.path), "other embedder", f"made with {pack.embedder}", on_bundle, "", pack, error)
    return Listed(name, collection_id, str(pack.path), "open", "open, on the bundle" if on_bundle else "open", on_bundle, "", pack)


def _broken(path: Path, error: HaversackError) -> Listed:
    return Listed(path.stem, 0, str(path), _state(error), str(error), True, error=error)


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
