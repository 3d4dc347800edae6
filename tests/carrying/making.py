"""Small signed bundles, laid out as the large ones are, and what must hold of a stick at any moment."""

from __future__ import annotations

import hashlib
import random
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path

from appliance.carrying.meter import Add
from appliance.durable import sha256_of
from appliance.integrity import files_under
from appliance.manifest import LISTS, Manifest, read_manifest
from appliance.minisign import SecretKey, load_key
from bundle.sign import write_lists

OLDER, NEWER, NEWEST = "2026-03-01T00:00:00Z", "2026-04-01T00:00:00Z", "2026-05-01T00:00:00Z"
LIBRARY = {"data/library.sqlite3": b"the user's own", "data/originals/ab/abcd.pdf": b"%PDF-"}


def noise(seed: int, size: int) -> bytes:
    """Bytes that no file system can make smaller; the same for the same seed."""
    return random.Random(seed).randbytes(size)


def key(folder: Path, name: str = "maker") -> SecretKey:
    return load_key(folder / f"{name}.pem")


def make_bundle(root: Path, signer: SecretKey, *, created: str = OLDER, version: int = 1, size: int = 300_000, profile: str = "tiny") -> Path:
    """A bundle in `root`. Each version has another runtime, another model, other launchers and another guide; pack and licences stay."""
    stable = noise(0, size)
    model, runtime = noise(100 + version, size), noise(200 + version, size // 2)
    files = {
        "START-Windows.cmd": f"start {version}\r\n".encode(),
        "start-linux.sh": f"start {version}\n".encode(),
        "READ-ME-FIRST.html": f"<title>{version}</title>".encode() * (version * 100),
        "LICENSES/MIT.txt": b"terms",
        f"runtime/linux-x64-{_short(runtime)}.tar.gz": runtime,
        f"models/reader-{_short(model)}/model.gguf": model,
        f"models/reader-{_short(model)}/tokenizer.json": b"{}" * 10 * version,
        "models/embedder-00000000/model.onnx": stable,
        "packs/guide.haversack": noise(1, 5_000),
    }
    return write_bundle(root, signer, files, created=created, profile=profile)


def write_bundle(root: Path, signer: SecretKey, files: Mapping[str, bytes], *, created: str = OLDER, profile: str = "tiny") -> Path:
    for name, content in files.items():
        (root / name).parent.mkdir(parents=True, exist_ok=True)
        (root / name).write_bytes(content)
    sign(root, signer, created=created, profile=profile)
    return root


def sign(root: Path, signer: SecretKey, *, created: str = OLDER, profile: str = "tiny") -> None:
    """The lists, for what lies there."""
    rest = {"format": 2, "profile": profile, "title": profile, "created": created, "languages": ["en"], "tool": {"name": "t"}, "versions": {}}
    write_lists(root, {**rest, "models": [], "runtimes": []}, signer)


def put_library(root: Path) -> None:
    for name, content in LIBRARY.items():
        (root / name).parent.mkdir(parents=True, exist_ok=True)
        (root / name).write_bytes(content)


def library_is_whole(root: Path) -> bool:
    return all((root / name).read_bytes() == content for name, content in LIBRARY.items())


def starts(root: Path, *bundles: Path) -> Manifest:
    """What `root` would start with: one of `bundles`, every object of it whole; a small file of a fixed name may be another bundle's already."""
    found = read_manifest(root)
    known = [read_manifest(bundle) for bundle in bundles]
    assert found.sha256 in {one.sha256 for one in known}
    allowed: dict[str, set[str]] = {}
    for one in known:
        for file in one.files:
            allowed.setdefault(file.path, set()).add(file.sha256)
    for file in found.files:
        assert sha256_of(root / file.path) in allowed[file.path], file.path
        if len(allowed[file.path]) > 1:
            assert file.size < 100_000, "large objects carry their hash in their path"
    return found


def left_over(root: Path) -> list[str]:
    """What lies in `root` and is no part of its bundle."""
    listed = {file.path for file in read_manifest(root).files} | set(LISTS)
    return sorted(path for path in files_under(root) if path not in listed)


class Heard:
    """A meter that keeps what it is told."""

    def __init__(self) -> None:
        self.lines: list[str] = []
        self.total = self.done = 0

    def say(self, line: str, /) -> None:
        self.lines.append(line)

    @contextmanager
    def bars(self, size: int, /) -> Iterator[Heard]:
        self.total, self.done = size, 0
        yield self

    def file(self, title: str, size: int, /) -> Add:
        def add(count: int) -> None:
            self.done += count

        return add


def _short(content: bytes) -> str:
    return hashlib.sha256(content).hexdigest()[:8]
