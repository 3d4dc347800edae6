"""Side by side: one question, several contenders (a model and its parameters), the same evidence.

The evidence is found once. Contenders that are the same model answer one after the other, since a model writes one answer at a time; others
answer together where that is asked for and memory allows. What becomes of one contender is told of it, and the others go on.
"""

from __future__ import annotations

import queue
import threading
from collections.abc import Callable, Collection, Generator, Iterator, Sequence
from dataclasses import dataclass
from itertools import chain

from appliance.answer import prompt as prompts
from appliance.answer.answers import Enough
from appliance.answer.pipeline import Asked, Asker
from appliance.answer.preferred import in_words
from appliance.documents import Answer, AnswerEvent, EvidenceReady, Finished, Queued, QuotesReady
from appliance.errors import BadRequest, HaversackError
from appliance.library.comparisons import Comparison, Contender, Figures, Result, told_apart
from appliance.library.writing import now
from appliance.models.choice import Choice
from appliance.models.parameters import Parameters, checked
from appliance.models.protocol import Waiting
from appliance.models.request import Request
from appliance.models.writes import ChoosesModel, prompt_tokens

FEWEST, MOST = 2, 6
"""Contenders of one comparison: more than six columns are a table, and `haversack compare --questions` makes one."""
NO_ROOM = "There is no memory for all of these models at once, so they answer one after the other."
ONE_MODEL = "A model writes one answer at a time, so they answer one after the other."
SOME_TOGETHER = "The answers of the same model come one after the other, since a model writes one at a time."
STOPPED = "It was stopped before it answered."
KNOWN_BEFORE = "{names} had these passages in memory already: the time to the first word and the energy can't be compared there."
WAITED = "{names} waited for other questions: the time to the first word can't be compared there."
_PATIENCE = 5.0
"""Seconds that leaving waits for models that were told to stop."""


@dataclass(frozen=True, slots=True)
class Failed:
    """A contender came to no answer."""

    message: str


@dataclass(frozen=True, slots=True)
class Said:
    """What one contender said, by its index."""

    contender: int
    event: AnswerEvent | Failed


@dataclass(frozen=True, slots=True)
class Compared:
    """The end: everything that was said, with figures. Not kept yet."""

    comparison: Comparison


CompareEvent = EvidenceReady | QuotesReady | Said | Compared


@dataclass(frozen=True, slots=True)
class _End:
    """What became of one contender, by its index."""

    contender: int
    result: Result
    known_before: bool = False
    """It had the passages in memory before it was asked."""
    waited: bool = False
    """For others' turns, after it was loaded."""


def contender(model: str, title: str, parameters: Parameters, preset: str = "") -> Contender:
    """`parameters` with those of the preset."""
    return Contender(model, title, preset, parameters.told(), in_words(preset, parameters))


class Contest:
    """One comparison. `together` and `sentence` say before it begins how it will be done, `sentence` only where that isn't as asked for."""

    def __init__(
        self,
        asker: Asker,
        models: ChoosesModel,
        contenders: Sequence[Contender],
        *,
        together: bool = False,
        fits: Callable[[Collection[str]], bool] = lambda _: True,
        passages: int = 0,
        client: str = "page",
    ) -> None:
        """`fits`: whether models of these names can be loaded at the same time. `passages`: how many the one wants that takes most.

        Raises BadRequest where there are too few or too many.
        """
        if not FEWEST <= len(contenders) <= MOST:
            raise BadRequest(detail=f"{FEWEST} to {MOST} models or settings can be compared, not {len(contenders)}.")
        self.contenders = told_apart(contenders)
        self._asker, self._models, self._passages, self._client = asker, models, passages, client
        names = {one.model for one in contenders}
        self.together, self.sentence = together, ""
        if together and len(names) == 1:
            self.together, self.sentence = False, ONE_MODEL
        elif together and not fits(names):
            self.together, self.sentence = False, NO_ROOM
        elif together and len(names) < len(contenders):
            self.sentence = SOME_TOGETHER

    def run(
        self, question: str, collection: tuple[int, str], *, cancel: threading.Event, documents: Collection[int] | None = None
    ) -> Generator[CompareEvent, None, None]:
        """Answer `question` from a collection (its id and name). EvidenceReady first, QuotesReady where something was found, Compared at the end.

        After `cancel`, Compared comes soon, with what was written. Closing the iterator stops all. Raises BadRequest, TextTooLong, EmbedderFailed.
        """
        asked = self._asker.find(question, collection[0], documents=documents, passages=self._passages)
        yield asked.ready
        # The quotes lead every answer: they are the same for all, and come before any model is loaded.
        opening = next(iter(self._asker.answer(asked, cancel=cancel)))
        if isinstance(opening, QuotesReady):
            yield opening
        ends: list[_End] = []
        stop = Enough(cancel)
        try:
            for heard in self._heard(asked, stop):
                if isinstance(heard, Said):
                    yield heard
                else:
                    ends.append(heard)
        finally:
            stop.set()
        ends.sort(key=lambda end: end.contender)
        known, waited = _named(KNOWN_BEFORE, [end for end in ends if end.known_before]), _named(WAITED, [end for end in ends if end.waited])
        note = " ".join(filter(None, (self.sentence, known, waited)))
        yield Compared(Comparison(None, *collection, asked.question, now(), self.together, note, tuple(end.result for end in ends)))

    def _heard(self, asked: Asked, stop: Enough) -> Iterator[Said | _End]:
        """What all of them say, and their ends."""
        if not self.together:
            for index in range(len(self.contenders)):
                yield from self._one(index, asked, stop)
            return
        groups: dict[str, list[int]] = {}
        for index, one in enumerate(self.contenders):
            groups.setdefault(one.model, []).append(index)
        said: queue.SimpleQueue[Said | _End | BaseException | None] = queue.SimpleQueue()

        def answer(indexes: Sequence[int]) -> None:
            try:
                for index in indexes:
                    for heard in self._one(index, asked, stop):
                        said.put(heard)
            except BaseException as error:  # told where the events are taken
                said.put(error)
            said.put(None)

        threads = [threading.Thread(target=answer, args=(indexes,), name="contender", daemon=True) for indexes in groups.values()]
        for thread in threads:
            thread.start()
        try:
            left = len(threads)
            while left:
                heard = said.get()
                if isinstance(heard, BaseException):
                    raise heard
                if heard is None:
                    left -= 1
                else:
                    yield heard
        finally:
            stop.set()
            for thread in threads:
                thread.join(_PATIENCE)

    def _one(self, index: int, asked: Asked, stop: Enough) -> Iterator[Said | _End]:
        """What one contender says; its last event is Finished or Failed, and behind it comes its end."""
        one = self.contenders[index]
        parameters = checked(one.parameters)
        choice = Choice(one.model, parameters, client=self._client)
        answer: Answer | None = None
        beginning, failure, waited = 0, STOPPED, False
        try:
            if asked.found.relevant and not stop.is_set():
                beginning = yield from self._load(index, one.model, parameters, stop)
            if not stop.is_set():
                for event in self._asker.answer(asked, cancel=stop, choice=choice):
                    if isinstance(event, Finished):
                        answer = event.answer
                    elif not isinstance(event, QuotesReady):  # told once for all
                        waited = waited or isinstance(event, Queued)
                        yield Said(index, event)
        except HaversackError as error:
            failure = str(error)
        if answer is not None and not answer.refused and not answer.generated and (answer.note or answer.stopped):
            failure, answer = answer.note or STOPPED, None
        if answer is None:
            yield Said(index, Failed(failure))
            yield _End(index, Result(one, None, failure))
        else:
            known = answer.reused_tokens > beginning
            yield Said(index, Finished(answer))
            yield _End(index, Result(one, answer, "", figures(answer, known_before=known, waited=waited)), known, waited)

    def _load(self, index: int, model: str, parameters: Parameters, stop: Enough) -> Generator[Said, None, int]:
        """Load the model and read what every prompt of its begins with: only then is the time to the first word the same thing for all.

        Returns how many tokens that beginning has.
        """
        writes = self._models(model, parameters=parameters)
        beginning = prompts.beginning(writes.settings)
        with writes.hold(self._client, stop) as held:
            for event in chain(held.wait(), held.generate(Request(beginning, 0, client=self._client), stop)):
                if isinstance(event, Waiting):
                    yield Said(index, Queued(event.ahead))
            return 0 if stop.is_set() else prompt_tokens(held, beginning)


def _named(sentence: str, ends: Sequence[_End]) -> str:
    """The sentence with the names of those that it is about; "" where it is about none."""
    contenders = [end.result.contender for end in ends]
    names = dict.fromkeys(one.title + (f" ({one.settings})" if one.settings else "") for one in contenders)
    return sentence.format(names=" and ".join(names)) if names else ""


def figures(answer: Answer, *, known_before: bool = False, waited: bool = False) -> Figures:
    """What an answer cost and what it holds.

    `known_before`: the passages were in the model's memory before it was asked, and cost it no reading. `waited`: for others' turns.
    """
    if answer.refused:
        return Figures()
    writing = answer.timings.writing
    return Figures(
        first_token_ms=None if known_before or waited else answer.timings.first_token,
        tokens_per_second=1000 * answer.completion_tokens / writing if writing and answer.completion_tokens > 1 else None,
        supported_share=sum(one.supported for one in answer.sentences) / len(answer.sentences) if answer.sentences else None,
        sentences=len(answer.sentences),
        joules=answer.energy.joules if answer.energy and not known_before else None,
        passages=answer.passages,
    )
