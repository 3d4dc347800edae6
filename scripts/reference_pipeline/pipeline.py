"""pypdf → recursive character splitter → sentence-transformers → Chroma → llama-cpp-python, each as its documentation shows it.

Nothing is held back: models are loaded once, questions reuse them, documents are embedded in batches. What it does not do is what
nobody does in an afternoon. Chunks of 1,000 characters that overlap by 200, and the four nearest in the prompt, are the tutorials' figures.
"""

from __future__ import annotations

import os
import uuid
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path

import chromadb
import llama_cpp
from langchain_text_splitters import RecursiveCharacterTextSplitter
from llama_cpp import Llama
from pypdf import PdfReader
from sentence_transformers import SentenceTransformer

from scripts.reference_pipeline.models import Models

TOP = 4
CONTEXT_TOKENS = 4096
LONGEST_ANSWER = 160
"""Tokens, as in the starter profile."""
_CHROMA_BATCH = 5000
SYSTEM = "Answer the question using only the following context. If the answer is not in the context, say that you don't know.\n\n{context}"


@dataclass(frozen=True, slots=True)
class Passage:
    document: str
    page: int | None
    text: str
    score: float


Turn = tuple[str, str]
"""A question and its answer."""


class Reference:
    """The plain pipeline. It loads both models when it is made, as such programs do."""

    def __init__(self, folder: Path, models: Models) -> None:
        self._splitter = RecursiveCharacterTextSplitter(chunk_size=1000, chunk_overlap=200)
        self._embedder = SentenceTransformer(str(models.embedder), device="cpu")
        self._chroma = chromadb.PersistentClient(str(folder))
        self._collection = self._chroma.get_or_create_collection("documents")
        _register_backends()
        self._llm = Llama(str(models.generator), n_ctx=CONTEXT_TOKENS, verbose=False)

    def use(self, name: str) -> None:
        """Go on with another collection, a new one where there is none of that name (3 letters at least)."""
        self._collection = self._chroma.get_or_create_collection(name)

    def ingest(self, paths: Sequence[Path]) -> int:
        """Add PDF and text files; the number of chunks. A file that can't be read is left out, as `except Exception: print` does."""
        chunks = 0
        for path in paths:
            try:
                pages = _pages(path)
            except Exception as error:
                print(f"{path.name}: {error}")
                continue
            chunks += self.add([(path.name, number, text) for number, text in pages])
        return chunks

    def add(self, pages: Sequence[tuple[str, int | None, str]]) -> int:
        """Add pages that are text already: (document, page number, text); the number of chunks."""
        pieces = [(document, number, piece) for document, number, text in pages for piece in self._splitter.split_text(text)]
        if pieces:
            self.store(pieces, self._embedder.encode([text for _, _, text in pieces], show_progress_bar=False))
        return len(pieces)

    def store(self, pieces: Sequence[tuple[str, int | None, str]], vectors: object) -> None:
        """Put chunks and their vectors, an array of shape (chunks, dimensions), into Chroma."""
        for start in range(0, len(pieces), _CHROMA_BATCH):
            batch = pieces[start : start + _CHROMA_BATCH]
            self._collection.add(
                ids=[str(uuid.uuid4()) for _ in batch],
                documents=[text for _, _, text in batch],
                metadatas=[{"document": document, "page": number or 0} for document, number, _ in batch],
                embeddings=vectors[start : start + len(batch)],
            )

    def retrieve(self, question: str, limit: int = TOP) -> list[Passage]:
        """The nearest chunks, best first."""
        found = self._collection.query(query_embeddings=[self._embedder.encode(question, show_progress_bar=False).tolist()], n_results=limit)
        rows = zip(found["documents"][0], found["metadatas"][0], found["distances"][0], strict=True)
        return [Passage(about["document"], about["page"] or None, text, 1 - distance / 2) for text, about, distance in rows]

    def ask(self, question: str, history: Sequence[Turn] = ()) -> tuple[str, list[Passage]]:
        """The model's answer and the chunks that it was given."""
        passages = self.retrieve(question)
        return "".join(self.stream(question, passages, history)), passages

    def stream(self, question: str, passages: Sequence[Passage], history: Sequence[Turn] = ()) -> Iterator[str]:
        """The answer in pieces, as the model writes it."""
        messages = [{"role": "system", "content": SYSTEM.format(context="\n\n".join(passage.text for passage in passages))}]
        for asked, answered in history:
            messages += [{"role": "user", "content": asked}, {"role": "assistant", "content": answered}]
        messages.append({"role": "user", "content": question})
        for part in self._llm.create_chat_completion(messages=messages, max_tokens=LONGEST_ANSWER, temperature=0.0, stream=True):
            yield part["choices"][0]["delta"].get("content") or ""

    def close(self) -> None:
        self._llm.close()


def _register_backends() -> None:
    """This checkout's llama.cpp is compiled for every processor, and such a build must be told where its variants are; others have none there."""
    llama_cpp.llama_cpp._lib.ggml_backend_load_all_from_path(os.fsencode(Path(llama_cpp.__file__).parents[1] / "bin"))


def _pages(path: Path) -> list[tuple[int | None, str]]:
    if path.suffix.lower() == ".pdf":
        return [(number, page.extract_text()) for number, page in enumerate(PdfReader(path).pages, start=1)]
    return [(None, path.read_text(encoding="utf-8", errors="replace"))]
