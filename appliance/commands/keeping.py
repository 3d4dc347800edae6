"""`haversack collections …` and `haversack documents …`: what is in the library, and what is to go from it."""

from __future__ import annotations

import argparse
import json
from dataclasses import asdict
from typing import Any

from appliance.commands.opening import open_holdings
from appliance.config import Settings
from appliance.errors import NoSuchDocument
from appliance.library.ledger import ledger
from appliance.packs.holdings import Holdings
from appliance.printable import counted, printable


def collections(settings: Settings, given: argparse.Namespace) -> int:
    with open_holdings(settings, write=given.action != "list", purpose=f"collections {given.action}") as library:
        if given.action == "list":
            _print_collections(library, as_json=given.json)
            return 0
        if given.action == "rename":
            library.rename_collection(given.name, given.new_name)
            done, data = f"{printable(given.name)} is now called {printable(given.new_name)}.", {"renamed": given.name, "name": given.new_name}
        else:
            library.remove_collection(given.name)
            done, data = f"{printable(given.name)} and all that was in it is gone.", {"removed": given.name}
        print(json.dumps(data, ensure_ascii=False) if given.json else done)
    return 0


def documents(settings: Settings, given: argparse.Namespace) -> int:
    with open_holdings(settings, write=given.action == "remove", purpose=f"documents {given.action}") as library:
        collection = library.collection(given.collection)
        if given.action == "remove":
            document = library.find_document(collection.id, name=given.name)
            if document is None:
                raise NoSuchDocument(name=given.name)
            library.remove_document(document.id)
            print(
                json.dumps({"removed": given.name}, ensure_ascii=False) if given.json else f"{printable(given.name)} is gone, text, vectors and all."
            )
        elif given.action == "ledger":
            for entry in ledger(library, collection.id):
                data: dict[str, Any] = asdict(entry)
                print(json.dumps(data, ensure_ascii=False) if given.json else _ledger_line(data))
        else:
            for document in library.documents(collection.id):
                shown = f"{printable(document.name)}  {counted(document.pages, 'page')}, {counted(document.chunks, 'passage')}, {document.status}"
                print(json.dumps(asdict(document), ensure_ascii=False) if given.json else shown)
    return 0


def _print_collections(library: Holdings, *, as_json: bool) -> None:
    found = library.collections()
    for collection in found:
        pack = ", a pack" if collection.pack else ""
        shown = f"{printable(collection.name)}  {counted(collection.documents, 'document')}, {counted(collection.chunks, 'passage')}{pack}"
        print(json.dumps(asdict(collection), ensure_ascii=False) if as_json else shown)
    if not found and not as_json:
        print("There is no collection yet. Make one: haversack ingest FOLDER --collection NAME")


def _ledger_line(entry: dict[str, Any]) -> str:
    lines = [f"{printable(entry['document'])}  {entry['status']}" + (f": {entry['reason']}" if entry.get("reason") else "")]
    lines += [f"    page {unread['page'] or '-'} not read: {unread['reason']}" for unread in entry["unread"]]
    return "\n".join(lines)
