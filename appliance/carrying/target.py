"""Whether a place can take a bundle, and whether this bundle may follow the one that is there: everything that is asked before a byte is written."""

from __future__ import annotations

import os
import sys
from collections.abc import Iterable, Iterator, Mapping
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from pathlib import Path, PurePosixPath

from appliance.carrying.copy import PARTIAL
from appliance.carrying.filesystem import FileSystem, existing, filesystem_of
from appliance.carrying.meter import size_text
from appliance.carrying.source import Source
from appliance.errors import (
    BundleError,
    BundleMissing,
    BundleOlder,
    BundleOther,
    BundleThere,
    DeltaUnfit,
    StickBusy,
    TargetRefused,
    TargetTooSmall,
    TooLargeForStick,
)
from appliance.integrity import DROPPINGS
from appliance.manifest import LISTS, MANIFEST, SUCCESSOR, BundleFile, Manifest, read_manifest

_REPLACE = "If that is what you want, `haversack-bundle update --replace` puts it there and keeps what is in data/."


@dataclass(frozen=True, slots=True)
class Terms:
    """What the user has said that may happen."""

    fresh: bool = False
    """Where no bundle is yet, or this very one, whole or in part; otherwise, there must be one."""
    allow_downgrade: bool = False
    replace: bool = False
    """Another key's or another profile's bundle, or one that can't be read any more."""


@contextmanager
def held(root: Path, *, make: bool) -> Iterator[None]:
    """The bundle's folder, this process's alone; made where it may be, and removed again where nothing came into it. Raises StickBusy."""
    made = make and not root.exists()
    if made:
        if not root.parent.is_dir():
            raise TargetRefused(path=root, detail=f"there is no {root.parent}; plug the stick in, or name a folder that is there")
        root.mkdir()
    elif not root.exists():
        raise TargetRefused(path=root, detail="it isn't there; `haversack-bundle write` puts a bundle in a new place")
    try:
        if sys.platform == "win32":  # a folder can't be locked there; two at once would still leave nothing half-made under a final name
            yield
            return
        import fcntl

        handle = os.open(root, os.O_RDONLY)
        try:
            try:
                fcntl.flock(handle, fcntl.LOCK_EX | fcntl.LOCK_NB)
            except BlockingIOError as error:
                raise StickBusy(path=root) from error
            yield
        finally:
            os.close(handle)
    finally:
        if made:
            with suppress(OSError):
                root.rmdir()


def check_target(root: Path, files: Iterable[BundleFile]) -> FileSystem:
    """The file system that is to take the bundle. Raises TargetRefused, TooLargeForStick."""
    if root.is_symlink() or (root.exists() and not root.is_dir()):
        raise TargetRefused(path=root, detail="it is a file or a link; name a folder")
    disk = filesystem_of(root)
    if disk.read_only:
        raise TargetRefused(path=root, detail="it is write-protected; slide the stick's switch, or mount it anew so that it can be written")
    if not os.access(existing(root), os.W_OK):
        raise TargetRefused(path=root, detail="you may not write there; name a folder of your own, or ask whoever looks after this machine")
    if not disk.long_names:
        raise TargetRefused(path=root, detail="it is mounted with short names (msdos); mount it as vfat")
    largest = max(files, key=lambda file: file.size, default=None)
    if largest and disk.largest_file is not None and largest.size > disk.largest_file:
        raise TooLargeForStick(
            name=largest.path, size=size_text(largest.size), path=root, kind=disk.name, limit=f"{size_text(disk.largest_file)} (4 GiB − 1)"
        )
    return disk


def check_space(root: Path, missing: Iterable[BundleFile], lists: Mapping[str, bytes]) -> None:
    """Whole clusters for every file that is to come, for its folders and the lists, beside all that is there. Raises TargetTooSmall."""
    disk = filesystem_of(root)
    needed = 0
    folders: set[str] = set()
    for file in missing:
        partial = root / (file.path + SUCCESSOR)
        here = partial.stat().st_size if partial.is_file() else 0
        needed += max(0, disk.takes(file.size) - disk.takes(here))
        folders |= {str(folder) for folder in PurePosixPath(file.path).parents if not (root / folder).is_dir()}
    # The lists come twice: the new ones, and the old manifest, signature and key kept until what only they named is gone.
    needed += 2 * sum(disk.takes(len(content)) for content in lists.values()) + (len(folders) + 2) * disk.cluster
    if needed > disk.free:
        raise TargetTooSmall(
            path=root, free=size_text(disk.free), needed=size_text(needed), name=disk.name or "its file system", cluster=size_text(disk.cluster)
        )


def check_place(root: Path, source: Source, terms: Terms) -> Manifest | None:
    """The bundle that is there and may be followed by what `source` offers; None where there is none.

    Raises TargetRefused, BundleThere, BundleOlder, BundleOther, DeltaUnfit, BundleError.
    """
    if source.manifest.root.absolute() == root.absolute():
        raise TargetRefused(path=root, detail="it is the bundle itself; name another place")
    if terms.fresh:
        return _before_a_first_copy(root, source.manifest)
    try:
        there = bundle_there(root)
    except BundleError:
        if not terms.replace:
            raise
        return None
    check_succession(there, source.manifest, terms)
    if source.only_for and there.sha256 not in (source.only_for, source.manifest.sha256):
        raise DeltaUnfit(path=source.manifest.root, root=root, detail=f"it follows another bundle than the one of {there.created} that is there")
    return there


def bundle_there(root: Path) -> Manifest:
    """The bundle that is to be updated. Raises TargetRefused where there is none, BundleUnreadable, BundleAltered."""
    try:
        return read_manifest(root)
    except BundleMissing as error:
        raise TargetRefused(path=root, detail="there is no bundle in it; `haversack-bundle write` puts one there") from error


def check_succession(there: Manifest, offered: Manifest, terms: Terms) -> None:
    """Whether the one bundle may take the other's place. Raises BundleOther, BundleOlder."""
    if not terms.replace:
        if there.signer and offered.signer and there.signer != offered.signer:
            one, other = f"signed by the key {there.signer.fingerprint}", f"signed by the key {offered.signer.fingerprint}"
            raise BundleOther(path=there.root, there=one, offered=other, advice=_REPLACE)
        if there.profile != offered.profile:
            one, other = f"of the profile {there.profile!r}", f"of the profile {offered.profile!r}"
            raise BundleOther(path=there.root, there=one, offered=other, advice=_REPLACE)
    if offered.created < there.created and not terms.allow_downgrade:
        raise BundleOlder(path=there.root, created=offered.created, there=there.created)


def _before_a_first_copy(root: Path, offered: Manifest) -> Manifest | None:
    if (root / MANIFEST).exists():
        try:
            there = read_manifest(root)
        except BundleError as error:
            told = f"of the profile {offered.profile!r}"
            raise BundleOther(path=root, there="not one that can be read any more", offered=told, advice=_REPLACE) from error
        if there.sha256 != offered.sha256:
            raise BundleThere(path=root, profile=there.profile, created=there.created)
        return there
    ours = {PARTIAL} | {name + SUCCESSOR for name in LISTS}  # the first that come
    if not (root / (MANIFEST + SUCCESSOR)).exists() and any(path.name not in DROPPINGS | ours for path in root.iterdir()):
        raise TargetRefused(path=root, detail=f"it holds something that is no bundle; name a new folder in it, {root / 'haversack'}")
    return None
