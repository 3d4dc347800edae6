"""A bundle brought to where it is carried: `carry` does it, for a first copy, an update and a delta alike.

The order is what keeps a stick that is pulled out in use. New files come first, as NAME.new until they are read back and right; large
ones carry their hash in their path and are in nobody's way. The new lists lie beside the old ones from the start. Only when every file is there
do the small files of fixed names, and then the lists, take the old ones' place, the manifest last; at any moment in between
`read_manifest` takes whichever signature fits. What the older manifests named and the new one doesn't is removed after that. A second run
knows by its hash what the first one did, and goes on.
"""

from __future__ import annotations

import errno
from collections.abc import Iterable, Iterator, Sequence
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from functools import partial
from itertools import product
from pathlib import Path

from appliance.carrying import copy
from appliance.carrying.copy import Reading, read_back
from appliance.carrying.delta import open_delta
from appliance.carrying.filesystem import filesystem_of
from appliance.carrying.meter import Meter, size_text
from appliance.carrying.names import PREDECESSOR, check_names, is_users_own
from appliance.carrying.source import Source, open_folder, signed_manifest
from appliance.carrying.target import Terms, bundle_there, check_place, check_space, check_target, held
from appliance.durable import sha256_of, sync_folder
from appliance.errors import BundleAltered, BundleUnreadable, DeltaUnfit, NameUnfit, NoSuchPath, TargetRefused
from appliance.integrity import files_under
from appliance.manifest import LISTS, MANIFEST, PUBLIC_KEY, SIGNATURE, SUCCESSOR, SUMS, BundleFile, Manifest, read_key, read_list
from appliance.minisign import PublicKey
from appliance.printable import counted


@dataclass(frozen=True, slots=True)
class Carried:
    """What was done. Sizes are in bytes."""

    manifest: Manifest
    files: int
    """Brought now; the others were there and right."""
    size: int
    removed: tuple[str, ...]
    """What only an older manifest of ours had named."""
    freed: int
    strangers: tuple[str, ...]
    """What lies there and no manifest of ours named: left alone."""
    readings: frozenset[Reading]
    """In which ways the files that were brought could be read back."""


def write(bundle: Path, root: Path, meter: Meter) -> Carried:
    """Copy the bundle in the folder `bundle` to `root`, where there is none yet, or this very one, whole or in part. Raises as `carry` does."""
    return carry(open_folder(bundle), root, Terms(fresh=True), meter)


def update(offer: Path, root: Path, terms: Terms, meter: Meter) -> Carried:
    """Bring the bundle at `root` up to `offer`: a bundle's folder, or a delta's file. Raises NoSuchPath, StickError, BundleError."""
    if not offer.exists():
        raise NoSuchPath(path=str(offer))
    if offer.is_dir():
        return carry(open_folder(offer), root, terms, meter)
    key = bundle_there(root).signer
    assert key is not None  # `read_manifest` gives only what a key has signed
    with open_delta(offer, key) as delta:
        return carry(delta, root, terms, meter)


def carry(source: Source, root: Path, terms: Terms, meter: Meter) -> Carried:
    """Make the bundle at `root` the one that `source` offers. Killed anywhere, the one that was there still starts; run again, it goes on.

    Raises StickError, BundleError.
    """
    manifest = source.manifest
    check_names(manifest.files)
    check_target(root, manifest.files)
    with _explained(root), held(root, make=terms.fresh):
        there = check_place(root, source, terms)
        source.verify(meter)
        if there:
            _settle(root, there)
        tidy = _Tidy(root, _trusted_in_notes(source, there, terms, root))
        tidy.forget_the_interrupted(manifest, there)
        missing = _missing(source, root, meter)
        readings: set[Reading] = set()
        if missing or not _lists_are_there(source, root):
            check_space(root, missing, source.lists)
            for name, content in source.lists.items():
                copy.put(root, name + SUCCESSOR, content)
            sync_folder(root)
            late = _bring(source, root, missing, there, readings, meter)
            _switch(source, root, late, there)
        tidy.remove_the_old(manifest, there)
        listed = {file.path for file in manifest.files} | set(LISTS)
        strangers = tuple(sorted(path for path in files_under(root) if path not in listed))
    return Carried(manifest, len(missing), sum(file.size for file in missing), tuple(tidy.removed), tidy.freed, strangers, frozenset(readings))


def missing_files(offered: Manifest, there: Manifest | None) -> tuple[BundleFile, ...]:
    """What the one manifest names and the other doesn't, or with another content."""
    known = {(file.path, file.sha256) for file in there.files} if there else set()
    return tuple(file for file in offered.files if (file.path, file.sha256) not in known)


def _missing(source: Source, root: Path, meter: Meter) -> tuple[BundleFile, ...]:
    """What isn't there as it must be, the largest first. Reads what is there. Raises DeltaUnfit where the source can't bring all of that."""
    here = [file for file in source.manifest.files if _size(copy.plain(root, file.path)) == file.size]
    right: set[str] = set()
    if here:
        meter.say("Checking what is there")
        with meter.bars(sum(file.size for file in here)) as bars:
            right = {file.path for file in here if read_back(root / file.path, bars.file(file.path, file.size)).sha256 == file.sha256}
    missing = sorted((file for file in source.manifest.files if file.path not in right), key=lambda file: (-file.size, file.path))
    for file in missing:
        if not source.holds(file):
            raise DeltaUnfit(path=source.manifest.root, root=root, detail=f"{file.path} there is missing or altered, and the delta doesn't bring it")
    return tuple(missing)


def _bring(
    source: Source, root: Path, missing: Sequence[BundleFile], there: Manifest | None, readings: set[Reading], meter: Meter
) -> tuple[BundleFile, ...]:
    """Every missing file, read back. Those that the bundle of now reads under the same name are left as NAME.new, and returned."""
    in_use = {file.path for file in there.files} if there else set()
    late = []
    size = sum(file.size for file in missing)
    disk = filesystem_of(root)
    where = f"{root} ({disk.name or 'unknown'}, {size_text(disk.free)} free)"
    meter.say(f"Writing {counted(len(missing), 'file')}, {size_text(size)}, to {where}, and reading back")
    with meter.bars(2 * size) as bars:
        for file in missing:
            readings.add(copy.copy(partial(source.open, file), file, root, bars.file(file.path, 2 * file.size)))
            if file.path in in_use and (root / file.path).is_file():
                late.append(file)
            else:
                copy.replace(root, file.path)
    for folder in _folders(root, missing):
        sync_folder(folder)
    return tuple(late)


def _switch(source: Source, root: Path, late: Iterable[BundleFile], there: Manifest | None) -> None:
    """From the old bundle to the new: first a note of what the old one named, then the small files, then the lists, the manifest last."""
    if there and there.signer and there.sha256 != source.manifest.sha256:
        # With what proves that it was no stranger's: whatever a note names will be removed.
        copy.put(root, PUBLIC_KEY + PREDECESSOR, there.signer.text().encode())
        for name in (SIGNATURE, MANIFEST):
            copy.put(root, name + PREDECESSOR, read_list(root / name))
        sync_folder(root)
    for file in late:
        copy.replace(root, file.path)
    for folder in _folders(root, late):
        sync_folder(folder)
    for name in source.lists:
        copy.replace(root, name)
        sync_folder(root)


def _trusted_in_notes(source: Source, there: Manifest | None, terms: Terms, root: Path) -> frozenset[PublicKey]:
    """Whose notes on the stick are believed: the two bundles' own, and another's where the user said that another's bundle is to go."""
    keys = {manifest.signer for manifest in (source.manifest, there) if manifest}
    if terms.replace:
        keys.add(read_key(copy.plain(root, PUBLIC_KEY + PREDECESSOR)))
    return frozenset(key for key in keys if key)


def _settle(root: Path, there: Manifest) -> None:
    """End a change of lists that was cut in the middle: what is to come needs the names on which `there` rests then."""
    if (root / MANIFEST).is_file() and sha256_of(root / MANIFEST) == there.sha256:
        return
    for name in (SUMS, SIGNATURE, MANIFEST):
        if copy.plain(root, name + SUCCESSOR).is_file():
            copy.replace(root, name)
            sync_folder(root)


def _lists_are_there(source: Source, root: Path) -> bool:
    return all(copy.plain(root, name).is_file() and read_list(root / name) == content for name, content in source.lists.items())


class _Tidy:
    """Removes what manifests of ours named and none of now does; nothing else, and never anything of the user's."""

    def __init__(self, root: Path, keys: frozenset[PublicKey]) -> None:
        self._root = root
        self._keys = keys
        self.removed: list[str] = []
        self.freed = 0

    def forget_the_interrupted(self, offered: Manifest, there: Manifest | None) -> None:
        """What an update to yet another bundle had begun, and what the one before it had not come to removing."""
        kept = {file.path for manifest in (offered, there) if manifest for file in manifest.files}
        begun = self._noted(SUCCESSOR)
        if begun and begun.sha256 != offered.sha256:
            self._remove((file.path + SUCCESSOR for file in begun.files), kept)
            self._remove((file.path for file in begun.files), kept)
        earlier = self._noted(PREDECESSOR)
        if earlier:
            self._remove((file.path for file in earlier.files), kept)

    def remove_the_old(self, offered: Manifest, there: Manifest | None) -> None:
        kept = {file.path for file in offered.files}
        earlier = self._noted(PREDECESSOR)
        done = True
        for manifest in (there, earlier):
            done &= self._remove((file.path for file in manifest.files), kept) if manifest else True
        done &= self._remove((file.path + SUCCESSOR for file in offered.files), kept)
        if done:
            for name in (*(name + PREDECESSOR for name in (MANIFEST, SIGNATURE, PUBLIC_KEY)), copy.PARTIAL, *(name + SUCCESSOR for name in LISTS)):
                copy.plain(self._root, name).unlink(missing_ok=True)
        sync_folder(self._root)

    def _noted(self, ending: str) -> Manifest | None:
        """The manifest that lies there under that ending, where one of `keys` signed it and it names what a bundle of ours can name."""
        path = copy.plain(self._root, MANIFEST + ending)
        content = read_list(path) if path.is_file() else b""
        # Its signature may have its plain name already: it gets it before the manifest does.
        places = [copy.plain(self._root, name) for name in (SIGNATURE + ending, SIGNATURE)]
        for signature, key in product([read_list(place) for place in places if place.is_file()], self._keys):
            with suppress(BundleAltered, BundleUnreadable, NameUnfit):
                noted = signed_manifest(self._root, content, signature, key)
                check_names(noted.files)
                return noted
        return None

    def _remove(self, paths: Iterable[str], kept: set[str]) -> bool:
        """False where something could not be removed: Windows holds on to a file that is open."""
        done = True
        for name in paths:
            if name in kept or name in LISTS or is_users_own(name):
                continue
            path = copy.plain(self._root, name)
            if (size := _size(path)) is None:
                continue
            try:
                path.unlink()
            except PermissionError:
                done = False
                continue
            self.freed += size
            if not name.endswith(SUCCESSOR):
                self.removed.append(name)
            _remove_empty_folders(path.parent, self._root)
        return done


def _remove_empty_folders(folder: Path, root: Path) -> None:
    while folder != root and not any(folder.iterdir()):
        folder.rmdir()
        folder = folder.parent


def _folders(root: Path, files: Iterable[BundleFile]) -> list[Path]:
    """Every folder of these files, the deepest first, `root` the last."""
    found = {parent for file in files for parent in (root / file.path).parents if parent.is_relative_to(root)} | {root}
    return sorted(found, key=lambda folder: -len(folder.parts))


def _size(path: Path) -> int | None:
    return path.stat().st_size if path.is_file() else None


@contextmanager
def _explained(root: Path) -> Iterator[None]:
    """The system's refusals in one sentence. What was copied until then is kept, and the next run goes on from it."""
    try:
        yield
    except OSError as error:
        said = "it is full" if error.errno in (errno.ENOSPC, errno.EDQUOT) else f"the system said {error.strerror or error!r}"
        detail = f"{said}; what was there is as it was. Run the same command again to go on, or take another stick"
        raise TargetRefused(path=root, detail=detail) from error
