"""Bit rot, torn files, a stick that lies: every file under the home is cut and flipped. Right answers or a named error, never others."""

from __future__ import annotations

import random
import shutil
import time
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from appliance.errors import HaversackError, LibraryDamaged
from appliance.library import generation, keywords
from appliance.library.exact import ExactVectors
from appliance.library.health import check
from appliance.library.store import Library
from appliance.library.vectors import Vectors
from tests.library.making import Maker, vectors_for

FLIPS = 48
TEXTS = [f"passage{number} " + " ".join(f"term{number * 7 + word}" for word in range(60)) for number in range(120)]


@pytest.fixture(scope="module")
def whole(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A library with documents, originals, and a sealed index."""
    folder = tmp_path_factory.mktemp("whole")
    make = Maker(folder / "incoming")
    with Library.open(folder / "home", write=True, fingerprint="test") as library:
        collection = library.ensure_collection("a")
        for number in range(12):
            make(library, collection.id, f"{number}.txt", *TEXTS[number * 10 : number * 10 + 10], title=f"Title {number}", heading=("Part",))
        vectors = Vectors(library, library.home / "index", patience=0)
        vectors.refresh(collection.id)
        end = time.monotonic() + 60
        while vectors.state(collection.id) == "building" and time.monotonic() < end:
            time.sleep(0.02)
        assert vectors.state(collection.id) == "chroma"
        vectors.close()
    return folder / "home"


def answers(home: Path) -> Iterator[tuple[str, object]]:
    """Everything that a reader can be shown, question by question."""

    def ask(name: str, answer: Callable[[], object]) -> tuple[str, object]:
        try:
            return name, answer()
        except HaversackError as error:
            return name, error

    try:
        library = Library.open(home, write=False, fingerprint="test")
    except HaversackError as error:
        yield "open", error
        return
    with library:
        yield ask("collections", library.collections)
        yield ask("documents", lambda: library.documents(1))
        exact = ExactVectors(library)
        for number in range(0, 120, 17):
            words = f"passage{number} term{number * 7} term{number * 7 + 59}"
            yield ask(words, lambda words=words: _shown(library, [hit.chunk_id for hit in keywords.search(library, 1, words, 3)]))
            vector = vectors_for([TEXTS[number]])[0]
            yield ask(f"vector {number}", lambda vector=vector: _shown(library, [hit.chunk_id for hit in exact.search(1, vector, 3)]))
        for document in range(1, 13):
            yield ask(f"pages {document}", lambda document=document: library.pages(document))
            yield ask(f"chunks {document}", lambda document=document: library.chunks_of(document))


def _shown(library: Library, ids: list[int]) -> object:
    chunks = library.chunks(ids)
    return [chunks[one] for one in ids if one in chunks]


def damaged_copies(whole: Path, copy: Path, path: Path, flips: int) -> Iterator[str]:
    """The home copied to `copy`, each time with this one file cut or flipped in another way."""
    content = path.read_bytes()
    chance = random.Random(path.name)
    cuts = [0, len(content) // 2, len(content) - 1, len(content) // 4096 // 2 * 4096]
    damages = [(f"cut to {cut}", content[:cut]) for cut in cuts if content]
    for _ in range(flips if content else 0):
        place = chance.randrange(len(content))
        damages.append((f"flipped at {place}", content[:place] + bytes([content[place] ^ 1 << chance.randrange(8)]) + content[place + 1 :]))
    for name, altered in damages:
        shutil.rmtree(copy, ignore_errors=True)
        shutil.copytree(whole, copy)
        (copy / path.relative_to(whole)).write_bytes(altered)
        yield name


def test_a_damaged_database_gives_right_answers_or_a_named_error(whole: Path, tmp_path: Path) -> None:
    right = dict(answers(whole))
    assert not [answer for answer in right.values() if isinstance(answer, Exception)]
    copy, named, cases = tmp_path / "home", 0, 0
    for name in damaged_copies(whole, copy, whole / "library.sqlite3", FLIPS):
        before = (copy / "library.sqlite3").read_bytes()
        cases += 1
        noticed = False
        for question, answer in answers(copy):
            if isinstance(answer, HaversackError):
                noticed = True
                assert isinstance(answer, LibraryDamaged), f"{name}, {question}: {answer!r}"
            else:
                assert answer == right[question], f"{name}: {question} is answered wrongly"
        named += noticed
        assert (copy / "library.sqlite3").read_bytes() == before, f"{name}: a damaged library was changed"
    assert cases == FLIPS + 4
    assert named > 10


def test_the_check_names_every_damage_that_reading_meets(whole: Path, tmp_path: Path) -> None:
    copy = tmp_path / "home"
    assert _findings(whole) == ()
    for name in damaged_copies(whole, copy, whole / "library.sqlite3", 12):
        if any(isinstance(answer, HaversackError) for _, answer in answers(copy)):
            assert _findings(copy), name


def test_a_damaged_original_is_found_by_the_check(whole: Path, tmp_path: Path) -> None:
    copy = tmp_path / "home"
    original = sorted((whole / "originals").glob("*/*"))[0]
    for name in damaged_copies(whole, copy, original, 3):
        (finding,) = _findings(copy)
        assert (finding.severity, "was changed" in finding.sentence) == ("warning", True), name
    (copy / original.relative_to(whole)).unlink()
    (finding,) = _findings(copy)
    assert "is missing" in finding.sentence


def test_no_damaged_index_file_is_ever_opened(whole: Path, tmp_path: Path) -> None:
    copy, cases = tmp_path / "home", 0
    assert generation.newest_generation(whole / "index" / "1") is not None
    for path in sorted(path for path in (whole / "index").rglob("*") if path.is_file() and path.name != generation.OPENED_CATALOGUE):
        for name in damaged_copies(whole, copy, path, 4):
            cases += 1
            found = generation.newest_generation(copy / "index" / "1")
            assert found is None, f"{path.name} {name}"
    assert cases >= 40


def _findings(home: Path) -> tuple:
    try:
        library = Library.open(home, write=False)
    except HaversackError as error:
        return (error,)
    with library:
        return check(library)
