"""Is a sentence of the model's borne out by the documents? Decided by code, sentence by sentence, never by the model."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from appliance.answer import facts
from appliance.answer.quotes import Quote
from appliance.answer.words import content_words, terms

ENOUGH = 0.6
"""Share of a sentence's content words that its one or two sources must hold: a summary may use words of its own, not many."""

_LONG_ENOUGH, _VARIED = 12, 0.35
_REACH = 3
"""Words behind a negation that it is taken to deny."""
_NEGATION_WORDS = """no not never none neither nor cannot without nothing nobody hardly ne pas jamais sin nunca nicht kein keine keinen keiner ohne
nie não nem non mai не нет никогда без لا لم لن ليس नहीं"""
_NEGATIONS = frozenset(terms(_NEGATION_WORDS)) | {"不", "没", "沒", "無"}


@dataclass(frozen=True, slots=True)
class Verdict:
    """`sources`: the quotes that bear the sentence out, the better first; empty where it isn't supported."""

    sources: tuple[Quote, ...]
    missing: tuple[str, ...]

    @property
    def supported(self) -> bool:
        return bool(self.sources)


def check(sentence: str, quotes: Sequence[Quote], shown: Sequence[Quote] = ()) -> Verdict:
    """Compare `sentence` with `quotes`, all that it may rest on; those `shown` already are preferred.

    Supported means: its numbers, dates and names all occur in one or two of the quotes, and enough of its other words do. Titles
    and headings don't count: what a citation shows must hold by itself. What no quote holds is `missing`.
    """
    wanted = {term for word in content_words(sentence) for term in terms(word)}
    if not wanted or not quotes:
        return Verdict((), facts.missing(sentence, ""))
    # In order of preference, so that of two equally good sources the one on the page already is cited.
    held = {quote: wanted & set(terms(quote.text)) for quote in (*shown, *quotes)}
    first = max(held, key=lambda quote: len(held[quote]))
    sources, found, lacking = [first], held[first], facts.missing(sentence, first.text)
    if lacking or len(found) < ENOUGH * len(wanted):
        second = min(held, key=lambda quote: (len(facts.missing(sentence, f"{first.text}\n{quote.text}")), -len(held[quote] - found)))
        if second != first:
            sources, found = [first, second], found | held[second]
            lacking = facts.missing(sentence, f"{first.text}\n{second.text}")
    if lacking or len(found) < ENOUGH * len(wanted) or goes_in_circles(sentence) or _turned_round(sentence, sources):
        return Verdict((), lacking)
    return Verdict(tuple(sources), ())


def goes_in_circles(sentence: str) -> bool:
    """A small model that says the same few words again and again: they may all be in the text, and still say nothing."""
    words = terms(sentence)
    return len(words) >= _LONG_ENOUGH and len(set(words)) < _VARIED * len(words)


def _turned_round(sentence: str, sources: Sequence[Quote]) -> bool:
    """Says "not" where its sources don't, or denies what they say, or says what they deny. A question asserts nothing either."""
    if sentence.rstrip().endswith(("?", "？", "؟")):
        return True
    said, said_denied, negations = _denied(sentence)
    held = [_denied(source.text) for source in sources]
    if negations > sum(count for _, _, count in held):
        return True
    for word in said:
        denied = [word in its_denied for its_words, its_denied, _ in held if word in its_words]
        if denied and (all(denied) != (word in said_denied)) and all(denied) == any(denied):
            return True
    return False


def _denied(text: str) -> tuple[set[str], set[str], int]:
    """The content words of `text`, those of them that stand up to three words behind a negation, and how many negations it has."""
    content = {term for word in content_words(text) for term in terms(word)} - _NEGATIONS
    denied: set[str] = set()
    count = reach = 0
    for word in terms(text):
        if word in _NEGATIONS or word.endswith(("n't", "n’t")):
            count, reach = count + 1, _REACH
        elif reach:
            denied.add(word)
            reach -= 1
    return content, denied & content, count
