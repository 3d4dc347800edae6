"""Words for the keyword index: the same preparation for what is stored and what is asked.

FTS5's tokenizer splits at spaces, which Chinese, Japanese, Thai, Lao, Khmer and Burmese don't write: their runs become
overlapping pairs of characters. Latin, Cyrillic, Greek, Arabic, Hindi … stay words; Porter stems the English ones.
"""

from __future__ import annotations

import re
import unicodedata

MOST_WORDS = 64
"""Distinct words of one query: a pasted page is a query too, and each word costs a pass over its chunks."""

_UNSPACED = re.compile(
    "[\u0e00-\u0eff\u1000-\u109f\u1780-\u17ff\u3005-\u3007\u3040-\u30ff\u3400-\u4dbf\u4e00-\u9fff\uf900-\ufaff\U00020000-\U0003ffff]+"
)
_POINTS = re.compile("[\u0591-\u05c7\u0610-\u061a\u064b-\u065f\u0670\u06d6-\u06ed\u0640\u00ad\u200b-\u200f\u202a-\u202e\u2060-\u2069\ufeff]")
"""Hebrew and Arabic vowel points, tatweel, and invisible signs: written or not, the word is the same."""
_COMPOUND = re.compile(r"\w+(?:[.,:/'’_-]\w+)*")
_MARKS = ("Mn", "Mc")
"""Hindi's vowel signs and their like: part of the word for FTS5 as we set it up, not for Python's `\\w`."""
_PART = re.compile(r"[^\W_]+")

_FUNCTION_WORDS = """
a about above after again against all am an and any are aren't as at be because been before being below between both but by can can't cannot
could couldn't did didn't do does doesn't doing don't down during each few for from further had hadn't has hasn't have haven't having he her
here hers herself him himself his how i if in into is isn't it it's its itself just let's me more most mustn't my myself no nor not of off on
once only or other ought our ours ourselves out over own same she should shouldn't so some such than that that's the their theirs them
themselves then there there's these they this those through to too under until up upon us very was wasn't we were weren't what what's when
when's where where's which while who who's whom whose why will with won't would wouldn't you your yours yourself yourselves also many much may
might must shall please tell show give find according s t d ll m re ve
"""
STOPWORDS = frozenset(_FUNCTION_WORDS.split())
"""English function words: they match nearly every chunk, cost most of the time, and say nothing."""


def prepare(text: str) -> str:
    """`text` as the index takes it. Changing this function means a new `WORDS` number in store.py: the index is made again."""
    if text.isascii():
        return text
    text = _POINTS.sub("", unicodedata.normalize("NFKC", text))
    return _UNSPACED.sub(lambda run: " " + _pairs(run[0]) + " ", text)


def terms(query: str, *, stopwords: bool = True) -> list[str]:
    """The distinct terms of a question, each one FTS5 phrase, at most MOST_WORDS. Function words stay only where nothing else is left.

    A number with its point, a date, a part number ("3.14", "A-12") is one term, found only whole; other compounds are their words.
    """
    text = prepare(query).lower()
    shape = text if text.isascii() else "".join("x" if unicodedata.category(sign) in _MARKS else sign for sign in text)
    found: dict[str, None] = {}
    spare: dict[str, None] = {}
    for match in _COMPOUND.finditer(shape):
        compound = text[match.start() : match.end()]
        if any(sign.isdigit() for sign in compound):
            found[compound] = None
        elif compound.replace("’", "'") in STOPWORDS:
            spare[compound] = None
        else:
            for part in _PART.finditer(shape, match.start(), match.end()):
                word = text[part.start() : part.end()]
                (spare if word in STOPWORDS else found)[word] = None
        if len(found) >= MOST_WORDS:
            break
    chosen = found if stopwords and found else {**found, **spare}
    return list(chosen)[:MOST_WORDS]


def quoted(term: str) -> str:
    """One FTS5 string: nothing in it is an operator."""
    return '"' + term.replace('"', '""').replace("\0", " ") + '"'


def _pairs(run: str) -> str:
    return run if len(run) == 1 else " ".join(run[index : index + 2] for index in range(len(run) - 1))
