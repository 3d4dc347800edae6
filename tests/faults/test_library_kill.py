"""SIGKILL while the library is written to: what it had confirmed is there, what it had not is wholly in or wholly out."""

from __future__ import annotations

import os
import random
import signal
import subprocess
import sys
import time
from pathlib import Path

from appliance.library import keywords
from appliance.library.exact import ExactVectors
from appliance.library.health import check
from appliance.library.store import Library
from tests.library.making import vectors_for
from tests.library.writer_to_kill import NAMES, text

KILLS = 30


def states(log: Path) -> tuple[dict[str, int | None], tuple[str, int | None] | None]:
    """By name the version that was confirmed last (None: removed), and the change that was under way."""
    confirmed: dict[str, int | None] = {}
    pending: tuple[str, int | None] | None = None
    for line in log.read_text(encoding="utf-8").splitlines():
        if line in ("ready", "done"):
            if line == "done" and pending:
                confirmed[pending[0]] = pending[1]
            pending = None
        else:
            action, name, version = line.split()
            pending = (name, int(version) if action == "add" else None)
    return confirmed, pending


def version_of(library: Library, collection_id: int, name: str) -> int | None:
    document = library.find_document(collection_id, name=name)
    if document is None:
        return None
    pages = [page.text for page in library.pages(document.id)]
    version = int(pages[0].split()[1].removeprefix("version"))
    assert tuple(pages) == text(name, version)
    assert [chunk.text for chunk in library.chunks_of(document.id)] == pages
    assert library.original(document.id) is not None
    return version


def test_thirty_kills_lose_and_double_nothing(home: Path, tmp_path: Path) -> None:
    folder = tmp_path / "writer"
    folder.mkdir()
    chance = random.Random(7)
    command = [sys.executable, "-m", "tests.library.writer_to_kill", str(home), str(folder)]
    log = folder / "acknowledged"
    under_way = 0
    with subprocess.Popen(command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True) as zygote:
        assert zygote.stdin is not None
        assert zygote.stdout is not None
        for kill in range(KILLS):
            started = log.read_text(encoding="utf-8").count("ready") if log.exists() else 0
            zygote.stdin.write("\n")
            zygote.stdin.flush()
            child = int(zygote.stdout.readline())
            while not log.exists() or log.read_text(encoding="utf-8").count("ready") == started:
                time.sleep(0.002)
            time.sleep(chance.uniform(0, 0.25))
            os.kill(child, signal.SIGKILL)
            while Library.holder(home) is not None:
                time.sleep(0.002)
            confirmed, pending = states(log)
            under_way += pending is not None
            if kill % 2:  # a reader may be the first to come, a writer may be
                with Library.open(home, write=False) as reader:
                    assert reader.collections()[0].name == "a"
            with Library.open(home, write=True) as library:
                assert check(library) == ()
                collection = library.collection("a")
                for number in range(NAMES):
                    name = f"document{number}"
                    allowed = {confirmed.get(name)} | ({pending[1]} if pending and pending[0] == name else set())
                    version = version_of(library, collection.id, name)
                    assert version in allowed
                    if version is not None:
                        words = f"{name} version{version} page3"
                        (best, *_) = keywords.search(library, collection.id, words, 1)
                        assert library.chunks([best.chunk_id])[best.chunk_id].text == text(name, version)[3]
                        (nearest,) = ExactVectors(library).search(collection.id, vectors_for([text(name, version)[2]])[0], 1)
                        assert library.chunks([nearest.chunk_id])[nearest.chunk_id].text == text(name, version)[2]
                # What was in between counts from now on as it was found.
                if pending:
                    found = version_of(library, collection.id, pending[0])
                    with open(log, "a", encoding="utf-8") as file:
                        file.write(f"add {pending[0]} {found}\ndone\n" if found is not None else f"remove {pending[0]} 0\ndone\n")
        zygote.stdin.close()
    assert under_way > KILLS // 2, "the kills came between the writes: make the documents larger"
