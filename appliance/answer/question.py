"""What a question asks for: its words and how much each weighs, the pairs that stand side by side, the kind of answer."""

from __future__ import annotations

import itertools
import math
import re
from collections.abc import Container, Mapping
from dataclasses import dataclass
from typing import Literal

from appliance.answer.words import WORD, content_words, fold, is_number, stop_words, terms

Kind = Literal["number", "date", "place", "name", "other"]

_MOST_WORDS = 40
"""A pasted page is a question too; beyond this, words add time and say little."""
_PRIOR = 20
"""Added to the number of chunks: in a collection of three, one chunk more or less must not decide what a word weighs."""
_FUNCTION_WORD = 0.3
"""What a function word weighs where it stands beside a content word ("the who", "out of order")."""

_NUMBER = re.compile(
    r"\bhow (?:many|much|long|old|far|high|tall|large|big|often|fast|deep|heavy|wide)\b"
    r"|\b(?:number|percentage|percent|amount|population|cost|price) of\b|\bwhat (?:percent|number|amount|percentage|population)\b"
    r"|\bcu[aá]nt[oa]s?\b|\bcombien\b|\bwie ?viele?\b|\bquant[oaie]s?\b|сколько|كم|कितन|多少|几|幾",
    re.IGNORECASE,
)
_DATE = re.compile(
    r"\bwhen\b|\b(?:what|which) (?:year|date|day|month|century|decade|time)\b|\bcu[aá]ndo\b|\bquand\b|\bwann\b|\bquando\b"
    r"|когда|متى|\bकब\b|何时|什么时候|哪一年|いつ",
    re.IGNORECASE,
)
_PLACE = re.compile(
    r"\bwhere\b|\b(?:what|which) (?:country|city|place|state|region|location|river|town|continent|island|street|building)\b"
    r"|\bd[oó]nde\b|\bwo\b|\bonde\b|\bdove\b|\bгде\b|\bأين\b|कहाँ|कहां|哪里|在哪|どこ",
    re.IGNORECASE,
)
_NAME = re.compile(
    r"\bwho(?:m|se)?\b|\bname of\b|\b(?:what|which) (?:person|man|woman|president|king|queen|scientist|author|company|team|group"
    r"|organi[sz]ation|emperor|name|general|artist|player|doctor|judge)\b"
    r"|\bqui[eé]n(?:es)?\b|\bwer\b|\bwem\b|\bwen\b|\bquem\b|\bchi\b|\bкто\b|\bمن\b|\bकौन\b|谁|誰",
    re.IGNORECASE,
)


@dataclass(frozen=True, slots=True)
class Question:
    """A question as retrieval, the choice of quotes and the threshold read it."""

    text: str
    weights: Mapping[str, float]
    """Each content word's stem → its rarity in the collection (natural logarithm), larger is rarer."""
    pairs: Mapping[tuple[str, str], float]
    """Stems that stand side by side, at least one of them a content word → their rarities together."""
    words: frozenset[str]
    """All its stems, function words too."""
    kind: Kind
    chunks: int
    """Chunks that were searched."""

    def coverage(self, *found: Container[str]) -> float:
        """How much of the question, by rarity, is in any of `found`: 0 to 1."""
        total = there = 0.0
        for term, weight in self.weights.items():
            total += weight
            for one in found:
                if term in one:
                    there += weight
                    break
        return there / total if total else 0.0

    def pair_coverage(self, sequence: list[str]) -> float:
        """How many of the question's pairs, by rarity, stand side by side in `sequence`: 0 to 1."""
        total = sum(self.pairs.values())
        there = set(itertools.pairwise(sequence))
        return sum(weight for pair, weight in self.pairs.items() if pair in there) / total if total else 0.0


def asked_words(text: str) -> list[str]:
    """The words of a question whose rarity must be known to `read`."""
    return content_words(text)[:_MOST_WORDS]


def read(text: str, frequencies: Mapping[str, int], chunks: int) -> Question:
    """`frequencies`: in how many of the collection's `chunks` each of `asked_words` occurs."""
    weights: dict[str, float] = {}
    for word in asked_words(text):
        weight = math.log(1 + (chunks + _PRIOR) / (frequencies.get(word, 0) + 1))
        for term in terms(word):
            weights[term] = max(weight, weights.get(term, 0.0))
    sequence = terms(text)[: 4 * _MOST_WORDS]
    pairs = {
        (left, right): weights.get(left, _FUNCTION_WORD) + weights.get(right, _FUNCTION_WORD)
        for left, right in itertools.pairwise(sequence)
        if left in weights or right in weights
    }
    return Question(text, weights, pairs, frozenset(sequence), kind(text), chunks)


def kind(text: str) -> Kind:
    """What sort of thing would answer it; "other" where nothing in its wording tells."""
    if _NUMBER.search(text):
        return "number"
    if _DATE.search(text):
        return "date"
    if _PLACE.search(text):
        return "place"
    return "name" if _NAME.search(text) else "other"


_MONTH_NAMES = "january february march april may june july august september october november december"
_MONTHS = frozenset(_MONTH_NAMES.split())
_NUMBER_NAMES = """one two three four five six seven eight nine ten eleven twelve thirteen fourteen fifteen sixteen seventeen eighteen
nineteen twenty thirty forty fifty sixty seventy eighty ninety hundred thousand million billion half third quarter dozen none"""
_NUMBER_WORDS = frozenset(_NUMBER_NAMES.split())
_YEAR = re.compile(r"1\d{3}|20\d\d|\d{1,2}(?:st|nd|rd|th)?|[०-९٠-٩]{4}")


def holds(wanted: Kind, text: str, question: Question) -> bool | None:
    """Does `text` hold something of the kind asked for that the question itself does not say? None where nothing tells."""
    if wanted == "other":
        return None
    words = [word for word in WORD.findall(text) if not set(terms(word)) <= question.words]
    if wanted == "number":
        return any(is_number(word) or fold(word) in _NUMBER_WORDS for word in words)
    if wanted == "date":
        return any(_YEAR.fullmatch(fold(word)) or fold(word) in _MONTHS or fold(word) == "century" for word in words)
    if not any(word[0].isupper() for word in WORD.findall(text)):
        return None  # a script without capitals
    first, stops = WORD.search(text), stop_words(text)
    return any(word[0].isupper() and fold(word) not in stops and (first is None or word != first[0]) for word in words)
