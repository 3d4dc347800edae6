"""The evaluation sets, read from disk and put into a library: SQuAD's articles the way a user would, the others as pages of one document."""

from __future__ import annotations

import hashlib
import json
import threading
import unicodedata
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy

from appliance.documents import Conversion, Heading, Page
from appliance.ingest.pipeline import Ingest
from appliance.ingest.sandbox import Sandbox
from appliance.ingest.sources import Source
from appliance.ingest.splitter import embedded_texts, split
from appliance.library.store import Library
from appliance.models.embedder import Embedder
from appliance.models.embeds import Vectors


@dataclass(frozen=True, slots=True)
class Asked:
    """A question of the SQuAD set. `kind`: "answerable", "other-article", "same-article"."""

    question: str
    kind: str
    article: str
    paragraph: int
    answers: tuple[str, ...]


@dataclass(frozen=True, slots=True)
class Judged:
    """A set in BEIR's form. `relevant`: query id → document id → grade."""

    name: str
    documents: tuple[tuple[str, str, str], ...]
    """Id, title, text."""
    queries: tuple[tuple[str, str], ...]
    relevant: dict[str, dict[str, int]]


class Remembering:
    """An embedder that keeps what it embedded in a folder outside the repository, so that a second run is quick. Same vectors."""

    def __init__(self, embedder: Embedder, folder: Path) -> None:
        self._embedder = embedder
        self._folder = folder / embedder.fingerprint[:16]
        self._folder.mkdir(parents=True, exist_ok=True)
        self.dimensions, self.max_tokens, self.fingerprint = embedder.dimensions, embedder.max_tokens, embedder.fingerprint
        self.embed_query, self.token_starts = embedder.embed_query, embedder.token_starts

    def embed_documents(self, texts: Sequence[str]) -> Vectors:
        if len(texts) < 16:
            return self._embedder.embed_documents(texts)
        name = hashlib.sha256("\0".join(texts).encode("utf-8", "surrogatepass")).hexdigest()
        file = self._folder / f"{name}.npy"
        if not file.is_file():
            numpy.save(file, self._embedder.embed_documents(texts))
        vectors: Vectors = numpy.load(file)
        return vectors


def squad(data: Path, split_name: str) -> list[Asked]:
    """The questions of one split ("dev" or "test"), answerable ones first."""
    answerable = _lines(data / "squad" / f"answerable.{split_name}.jsonl")
    unanswerable = _lines(data / "squad" / f"unanswerable.{split_name}.jsonl")
    return [Asked(row["question"], "answerable", row["article"], row["paragraph"], tuple(row["answers"])) for row in answerable] + [
        Asked(row["question"], row["kind"], "", -1, ()) for row in unanswerable
    ]


def squad_paragraphs(data: Path) -> dict[str, list[str]]:
    """Article → its paragraphs, numbered as the questions number them (the title line is none)."""
    return {path.stem: path.read_text(encoding="utf-8").split("\n\n")[1:] for path in sorted((data / "squad" / "articles").glob("*.txt"))}


def ingest_squad(data: Path, library: Library, embedder: Remembering) -> int:
    """Ingest the 28 articles as files, through the sandbox. The collection's id."""
    sources = [Source(path, path.name) for path in sorted((data / "squad" / "articles").glob("*.txt"))]
    sandbox = Sandbox()
    try:
        for line in Ingest(library, lambda: embedder, sandbox).run(sources, "squad", cancel=threading.Event()):
            if line.status != "indexed":
                raise SystemExit(f"{line.document}: {line.status} {line.reason}")
    finally:
        sandbox.close()
    return library.collection("squad").id


def judged(folder: Path, name: str) -> Judged:
    documents = tuple((row["_id"], row.get("title", ""), row["text"]) for row in _lines(folder / "corpus.jsonl"))
    relevant: dict[str, dict[str, int]] = {}
    for line in (folder / "qrels" / "test.tsv").read_text(encoding="utf-8").splitlines()[1:]:
        query, document, grade = line.split("\t")
        if int(grade) > 0:
            relevant.setdefault(query, {})[document] = int(grade)
    queries = tuple((row["_id"], row["text"]) for row in _lines(folder / "queries.jsonl") if row["_id"] in relevant)
    return Judged(name, documents, queries, relevant)


def ingest_judged(of: Judged, library: Library, embedder: Remembering) -> int:
    """Each text is a page of one document, its title a heading: thousands of files would only measure the disk. The collection's id."""
    pages = tuple(Page(number, text or " ") for number, (_, _, text) in enumerate(of.documents, start=1))
    headings = tuple(Heading(position, 0, title, 1) for position, (_, title, _) in enumerate(of.documents) if title)
    conversion = Conversion("text", pages, headings=headings)
    passages = split(conversion, embedder.token_starts, embedder.max_tokens)
    vectors = embedder.embed_documents(embedded_texts(passages, embedder.token_starts, embedder.max_tokens))
    collection = library.ensure_collection(of.name)
    library.add_document(
        collection.id,
        name=f"{of.name}.txt",
        sha256=hashlib.sha256(of.name.encode()).hexdigest(),
        size=sum(len(page.text) for page in pages),
        original=None,
        conversion=conversion,
        passages=passages,
        vectors=vectors,
    )
    return collection.id


def _lines(path: Path) -> list[dict[str, Any]]:
    return [json.loads(line) for line in path.read_text(encoding="utf-8").splitlines() if line.strip()]


def gold_places(library: Library, collection_id: int, paragraphs: dict[str, list[str]]) -> dict[tuple[str, int], tuple[int, int]]:
    """(article, paragraph) → where that paragraph is in its page's text. Spaces and composed letters may differ from the file's."""
    places: dict[tuple[str, int], tuple[int, int]] = {}
    for document in library.documents(collection_id):
        article = document.name.removesuffix(".txt")
        plain, offsets = _letters(library.page(document.id, 0).text)
        after = 0
        for number, paragraph in enumerate(paragraphs[article]):
            wanted, _ = _letters(paragraph)
            start = plain.index(wanted, after)
            after = start + len(wanted)
            places[article, number] = (offsets[start], offsets[after - 1] + 1)
    return places


def _letters(text: str) -> tuple[str, list[int]]:
    """The letters and digits of `text`, decomposed, and where each stands."""
    found = [(letter, index) for index, sign in enumerate(text) for letter in unicodedata.normalize("NFKD", sign) if letter.isalnum()]
    return "".join(letter for letter, _ in found), [index for _, index in found]
