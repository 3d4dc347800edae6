"""A folder of packs as a bundle carries it: named by a manifest that somebody signed."""

from __future__ import annotations

from pathlib import Path

from appliance.manifest import read_manifest
from appliance.minisign import SecretKey
from appliance.packs.finding import Carried
from appliance.runtime import carried_packs
from bundle.sign import entry_of, write_lists

_REST = {"format": 2, "profile": "p", "title": "P", "created": "2026", "languages": ["en"], "tool": {}, "versions": {}, "models": [], "runtimes": []}


def carry(folder: Path, key: SecretKey) -> Carried:
    """Sign for every file in `folder`, the packs of the bundle above it, and read the manifest again."""
    entries = [entry_of(folder.parent, f"{folder.name}/{path.name}", "pack") for path in sorted(folder.iterdir())]
    write_lists(folder.parent, _REST, key, entries)
    return carried_packs(read_manifest(folder.parent))
