"""The answer of one question while it is being made, and the answers that need no model."""

from __future__ import annotations

import threading
import time
from collections.abc import Mapping
from dataclasses import dataclass, field

from appliance.answer.citations import Citations, led_by_quotes
from appliance.answer.prose import Prose
from appliance.documents import Answer, Energy, Evidence, Finished, Timings, Unwritten, both
from appliance.errors import BundleError, HaversackError
from appliance.models.generator import Done

REFUSAL = "Nothing in {where} answers this question. The nearest passages are shown; they may be about something else."
EMPTY = "There is nothing to search in {where} yet. Add documents, then ask again."
COLLECTION, CHOSEN = "this collection", "the chosen documents"
CUT = "The answer was cut at the longest that this model may write."
THOUGHT = "It thinks aloud first, which is not shown, and had come to no answer by then: give it a longer answer, or take another model."


class Enough(threading.Event):
    """Set when the model has said enough, or when the reader cancels: either way it stops, and tells what it took."""

    def __init__(self, cancel: threading.Event) -> None:
        super().__init__()
        self._cancel = cancel

    @property
    def said(self) -> bool:
        return super().is_set()

    def is_set(self) -> bool:
        return super().is_set() or self._cancel.is_set()


@dataclass(slots=True)
class Draft:
    """What is known of an answer so far. It belongs to one question and one thread."""

    question: str
    searched_for: str
    evidence: tuple[Evidence, ...]
    started: float
    """time.perf_counter() when the question came."""
    retrieve: float
    """Milliseconds."""
    model: str = ""
    note: str = ""
    stopped: bool = False
    parameters: Mapping[str, float | int | str] = field(default_factory=dict)
    energy: Energy | None = None
    prompt_tokens: int = 0
    completion_tokens: int = 0
    reused_tokens: int = 0
    passages: int = 0
    failure: HaversackError | None = None
    writing: float | None = None
    """Milliseconds that the model spent on writing."""
    _first_token: float | None = None
    _reading_since: tuple[float, int] | None = field(default=None)

    def first_token_now(self) -> None:
        if self._first_token is None:
            self._first_token = self._milliseconds()

    def say(self, sentence: str) -> None:
        """One more sentence for the note; "" is none."""
        self.note = " ".join(filter(None, (self.note, sentence)))

    def failed(self, error: HaversackError) -> None:
        """The model came to nothing, or broke off: what is shown stays, and the note says why."""
        self.failure = error
        self.say(str(error))

    @property
    def begun(self) -> bool:
        """Something of the model's words was shown."""
        return self._first_token is not None

    def count(self, done: Done, enough: Enough) -> None:
        self.prompt_tokens += done.prompt_tokens
        self.completion_tokens += done.completion_tokens
        self.reused_tokens += done.reused_tokens
        self.writing = (self.writing or 0.0) + done.writing_ms
        self.energy = both(self.energy, done.energy)
        self.stopped = self.stopped or (done.reason == "cancelled" and not enough.said)
        if done.reason == "length" and not enough.said:
            self.say(CUT)
            if done.thought_tokens and not self.begun:
                self.say(THOUGHT)

    def seconds_left(self, done: int, total: int) -> float | None:
        """Of reading the prompt, by the speed since the first report; None at the first."""
        now = time.perf_counter()
        if self._reading_since is None:
            self._reading_since = (now, done)
            return None
        began, already = self._reading_since
        return (now - began) / (done - already) * (total - done) if done > already else None

    def finished(self, answer: Answer) -> Finished:
        """The last event."""
        return Unwritten(answer, self.failure) if isinstance(self.failure, BundleError) else Finished(answer)

    def answer(self, citations: Citations, prose: Prose) -> Answer:
        return Answer(
            question=self.question,
            searched_for=self.searched_for,
            answer=led_by_quotes(citations.all[: citations.leading], prose.marked),
            generated=prose.plain,
            sentences=tuple(prose.sentences),
            citations=citations.all,
            evidence=self.evidence,
            refused=False,
            model=self.model,
            timings=self._timings(),
            prompt_tokens=self.prompt_tokens,
            completion_tokens=self.completion_tokens,
            reused_tokens=self.reused_tokens,
            stopped=self.stopped,
            note=self.note,
            parameters=self.parameters,
            energy=self.energy,
            passages=self.passages,
        )

    def without_model(self, text: str, citations: Citations, *, refused: bool) -> Answer:
        return Answer(
            question=self.question,
            searched_for=self.searched_for,
            answer=text,
            generated="",
            sentences=(),
            citations=citations.all,
            evidence=self.evidence,
            refused=refused,
            model="",
            timings=self._timings(),
            stopped=self.stopped,
            note=self.note,
        )

    def _timings(self) -> Timings:
        return Timings(self.retrieve, self._first_token, self._milliseconds(), self.writing)

    def _milliseconds(self) -> float:
        return 1000 * (time.perf_counter() - self.started)


def refusal(draft: Draft, *, chosen: bool) -> Answer:
    """`chosen`: the search kept to documents that the user chose."""
    text = (REFUSAL if draft.evidence else EMPTY).format(where=CHOSEN if chosen else COLLECTION)
    return draft.without_model(text, Citations(), refused=True)
