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
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path, PurePosixPath
from typing import Any, Literal

from appliance.errors import BundleAltered, BundleMissing, BundleUnreadable, ModelMissing

FORMAT = 1
MANIFEST = "manifest.json"
SUMS = "SHA256SUMS"
_BLOCK = 1 << 20


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
        sums = _sums(root)
    except (OSError, ValueError) as error:
        raise BundleUnreadable(path=root, detail=error) from error
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
    except (KeyError, TypeError, ValueError, AttributeError) as error:
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

    Reads every byte. Raises BundleMissing, or BundleUnreadable where the manifest holds no list to check against.
    """
    if not (root / MANIFEST).is_file():
        raise BundleMissing(path=root)
    content = (root / MANIFEST).read_bytes()
    found: list[Difference] = []
    try:
        sums: dict[str, str] | None = _sums(root)
    except FileNotFoundError:
        sums = None
        found.append(Difference(SUMS, "missing"))
    except (OSError, ValueError):
        sums = None
        found.append(Difference(SUMS, "altered"))
    if sums is not None and sums.get(MANIFEST) != hashlib.sha256(content).hexdigest():
        found.append(Difference(MANIFEST, "altered"))
    try:
        manifest = parse_manifest(root, content)
    except BundleUnreadable:
        if sums is None:
            raise
        listed = [BundleFile(path, -1, digest, "") for path, digest in sums.items() if path != MANIFEST]
    else:
        listed = list(manifest.files)
        expected = {file.path: file.sha256 for file in listed}
        told = {path: digest for path, digest in (sums or {}).items() if path != MANIFEST}
        if sums is not None and told != expected and not any(item.path == MANIFEST for item in found):
            found.append(Difference(SUMS, "altered"))
    for file in listed:
        state = _state(root, file)
        if state:
            found.append(Difference(file.path, state))
    known = {file.path for file in listed} | {MANIFEST, SUMS}
    found += [Difference(path, "extra") for path in _walk(root) if path not in known]
    return tuple(sorted(found, key=lambda item: (item.path, item.state)))


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


def _sums(root: Path) -> dict[str, str]:
    sums: dict[str, str] = {}
    for line in (root / SUMS).read_text(encoding="utf-8").splitlines():
        digest, separator, path = line.partition("  ")
        if not separator or len(digest) != 64:
            raise ValueError(f"{SUMS} has a line that is no checksum")
        _refuse_unsafe(path)
        sums[path] = digest
    return sums


def _walk(root: Path) -> Iterator[str]:
    for path in root.rglob("*"):
        if path.is_symlink() or not path.is_dir():
            yield path.relative_to(root).as_posix()


def _refuse_unsafe(path: str) -> None:
    pure = PurePosixPath(path)
    if not path or pure.is_absolute() or ".." in pure.parts or "\\" in path or ":" in path or "\0" in path:
        raise ValueError(f"unsafe path {path!r}")
