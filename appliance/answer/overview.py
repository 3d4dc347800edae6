""" "What is in here?" and "Summarise this document": the whole of it, section by section, in cited sentences of its own.

A model that is good enough adds a few words of its own to each section; a small one would only make them worse.
"""

from __future__ import annotations

import re
import threading
import time
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from functools import partial

from appliance.answer import prompt as prompts
from appliance.answer.answers import Draft, Enough
from appliance.answer.citations import Citations, led_by_quotes
from appliance.answer.prose import Prose
from appliance.answer.quotes import Quote, every_sentence
from appliance.answer.summary import MOST_DOCUMENTS, Section, Summariser, evidence_of
from appliance.documents import AnswerEvent, Document, Evidence, EvidenceReady, Progress, Queued, QuotesReady
from appliance.errors import BaseCampFailed, BundleError, ModelError
from appliance.library.reading import Reader
from appliance.models.catalogue import GeneratorSettings
from appliance.models.choice import UNLESS_TOLD, Choice
from appliance.models.generator import Done, Piece, Waiting
from appliance.models.writes import ChoosesModel, Writes, prompt_tokens
from appliance.printable import counted

LEAST_PARAMETERS = 1e9
"""A model below this is not asked to summarise: SmolLM2-135M mixes up what it read."""
_SIZE = re.compile(r"([\d.]+)\s*([MB])", re.IGNORECASE)
_FEW_SECTIONS = 4
"""Up to which each section shows two sentences."""
OWN_SENTENCES = "these are the documents' own sentences."
TOO_SMALL = f"The base camp didn't answer, and {{name}} on this machine is too small to write a summary: {OWN_SENTENCES}"
SIZE_UNKNOWN = f"How large {{name}} is, is not known, so it was not asked to write a summary: {OWN_SENTENCES}"
EMPTY = "There are no documents in this collection yet. Add some, then ask again."


@dataclass(frozen=True, slots=True)
class Part:
    """One section of the summary: its heading, the chunks that it speaks for, the sentences chosen."""

    title: str
    section: Section
    quotes: tuple[Quote, ...]


def can_summarise(settings: GeneratorSettings) -> bool:
    """Whether the catalogue says that this model is large enough to be asked for a summary."""
    size = _SIZE.fullmatch(settings.parameters.strip())
    return size is not None and float(size[1]) * (1e9 if size[2].upper() == "B" else 1e6) >= LEAST_PARAMETERS


class Overview:
    """Makes one summary. `cancel` ends it between two sections, or inside one that the model is writing."""

    def __init__(self, library: Reader, model: ChoosesModel, cancel: threading.Event, choice: Choice = UNLESS_TOLD) -> None:
        self._library = library
        self._model = model
        self._cancel = cancel
        self._choice = choice

    def of(self, documents: Sequence[Document], question: str) -> Iterator[AnswerEvent]:
        """One document section by section, several document by document. The last event is Finished."""
        started = time.perf_counter()
        shown = documents[:MOST_DOCUMENTS]
        steps = self._steps(shown)
        parts: list[Part] = []
        for done, step in enumerate(steps):
            if self._cancel.is_set():
                break
            yield Progress("summarising", done, len(steps), _seconds_left(started, done, len(steps)))
            parts.append(step())
        evidence = _evidence(parts)
        draft = Draft(question, question, evidence, started, 1000 * (time.perf_counter() - started))
        draft.stopped, draft.note = self._cancel.is_set(), self._note(documents, shown)
        citations = Citations(quote for part in parts for quote in part.quotes)
        yield EvidenceReady(evidence, question, False, draft.retrieve)
        yield QuotesReady(citations.all)
        prose = Prose(citations, [])
        if parts and self._choice.write and not draft.stopped:
            try:
                try:
                    yield from self._write(draft, parts, prose)
                except BaseCampFailed:
                    if draft.begun:
                        raise
                    # Nothing of its words was shown: the model on this machine writes instead, where it can, and that is said.
                    yield from self._write(draft, parts, prose)
            except (ModelError, BundleError) as error:
                draft.failed(error)
            yield from prose.finish()
        if draft.begun:
            yield draft.finished(draft.answer(citations, prose))
            return
        text = _laid_out(parts, citations) if parts else "" if draft.stopped else EMPTY
        yield draft.finished(draft.without_model(text, citations, refused=not parts and not draft.stopped))

    def _steps(self, documents: Sequence[Document]) -> list[Callable[[], Part]]:
        """What is to be done, one call a section; what a section takes is the measure for the time that is left."""
        if len(documents) != 1:
            return [partial(self._document, document) for document in documents]
        summariser = Summariser(self._library, documents[0])
        return [partial(self._section, summariser, section) for section in summariser.sections]

    def _section(self, summariser: Summariser, section: Section) -> Part:
        amount = 2 if len(summariser.sections) <= _FEW_SECTIONS else 1
        return Part(section.title, section, tuple(summariser.best(section, amount)))

    def _document(self, document: Document) -> Part:
        """A whole document as one part: the sentence that says most, from the section that holds it, and what else it has."""
        summariser = Summariser(self._library, document)
        whole = Section("", tuple(chunk for section in summariser.sections for chunk in section.chunks))
        size = f"{document.pages} pages" if document.pages > 1 else ""
        title = " – ".join(part for part in (document.name, document.title if document.title != document.name else "", size) if part)
        return Part(title, whole, tuple(summariser.best(whole, 1)))

    def _note(self, documents: Sequence[Document], shown: Sequence[Document]) -> str:
        notes = []
        if len(documents) > len(shown):
            notes.append(f"{len(shown)} of {len(documents)} documents are shown.")
        unread = sum(len(self._library.unread(document.id)) for document in shown)
        if unread:
            notes.append(f"{counted(unread, 'page')} could not be read and {'are' if unread > 1 else 'is'} not in this summary.")
        return " ".join(notes)

    def _write(self, draft: Draft, parts: Sequence[Part], prose: Prose) -> Iterator[AnswerEvent]:
        """Under each section's heading, what the model makes of it, checked like any answer; nothing where it isn't good enough.

        Raises ModelError, BundleError.
        """
        generator = self._model(self._choice.model, purpose="summarising", parameters=self._choice.parameters)
        if not can_summarise(generator.settings):
            draft.say(_why_not(generator))
            return
        draft.model, draft.passages = generator.name, 0
        draft.say(generator.note)
        draft.parameters = self._choice.parameters.told()
        began = time.perf_counter()
        for done, part in enumerate(parts):
            if self._cancel.is_set():
                draft.stopped = True
                return
            yield Progress("summarising", done, len(parts), _seconds_left(began, done, len(parts)))
            yield from self._write_part(draft, generator, part, prose)

    def _write_part(self, draft: Draft, generator: Writes, part: Part, prose: Prose) -> Iterator[AnswerEvent]:
        """The heading comes with the first word: until then, another model can still begin."""
        evidence = [evidence_of(chunk) for chunk in part.section.chunks]
        prose.rests_on(every_sentence(evidence))
        told = self._choice.parameters.over(generator.own)
        with generator.hold(self._choice.client, self._cancel) as held:
            for waiting in held.wait():
                yield Queued(waiting.ahead)
            if self._cancel.is_set():
                draft.stopped = True
                return
            brief = prompts.build(prompts.SUMMARISE, evidence, part.quotes, generator.settings, partial(prompt_tokens, held), told)
            if brief is None:
                return
            draft.passages += brief.given
            headed, enough = False, Enough(self._cancel)
            for event in held.generate(brief.request(self._choice), enough):
                match event:
                    case Waiting(ahead=ahead):
                        yield Queued(ahead)
                    case Piece(text=text):
                        draft.first_token_now()
                        if not headed:
                            headed = True
                            yield from prose.heading(part.title)
                        yield from prose.feed(text)
                        if prose.full:
                            enough.set()
                    case Done() as done:
                        draft.count(done, enough)
        yield from prose.finish()


def _why_not(generator: Writes) -> str:
    """Said where a base camp was to write, or may be; a small model of the shelf is never expected to."""
    if generator.note:
        return TOO_SMALL.format(name=generator.name)
    return "" if generator.settings.parameters else SIZE_UNKNOWN.format(name=generator.name)


def _evidence(parts: Sequence[Part]) -> tuple[Evidence, ...]:
    """The passages that the chosen sentences stand in, each once, in the order of the parts."""
    return tuple({quote.evidence.chunk_ids: quote.evidence for part in parts for quote in part.quotes}.values())


def _laid_out(parts: Sequence[Part], citations: Citations) -> str:
    blocks = []
    for part in parts:
        cited = [citations.all[citations.marker(quote) - 1] for quote in part.quotes]
        blocks.append("\n".join(line for line in (part.title, led_by_quotes(cited)) if line))
    return "\n\n".join(block for block in blocks if block)


def _seconds_left(since: float, done: int, total: int) -> float | None:
    return (time.perf_counter() - since) / done * (total - done) if done else None
