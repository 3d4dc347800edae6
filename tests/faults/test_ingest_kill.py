"""SIGKILL in the middle of an ingest, again and again: nothing acknowledged is lost, nothing is doubled, the rest is made up."""

from __future__ import annotations

import json
import random
import signal
import subprocess
import sys
import time
from pathlib import Path

import pytest

from appliance.library.store import Library

KILLS = 15
DOCUMENTS = 60
WORDS = ["ship", "rope", "sail", "wind", "tide", "moon"]

# The real parts, put together as runtime.py does; a line on stdout for each document that is durable.
DRIVER = """
import json, sys, threading
from pathlib import Path
from appliance.ingest.pipeline import Ingest
from appliance.ingest.sandbox import Sandbox
from appliance.ingest.sources import find_sources
from appliance.library.store import Library
from appliance.manifest import read_manifest
from appliance.models.embedder import Embedder

if __name__ == "__main__":
    home, folder, bundle = (Path(argument) for argument in sys.argv[1:])
    manifest = read_manifest(bundle)
    model = manifest.model("embedder")
    embedder = Embedder(manifest.folder(model), model, threads=1)
    sandbox = Sandbox()
    try:
        with Library.open(home, write=True, purpose="driver", fingerprint=embedder.fingerprint) as library:
            for line in Ingest(library, lambda: embedder, sandbox).run(find_sources([folder]), "papers", cancel=threading.Event()):
                print(json.dumps([line.document, line.status]), flush=True)
    finally:
        sandbox.close()
"""


def started(driver: Path, home: Path, folder: Path, bundle: Path) -> subprocess.Popen[str]:
    command = [sys.executable, str(driver), str(home), str(folder), str(bundle)]
    return subprocess.Popen(command, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True, cwd=Path(__file__).resolve().parents[2])


def stored(home: Path) -> list[str]:
    with Library.open(home, write=False) as library:
        return [document.name for collection in library.collections() for document in library.documents(collection.id)]


@pytest.mark.slow
def test_an_ingest_killed_at_any_moment_loses_and_doubles_nothing(tmp_path: Path, home: Path, bundle_root: Path) -> None:
    folder = tmp_path / "files"
    folder.mkdir()
    chance = random.Random(20261124)
    for number in range(DOCUMENTS):
        paragraphs = [f"Letter {number}, paragraph {part}: " + " ".join(chance.choices(WORDS, k=70)) for part in range(3)]
        (folder / f"{number:02d}.txt").write_text("\n\n".join(paragraphs))
    driver = tmp_path / "driver.py"
    driver.write_text(DRIVER)

    acknowledged: set[str] = set()
    for _ in range(KILLS):
        process = started(driver, home, folder, bundle_root)
        assert process.stdout is not None
        for _ in range(len(acknowledged) + chance.randrange(4)):  # those that are in come first, as "unchanged"
            line = process.stdout.readline()
            if not line:
                break
            acknowledged.add(json.loads(line)[0])
        time.sleep(chance.random() * 0.15)
        process.send_signal(signal.SIGKILL)
        rest, _ = process.communicate()
        acknowledged |= {json.loads(line)[0] for line in rest.splitlines() if line.endswith("]")}
        names = stored(home)
        assert acknowledged <= set(names), "an acknowledged document is lost"
        assert len(names) == len(set(names)), "a document is there twice"

    process = started(driver, home, folder, bundle_root)
    output, errors = process.communicate()
    assert process.returncode == 0, errors
    last = dict(json.loads(line) for line in output.splitlines())
    assert {name for name, status in last.items() if status == "unchanged"} >= acknowledged
    with Library.open(home, write=False) as library:
        collection = library.collection("papers")
        documents = library.documents(collection.id)
        assert [document.name for document in documents] == [f"{number:02d}.txt" for number in range(DOCUMENTS)]
        chunks = {chunk.id: chunk for document in documents for chunk in library.chunks_of(document.id)}
        ids, vectors = library.vectors_of(collection.id)
        assert sorted(chunks) == [int(one) for one in ids]
        assert len(chunks) == collection.chunks == sum(document.chunks for document in documents)
        assert abs((vectors**2).sum(axis=1) - 1).max() < 0.01
        for document in documents:
            original = library.original(document.id)
            assert original is not None
            assert original.read_text() == (folder / document.name).read_text()
    assert len(list((home / "originals").rglob("*.txt"))) == DOCUMENTS, "an original that no document has was left"
