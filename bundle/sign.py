"""The lists of a bundle, written and signed: manifest, signature, public key, SHA256SUMS.

The builder's key is made on first use and stays on the connected machine; who holds it can make bundles that pass for its owner's.
"""

from __future__ import annotations

import hashlib
import json
import os
from collections.abc import Iterable, Mapping
from pathlib import Path
from typing import Any

from appliance import minisign
from appliance.durable import sha256_of
from appliance.manifest import LISTS, MANIFEST, PUBLIC_KEY, SIGNATURE, SUMS
from appliance.minisign import BadSignature, SecretKey
from bundle.errors import KeyUnusable


def key_file() -> Path:
    """`haversack/signing.pem` in the user's settings folder; HAVERSACK_SIGNING_KEY names another."""
    told = os.environ.get("HAVERSACK_SIGNING_KEY")
    return Path(told) if told else Path(os.environ.get("XDG_CONFIG_HOME") or Path.home() / ".config") / "haversack" / "signing.pem"


def load_key(file: Path | None = None) -> SecretKey:
    """The builder's key, made where there is none. Raises KeyUnusable."""
    file = file or key_file()
    try:
        return minisign.load_key(file)
    except BadSignature as error:
        raise KeyUnusable(path=file, detail="it holds no Ed25519 key") from error
    except OSError as error:
        raise KeyUnusable(path=file, detail=error.strerror or error) from error


def write_lists(root: Path, manifest: Mapping[str, Any], key: SecretKey, files: Iterable[Mapping[str, Any]] | None = None) -> None:
    """Sign for the files that lie in `root`: writes the public key, then manifest, signature and SHA256SUMS.

    `files`: the manifest's entries (path, size, sha256, role, …) but the key's where the caller knows them; else every file in `root` is
    taken, each as a notice. The rest of `manifest` is kept as it is.
    """
    (root / PUBLIC_KEY).write_bytes(key.public.text().encode())
    entries = [dict(entry) for entry in files] if files is not None else [entry_of(root, name, "notice") for name in listed(root)]
    entries = sorted([*entries, entry_of(root, PUBLIC_KEY, "key")], key=lambda entry: str(entry["path"]))
    content = (json.dumps({**manifest, "files": entries}, indent=1, ensure_ascii=False) + "\n").encode()
    comment = f"haversack bundle {manifest['profile']} {manifest['created']}"
    signature = minisign.sign(hashlib.blake2b(content).digest(), key, comment).encode()
    (root / MANIFEST).write_bytes(content)
    (root / SIGNATURE).write_bytes(signature)
    sums = {str(entry["path"]): str(entry["sha256"]) for entry in entries}
    sums |= {MANIFEST: hashlib.sha256(content).hexdigest(), SIGNATURE: hashlib.sha256(signature).hexdigest()}
    (root / SUMS).write_bytes("".join(f"{digest}  {path}\n" for path, digest in sorted(sums.items())).encode())


def listed(root: Path) -> Iterable[str]:
    """The path of every file in `root` that the manifest names, but for the key: that one is written with the lists."""
    for path in sorted(root.rglob("*")):
        name = path.relative_to(root).as_posix()
        if path.is_file() and name not in (*LISTS, PUBLIC_KEY):
            yield name


def entry_of(root: Path, name: str, role: str, *, platform: str = "", licence: str = "", source: str = "") -> dict[str, Any]:
    """The manifest's entry of a file."""
    path = root / name
    told = {"platform": platform, "licence": licence, "source": source}
    return {"path": name, "size": path.stat().st_size, "sha256": sha256_of(path), "role": role, **told}
