"""Where a bundle comes from: a folder that holds all of it, or a delta that holds what another bundle lacks. Checked before it is used."""

from __future__ import annotations

import hashlib
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import IO, Protocol

from appliance import minisign
from appliance.carrying.meter import Meter
from appliance.errors import BundleAltered
from appliance.integrity import differences
from appliance.manifest import MANIFEST, SIGNATURE, SUMS, BundleFile, Manifest, parse_manifest, read_list, read_manifest
from appliance.minisign import BadSignature, PublicKey


class Source(Protocol):
    """A bundle that is on offer. Its signature fits; `verify` looks at all the rest."""

    @property
    def manifest(self) -> Manifest: ...

    @property
    def lists(self) -> Mapping[str, bytes]:
        """SHA256SUMS, signature and manifest, by name, in the order in which they are put in place."""

    @property
    def only_for(self) -> str:
        """The sha256 of the one manifest that it can follow; "" where it can follow any, or none."""

    def verify(self, meter: Meter) -> None:
        """Read every byte of it. Raises BundleAltered, NotADelta."""

    def holds(self, file: BundleFile) -> bool: ...

    def open(self, file: BundleFile) -> IO[bytes]:
        """The file's bytes, at their start; can be sought in."""


@dataclass(frozen=True, slots=True)
class Folder:
    """A whole bundle in a folder."""

    manifest: Manifest
    lists: Mapping[str, bytes]
    only_for: str = ""

    def verify(self, meter: Meter) -> None:
        meter.say(f"Checking {self.manifest.root}")
        for found in differences(self.manifest.root):
            if found.state != "extra":
                raise BundleAltered(path=found.path, state=found.state)

    def holds(self, file: BundleFile) -> bool:
        return True

    def open(self, file: BundleFile) -> IO[bytes]:
        return (self.manifest.root / file.path).open("rb")


def open_folder(root: Path) -> Folder:
    """The bundle at `root`. Raises BundleMissing, BundleUnreadable, BundleAltered."""
    key = read_manifest(root).signer
    assert key is not None  # `read_manifest` gives only what a key has signed
    try:
        content, signature = read_list(root / MANIFEST), read_list(root / SIGNATURE)
    except FileNotFoundError as error:  # a stick whose first copy, or whose update, was interrupted
        raise BundleAltered(path=MANIFEST, state="missing") from error
    return Folder(signed_manifest(root, content, signature, key), lists_of(root, content, signature))


def signed_manifest(root: Path, content: bytes, signature: bytes, key: PublicKey) -> Manifest:
    """The manifest, its signature checked before it is parsed. Raises BundleAltered, BundleUnreadable."""
    try:
        minisign.verify(hashlib.blake2b(content).digest(), signature.decode("utf-8"), key)
    except (BadSignature, UnicodeDecodeError) as error:
        raise BundleAltered(path=SIGNATURE, state="altered") from error
    return parse_manifest(root, content, key)


def lists_of(root: Path, content: bytes, signature: bytes) -> Mapping[str, bytes]:
    """The three lists, SHA256SUMS made from what the signature covers: nothing in it is to be taken on trust."""
    return {SUMS: sums_text(parse_manifest(root, content).files, content, signature).encode(), SIGNATURE: signature, MANIFEST: content}


def sums_text(files: Iterable[BundleFile], content: bytes, signature: bytes) -> str:
    """SHA256SUMS: every file but itself, by path."""
    sums = {file.path: file.sha256 for file in files}
    sums |= {MANIFEST: hashlib.sha256(content).hexdigest(), SIGNATURE: hashlib.sha256(signature).hexdigest()}
    return "".join(f"{digest}  {path}\n" for path, digest in sorted(sums.items()))
