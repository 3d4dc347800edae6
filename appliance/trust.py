"""Which key a bundle may be signed with: the first one that this home has met, and none else until the user says so.

A signature proves that a bundle is whole and whose it is; it can't prove that the first one was honest. So the first start prints the
fingerprint, to be compared with what the builder wrote on the stick's label, and every later bundle must carry the same key.
"""

from __future__ import annotations

import json
import re
from collections.abc import Mapping
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path

from appliance.durable import storage_error, writing_durably
from appliance.errors import BundleAltered, BundleForeign, KeysUnreadable
from appliance.manifest import Manifest, signed_files
from appliance.minisign import PublicKey

TRUSTED = "trusted-keys"
"""In the home: one fingerprint a line."""
NEWEST = "newest-bundles.json"
"""In the home: when the newest bundle was made that this library was used with, by its key and profile."""
_FINGERPRINT = re.compile(r"[0-9a-f]{4}( [0-9a-f]{4}){7}")


@dataclass(frozen=True, slots=True)
class Trust:
    fingerprint: str
    first: bool
    """True where this home had met no key before: then the fingerprint is to be compared by eye."""
    told: bool = False
    """True where this home knew other keys only, and the user named this one."""
    created: str = ""
    newest: str = ""
    """When the newest such bundle was made that was used here; empty where this one is no older."""

    @property
    def sentence(self) -> str:
        """What the trust in this bundle rests on."""
        if self.first:
            return (
                f"This bundle is signed by the key {self.fingerprint}. It is the first that this library meets: compare it with what its maker "
                "told you, on the stick's label or by telephone. Once something is written to this library, it opens only bundles of this key."
            )
        if self.told:
            return (
                f"The bundle is signed by the key {self.fingerprint}, which is new to this library and is taken because --trust names it. "
                "Once something is written to this library, bundles of this key are opened without being asked for."
            )
        return f"The bundle is signed by the key {self.fingerprint}, the same as before."

    @property
    def warning(self) -> str:
        """What an old stick could mean; empty for one that isn't."""
        if not self.newest:
            return ""
        return (
            f"This bundle was made on {self.created}, and a newer one, of {self.newest}, has already been used with this library. "
            "If nobody told you to go back to an older one, ask its maker."
        )

    @property
    def notices(self) -> tuple[str, ...]:
        """What is to be seen by whoever starts this, each a sentence or three."""
        return (*((self.sentence,) if self.first or self.told else ()), *((self.warning,) if self.newest else ()))


def check_trust(manifest: Manifest, home: Path, told: str = "") -> Trust:
    """Whether the home knows the key that signed the bundle, or `told` is its fingerprint; remembers nothing.

    Raises BundleForeign, KeysUnreadable.
    """
    signer = manifest.signer
    known = trusted(home)
    if signer is None:
        raise BundleForeign(path=manifest.root, found="nobody", known=" or ".join(known) or "none")
    named = signer.fingerprint.replace(" ", "") == told.replace(" ", "").lower()
    if known and signer.fingerprint not in known and not named:
        raise BundleForeign(path=manifest.root, found=signer.fingerprint, known=" or ".join(known))
    newest = _newest(home).get(f"{signer.fingerprint} {manifest.profile}", "")
    new = signer.fingerprint not in known
    return Trust(signer.fingerprint, new and not named, new and named, manifest.created, newest if newest > manifest.created else "")


def check_software(manifest: Manifest, environment: Mapping[str, str]) -> None:
    """That the software which runs was unpacked from archives that the bundle's signed list names; the launcher says which they were.

    The launcher can only compare them with SHA256SUMS, which nobody signs. This finds a stick whose archives and sums were exchanged, but not
    one whose software was made to lie about itself: that takes a look from another machine (docs/threat-model.md). Raises BundleAltered.
    """
    started_from = environment.get("HAVERSACK_STARTED_FROM")
    if not started_from or not _same(Path(started_from), manifest.root):
        return  # started from a checkout, or with another bundle
    listed = signed_files(manifest.root, manifest.signer)
    for archive in environment.get("HAVERSACK_ARCHIVES", "").split():
        digest, _, name = archive.partition(":")
        if digest not in listed:
            raise BundleAltered(path=name, state="not in the signed list")


def _same(one: Path, other: Path) -> bool:
    """However they are spelled, and through whichever links."""
    try:
        return one.samefile(other)
    except OSError:
        return one == other


def trusted(home: Path) -> tuple[str, ...]:
    """The fingerprints that this home opens bundles of; none where none was met yet. Raises KeysUnreadable.

    What can't be read is not the same as what isn't there: otherwise whoever can damage the file could let any key be the first.
    """
    path = home / TRUSTED
    try:
        lines = path.read_text(encoding="ascii").splitlines()
    except (FileNotFoundError, NotADirectoryError):
        return ()
    except (OSError, ValueError) as error:
        raise KeysUnreadable(path=path, detail=getattr(error, "strerror", None) or "it is no text") from error
    if not lines or not all(_FINGERPRINT.fullmatch(line) for line in lines):
        raise KeysUnreadable(path=path, detail="it holds something else than fingerprints" if lines else "it is empty")
    return tuple(lines)


def remember(manifest: Manifest, home: Path) -> None:
    """Keep the bundle's key and its date. The home is the caller's to lock. Raises KeysUnreadable, LibraryError."""
    if manifest.signer is None:
        return
    trust(manifest.signer, home)
    newest, name = _newest(home), f"{manifest.signer.fingerprint} {manifest.profile}"
    if manifest.created > newest.get(name, ""):
        _write(home / NEWEST, json.dumps(newest | {name: manifest.created}, indent=1) + "\n")


def trust(key: PublicKey, home: Path) -> None:
    """Keep the key. The home is the caller's to lock. Raises KeysUnreadable, LibraryError."""
    known = trusted(home)
    if key.fingerprint not in known:
        _write(home / TRUSTED, "".join(f"{line}\n" for line in (*known, key.fingerprint)))


def _newest(home: Path) -> dict[str, str]:
    """Empty where it can't be read: nothing but a warning rests on it."""
    with suppress(OSError, ValueError, RecursionError):
        found = json.loads((home / NEWEST).read_bytes())
        if isinstance(found, dict) and all(isinstance(value, str) for value in found.values()):
            return found
    return {}


def _write(path: Path, text: str) -> None:
    try:
        with writing_durably(path) as file:
            file.write(text.encode())
    except OSError as error:
        raise storage_error(error, path.parent) from error
