"""Ingests into a place that is too small, or reads from one that is write-protected. Prints one JSON line a step.

python -m tests.library.cramped fill HOME FOLDER | limited HOME FOLDER | read HOME
"""

from __future__ import annotations

import json
import sys
from collections.abc import Callable
from pathlib import Path

from appliance.errors import HaversackError
from appliance.library import keywords
from appliance.library.backup import backup
from appliance.library.exact import ExactVectors
from appliance.library.health import check
from appliance.library.store import Library
from tests.library.making import Maker, vectors_for


def text(number: int) -> str:
    return f"document{number} " + " ".join(f"word{number * 31 + word}" for word in range(2000))


def say(**values: object) -> None:
    print(json.dumps(values), flush=True)


def attempt(name: str, action: Callable[[], object]) -> None:
    try:
        say(step=name, result=action())
    except HaversackError as error:
        say(step=name, error=error.code, sentence=str(error))


def fill(home: Path, folder: Path) -> None:
    """Add documents until one is refused, see what still works, then make room and go on."""
    make = Maker(folder)
    photos = home.parent / "photos"
    photos.write_bytes(bytes(1 << 20))
    with Library.open(home, write=True) as library:
        collection = library.ensure_collection("a")
        added = []
        for number in range(400):
            try:
                added.append(make(library, collection.id, f"{number}.txt", text(number)))
            except HaversackError as error:
                say(step="refused", error=error.code, added=len(added))
                break
        find(library, len(added))
        attempt("backup", lambda: backup(library, home / "backup.zip"))
        photos.unlink()
        for document in added[: len(added) // 2]:
            library.remove_document(document.id)
        attempt("again", lambda: make(library, collection.id, "again.txt", text(1000)).chunks)


def find(library: Library, count: int) -> None:
    collection = library.collection("a")
    exact = ExactVectors(library)
    found = 0
    for number in range(count):
        hits = keywords.search(library, collection.id, f"document{number}", 1)
        near = exact.search(collection.id, vectors_for([text(number)])[0], 1)
        shown = library.chunks([hit.chunk_id for hit in (*hits, *near)])
        found += {chunk.text for chunk in shown.values()} == {text(number)} and len(hits) == len(near) == 1
    say(step="find", documents=len(library.documents(collection.id)), found=found, findings=[finding.sentence for finding in check(library)])


def limited(home: Path, folder: Path) -> None:
    """The same under a limit on the size of a file, which no privilege is needed for."""
    import resource

    resource.setrlimit(resource.RLIMIT_FSIZE, (1 << 20, 1 << 20))
    fill(home, folder)


def read(home: Path) -> None:
    attempt("write", lambda: Library.open(home, write=True).close())
    with Library.open(home, write=False) as library:
        find(library, len(library.documents(library.collection("a").id)))


if __name__ == "__main__":
    {"fill": fill, "limited": limited, "read": read}[sys.argv[1]](*map(Path, sys.argv[2:]))
