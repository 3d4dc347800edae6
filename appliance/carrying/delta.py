"""A delta: one file with what brings a bundle up to the next, for someone who is far away.

A zip whose members are stored as they are: `delta.json` ({"format": 1, "from": the sha256 of the manifest that it follows, …}), `manifest.json`,
`manifest.json.minisig`, and each file that the older bundle lacks under its own path. It is read with suspicion: whatever isn't
listed in the signed manifest, byte for byte, makes it no delta.
"""

from __future__ import annotations

import errno
import hashlib
import json
import stat
import struct
import zipfile
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import IO

from appliance.carrying.copy import BLOCK
from appliance.carrying.meter import Meter
from appliance.carrying.source import lists_of, signed_manifest
from appliance.errors import BundleAltered, NotADelta
from appliance.manifest import MANIFEST, SIGNATURE, BundleFile, Manifest
from appliance.minisign import PublicKey

FORMAT = 1
NOTE = "delta.json"
_LISTS = frozenset({NOTE, MANIFEST, SIGNATURE})
_LARGEST_LIST = 16 << 20
_ENCRYPTED = 1
# What zipfile, and whoever reads through it, raises on a file that was cut or altered; NotImplementedError for a compression it doesn't know.
_BROKEN = (zipfile.BadZipFile, EOFError, NotImplementedError, RuntimeError, ValueError, KeyError, TypeError, OverflowError, struct.error)


@dataclass(frozen=True, slots=True)
class Delta:
    """An open delta. Its names, sizes and signature are checked; `verify` reads the rest."""

    manifest: Manifest
    lists: Mapping[str, bytes]
    only_for: str
    archive: zipfile.ZipFile

    def verify(self, meter: Meter) -> None:
        members = [member for member in self.archive.infolist() if member.filename not in _LISTS]
        hashes = {entry.path: entry.sha256 for entry in self.manifest.files}
        meter.say(f"Checking {self.manifest.root}")
        with _refused(self.manifest.root), meter.bars(sum(member.file_size for member in members)) as bars:
            for member in members:
                digest = hashlib.sha256()
                add = bars.file(member.filename, member.file_size)
                with self.archive.open(member) as stream:
                    while block := stream.read(BLOCK):
                        digest.update(block)
                        add(len(block))
                if digest.hexdigest() != hashes[member.filename]:
                    raise ValueError(f"{member.filename!r} is not as the manifest says")

    def holds(self, file: BundleFile) -> bool:
        return file.path in self.archive.NameToInfo

    def open(self, file: BundleFile) -> IO[bytes]:
        return self.archive.open(file.path)


@contextmanager
def open_delta(file: Path, key: PublicKey) -> Iterator[Delta]:
    """The delta in `file`, for a bundle signed by `key`. Raises NotADelta, BundleUnreadable, OSError."""
    with _refused(file):
        archive = zipfile.ZipFile(file)
    with archive:
        with _refused(file):
            delta = _read(archive, file, key)
        yield delta


@contextmanager
def _refused(file: Path) -> Iterator[None]:
    try:
        yield
    except _BROKEN as error:
        raise NotADelta(path=file, detail=str(error).removesuffix(".")) from error
    except OSError as error:
        if error.errno != errno.EINVAL:
            raise
        raise NotADelta(path=file, detail="it points outside itself") from error  # an altered offset, sought to


def _read(archive: zipfile.ZipFile, file: Path, key: PublicKey) -> Delta:
    """Raises ValueError and the like where anything is in it that a delta of ours hasn't."""
    members = archive.infolist()
    if len({member.filename for member in members}) != len(members):
        raise ValueError("it holds two members of one name")
    for member in members:
        if member.compress_type != zipfile.ZIP_STORED or member.compress_size != member.file_size or member.flag_bits & _ENCRYPTED:
            raise ValueError(f"{member.filename!r} in it isn't stored as it is")
        if stat.S_ISLNK(member.external_attr >> 16):
            raise ValueError(f"{member.filename!r} in it is a link")
    if sum(member.file_size for member in members) > file.stat().st_size:
        raise ValueError("its members would be larger than itself")
    note, content, signature = (_small(archive, name) for name in (NOTE, MANIFEST, SIGNATURE))
    told = json.loads(note)
    if told["format"] != FORMAT:
        raise ValueError(f"it has the format {told['format']!r}, and this Haversack knows {FORMAT}")
    try:
        manifest = signed_manifest(file, content, signature, key)
    except BundleAltered as error:
        raise ValueError("the key of the bundle that is there did not sign it, or it was altered") from error
    sizes = {entry.path: entry.size for entry in manifest.files}
    for member in members:
        if member.filename not in _LISTS and sizes.get(member.filename) != member.file_size:
            raise ValueError(f"{member.filename!r} in it is no part of the bundle")
    return Delta(manifest, lists_of(file, content, signature), str(told["from"]), archive)


def _small(archive: zipfile.ZipFile, name: str) -> bytes:
    if archive.getinfo(name).file_size > _LARGEST_LIST:
        raise ValueError(f"{name!r} in it is larger than any list")
    return archive.read(name)
