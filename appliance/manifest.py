"""The bundle's manifest: what is carried, file by file, and who signed for it. The contract between `bundle/`, which writes it, and the appliance.

```json
{"format": 2, "profile": "starter", "title": "Starter", "created": "2026-11-24T03:00:00Z", "languages": ["en"],
 "tool": {"name": "haversack-bundle", "version": "0.1.0"}, "versions": {"python": "3.11.7", "onnxruntime": "1.32.0"},
 "files": [{"path": "models/…/model.onnx", "size": 1, "sha256": "…", "role": "embedder", "platform": "", "licence": "Apache-2.0", "source": "…"}],
 "models": [{"role": "embedder", "id": "all-minilm-l6-v2", "title": "…", "folder": "models/all-minilm-l6-v2-1a2b3c4d", "licence": "Apache-2.0",
             "source": {"kind": "package", "name": "…", "version": "…", "sha256": "…"}, "settings": {}}],
 "runtimes": [{"platform": "linux-x64", "archive": "runtime/linux-x64-1a2b3c4d.tar.gz", "provider": "host", "python": "3.11.7", "libc": "2.36",
               "tested": true, "unpacked": 300000000}]}
```

`files` names every file but the manifest, its signature and SHA256SUMS. The signature (`minisign.py`) covers the manifest, and is
checked before the manifest is parsed. SHA256SUMS holds the hash of every file but itself, so that `sha256sum -c SHA256SUMS` checks
a stick with no program of ours. `data/` is the user's, where the library is kept on the stick: no part of the bundle.

While `update` replaces them, the lists lie beside their successors, `manifest.json.new` and so on: whichever manifest and signature fit each
other are taken, the plain names first.
"""

from __future__ import annotations

import hashlib
import json
import re
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path, PurePosixPath
from typing import Any

from appliance import minisign
from appliance.errors import BundleAltered, BundleMissing, BundleUnreadable, ModelMissing
from appliance.minisign import BadSignature, PublicKey

FORMAT = 2
MANIFEST = "manifest.json"
SIGNATURE = "manifest.json.minisig"
PUBLIC_KEY = "haversack.pub"
SUMS = "SHA256SUMS"
LISTS = (MANIFEST, SIGNATURE, SUMS)
"""What `files` does not name."""
DATA = "data"
"""The user's own folder on the stick."""
SUCCESSOR = ".new"
LARGEST_LIST = 16 << 20
"""Bytes: a manifest of 60 files has 30 kB, one of 20,000 would have 8 MB."""
_SUM_LINE = re.compile(r"([0-9a-f]{64})  ([^\n]+)")


@dataclass(frozen=True, slots=True)
class BundleFile:
    path: str
    size: int
    sha256: str
    role: str
    platform: str = ""
    """Empty where it is for all of them."""
    licence: str = ""
    source: str = ""


@dataclass(frozen=True, slots=True)
class Runtime:
    """An interpreter with its packages, for one platform."""

    platform: str
    archive: str
    provider: str
    python: str
    libc: str
    """The oldest C library that it runs with ("2.36"); empty where the system's own is always new enough."""
    tested: bool
    """False: built, and never yet run on that system."""
    unpacked: int
    """Bytes on the local disk."""


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
    title: str
    created: str
    languages: tuple[str, ...]
    tool: Mapping[str, str]
    versions: Mapping[str, str]
    files: tuple[BundleFile, ...]
    models: tuple[Model, ...]
    runtimes: tuple[Runtime, ...]
    guide: bool = True
    """Whether a new library begins with the user guide."""
    signer: PublicKey | None = None
    """Whose signature was found to fit; None only where the manifest was parsed without one."""
    sha256: str = ""
    """Of the manifest's own bytes: two bundles with the same one are the same bundle."""

    def model(self, role: str) -> Model:
        """The first model of that role. Raises ModelMissing."""
        found = next((model for model in self.models if model.role == role), None)
        if found is None:
            raise ModelMissing(path=self.root, role=role)
        return found

    def folder(self, model: Model) -> Path:
        return self.root / model.folder


def read_manifest(root: Path) -> Manifest:
    """The manifest of the bundle at `root`, its signature checked first against the bundle's own public key.

    Whether that key is one to be trusted is `trust.py`'s question. Raises BundleMissing, BundleUnreadable, BundleAltered.
    """
    if not any((root / name).is_file() for name in (MANIFEST, MANIFEST + SUCCESSOR)):
        raise BundleMissing(path=root)
    try:
        content, signer = next(_signed(root), (b"", None))
        if signer is None:
            raise _fault(root)
    except OSError as error:
        raise BundleUnreadable(path=root, detail=error.strerror or error) from error
    return parse_manifest(root, content, signer)


def signed_files(root: Path, signer: PublicKey | None) -> frozenset[str]:
    """The sha256 of every file that a manifest here names which `signer` signed: while an update is under way there are two."""
    manifests = [parse_manifest(root, content, key) for content, key in _signed(root) if key == signer]
    return frozenset(file.sha256 for manifest in manifests for file in manifest.files)


def _signed(root: Path) -> Iterator[tuple[bytes, PublicKey]]:
    """Each manifest with the key that signed it, the plain names first."""
    keys = [key for name in (PUBLIC_KEY, PUBLIC_KEY + SUCCESSOR) if (key := read_key(root / name))]
    signatures = [read_list(root / name) for name in (SIGNATURE, SIGNATURE + SUCCESSOR) if (root / name).is_file()]
    for name in (MANIFEST, MANIFEST + SUCCESSOR):
        content = read_list(root / name) if (root / name).is_file() else b""
        for signature in signatures:
            for key in keys:
                if content and fits(content, signature, key):
                    yield content, key


def read_list(path: Path) -> bytes:
    """One of the lists, a signature or a key; empty where it is larger than any list is, which nothing that is read so can be. Raises OSError."""
    with path.open("rb") as stream:
        content = stream.read(LARGEST_LIST + 1)
    return content if len(content) <= LARGEST_LIST else b""


def _fault(root: Path) -> BundleAltered:
    """Why no manifest and signature fit each other, naming the file at fault as well as can be known."""
    if not any(read_key(root / name) for name in (PUBLIC_KEY, PUBLIC_KEY + SUCCESSOR)):
        return BundleAltered(path=PUBLIC_KEY, state="altered" if (root / PUBLIC_KEY).exists() else "missing")
    if not any((root / name).is_file() for name in (SIGNATURE, SIGNATURE + SUCCESSOR)):
        return BundleAltered(path=SIGNATURE, state="missing")
    return BundleAltered(path=_culprit(root), state="altered")


def _culprit(root: Path) -> str:
    """Which of manifest and signature was altered, as SHA256SUMS knows it."""
    sums = parse_sums(read_list(root / SUMS) if (root / SUMS).is_file() else None) or {}
    for name in (MANIFEST, SIGNATURE):
        if (root / name).is_file() and name in sums and hashlib.sha256(read_list(root / name)).hexdigest() != sums[name]:
            return name
    return SIGNATURE if sums else MANIFEST


def read_key(path: Path) -> PublicKey | None:
    """The public key in that file; None where it holds none."""
    try:
        return minisign.parse_key(read_list(path).decode("ascii"))
    except (OSError, ValueError, BadSignature):
        return None


def fits(content: bytes, signature: bytes, key: PublicKey) -> bool:
    """Whether the signature is `key`'s over `content`."""
    try:
        minisign.verify(hashlib.blake2b(content).digest(), signature.decode("utf-8"), key)
    except (BadSignature, UnicodeDecodeError):
        return False
    return True


def parse_manifest(root: Path, content: bytes, signer: PublicKey | None = None) -> Manifest:
    try:
        data = json.loads(content)
        if _count(data["format"]) != FORMAT:
            raise ValueError(f"format {data['format']}, this Haversack knows {FORMAT}")
        manifest = Manifest(
            root=root,
            profile=str(data["profile"]),
            title=str(data["title"]),
            created=str(data["created"]),
            languages=tuple(str(language) for language in data["languages"]),
            tool=dict(data["tool"]),
            versions=dict(data["versions"]),
            files=tuple(_file(entry) for entry in data["files"]),
            models=tuple(
                Model(m["role"], m["id"], m["title"], m["folder"], m["licence"], dict(m["source"]), dict(m["settings"])) for m in data["models"]
            ),
            runtimes=tuple(
                Runtime(r["platform"], r["archive"], r["provider"], r["python"], r["libc"], bool(r["tested"]), _count(r["unpacked"]))
                for r in data["runtimes"]
            ),
            guide=bool(data.get("guide", True)),
            signer=signer,
            sha256=hashlib.sha256(content).hexdigest(),
        )
        for path in [file.path for file in manifest.files] + [model.folder for model in manifest.models]:
            _refuse_unsafe(path)
    except (KeyError, TypeError, ValueError, AttributeError, RecursionError) as error:
        raise BundleUnreadable(path=root, detail=error) from error
    return manifest


def _file(entry: Mapping[str, Any]) -> BundleFile:
    return BundleFile(
        str(entry["path"]),
        _count(entry["size"]),
        str(entry["sha256"]),
        str(entry["role"]),
        str(entry.get("platform", "")),
        str(entry.get("licence", "")),
        str(entry.get("source", "")),
    )


def _count(value: object) -> int:
    """A number of bytes, or of a format: true, 2.0 and 1e999 are JSON too, and none. Raises ValueError."""
    if type(value) is not int or not 0 <= value < 1 << 63:
        raise ValueError(f"{value!r} is no whole number")
    return value


def parse_sums(content: bytes | None) -> dict[str, str] | None:
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


def _refuse_unsafe(path: str) -> None:
    pure = PurePosixPath(path)
    if not path or pure.is_absolute() or ".." in pure.parts or "\\" in path or ":" in path or "\0" in path:
        raise ValueError(f"unsafe path {path!r}")
