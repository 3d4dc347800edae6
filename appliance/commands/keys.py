"""`haversack keys`: keys for programs that use the local server. It works beside a page that is being served, and counts there at once."""

from __future__ import annotations

import argparse
import json
import sys

from appliance.access.keys import Keys
from appliance.config import Settings
from appliance.library.place import check_place


def keys(settings: Settings, given: argparse.Namespace) -> int:
    """Raises NotALibrary, BadParameter, KeyTaken, NoSuchKey, KeysDamaged."""
    kept = Keys(settings.home)
    match given.action:
        case "add":
            check_place(settings.home)
            name, key = given.name.strip(), kept.add(given.name)
            if given.json:
                print(json.dumps({"name": name, "key": key}, ensure_ascii=False))
            else:
                print('This is shown once. Programs send it as "Authorization: Bearer KEY", or are given it as their API key.', file=sys.stderr)
                print(key)
        case "remove":
            kept.remove(given.name)
            print(json.dumps({"name": given.name, "removed": True}, ensure_ascii=False) if given.json else f"Removed: {given.name}")
        case _:
            _show(kept, given.json)
    return 0


def _show(kept: Keys, as_json: bool) -> None:
    every = kept.all()
    for key in every:
        if as_json:
            print(json.dumps({"name": key.name, "made": key.made, "used": key.used}, ensure_ascii=False))
        else:
            print(f"{key.name}  made {key.made}  {f'last used {key.used}' if key.used else 'never used'}")
    if not every and not as_json:
        print("There is no key yet. `haversack keys add NAME` makes one.", file=sys.stderr)
