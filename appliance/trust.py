"""Which key a bundle may be signed with: the first one that this home has met, and none else until the user says so.

A signature proves that a bundle is whole and whose it is; it can't prove that the first one was honest. So the first start prints the
fingerprint, to be compared with what the builder wrote on the stick's label, and every later bundle must carry the same key.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path

from appliance.errors import BundleAltered, BundleForeign
from appliance.manifest import Manifest, signed_files
from appliance.minisign import PublicKey

TRUSTED = "trusted-keys"
"""In the home: one fingerprint a line."""


@dataclass(frozen=True, slots=True)
class Trust:
    fingerprint: str
    first: bool
    """True where this home had met no key before: then the fingerprint is to be compared by eye."""

    @property
    def sentence(self) -> str:
        """What the trust in this bundle rests on."""
        if self.first:
            return (
                f"This bundle is signed by the key {self.fingerprint}. It is the first that this library meets: compare it with what its maker "
                "told you, on the stick's label or by telephone. From now on only bundles of this key are opened here."
            )
        return f"The bundle is signed by the key {self.fingerprint}, the same as before."


def check_trust(manifest: Manifest, home: Path, told: str = "") -> Trust:
    """Whether the home knows the key that signed the bundle, or `told` is its fingerprint; remembers nothing. Raises BundleForeign."""
    signer = manifest.signer
    known = trusted(home)
    if signer is not None and signer.fingerprint.replace(" ", "") == told.replace(" ", "").lower():
        return Trust(signer.fingerprint, first=False)
    if signer is None:
        raise BundleForeign(path=manifest.root, found="nobody", known=" or ".join(known) or "none")
    if known and signer.fingerprint not in known:
        raise BundleForeign(path=manifest.root, found=signer.fingerprint, known=" or ".join(known))
    return Trust(signer.fingerprint, first=not known)


def check_software(manifest: Manifest, environment: Mapping[str, str]) -> None:
    """That the software which runs was unpacked from archives that the bundle's signed list names; the launcher says which they were.

    The launcher can only compare them with SHA256SUMS, which nobody signs. This finds a stick whose archives and sums were exchanged, but not
    one whose software was made to lie about itself: that takes a look from another machine (docs/threat-model.md). Raises BundleAltered.
    """
    started_from = environment.get("HAVERSACK_STARTED_FROM")
    if not started_from or Path(started_from) != manifest.root:
        return  # started from a checkout, or with another bundle
    listed = signed_files(manifest.root, manifest.signer)
    for archive in environment.get("HAVERSACK_ARCHIVES", "").split():
        digest, _, name = archive.partition(":")
        if digest not in listed:
            raise BundleAltered(path=name, state="not in the signed list")


def trusted(home: Path) -> tuple[str, ...]:
    try:
        return tuple(line.strip() for line in (home / TRUSTED).read_text(encoding="ascii").splitlines() if line.strip())
    except (FileNotFoundError, NotADirectoryError, ValueError):
        return ()


def trust(key: PublicKey, home: Path) -> None:
    """Remember the key. The home is the caller's to lock."""
    known = trusted(home)
    if key.fingerprint not in known:
        (home / TRUSTED).write_text("".join(f"{line}\n" for line in (*known, key.fingerprint)), encoding="ascii")
