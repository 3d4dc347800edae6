"""Ed25519 signatures in minisign's format, so that `minisign -Vm FILE -p haversack.pub` checks what we sign.

The format is that of minisign 0.11 (its own documentation): a public key is `Ed` + 8 bytes of key number + 32 bytes of key; a
signature is `ED` + key number + 64 bytes over the BLAKE2b-512 of the file, then a trusted comment, then a signature over both.
The key number is taken from the key's own hash; the mathematics is `cryptography`'s.
"""

from __future__ import annotations

import base64
import binascii
import hashlib
import os
import tempfile
from dataclasses import dataclass
from pathlib import Path

from cryptography.exceptions import InvalidSignature
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey, Ed25519PublicKey
from cryptography.hazmat.primitives.serialization import Encoding, NoEncryption, PrivateFormat, load_pem_private_key

from appliance.durable import sync, sync_folder

_KEY, _PREHASHED = b"Ed", b"ED"
_UNTRUSTED, _TRUSTED = "untrusted comment: ", "trusted comment: "


class BadSignature(Exception):
    """The signature, or the key, is not what it must be; the message says why in a few words."""


@dataclass(frozen=True, slots=True)
class PublicKey:
    raw: bytes
    """32 bytes."""

    @property
    def number(self) -> bytes:
        return hashlib.sha256(self.raw).digest()[:8]

    @property
    def fingerprint(self) -> str:
        """`1a2b 3c4d …`: 128 bits of the key's sha256, to be compared by eye or on paper."""
        digest = hashlib.sha256(self.raw).hexdigest()[:32]
        return " ".join(digest[start : start + 4] for start in range(0, 32, 4))

    def text(self) -> str:
        """The public key's file."""
        number = int.from_bytes(self.number, "little")
        return f"{_UNTRUSTED}minisign public key {number:016X}\n{base64.b64encode(_KEY + self.number + self.raw).decode()}\n"


@dataclass(frozen=True, slots=True)
class SecretKey:
    private: Ed25519PrivateKey

    @property
    def public(self) -> PublicKey:
        return PublicKey(self.private.public_key().public_bytes_raw())


def load_key(file: Path) -> SecretKey:
    """The secret key in `file`; made there, readable by its owner alone, where there is none. Raises BadSignature, OSError."""
    if not file.exists() or not file.stat().st_size:  # empty: a power cut, with a program that didn't yet write beside
        _make_key(file)
    content = file.read_bytes()  # whoever made it: of two at once, one did
    try:
        loaded = load_pem_private_key(content, None)
    except (ValueError, TypeError) as error:
        raise BadSignature(f"{file} holds no key") from error
    if not isinstance(loaded, Ed25519PrivateKey):
        raise BadSignature(f"{file} holds a key of another kind")
    return SecretKey(loaded)


def _make_key(file: Path) -> None:
    """A new key under that name, whole and on the disk, unless another process was quicker. Raises OSError."""
    private = Ed25519PrivateKey.generate()
    file.parent.mkdir(parents=True, exist_ok=True)
    handle, name = tempfile.mkstemp(prefix=file.name, dir=file.parent)  # readable by its owner alone
    beside = Path(name)
    try:
        with open(handle, "wb") as target:
            target.write(private.private_bytes(Encoding.PEM, PrivateFormat.PKCS8, NoEncryption()))
            target.flush()
            sync(target.fileno())
        if file.exists() and not file.stat().st_size:
            file.unlink()
        try:
            os.link(beside, file)  # unlike a rename, it takes nobody's place
        except FileExistsError:
            return
        except OSError:  # FAT has no links
            if not file.exists():
                os.replace(beside, file)
        sync_folder(file.parent)
    finally:
        beside.unlink(missing_ok=True)


def parse_key(text: str) -> PublicKey:
    """The public key of a key file. Raises BadSignature."""
    lines = text.splitlines()
    raw = _decoded(lines[1] if len(lines) > 1 else "", 42, "the public key")
    key = PublicKey(raw[10:])
    if raw[:2] != _KEY or len(lines) != 2 or text != key.text():
        raise BadSignature("the public key is not as it was written")
    return key


def sign(digest: bytes, key: SecretKey, comment: str) -> str:
    """The signature's file for a BLAKE2b-512 `digest`. `comment` is signed too, and is one line."""
    signature = key.private.sign(digest)
    both = key.private.sign(signature + comment.encode())
    blob = base64.b64encode(_PREHASHED + key.public.number + signature).decode()
    return f"{_UNTRUSTED}signature made by haversack\n{blob}\n{_TRUSTED}{comment}\n{base64.b64encode(both).decode()}\n"


def verify(digest: bytes, signature: str, key: PublicKey) -> str:
    """The trusted comment of a signature that is `key`'s own over `digest`. Raises BadSignature."""
    lines = signature.split("\n")
    if len(lines) != 5 or lines[4] or not lines[0].startswith(_UNTRUSTED) or not lines[2].startswith(_TRUSTED):
        raise BadSignature("the signature is not as it was written")
    raw = _decoded(lines[1], 74, "the signature")
    both = _decoded(lines[3], 64, "the signature")
    comment = lines[2].removeprefix(_TRUSTED)
    if raw[:2] != _PREHASHED or raw[2:10] != key.number:
        raise BadSignature("the signature is another key's")
    public = Ed25519PublicKey.from_public_bytes(key.raw)
    try:
        public.verify(raw[10:], digest)
        public.verify(both, raw[10:] + comment.encode())
    except InvalidSignature as error:
        raise BadSignature("the signature does not fit") from error
    return comment


def _decoded(text: str, length: int, what: str) -> bytes:
    try:
        raw = base64.b64decode(text, validate=True)
    except (binascii.Error, ValueError) as error:
        raise BadSignature(f"{what} is not as it was written") from error
    if len(raw) != length or base64.b64encode(raw).decode() != text:
        raise BadSignature(f"{what} is not as it was written")
    return raw
