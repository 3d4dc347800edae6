"""A writer that is killed: for each line it reads it forks a child that adds, replaces and removes documents until it is shot.

    python -m tests.library.writer_to_kill HOME FOLDER

Prints the child's process id, then waits for it. The child appends to FOLDER/acknowledged, unbuffered, what the library has confirmed.
"""

from __future__ import annotations

import os
import random
import sys
from pathlib import Path

from appliance.library.store import Library
from tests.library.making import Maker

NAMES = 12


def text(name: str, version: int) -> tuple[str, ...]:
    """The pages of a version: large enough for a commit to take a while."""
    return tuple(f"{name} version{version} page{page} " + " ".join(f"word{version * page + number}" for number in range(400)) for page in range(6))


def write(home: Path, folder: Path, seed: int) -> None:
    chance = random.Random(seed)
    log = os.open(folder / "acknowledged", os.O_WRONLY | os.O_APPEND | os.O_CREAT)
    with Library.open(home, write=True) as library:
        collection = library.ensure_collection("a")
        make = Maker(folder)
        os.write(log, b"ready\n")
        for version in range(seed * 1000, seed * 1000 + 1000):
            name = f"document{chance.randrange(NAMES)}"
            present = library.find_document(collection.id, name=name)
            removing = present is not None and chance.random() < 0.3
            os.write(log, f"{'remove' if removing else 'add'} {name} {version}\n".encode())
            if removing and present:
                library.remove_document(present.id)
            else:
                make(library, collection.id, name, *text(name, version))
            os.write(log, b"done\n")


if __name__ == "__main__":
    for seed, _ in enumerate(sys.stdin, 1):
        child = os.fork()
        if child == 0:
            write(Path(sys.argv[1]), Path(sys.argv[2]), seed)
            os._exit(0)
        print(child, flush=True)
        os.waitpid(child, 0)
