"""The best verbatim sentences of the evidence: they lead every answer, and need no model.

Weights fitted on squad/*.dev.jsonl (1,000 questions, listwise softmax; `python -m scripts.evaluate.fit`). The gold answer is in the
first sentence for 0.80 of the questions, in the first two for 0.89, in the first three for 0.92 (cross-validated).
"""

from __future__ import annotations

import math
from collections import Counter
from collections.abc import Iterator, Sequence
from dataclasses import dataclass

import numpy

from appliance.answer.fusion import TOTAL, context_terms
from appliance.answer.question import holds
from appliance.answer.retriever import Found
from appliance.answer.similarity import cosines
from appliance.answer.words import WORD, terms
from appliance.documents import Citation, Evidence
from appliance.models.embeds import Embeds
from appliance.sentences import sentences

PASSAGES = 4
"""Pieces of evidence whose sentences are looked at."""
EMBEDDED = 10
"""Sentences that are compared by meaning too, the best by words alone: about 30 ms on 2 cores."""
MOST_QUOTES = 3
SECOND_WITHIN = 4.0
THIRD_WITHIN = 1.5
"""Log odds behind the best that a second and a third quote may be: where one sentence stands out, it stands alone."""
LONGEST_QUOTE = 600
"""Characters. A table without full stops is one sentence; of it the part about the question is quoted."""
_HEADING_WORDS = 8

WEIGHTS = (0.57, 4.9, 2.8, 1.2)
"""Of the logarithm of the passage's share among the passages; of how much of the question is in the sentence, the one before it and
what stands above the passage; of the question's pairs of neighbouring words; and of the kind of thing asked for: 1 where the sentence
holds one (a date for "when"), -1 where it holds none."""
COSINE_WEIGHT = 4.9
"""Of the cosine with the question, on the embedder's own scale."""


@dataclass(frozen=True, slots=True)
class Quote:
    """A sentence of the evidence. `start` and `end` are code points in the page's text; `score` is in log odds."""

    evidence: Evidence
    start: int
    end: int
    score: float

    @property
    def text(self) -> str:
        return self.evidence.text[self.start - self.evidence.start : self.end - self.evidence.start]


def rank_sentences(found: Found, embedder: Embeds) -> list[Quote]:
    """The sentences of the first pieces of evidence, best first; those beyond `EMBEDDED` are left out."""
    believed = shares([one.score for one in found.evidence[:PASSAGES]])
    quotes = [quote for one, share in zip(found.evidence, believed, strict=False) for quote in _sentences(found, one, share)]
    quotes = sorted(quotes, key=lambda quote: -quote.score)[:EMBEDDED]
    if not quotes:
        return []
    meanings = cosines(found.vector, embedder.embed_documents([quote.text for quote in quotes]))
    scored = [
        Quote(quote.evidence, quote.start, quote.end, quote.score + COSINE_WEIGHT * found.scale(cosine))
        for quote, cosine in zip(quotes, meanings, strict=True)
    ]
    return sorted(scored, key=lambda quote: -quote.score)


def every_sentence(evidence: Sequence[Evidence]) -> list[Quote]:
    """All sentences of the evidence in its order, unscored: what the model's prose may rest on."""
    return [Quote(one, one.start + start, one.start + end, 0.0) for one in evidence for start, end in sentences(one.text)]


def choose(ranked: Sequence[Quote]) -> tuple[Quote, ...]:
    """One to three of `rank_sentences`' list, best first, none twice."""
    chosen: list[Quote] = []
    for quote in ranked:
        behind = ranked[0].score - quote.score
        if len(chosen) == MOST_QUOTES or (chosen and behind > (SECOND_WITHIN if len(chosen) == 1 else THIRD_WITHIN)):
            break
        if terms(quote.text) not in [terms(other.text) for other in chosen]:
            chosen.append(quote)
    return tuple(chosen)


def cite(quote: Quote, marker: int) -> Citation:
    evidence = quote.evidence
    return Citation(
        marker=marker,
        document_id=evidence.document_id,
        document=evidence.document,
        page=evidence.page,
        position=evidence.position,
        quote=quote.text,
        start=quote.start,
        end=quote.end,
    )


def _sentences(found: Found, evidence: Evidence, share: float) -> list[Quote]:
    quotes = []
    for start, end, features in sentence_features(found, evidence, share):
        score = sum(weight * feature for weight, feature in zip(WEIGHTS, features, strict=True))
        left, right = _window(found, evidence.text, start, end)
        quotes.append(Quote(evidence, evidence.start + left, evidence.start + right, score))
    return quotes


def sentence_features(found: Found, evidence: Evidence, share: float) -> Iterator[tuple[int, int, tuple[float, float, float, float]]]:
    """Of each sentence: where it is in the evidence's text, and the features that `WEIGHTS` weighs, in that order.

    `share`: how much the passage is believed in among the passages, 0 to 1.
    """
    question, above = found.question, context_terms(evidence)
    before: frozenset[str] = frozenset()
    for start, end in _spans(evidence):
        sequence = terms(evidence.text[start:end])
        words = frozenset(sequence)
        there = holds(question.kind, evidence.text[start:end], question)
        kind = 0.0 if there is None else 1.0 if there else -1.0
        yield start, end, (math.log(share + 1e-4), question.coverage(words, above, before), question.pair_coverage(sequence), kind)
        before = words


def _spans(evidence: Evidence) -> list[tuple[int, int]]:
    """Sentences, without the headings that are known to stand above them: alone, a heading repeats the question and says nothing.

    A line that only looks like a heading goes with the sentence under it.
    """
    text = evidence.text
    known = [terms(title) for title in (evidence.title, *evidence.heading)]
    spans: list[tuple[int, int]] = []
    heading: int | None = None
    for start, end in sentences(text):
        if terms(text[start:end]) in known:
            continue
        first = start if heading is None else heading
        if heading is None and _looks_like_heading(text, start, end):
            heading = start
            continue
        spans.append((first, end))
        heading = None
    if heading is not None or not spans:
        spans.append((0 if heading is None else heading, len(text.rstrip())))
    return spans


def _looks_like_heading(text: str, start: int, end: int) -> bool:
    short = len(WORD.findall(text, start, end)) <= _HEADING_WORDS
    return short and text[end - 1] not in ".!?:;,。！？।؟" and "\n" in text[end : end + 2]


def _window(found: Found, text: str, start: int, end: int) -> tuple[int, int]:
    """The stretch of a very long sentence that holds most of the question, cut at words."""
    if end - start <= LONGEST_QUOTE:
        return start, end
    words = [(match.start(), match.end(), terms(match[0])) for match in WORD.finditer(text, start, end)]
    asked = found.question.weights
    best, span, first = -1.0, (start, start + LONGEST_QUOTE), 0
    inside: Counter[str] = Counter()
    for left, right, held in words:
        inside.update(term for term in held if term in asked)
        while words[first][0] < left and right - words[first][0] > LONGEST_QUOTE:
            inside.subtract(term for term in words[first][2] if term in asked)
            first += 1
        covered = sum(asked[term] for term, times in inside.items() if times)
        if covered > best + 1e-9 and right - words[first][0] <= LONGEST_QUOTE:
            best, span = covered, (words[first][0], right)
    return _grown(text, span, end)


def _grown(text: str, span: tuple[int, int], end: int) -> tuple[int, int]:
    """A stretch that was just completed, with what follows it: a third of the quote, to the end of a word."""
    start, stop = span
    wanted = min(end, start + LONGEST_QUOTE, stop + LONGEST_QUOTE // 3)
    while wanted > stop and wanted < end and not text[wanted].isspace():
        wanted -= 1
    return start, max(stop, wanted)


def shares(scores: Sequence[float]) -> list[float]:
    """What share of belief each passage has: the fused scores as log odds, softmax."""
    if not scores:
        return []
    odds = numpy.exp(TOTAL * (numpy.array(scores) - max(scores)))
    return [float(value) for value in odds / odds.sum()]
