"""The guests' password, as a slow hash in memory: it is never written down, and each start with --share wants it anew."""

from __future__ import annotations

import hashlib
import hmac
import secrets
import threading
import unicodedata

from appliance.errors import PasswordRefused

LEAST = 8
_MOST = 1024
_COST, _BLOCK, _LANES = 1 << 15, 8, 1
"""scrypt's figures, as OWASP's cheat sheet of passwords has them among others: 32 MB and about 0.1 s a try."""
_MEMORY = 64 << 20


class Password:
    """Says whether a text is the password. One try is worked on at a time: many can't take the memory or the processor from others."""

    def __init__(self, text: str) -> None:
        """Raises PasswordRefused where it is too short."""
        if len(text) < LEAST or not text.strip():
            raise PasswordRefused(detail=f"A password for sharing needs at least {LEAST} characters. Choose a longer one.")
        self._salt = secrets.token_bytes(16)
        self._one = threading.Lock()
        self._hash = self._scrypt(text)

    def fits(self, text: str) -> bool:
        return hmac.compare_digest(self._hash, self._scrypt(text[: _MOST + 1]))

    def _scrypt(self, text: str) -> bytes:
        # A phone and a terminal can send "é" in two ways.
        content = unicodedata.normalize("NFC", text).encode("utf-8", "replace")
        with self._one:
            return hashlib.scrypt(content, salt=self._salt, n=_COST, r=_BLOCK, p=_LANES, maxmem=_MEMORY)
