"""A small library of made-up documents for the answer tests: split, embedded and stored by the real parts."""

from __future__ import annotations

import hashlib
import threading
from collections.abc import Sequence

from appliance.answer.pipeline import Asker
from appliance.documents import Answer, AnswerEvent, Conversion, Document, EvidenceReady, Finished, Heading, Page, Turn
from appliance.ingest.splitter import embedded_texts, split
from appliance.library.store import Library
from appliance.library.vectors import ExactVectors
from appliance.models.embedder import Embedder
from appliance.models.generator import Generator

LEASE = (
    "The lease of the house in Alder Street begins on 1 March 2019 and runs for five years. The tenant, Maria Okafor, pays a rent of 1,250 euros "
    "on the third working day of each month.",
    "The deposit is three months' rent. It is kept by the savings bank of Rotterdam and is returned within six weeks after the tenant has left.",
    "Either side may end the lease in writing, with notice of three months. Pets are allowed with the landlord's consent. The landlord, "
    "Jan de Vries, answers for the roof and the heating.",
)
WELLS = (
    "The survey of 2021 counted 214 wells in the northern district. Of these, 37 were found to be contaminated with nitrate.",
    "Dr. Amina Yusuf led the survey. Samples were taken by four teams between April and September and analysed in the laboratory in Kano.",
    "The committee advises to close the contaminated wells and to drill twelve new ones, at a cost of 480,000 dollars.",
    "Cholera was not found in any of the samples. Boiling remains advisable during the rains.",
)


class ReadingRoom:
    """A collection, and what is needed to put documents in and to ask about them."""

    def __init__(self, library: Library, embedder: Embedder, generator: Generator | None = None) -> None:
        self.library = library
        self.embedder = embedder
        self.collection_id = library.ensure_collection("room").id
        self.asker = Asker(library, ExactVectors(library), lambda: embedder, lambda *_, **__: self._generator(generator))

    def add(self, name: str, *pages: str, title: str = "", headings: Sequence[Heading] = (), numbered: bool = True) -> Document:
        kept = tuple(Page(number if numbered else None, text) for number, text in enumerate(pages, start=1))
        conversion = Conversion("text", kept, title=title, headings=tuple(headings))
        passages = split(conversion, self.embedder.token_starts, self.embedder.max_tokens)
        vectors = self.embedder.embed_documents(embedded_texts(passages, self.embedder.token_starts, self.embedder.max_tokens))
        content = "\f".join(pages).encode()
        return self.library.add_document(
            self.collection_id,
            name=name,
            sha256=hashlib.sha256(content).hexdigest(),
            size=len(content),
            original=None,
            conversion=conversion,
            passages=passages,
            vectors=vectors,
        )

    def events(self, question: str, *, history: Sequence[Turn] = (), documents: Sequence[int] | None = None) -> list[AnswerEvent]:
        return list(self.asker.ask(question, self.collection_id, history=history, documents=documents, cancel=threading.Event()))

    def ask(self, question: str, history: Sequence[Turn] = ()) -> Answer:
        last = self.events(question, history=history)[-1]
        assert isinstance(last, Finished)
        return last.answer

    def found(self, question: str, documents: Sequence[int] | None = None) -> EvidenceReady:
        """The evidence alone: the model is not asked."""
        for event in self.asker.ask(question, self.collection_id, documents=documents, cancel=threading.Event()):
            if isinstance(event, EvidenceReady):
                return event
        raise AssertionError("no evidence was sent")

    @staticmethod
    def _generator(generator: Generator | None) -> Generator:
        assert generator is not None, "the model was called where it must not be"
        return generator
