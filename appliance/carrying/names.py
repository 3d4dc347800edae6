"""Whether every name of a bundle can be on a stick: FAT32 and exFAT, read by Windows, macOS and Linux alike."""

from __future__ import annotations

import re
import unicodedata
from collections.abc import Iterable
from pathlib import PurePosixPath

from appliance.carrying.copy import PARTIAL
from appliance.errors import NameUnfit
from appliance.manifest import DATA, LISTS, SUCCESSOR, BundleFile

LONGEST = 120
"""Characters of a path: Windows takes 260, and a folder of the user's own stands before it."""
PREDECESSOR = ".old"
_FORBIDDEN = re.compile(r'[<>:"\\|?*\x00-\x1f\x7f]')
_DEVICES = re.compile(r"(con|prn|aux|nul|com[0-9¹²³]|lpt[0-9¹²³]|conin\$|conout\$)( *\..*)?", re.IGNORECASE)
_DIGEST = re.compile(r"[0-9a-f]{64}")


def check_names(files: Iterable[BundleFile]) -> None:
    """Refuse what some system can't hold, what would hit the user's own folder, and two names that a stick takes for one. Raises NameUnfit."""
    spelled: dict[str, str] = {}
    seen: set[str] = set()
    for file in files:
        pure = PurePosixPath(file.path)
        if fault := _fault(file, pure):
            raise NameUnfit(name=file.path, detail=fault)
        if file.path in seen:
            raise NameUnfit(name=file.path, detail="it is listed twice")
        seen.add(file.path)
        for path in (pure, *pure.parents):
            other = spelled.setdefault(_folded(str(path)), str(path))
            if other != str(path):
                raise NameUnfit(name=file.path, detail=f"a stick takes it for {other!r}")
    for name in seen:
        if any(str(parent) in seen for parent in PurePosixPath(name).parents):
            raise NameUnfit(name=name, detail="a file and a folder have the same name")


def _fault(file: BundleFile, pure: PurePosixPath) -> str | None:
    path = file.path
    if pure.is_absolute() or pure.as_posix() != path or ".." in pure.parts or not pure.parts:
        return "it isn't a plain path"
    if len(path) + len(SUCCESSOR) > LONGEST:
        return f"it is longer than {LONGEST - len(SUCCESSOR)} characters"
    if unicodedata.normalize("NFC", path) != path:
        return "its letters are written apart, and macOS writes them together"
    if is_users_own(path):
        return f"the folder {DATA!r} is the user's own"
    if _folded(path) in {_folded(name) for name in (*LISTS, PARTIAL)} or path.endswith((SUCCESSOR, PREDECESSOR)):
        return "the bundle's own lists are named so"
    if file.size < 0 or not _DIGEST.fullmatch(file.sha256):
        return "its size or its hash isn't one"
    for part in pure.parts:
        if _FORBIDDEN.search(part) or _DEVICES.fullmatch(part):
            return "Windows doesn't take it"
        if part != part.strip(" ") or part.endswith("."):
            return "Windows drops spaces and dots at the end"
    return None


def is_users_own(path: str) -> bool:
    """Whether a stick would take `path` for something in the user's own folder: FAT drops dots and spaces at the end, and knows no case."""
    parts = PurePosixPath(path).parts
    return bool(parts) and _folded(parts[0].rstrip(" .")) == DATA


def _folded(text: str) -> str:
    return unicodedata.normalize("NFC", text).casefold()
