"""Whether the files of a bundle are as its manifest says: one model's before it is loaded, or every byte of the bundle."""

from __future__ import annotations

import hashlib
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path, PurePosixPath
from typing import Literal

from appliance.durable import sha256_of
from appliance.errors import BundleAltered, BundleMissing, BundleUnreadable, ModelMissing
from appliance.manifest import (
    DATA,
    LISTS,
    MANIFEST,
    PUBLIC_KEY,
    SIGNATURE,
    SUMS,
    BundleFile,
    Manifest,
    Model,
    fits,
    parse_manifest,
    parse_sums,
    read_key,
    read_list,
)

DROPPINGS = frozenset({".DS_Store", "Thumbs.db", "System Volume Information", ".Trashes", ".fseventsd", ".Spotlight-V100"})
"""What operating systems leave on a stick without being asked, and none of them takes an order from."""


@dataclass(frozen=True, slots=True)
class Difference:
    """A file that isn't as the manifest says."""

    path: str
    state: Literal["missing", "altered", "extra"]


def verify_model(manifest: Manifest, model: Model) -> None:
    """Check every file of one model by size and sha256, before a loader opens it. Raises BundleAltered."""
    own = [file for file in manifest.files if PurePosixPath(file.path).is_relative_to(model.folder)]
    if not own:
        raise ModelMissing(path=manifest.root, role=model.role)
    for file in own:
        state = _state(manifest.root, file)
        if state:
            raise BundleAltered(path=file.path, state=state)


def differences(root: Path) -> tuple[Difference, ...]:
    """Every file of the bundle that is missing, altered or extra, the lists and the signature included, sorted by path.

    Reads every byte. Raises BundleMissing where there is neither manifest nor SHA256SUMS, or BundleUnreadable where neither can be read.
    """
    content = read_list(root / MANIFEST) if (root / MANIFEST).is_file() else None
    raw = read_list(root / SUMS) if (root / SUMS).is_file() else None
    if content is None and raw is None:
        raise BundleMissing(path=root)
    found = {Difference(name, "altered") for name in LISTS if (root / name).is_symlink()}
    sums = parse_sums(raw)
    if sums is None:
        found.add(Difference(SUMS, "missing" if raw is None else "altered"))
    manifest: Manifest | None = None
    try:
        if content is None:
            found.add(Difference(MANIFEST, "missing"))
        else:
            manifest = parse_manifest(root, content)
    except BundleUnreadable:
        found.add(Difference(MANIFEST, "altered"))
    if content is not None and sums is not None:
        found |= {Difference(name, "altered") for name in _disagree(sums, content, manifest)}
    found |= set(_signature_faults(root, content, sums))
    if manifest is not None:
        listed = list(manifest.files)
    elif sums is not None:
        listed = [BundleFile(path, -1, digest, "") for path, digest in sums.items() if path not in LISTS]
    else:
        raise BundleUnreadable(path=root, detail="neither it nor SHA256SUMS is as it was written")
    for file in listed:
        state = _state(root, file)
        if state:
            found.add(Difference(file.path, state))
    known = {file.path for file in listed} | set(LISTS)
    found |= {Difference(path, "extra") for path in files_under(root) if path not in known}
    return tuple(sorted(found, key=lambda item: (item.path, item.state)))


def _disagree(sums: Mapping[str, str], content: bytes, manifest: Manifest | None) -> Iterator[str]:
    """Which of the manifest and SHA256SUMS was altered, where the one doesn't say what the other does."""
    told, actual = sums.get(MANIFEST), hashlib.sha256(content).hexdigest()
    if told is None or SIGNATURE not in sums:
        yield SUMS
    elif told != actual:
        yield _liar(told, actual, MANIFEST)
    elif manifest is not None and {path: digest for path, digest in sums.items() if path not in LISTS} != {f.path: f.sha256 for f in manifest.files}:
        yield SUMS


def _signature_faults(root: Path, content: bytes | None, sums: Mapping[str, str] | None) -> Iterator[Difference]:
    """What is wrong with the signature: missing, not the one that was listed, or not fitting a manifest that is as it was listed."""
    if not (root / SIGNATURE).is_file():
        yield Difference(SIGNATURE, "missing")
        return
    signature = read_list(root / SIGNATURE)
    told, actual = (sums or {}).get(SIGNATURE), hashlib.sha256(signature).hexdigest()
    if told is not None and told != actual:
        yield Difference(_liar(told, actual, SIGNATURE), "altered")
    elif content is not None and (sums is None or sums.get(MANIFEST) == hashlib.sha256(content).hexdigest()):
        key = read_key(root / PUBLIC_KEY)
        if key is not None and not fits(content, signature, key):
            yield Difference(SIGNATURE, "altered")


def _liar(told: str, actual: str, name: str) -> str:
    """Another file has quite another hash; a hash that is nearly right was itself damaged."""
    return SUMS if sum(one != other for one, other in zip(told, actual, strict=True)) < 16 else name


def _state(root: Path, file: BundleFile) -> Literal["missing", "altered"] | None:
    path = root / file.path
    if _has_link(root, file.path):
        return "altered"
    if not path.is_file():
        return "missing"
    if file.size >= 0 and path.stat().st_size != file.size:
        return "altered"
    return None if sha256_of(path) == file.sha256 else "altered"


def _has_link(root: Path, name: str) -> bool:
    """Whether a link is on the way: a bundle holds none, and one leads out of it, where the file can be another one a moment later."""
    pure = PurePosixPath(name)
    return any((root / part).is_symlink() for part in (pure, *list(pure.parents)[:-1]))


def files_under(root: Path) -> Iterator[str]:
    """Every file below `root` but the user's own folder and what operating systems drop."""
    for path in root.rglob("*"):
        parts = path.relative_to(root).parts
        if parts[0] == DATA or any(part in DROPPINGS or part.startswith("._") for part in parts):
            continue
        if path.is_symlink() or not path.is_dir():
            yield "/".join(parts)
