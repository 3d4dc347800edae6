"""Whether a library may be kept in a folder: nothing of it leads elsewhere, and a new one is made only where nothing else lies.

What a library keeps is tidied at every opening, and a stick is written by whoever had it: so a folder that isn't ours is told before that.
"""

from __future__ import annotations

import os
import re
from pathlib import Path

from appliance.durable import storage_error
from appliance.errors import LibraryDamaged, NotALibrary
from appliance.library.database import FILE
from appliance.library.files import ORIGINAL, is_link

STAGING = "restoring"
"""Where `backup.restore` unpacks, under the home. What a killed one leaves is removed at the next opening."""
STAGED = rf"{re.escape(FILE)}(-journal|\.part)?|originals/{ORIGINAL.pattern}(\.part)?"
_FOLDERS = {
    "originals": r"[0-9a-f]{2}",
    "index": r"[0-9]+",
    "packs": r"shown|merging|writer\.lock|making-\w{8}|embedding-[0-9a-f]{16}|.+\.haversack(\.part)?",
    "inbox": r"\.?[0-9]{20}-[0-9a-f]{8}(\.part)?",
    "spool": r"tmp\w+",
    STAGING: rf"{re.escape(FILE)}.*|originals",
}
"""Ours, and what lies right in them."""
_FILES = re.compile(rf"{re.escape(FILE)}(\.new)?(-journal)?|writer\.lock")
_BESIDE = re.compile(
    r"haversack\.toml|trusted-keys.*|newest-bundles\.json.*|pack-key\.pem.*|keys\.(json|lock).*|keys-used\.json.*|"
    r"models|model-(choices|speeds)\.json.*|saver\.json.*|"
    r"runtime|\.try(-\d+)?|\.DS_Store|Thumbs\.db|desktop\.ini|\._.*"
)
"""What may lie there before a library does: settings, keys, models, what the launcher tries and unpacks, what operating systems leave."""


def check_database(home: Path) -> None:
    """A database is made before the first original comes: originals without one are all that is left of a library, no killed writer's rest.

    Raises LibraryDamaged.
    """
    if not (home / FILE).exists() and any(ORIGINAL.fullmatch(f"{path.parent.name}/{path.name}") for path in (home / "originals").glob("??/*")):
        raise LibraryDamaged(path=home, detail="its database is gone, and its documents are still there, in the folder originals")


def check_place(home: Path) -> None:
    """Before anything is written or removed there. Raises NotALibrary, LibraryReadOnly."""
    try:
        names = sorted(os.listdir(home)) if home.exists() else []
        inside = {name: sorted(os.listdir(home / name)) for name in names if name in _FOLDERS and (home / name).is_dir() and not is_link(home / name)}
    except OSError as error:
        raise storage_error(error, home) from error
    ours = [home / name for name in names if name in _FOLDERS or _FILES.fullmatch(name)]
    for path in (*ours, *(home / name / entry for name, entries in inside.items() for entry in entries)):
        if is_link(path):
            raise NotALibrary(path=path, detail="it is a link, and what that leads to isn't ours to change")
    if FILE in names:
        return
    for name in names:
        if name in inside:
            strange = next((f"{name}/{entry}" for entry in inside[name] if not re.fullmatch(_FOLDERS[name], entry)), None)
        else:
            strange = None if _FILES.fullmatch(name) or _BESIDE.fullmatch(name) else name
        if strange:
            raise NotALibrary(path=home, detail=f"there is something else in it ({strange}), and no library")
