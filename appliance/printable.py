"""Names from outside, and counts, as they can be shown in a terminal or on a page."""

from __future__ import annotations

import re
import unicodedata

_PLAIN = re.compile(r"[\x20-\x7e\u00a1-\u00ac\u00ae-\u02ff]")


def printable(name: str, limit: int = 300) -> str:
    """A file's name as it can be shown in a terminal or a page: what controls, hides or turns text round is escaped ("\\n", "\\u202e")."""
    shown = "".join(letter if _shows(letter) else letter.encode("unicode_escape").decode("ascii") for letter in name)
    return shown if len(shown) <= limit else shown[: limit - 1] + "…"


def _shows(letter: str) -> bool:
    return _PLAIN.fullmatch(letter) is not None or unicodedata.category(letter) not in ("Cc", "Cf", "Cs", "Zl", "Zp", "Cn", "Co")


def counted(count: int, what: str) -> str:
    """ "1 page", "12 pages"."""
    return f"{count} {what}" if count == 1 else f"{count} {what}s"
