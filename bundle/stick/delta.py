"""The making of a delta: what a new bundle has and an older one lacks, in one file. `appliance/carrying/delta.py` says what is in it."""

from __future__ import annotations

import json
import zipfile
from dataclasses import dataclass
from pathlib import Path

from appliance.carrying.carry import missing_files
from appliance.carrying.copy import BLOCK
from appliance.carrying.delta import FORMAT, NOTE
from appliance.carrying.filesystem import filesystem_of
from appliance.carrying.meter import Meter, size_text
from appliance.carrying.source import Folder
from appliance.carrying.target import Terms, check_succession
from appliance.durable import writing_durably
from appliance.errors import NotADelta, TargetRefused, TargetTooSmall, TooLargeForStick
from appliance.manifest import MANIFEST, SIGNATURE, Manifest, parse_manifest, read_manifest

_MOMENT = (1980, 1, 1, 0, 0, 0)
"""The same bundles make the same delta, byte for byte."""
_OVERHEAD = 512
"""Bytes of a zip for each member, at the most: its name comes twice."""


@dataclass(frozen=True, slots=True)
class Made:
    files: int
    size: int
    """Of the delta's file, in bytes."""


def read_old(path: Path) -> Manifest:
    """The older bundle's manifest: from its folder, its signature checked, or as that one file. Raises NotADelta, BundleError."""
    if path.is_dir():
        return read_manifest(path)
    try:
        return parse_manifest(path, path.read_bytes())
    except OSError as error:
        raise NotADelta(path=path, detail=error.strerror or error) from error


def make_delta(old: Manifest, new: Folder, file: Path, terms: Terms, meter: Meter) -> Made:
    """Write what `new` has and `old` lacks to `file`, which is there under its name only when it is whole. Raises StickError, BundleError."""
    check_succession(old, new.manifest, terms)
    carried = missing_files(new.manifest, old)
    note = {"format": FORMAT, "from": old.sha256, "from_created": old.created, "created": new.manifest.created, "profile": new.manifest.profile}
    size = sum(entry.size + _OVERHEAD for entry in carried) + len(new.lists[MANIFEST])
    _check_room(file, size)
    new.verify(meter)
    meter.say(f"Writing {file}")
    with writing_durably(file) as stream, zipfile.ZipFile(stream, "w", zipfile.ZIP_STORED) as archive:
        archive.writestr(_member(NOTE, 0), json.dumps(note, indent=1) + "\n")
        for name in (MANIFEST, SIGNATURE):
            archive.writestr(_member(name, 0), new.lists[name])
        with meter.bars(sum(entry.size for entry in carried)) as bars:
            for entry in carried:
                add = bars.file(entry.path, entry.size)
                with new.open(entry) as source, archive.open(_member(entry.path, entry.size), "w") as target:
                    while block := source.read(BLOCK):
                        target.write(block)
                        add(len(block))
    return Made(len(carried), file.stat().st_size)


def _member(name: str, size: int) -> zipfile.ZipInfo:
    """`size` tells zipfile whether the member needs the zip64 format."""
    member = zipfile.ZipInfo(name, _MOMENT)
    member.file_size = size
    member.external_attr = 0o644 << 16
    return member


def _check_room(file: Path, size: int) -> None:
    if file.is_dir() or not file.parent.is_dir():
        raise TargetRefused(path=file, detail="it is a folder, or is in none; name a file in a folder that is there")
    disk = filesystem_of(file.parent)
    if disk.read_only:
        raise TargetRefused(path=file, detail="it is write-protected; name another place")
    if disk.largest_file is not None and size > disk.largest_file:
        raise TooLargeForStick(name=file.name, size=size_text(size), path=file.parent, kind=disk.name, limit=size_text(disk.largest_file))
    if disk.takes(size) > disk.free:
        name = disk.name or "its file system"
        raise TargetTooSmall(path=file.parent, free=size_text(disk.free), needed=size_text(size), name=name, cluster=size_text(disk.cluster))
