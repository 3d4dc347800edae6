"""The model's prose as it streams: no marker of its own gets through, and each sentence is checked as soon as it ends."""

from __future__ import annotations

import re
from collections.abc import Iterator, Sequence

from appliance.answer.checks import check, goes_in_circles
from appliance.answer.citations import Citations, MarkerFilter, marks
from appliance.answer.quotes import Quote
from appliance.answer.words import terms
from appliance.documents import AnswerEvent, Delta, Sentence, SentenceChecked
from appliance.sentences import sentences

_MAY_END = re.compile(r"[.!?…。！？।؟۔][\"'”’»›)\]]*(?P<after>\s*\S*)$")
"""A stop, and behind it at most one word that isn't finished: whether the sentence ended there depends on that word."""
_LINE_END = re.compile(r"(?<=\S)[^\S\n]*[\n\r\f\v\x1c-\x1e\x85\u2028\u2029]")


class Prose:
    """What was written so far. Feed it pieces; it gives back the events to send."""

    def __init__(self, citations: Citations, quotes: Sequence[Quote]) -> None:
        """`quotes`: all that a sentence may rest on. Those in `citations` are shown already."""
        self.most: int | None = None
        """Sentences to take; what the model writes after them is dropped unseen."""
        self._citations = citations
        self._quotes = quotes
        self._filter = MarkerFilter()
        self._current = ""
        """The sentence being written, with the white space before it."""
        self._sent = 0
        """Characters of it that were sent."""
        self._plain: list[str] = []
        self._shown: list[str] = []
        self.sentences: list[Sentence] = []
        self.repeats = False
        """The last sentence says what one before it said: a small model is going in circles."""

    @property
    def plain(self) -> str:
        """The prose without markers."""
        return "".join((*self._plain, self._current)).strip()

    @property
    def marked(self) -> str:
        """The prose with markers: everything that was sent."""
        return "".join(self._shown).strip()

    @property
    def full(self) -> bool:
        """No more is wanted of the model: it has said enough, or goes in circles."""
        return self.repeats or len(self.sentences) == self.most

    def feed(self, piece: str) -> Iterator[AnswerEvent]:
        """Events for one more piece of the model's text; none once it is `full`."""
        if self.full:
            return
        self._current += self._filter.feed(piece)
        yield from self._settle()
        self.repeats = self.repeats or goes_in_circles(self._current)
        held = _MAY_END.search(self._current)
        yield from self._send(held.start("after") if held else len(self._current))

    def rests_on(self, quotes: Sequence[Quote]) -> None:
        """From here on, the sentences rest on these."""
        self._quotes = quotes

    def heading(self, title: str) -> Iterator[AnswerEvent]:
        """A line of ours between two stretches of the model's prose: not checked, not part of `plain`."""
        line = ("\n\n" if self._shown else "") + (f"{title}\n" if title else "")
        if self._plain:
            self._plain.append("\n")
        if line:
            yield self._show(line)

    def finish(self) -> Iterator[AnswerEvent]:
        """Events for what is left when the model has ended."""
        self._current = (self._current + self._filter.flush()).rstrip()
        yield from self._settle(ended=True)
        if self._current.strip():
            yield from self._end_sentence(len(self._current))

    def _settle(self, ended: bool = False) -> Iterator[AnswerEvent]:
        """End the sentences that are certain to have ended."""
        while True:
            end = self._first_end(ended)
            if end is None:
                return
            yield from self._end_sentence(end)
            if self.full:
                self._current = self._current[: self._sent]
                return

    def _first_end(self, ended: bool) -> int | None:
        """Where the first sentence ends: at a line's end, else where the whole first word of the next one stands behind it."""
        line = _LINE_END.search(self._current)
        spans = sentences(self._current[: line.start()] if line else self._current)
        if len(spans) < 2:
            return line.start() if line else None
        (_, end), (following, _) = spans[:2]
        unspaced = following == end and self._current[following].isalnum()
        return end if ended or line or unspaced or re.match(r"\S+\s", self._current[following:]) else None

    def _send(self, end: int) -> Iterator[AnswerEvent]:
        if end > self._sent:
            text = self._current[self._sent : end]
            self._sent = end
            yield self._show(text)

    def _show(self, text: str) -> Delta:
        self._shown.append(text)
        return Delta(text)

    def _end_sentence(self, end: int) -> Iterator[AnswerEvent]:
        yield from self._send(end)
        text = self._current[:end]
        known = len(self._citations.all)
        verdict = check(text, self._quotes, self._citations.quotes)
        markers = tuple(self._citations.marker(source) for source in verdict.sources)
        if markers:
            yield self._show(marks(markers))
        sentence = Sentence(text.strip(), markers, verdict.supported, verdict.missing)
        self.repeats = goes_in_circles(text) or any(terms(sentence.text) == terms(other.text) for other in self.sentences)
        self.sentences.append(sentence)
        self._plain.append(text)
        self._current, self._sent = self._current[end:], max(0, self._sent - end)
        yield SentenceChecked(sentence, self._citations.all[known:])
