"""The library as commands open it that can do without a bundle: what is missing then is said."""

from __future__ import annotations

import sys

from appliance.config import Settings
from appliance.manifest import Manifest
from appliance.packs.holdings import Holdings
from appliance.runtime import open_library


def open_holdings(settings: Settings, *, write: bool, purpose: str = "", embedder: str | None = None, manifest: Manifest | None = None) -> Holdings:
    """As `open_library` opens it; on stderr, why the packs of the bundle are not among what is shown."""
    library = open_library(settings, write=write, purpose=purpose, embedder=embedder, manifest=manifest)
    if library.left_out:
        print(library.left_out, file=sys.stderr)
    return library
