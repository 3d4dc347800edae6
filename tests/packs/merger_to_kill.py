"""Merges a pack into a library until it is done or shot.

python -m tests.packs.merger_to_kill HOME PACK
"""

from __future__ import annotations

import sys
from pathlib import Path

from appliance.library.store import Library
from appliance.packs.file import read_pack
from appliance.packs.merging import merge
from tests.packs.conftest import MODEL

if __name__ == "__main__":
    with Library.open(Path(sys.argv[1]), write=True, fingerprint=MODEL) as library:
        for line in merge(library, read_pack(Path(sys.argv[2])), "field"):
            print(line.document, flush=True)
