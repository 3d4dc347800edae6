"""A program's question to a collection: the whole ask pipeline answers, and its sources come along."""

from __future__ import annotations

import threading
import time
from collections.abc import Iterator, Sequence

from appliance.answer.answers import CUT
from appliance.answer.citations import led_by_quotes
from appliance.answer.prompt import checked_question
from appliance.documents import Answer, AnswerEvent, Citation, Delta, Evidence, Finished, Progress, Queued, QuotesReady, Turn
from appliance.errors import BadRequest
from appliance.models.choice import Choice
from appliance.models.parameters import LONGEST_SYSTEM, checked
from appliance.models.stops import StopFilter
from appliance.runtime import Appliance
from appliance.web.programs.running import Ahead, Ended, Event, Source, Text, Wanted


def check(wanted: Wanted) -> None:
    """What a collection can't do for a program. Raises BadRequest, TextTooLong."""
    if wanted.request.schema is not None:
        raise BadRequest(detail="An answer from a collection is text with its sources: it can't be JSON, too.", param="response_format")
    if wanted.request.tools:
        raise BadRequest(detail="An answer from a collection calls no tools. Leave them out, or the collection.", param="tools")
    checked_question(_question(wanted)[0])
    _system(wanted)


def ask(appliance: Appliance, wanted: Wanted, cancel: threading.Event) -> Iterator[Event]:
    """The answer with its quotes and markers, and its sources at the end. Raises what `Asker.ask` raises."""
    assert wanted.named.model is not None
    assert wanted.named.collection is not None
    question, history = _question(wanted)
    told, model = wanted.request, wanted.named.model.name
    parameters = checked({"system": _system(wanted) or None}).over(told.parameters)
    state = appliance.loaded.states().get(model)  # gone meanwhile, perhaps: `ask` says so
    ready = state is not None and state.resident_bytes > 0
    events = appliance.asker.ask(
        question,
        wanted.named.collection.id,
        history=history,
        cancel=cancel,
        choice=Choice(model, parameters, client=told.client),
    )
    shown = _Shown(StopFilter(told.stop), cancel, ready)
    for event in events:
        yield from shown.of(event)


class _Shown:
    """The answer's events in the order in which its text is shown: the quotes, the prose, a note. Together they are `Answer.answer`."""

    def __init__(self, stops: StopFilter, cancel: threading.Event, ready: bool) -> None:
        """`ready`: the model was loaded when the question came."""
        self._stops = stops
        self._cancel = cancel
        self._before = _Before(ready)
        self._lead = ""
        """The quotes, until they are shown."""
        self._shown = ""
        self._written = False
        """Prose was shown."""

    def of(self, event: AnswerEvent) -> Iterator[Event]:
        self._before.note(event)
        match event:
            case QuotesReady(citations=citations):
                self._lead = led_by_quotes(citations)
            case Queued(ahead=ahead):
                yield Ahead(ahead)
            # A summary lays its quotes out anew when it is finished, and reads no prompt before.
            case Progress(phase="reading"):
                yield from self._show(self._quotes())
            case Delta(text=text):
                lead = self._quotes()
                if not self._written:
                    text = text.lstrip()
                    text = f"\n\n{text}" if text and (lead or self._shown) else text
                self._written = self._written or bool(text)
                yield from self._show(lead + text)
            case Finished(answer=answer):
                yield from self._show(answer.answer[len(self._shown) :] if answer.answer.startswith(self._shown) else "")
                note = answer.note.replace(CUT, "").strip()  # told by the reason
                yield from self._show(f"\n\n{note}" if note else "")
                if rest := self._stops.rest():
                    yield Text(rest)
                yield _ended(answer, self._before)

    def _quotes(self) -> str:
        lead, self._lead = self._lead, ""
        return lead

    def _show(self, text: str) -> Iterator[Text]:
        self._shown += text
        if shown := self._stops.add(text):
            yield Text(shown)
        if self._stops.found:
            self._cancel.set()  # the model need not go on; what it wrote is finished all the same


class _Before:
    """What goes by between the quotes and the prompt: others are answered, the model is loaded. Milliseconds."""

    def __init__(self, ready: bool) -> None:
        self._ready = ready
        self._quotes = self._turn = time.perf_counter()
        self._over = False
        self.passed = 0.0
        self.loading = 0.0

    def note(self, event: AnswerEvent) -> None:
        now = time.perf_counter()
        match event:
            case QuotesReady():
                self._quotes = self._turn = now
            case Queued():
                self._turn = now
            case Progress(phase="reading") | Delta() if not self._over:
                self._over = True
                self.passed = 1000 * (now - self._quotes)
                self.loading = 0.0 if self._ready else 1000 * (now - self._turn)


def _ended(answer: Answer, before: _Before) -> Ended:
    """The end of a run, from the whole answer."""
    timings = answer.timings
    return Ended(
        "length" if CUT in answer.note else "stop",
        answer.prompt_tokens,
        answer.completion_tokens,
        answer.reused_tokens,
        before.loading,
        reading=max(0.0, timings.first_token - timings.retrieve - before.passed) if timings.first_token is not None else 0.0,
        writing=timings.writing or 0.0,
        total=timings.total,
        sources=tuple(_source(one, answer.evidence) for one in answer.citations),
        refused=answer.refused,
        note=answer.note,
    )


def _source(citation: Citation, evidence: Sequence[Evidence]) -> Source:
    score = next((one.score for one in evidence if _holds(one, citation)), None)
    return Source(
        citation.marker,
        citation.document,
        citation.document_id,
        citation.page,
        citation.position,
        citation.quote,
        citation.start,
        citation.end,
        score,
        citation.supported,
    )


def _holds(evidence: Evidence, citation: Citation) -> bool:
    place = (evidence.document_id, evidence.position) == (citation.document_id, citation.position)
    return place and evidence.start <= citation.start and citation.end <= evidence.end


def _question(wanted: Wanted) -> tuple[str, tuple[Turn, ...]]:
    """The question, and the conversation before it. Raises BadRequest."""
    if isinstance(wanted.request.prompt, str):
        return wanted.request.prompt, ()
    said = [message for message in wanted.request.prompt if message.role != "system"]
    if not said or said[-1].role != "user":
        raise BadRequest(detail="A collection is asked by the last message: it must have the role user.", param="messages")
    turns, question = [], ""
    for message in said[:-1]:
        if message.role == "user":
            question = message.content
        elif message.role == "assistant" and question:
            turns.append(Turn(question, question, message.content))
            question = ""
    return said[-1].content, tuple(turns)


def _system(wanted: Wanted) -> str:
    """What the program adds to the system prompt. Raises BadRequest where it is longer than a system prompt may be."""
    if isinstance(wanted.request.prompt, str):
        return ""
    text = "\n\n".join(message.content for message in wanted.request.prompt if message.role == "system" and message.content)
    if len(text) > LONGEST_SYSTEM:
        raise BadRequest(detail=f"Before a collection, the system message may have at most {LONGEST_SYSTEM:,} characters.", param="messages")
    return text
