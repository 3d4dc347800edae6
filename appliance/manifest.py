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
from typing import Any, Literal

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
_BLOCK = 1 << 20
# What operating systems leave on a stick without being asked.
DROPPINGS = frozenset({".DS_Store", "Thumbs.db", "desktop.ini", "System Volume Information", ".Trashes", ".fseventsd", ".Spotlight-V100"})
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


@dataclass(frozen=True, slots=True)
class Difference:
    """A file that isn't as the manifest says."""

    path: str
    state: Literal["missing", "altered", "extra"]


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
    keys = [key for name in (PUBLIC_KEY, PUBLIC_KEY + SUCCESSOR) if (key := _read_key(root / name))]
    signatures = [(root / name).read_bytes() for name in (SIGNATURE, SIGNATURE + SUCCESSOR) if (root / name).is_file()]
    for name in (MANIFEST, MANIFEST + SUCCESSOR):
        content = (root / name).read_bytes() if (root / name).is_file() else b""
        for signature in signatures:
            for key in keys:
                if content and _fits(content, signature, key):
                    yield content, key


def _fault(root: Path) -> BundleAltered:
    """Why no manifest and signature fit each other, naming the file at fault as well as can be known."""
    if not any(_read_key(root / name) for name in (PUBLIC_KEY, PUBLIC_KEY + SUCCESSOR)):
        return BundleAltered(path=PUBLIC_KEY, state="altered" if (root / PUBLIC_KEY).exists() else "missing")
    if not any((root / name).is_file() for name in (SIGNATURE, SIGNATURE + SUCCESSOR)):
        return BundleAltered(path=SIGNATURE, state="missing")
    return BundleAltered(path=_culprit(root), state="altered")


def _culprit(root: Path) -> str:
    """Which of manifest and signature was altered, as SHA256SUMS knows it."""
    sums = _parse_sums((root / SUMS).read_bytes() if (root / SUMS).is_file() else None) or {}
    for name in (MANIFEST, SIGNATURE):
        if (root / name).is_file() and name in sums and sha256_of(root / name) != sums[name]:
            return name
    return SIGNATURE if sums else MANIFEST


def _read_key(path: Path) -> PublicKey | None:
    try:
        return minisign.parse_key(path.read_text(encoding="ascii"))
    except (OSError, ValueError, BadSignature):
        return None


def _fits(content: bytes, signature: bytes, key: PublicKey) -> bool:
    try:
        minisign.verify(hashlib.blake2b(content).digest(), signature.decode("utf-8"), key)
    except (BadSignature, UnicodeDecodeError):
        return False
    return True


def parse_manifest(root: Path, content: bytes, signer: PublicKey | None = None) -> Manifest:
    try:
        data = json.loads(content)
        if data["format"] != FORMAT:
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
                Runtime(r["platform"], r["archive"], r["provider"], r["python"], r["libc"], bool(r["tested"]), int(r["unpacked"]))
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
        entry["path"],
        int(entry["size"]),
        entry["sha256"],
        entry["role"],
        str(entry.get("platform", "")),
        str(entry.get("licence", "")),
        str(entry.get("source", "")),
    )


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
    content = (root / MANIFEST).read_bytes() if (root / MANIFEST).is_file() else None
    raw = (root / SUMS).read_bytes() if (root / SUMS).is_file() else None
    if content is None and raw is None:
        raise BundleMissing(path=root)
    found = {Difference(name, "altered") for name in LISTS if (root / name).is_symlink()}
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
    signature = (root / SIGNATURE).read_bytes()
    told, actual = (sums or {}).get(SIGNATURE), hashlib.sha256(signature).hexdigest()
    if told is not None and told != actual:
        yield Difference(_liar(told, actual, SIGNATURE), "altered")
    elif content is not None and (sums is None or sums.get(MANIFEST) == hashlib.sha256(content).hexdigest()):
        key = _read_key(root / PUBLIC_KEY)
        if key is not None and not _fits(content, signature, key):
            yield Difference(SIGNATURE, "altered")


def _liar(told: str, actual: str, name: str) -> str:
    """Another file has quite another hash; a hash that is nearly right was itself damaged."""
    return SUMS if sum(one != other for one, other in zip(told, actual, strict=True)) < 16 else name


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


def files_under(root: Path) -> Iterator[str]:
    """Every file below `root` but the user's own folder and what operating systems drop."""
    for path in root.rglob("*"):
        parts = path.relative_to(root).parts
        if parts[0] == DATA or any(part in DROPPINGS or part.startswith("._") for part in parts):
            continue
        if path.is_symlink() or not path.is_dir():
            yield "/".join(parts)


def _refuse_unsafe(path: str) -> None:
    pure = PurePosixPath(path)
    if not path or pure.is_absolute() or ".." in pure.parts or "\\" in path or ":" in path or "\0" in path:
        raise ValueError(f"unsafe path {path!r}")
