"""The ask pipeline: question → retriever → evidence [shown at once] → quotes → prompt → generator → citations → checks → answer."""

from __future__ import annotations

import threading
import time
from collections.abc import Callable, Collection, Generator, Iterator, Sequence
from dataclasses import dataclass
from functools import partial

from appliance.answer import prompt as prompts
from appliance.answer.answers import Draft, Enough, refusal
from appliance.answer.citations import Citations
from appliance.answer.overview import Overview
from appliance.answer.prompt import Brief, checked_question
from appliance.answer.prose import Prose
from appliance.answer.quotes import Quote, choose, every_sentence, rank_sentences
from appliance.answer.retriever import Found, Retriever, SearchesVectors
from appliance.answer.rewriting import BY_RULES
from appliance.answer.summary import asked_document, is_request, named_document
from appliance.documents import AnswerEvent, Document, Evidence, EvidenceReady, Finished, Progress, Queued, QuotesReady, Turn
from appliance.errors import BaseCampFailed, BundleError, ModelError
from appliance.library.reading import Reader
from appliance.models.choice import UNLESS_TOLD, Choice
from appliance.models.embeds import Embeds
from appliance.models.generator import Done, Piece, Reading, Waiting
from appliance.models.writes import ChoosesModel, Held, prompt_tokens

Completes = Callable[[str, Sequence[Turn], threading.Event, str], Generator[Queued, None, str]]
"""(question, conversation so far, cancel, client) → the question as it can be searched for."""
EVIDENCE = 6
"""Pieces of evidence that are shown for a question."""


@dataclass(frozen=True, slots=True)
class SearchResult:
    evidence: tuple[Evidence, ...]
    milliseconds: float


@dataclass(frozen=True, slots=True)
class Asked:
    """A question with its evidence, as one model or several are to answer it."""

    question: str
    searched_for: str
    found: Found
    chosen: bool
    """The search kept to documents that the user chose."""
    retrieve: float
    """Milliseconds."""

    @property
    def ready(self) -> EvidenceReady:
        return EvidenceReady(self.found.evidence, self.searched_for, not self.found.relevant, self.retrieve)


class Asker:
    """Answers questions about collections. Safe from many threads: nothing is kept between two questions."""

    def __init__(
        self,
        library: Reader,
        vectors: SearchesVectors,
        embedder: Callable[[], Embeds],
        model: ChoosesModel,
        rewrite: Completes = BY_RULES,
        takes: Callable[[str], int] = lambda _: 0,
    ) -> None:
        """`rewrite` completes a question from its conversation. `takes`: how many passages a model of the shelf wants, "" for the chosen one."""
        self._library = library
        self._embedder = embedder
        self._model = model
        self._complete = rewrite
        self._takes = takes
        self._retriever = Retriever(library, vectors, embedder)

    def prepare_search(self) -> None:
        """Load what the first search would wait for. Raises EmbedderFailed, BundleError."""
        self._retriever.prepare()

    def prepare_answers(self) -> None:
        """Load the language model and read ahead what every prompt begins with. Raises GeneratorFailed, BundleError."""
        generator = self._model()
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
        choice: Choice = UNLESS_TOLD,
    ) -> Iterator[AnswerEvent]:
        """Answer `question` from the collection, or from those of its `documents`. The last event is always Finished.

        Raises BadRequest, TextTooLong, EmbedderFailed, NoSuchModel, and BundleError where nothing can be searched; a failing language model
        leaves the quotes and a note.
        """
        whole = self._whole(checked_question(question), collection_id, documents)
        if whole is not None:
            yield from self._overview(cancel, choice).of(whole, checked_question(question))
            return
        began = time.perf_counter()
        searched_for = yield from self._complete(checked_question(question), history, cancel, choice.client)
        passages = choice.parameters.evidence or self._takes(choice.model)
        asked = self.find(question, collection_id, documents=documents, searched_for=searched_for, passages=passages, began=began)
        yield asked.ready
        yield from self.answer(asked, cancel=cancel, choice=choice)

    def find(
        self,
        question: str,
        collection_id: int,
        *,
        documents: Collection[int] | None = None,
        searched_for: str = "",
        passages: int = 0,
        began: float | None = None,
    ) -> Asked:
        """The evidence for a question: what every model that answers it is given of. Raises BadRequest, TextTooLong, EmbedderFailed.

        `searched_for`: the question as its conversation completes it. `passages`: how many a model wants, where that is more than are shown
        for any question. `began`: time.perf_counter() when the question came, if that was before.
        """
        started = time.perf_counter() if began is None else began
        question = checked_question(question)
        searched_for = searched_for or question
        found = self._retriever.find(searched_for, collection_id, max(EVIDENCE, passages), documents)
        return Asked(question, searched_for, found, documents is not None, 1000 * (time.perf_counter() - started))

    def answer(
        self,
        asked: Asked,
        *,
        cancel: threading.Event,
        choice: Choice = UNLESS_TOLD,
    ) -> Iterator[AnswerEvent]:
        """What one model makes of the evidence: QuotesReady first, Finished at the end. Raises NoSuchModel, EmbedderFailed."""
        # Counted from the search on, so that the second model to answer has not waited for the first.
        started = time.perf_counter() - asked.retrieve / 1000
        draft = Draft(asked.question, asked.searched_for, asked.found.evidence, started, asked.retrieve, parameters=choice.parameters.told())
        if not asked.found.relevant:
            yield Finished(refusal(draft, chosen=asked.chosen))
            return
        ranked = rank_sentences(asked.found, self._embedder())
        citations = Citations(choose(ranked))
        yield QuotesReady(citations.all)
        prose = Prose(citations, every_sentence(draft.evidence))
        if not choice.write:
            yield Finished(draft.answer(citations, prose))
            return
        try:
            try:
                yield from self._write(draft, ranked, prose, cancel, choice)
            except BaseCampFailed:
                if draft.begun:
                    raise
                # Nothing of its words was shown: the model on this machine answers instead, and says so.
                yield from self._write(draft, ranked, prose, cancel, choice)
        except (ModelError, BundleError) as error:
            draft.failed(error)
        yield from prose.finish()
        yield draft.finished(draft.answer(citations, prose))

    def summarise(
        self,
        document_id: int,
        *,
        cancel: threading.Event,
        choice: Choice = UNLESS_TOLD,
    ) -> Iterator[AnswerEvent]:
        """What a document says, section by section, with citations. Raises NoSuchDocument."""
        document = self._library.document(document_id)
        yield from self._overview(cancel, choice).of([document], f"Summarise {document.name}")

    def overview(
        self,
        collection_id: int,
        *,
        cancel: threading.Event,
        choice: Choice = UNLESS_TOLD,
    ) -> Iterator[AnswerEvent]:
        """What is in a collection, document by document, with citations."""
        yield from self._overview(cancel, choice).of(self._library.documents(collection_id), "What is in here?")

    def _overview(self, cancel: threading.Event, choice: Choice) -> Overview:
        return Overview(self._library, self._model, cancel, choice)

    def _whole(self, question: str, collection_id: int, documents: Collection[int] | None) -> list[Document] | None:
        """The documents to summarise where the question asks for the whole rather than for something in it, else None."""
        if is_request(question):
            return [one for one in self._library.documents(collection_id) if documents is None or one.id in documents]
        name = asked_document(question)
        return None if name is None else named_document(name, self._library.documents(collection_id))

    def _write(self, draft: Draft, ranked: Sequence[Quote], prose: Prose, cancel: threading.Event, choice: Choice) -> Iterator[AnswerEvent]:
        """The prompt for the model that is there now, and its prose. Raises ModelError, BundleError."""
        generator = self._model(choice.model, parameters=choice.parameters)
        draft.model = generator.name
        draft.say(generator.note)
        told = choice.parameters.over(generator.own)
        with generator.hold(choice.client, cancel) as held:
            for waiting in held.wait():
                yield Queued(waiting.ahead)
            if cancel.is_set():
                draft.stopped = True
                return
            brief = prompts.build(draft.searched_for, draft.evidence, ranked, generator.settings, partial(prompt_tokens, held), told)
            if brief is None:
                draft.say("The question leaves this model no room for evidence: only the quotes are shown.")
                return
            prose.most, draft.passages = brief.sentences, brief.given
            yield from self._stream(draft, held, brief, prose, cancel, choice)

    def _stream(self, draft: Draft, held: Held, brief: Brief, prose: Prose, cancel: threading.Event, choice: Choice) -> Iterator[AnswerEvent]:
        """The model's prose, streamed and checked; whatever happens to the model, the answer with its quotes is finished."""
        enough = Enough(cancel)
        for event in held.generate(brief.request(choice), enough):
            match event:
                case Waiting(ahead=ahead):
                    yield Queued(ahead)
                case Reading(done=done, total=total):
                    yield Progress("reading", done, total, draft.seconds_left(done, total))
                case Piece(text=text):
                    draft.first_token_now()
                    yield from prose.feed(text)
                    if prose.full:
                        enough.set()  # its last word tells what the answer took
                case Done() as done:
                    draft.count(done, enough)
