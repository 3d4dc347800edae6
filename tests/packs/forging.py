"""Packs as their owners never made them: bytes changed after signing, or anything at all, signed by somebody's own key."""

from __future__ import annotations

import hashlib
import json
import sqlite3
from collections.abc import Callable
from contextlib import closing
from pathlib import Path
from typing import Any

from appliance import minisign
from appliance.minisign import SecretKey
from appliance.packs.file import BLOCK, END, FOOT, PackFile, write_contents

Change = Callable[[dict[str, Any]], object]


def forge(
    pack: PackFile,
    target: Path,
    key: SecretKey,
    *,
    statements: str = "",
    change: Change = lambda contents: None,
    magic: bytes = END,
    sign_with: SecretKey | None = None,
) -> Path:
    """A pack made of another: its database after `statements`, its contents after `change`, signed by `key` as if it were its maker's."""
    content = pack.path.read_bytes()
    database = target.with_suffix(".sqlite3")
    database.write_bytes(content[: pack.database])
    if statements:
        with closing(sqlite3.connect(database, isolation_level=None)) as connection:
            connection.execute("PRAGMA writable_schema = ON")
            connection.executescript(statements)
    made = database.read_bytes()
    database.unlink()
    originals = b"".join(content[one.start : one.start + one.size] for one in pack.originals.values())
    length, *_ = FOOT.unpack(content[-FOOT.size :])
    contents = json.loads(content[pack.database + len(originals) :][:length])
    contents["database"] = {
        "size": len(made),
        "blocks": [hashlib.sha256(made[start : start + BLOCK]).hexdigest() for start in range(0, len(made), BLOCK)],
    }
    change(contents)
    signed = write_contents(contents)
    signature = minisign.sign(hashlib.blake2b(signed).digest(), sign_with or key, "haversack pack").encode()
    target.write_bytes(made + originals + signed + signature + FOOT.pack(len(signed), len(signature), key.public.raw, magic))
    return target
