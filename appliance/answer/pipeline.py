"""The ask pipeline: question → retriever → evidence [shown at once] → quotes → prompt → generator → citations → checks → answer."""

from __future__ import annotations

import threading
import time
from collections.abc import Callable, Collection, Iterator, Sequence
from dataclasses import dataclass

from appliance.answer import prompt as prompts
from appliance.answer.answers import Draft, refusal
from appliance.answer.citations import Citations
from appliance.answer.followups import complete
from appliance.answer.overview import Overview
from appliance.answer.prompt import Prompt, checked_question
from appliance.answer.prose import Prose
from appliance.answer.quotes import Quote, choose, every_sentence, rank_sentences
from appliance.answer.retriever import Retriever, SearchesVectors
from appliance.answer.summary import asked_document, is_request, named_document
from appliance.documents import AnswerEvent, Document, Evidence, EvidenceReady, Finished, Progress, Queued, QuotesReady, Turn
from appliance.errors import GeneratorFailed, PromptTooLong
from appliance.library.reading import Reader
from appliance.models.embeds import Embeds
from appliance.models.generator import Done, Generator, Piece, Reading, Waiting

EVIDENCE = 6
"""Pieces of evidence that are shown for a question."""


@dataclass(frozen=True, slots=True)
class SearchResult:
    evidence: tuple[Evidence, ...]
    milliseconds: float


class Asker:
    """Answers questions about collections. Safe from many threads: nothing is kept between two questions."""

    def __init__(self, library: Reader, vectors: SearchesVectors, embedder: Callable[[], Embeds], generator: Callable[[], Generator]) -> None:
        self._library = library
        self._embedder = embedder
        self._generator = generator
        self._retriever = Retriever(library, vectors, embedder)

    def prepare_search(self) -> None:
        """Load what the first search would wait for. Raises EmbedderFailed, BundleError."""
        self._retriever.prepare()

    def prepare_answers(self) -> None:
        """Load the language model and read ahead what every prompt begins with. Raises GeneratorFailed, BundleError."""
        generator = self._generator()
        generator.start(prompts.beginning(generator.settings))

    def search(self, query: str, collection_id: int, *, limit: int = 10, documents: Collection[int] | None = None) -> SearchResult:
        """The `limit` best pieces of evidence, best first, without any threshold. Raises BadRequest, TextTooLong, EmbedderFailed."""
        found = self._retriever.find(checked_question(query), collection_id, limit, documents)
        return SearchResult(found.evidence, found.milliseconds)

    def ask(
        self,
        question: str,
        collection_id: int,
        *,
        documents: Collection[int] | None = None,
        history: Sequence[Turn] = (),
        cancel: threading.Event,
    ) -> Iterator[AnswerEvent]:
        """Answer `question` from the collection, or from those of its `documents`. The last event is always Finished.

        Raises BadRequest, TextTooLong, EmbedderFailed, BundleError; a failing language model leaves the quotes and a note.
        """
        started = time.perf_counter()
        question = checked_question(question)
        whole = self._whole(question, collection_id, documents)
        if whole is not None:
            yield from self._overview(cancel).of(whole, question)
            return
        searched_for = complete(question, history)
        found = self._retriever.find(searched_for, collection_id, EVIDENCE, documents)
        draft = Draft(question, searched_for, found.evidence, started, 1000 * (time.perf_counter() - started))
        yield EvidenceReady(found.evidence, searched_for, not found.relevant, draft.retrieve)
        if not found.relevant:
            yield Finished(refusal(draft, chosen=documents is not None))
            return
        ranked = rank_sentences(found, self._embedder())
        citations = Citations(choose(ranked))
        yield QuotesReady(citations.all)
        yield from self._write(draft, ranked, citations, cancel)

    def summarise(self, document_id: int, *, cancel: threading.Event) -> Iterator[AnswerEvent]:
        """What a document says, section by section, with citations. Raises NoSuchDocument."""
        document = self._library.document(document_id)
        yield from self._overview(cancel).of([document], f"Summarise {document.name}")

    def overview(self, collection_id: int, *, cancel: threading.Event) -> Iterator[AnswerEvent]:
        """What is in a collection, document by document, with citations."""
        yield from self._overview(cancel).of(self._library.documents(collection_id), "What is in here?")

    def _overview(self, cancel: threading.Event) -> Overview:
        return Overview(self._library, self._generator, cancel)

    def _whole(self, question: str, collection_id: int, documents: Collection[int] | None) -> list[Document] | None:
        """The documents to summarise where the question asks for the whole rather than for something in it, else None."""
        if is_request(question):
            return [one for one in self._library.documents(collection_id) if documents is None or one.id in documents]
        name = asked_document(question)
        return None if name is None else named_document(name, self._library.documents(collection_id))

    def _write(self, draft: Draft, ranked: Sequence[Quote], citations: Citations, cancel: threading.Event) -> Iterator[AnswerEvent]:
        """The model's prose, streamed and checked; whatever happens to the model, the answer with its quotes is finished."""
        generator = self._generator()
        prose = Prose(citations, every_sentence(draft.evidence))
        draft.model = generator.name
        try:
            prompt = prompts.build(draft.searched_for, draft.evidence, ranked, generator.settings, generator.prompt_tokens)
            if prompt is None:
                draft.note = "The question leaves this model no room for evidence: only the quotes are shown."
            else:
                prose.most = prompt.sentences
                yield from self._stream(draft, generator, prompt, prose, cancel)
        except (GeneratorFailed, PromptTooLong) as error:
            draft.note = str(error)
        yield from prose.finish()
        yield Finished(draft.answer(citations, prose))

    def _stream(self, draft: Draft, generator: Generator, prompt: Prompt, prose: Prose, cancel: threading.Event) -> Iterator[AnswerEvent]:
        for event in generator.generate(prompt.messages, max_tokens=prompt.max_tokens, cancel=cancel, stop=prompt.stop):
            match event:
                case Waiting(ahead=ahead):
                    yield Queued(ahead)
                case Reading(done=done, total=total):
                    yield Progress("reading", done, total, draft.seconds_left(done, total))
                case Piece(text=text):
                    draft.first_token_now()
                    yield from prose.feed(text)
                    if prose.full:
                        return  # closing the stream stops the model
                case Done() as done:
                    draft.count(done)
