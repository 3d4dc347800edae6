"""The bundle's manifest: what is carried, file by file. The contract between `bundle/`, which writes it, and the appliance.

```json
{"format": 1, "profile": "starter", "created": "2026-11-24T03:00:00Z", "tool": {"name": "haversack-bundle", "version": "0.1.0"},
 "versions": {"python": "3.11.7", "onnxruntime": "1.32.0"},
 "files": [{"path": "models/…/model.onnx", "size": 1, "sha256": "…", "role": "embedder"}],
 "models": [{"role": "embedder", "id": "all-minilm-l6-v2", "title": "…", "folder": "models/all-minilm-l6-v2", "licence": "Apache-2.0",
             "source": {"kind": "package", "name": "…", "version": "…", "sha256": "…"}, "settings": {}}]}
```

`files` names every file but `manifest.json` and `SHA256SUMS`; SHA256SUMS holds the hash of every file but itself, so that a
changed manifest shows too, and so that `sha256sum -c SHA256SUMS` checks a stick with no program of ours.
"""

from __future__ import annotations

import hashlib
import json
import re
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path, PurePosixPath
from typing import Any, Literal

from appliance.errors import BundleAltered, BundleMissing, BundleUnreadable, ModelMissing

FORMAT = 1
MANIFEST = "manifest.json"
SUMS = "SHA256SUMS"
_BLOCK = 1 << 20
_SUM_LINE = re.compile(r"([0-9a-f]{64})  ([^\n]+)")


@dataclass(frozen=True, slots=True)
class BundleFile:
    path: str
    size: int
    sha256: str
    role: str


@dataclass(frozen=True, slots=True)
class Model:
    """A model of the bundle. `settings` is what its loader needs to know; see `models/embedder.py` and `models/generator.py`."""

    role: str
    id: str
    title: str
    folder: str
    licence: str
    source: Mapping[str, Any]
    settings: Mapping[str, Any]


@dataclass(frozen=True, slots=True)
class Manifest:
    root: Path
    profile: str
    created: str
    tool: Mapping[str, str]
    versions: Mapping[str, str]
    files: tuple[BundleFile, ...]
    models: tuple[Model, ...]

    def model(self, role: str) -> Model:
        """The first model of that role. Raises ModelMissing."""
        found = next((model for model in self.models if model.role == role), None)
        if found is None:
            raise ModelMissing(path=self.root, role=role)
        return found

    def folder(self, model: Model) -> Path:
        return self.root / model.folder


@dataclass(frozen=True, slots=True)
class Difference:
    """A file that isn't as the manifest says."""

    path: str
    state: Literal["missing", "altered", "extra"]


def read_manifest(root: Path) -> Manifest:
    """The manifest of the bundle at `root`; its own hash is checked against SHA256SUMS.

    Raises BundleMissing, BundleUnreadable, BundleAltered.
    """
    if not (root / MANIFEST).is_file():
        raise BundleMissing(path=root)
    try:
        content = (root / MANIFEST).read_bytes()
        sums = _parse_sums((root / SUMS).read_bytes())
    except OSError as error:
        raise BundleUnreadable(path=root, detail=error) from error
    if sums is None:
        raise BundleAltered(path=SUMS, state="altered")
    if sums.get(MANIFEST) != hashlib.sha256(content).hexdigest():
        raise BundleAltered(path=MANIFEST, state="altered")
    return parse_manifest(root, content)


def parse_manifest(root: Path, content: bytes) -> Manifest:
    try:
        data = json.loads(content)
        if data["format"] != FORMAT:
            raise ValueError(f"format {data['format']}, this Haversack knows {FORMAT}")
        manifest = Manifest(
            root=root,
            profile=str(data["profile"]),
            created=str(data["created"]),
            tool=dict(data["tool"]),
            versions=dict(data["versions"]),
            files=tuple(BundleFile(f["path"], int(f["size"]), f["sha256"], f["role"]) for f in data["files"]),
            models=tuple(
                Model(m["role"], m["id"], m["title"], m["folder"], m["licence"], dict(m["source"]), dict(m["settings"])) for m in data["models"]
            ),
        )
        for path in [file.path for file in manifest.files] + [model.folder for model in manifest.models]:
            _refuse_unsafe(path)
    except (KeyError, TypeError, ValueError, AttributeError, RecursionError) as error:
        raise BundleUnreadable(path=root, detail=error) from error
    return manifest


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
    """Every file of the bundle that is missing, altered or extra, the manifest and SHA256SUMS included, sorted by path.

    Reads every byte. Raises BundleMissing where there is neither of the two, or BundleUnreadable where neither can be read.
    """
    content = (root / MANIFEST).read_bytes() if (root / MANIFEST).is_file() else None
    raw = (root / SUMS).read_bytes() if (root / SUMS).is_file() else None
    if content is None and raw is None:
        raise BundleMissing(path=root)
    found = {Difference(name, "altered") for name in (MANIFEST, SUMS) if (root / name).is_symlink()}
    sums = _parse_sums(raw)
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
    if manifest is not None:
        listed = list(manifest.files)
    elif sums is not None:
        listed = [BundleFile(path, -1, digest, "") for path, digest in sums.items() if path != MANIFEST]
    else:
        raise BundleUnreadable(path=root, detail="neither it nor SHA256SUMS is as it was written")
    for file in listed:
        state = _state(root, file)
        if state:
            found.add(Difference(file.path, state))
    known = {file.path for file in listed} | {MANIFEST, SUMS}
    found |= {Difference(path, "extra") for path in _walk(root) if path not in known}
    return tuple(sorted(found, key=lambda item: (item.path, item.state)))


def _disagree(sums: Mapping[str, str], content: bytes, manifest: Manifest | None) -> Iterator[str]:
    """Which of the manifest and SHA256SUMS was altered, where the one doesn't say what the other does."""
    told, actual = sums.get(MANIFEST), hashlib.sha256(content).hexdigest()
    if told is None:
        yield SUMS
    elif told != actual:
        # Another manifest has quite another hash; a hash that is nearly right was itself damaged.
        yield SUMS if sum(one != other for one, other in zip(told, actual, strict=True)) < 16 else MANIFEST
    elif manifest is not None and {path: digest for path, digest in sums.items() if path != MANIFEST} != {f.path: f.sha256 for f in manifest.files}:
        yield SUMS


def sha256_of(path: Path) -> str:
    digest = hashlib.sha256()
    with path.open("rb") as stream:
        while block := stream.read(_BLOCK):
            digest.update(block)
    return digest.hexdigest()


def _state(root: Path, file: BundleFile) -> Literal["missing", "altered"] | None:
    path = root / file.path
    if path.is_symlink() or not path.is_file():
        return "altered" if path.is_symlink() else "missing"
    if file.size >= 0 and path.stat().st_size != file.size:
        return "altered"
    return None if sha256_of(path) == file.sha256 else "altered"


def _parse_sums(content: bytes | None) -> dict[str, str] | None:
    """Path → sha256, or None where the list isn't exactly as it was written."""
    sums: dict[str, str] = {}
    try:
        *lines, end = (content or b"?").decode("utf-8").split("\n")
        for line in lines:
            match = _SUM_LINE.fullmatch(line)
            if match is None or match[2] in sums:
                return None
            _refuse_unsafe(match[2])
            sums[match[2]] = match[1]
    except ValueError:
        return None
    return None if end else sums


def _walk(root: Path) -> Iterator[str]:
    for path in root.rglob("*"):
        if path.is_symlink() or not path.is_dir():
            yield path.relative_to(root).as_posix()


def _refuse_unsafe(path: str) -> None:
    pure = PurePosixPath(path)
    if not path or pure.is_absolute() or ".." in pure.parts or "\\" in path or ":" in path or "\0" in path:
        raise ValueError(f"unsafe path {path!r}")
