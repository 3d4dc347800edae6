"""Questions end to end: what is refused, what the quotes hold, what the model writes, whether citations resolve."""

from __future__ import annotations

import random
import re
import statistics
import threading
from collections.abc import Sequence
from dataclasses import dataclass

from appliance.answer.pipeline import Asker
from appliance.documents import Answer, Citation, EvidenceReady, Finished, QuotesReady
from appliance.library.store import Library
from scripts.evaluate.corpora import Asked

_MARKER = re.compile(r"\[(\d+)\]")


@dataclass(frozen=True, slots=True)
class Before:
    """What is decided before the model is asked."""

    asked: Asked
    refused: bool
    quotes: tuple[Citation, ...]
    milliseconds: float


@dataclass(frozen=True, slots=True)
class Refusals:
    """Shares of the questions of each kind that were refused."""

    answerable: float
    other_article: float
    same_article: float


def before_the_model(asker: Asker, collection_id: int, questions: Sequence[Asked]) -> list[Before]:
    """Evidence, refusal and quotes of each question; no model is called."""
    found = []
    for asked in questions:
        refused, quotes, milliseconds = False, (), 0.0
        for event in asker.ask(asked.question, collection_id, cancel=threading.Event()):
            match event:
                case EvidenceReady():
                    refused, milliseconds = event.nearest, event.milliseconds
                case QuotesReady(citations=citations):
                    quotes = citations
                    break
        found.append(Before(asked, refused, quotes, milliseconds))
    return found


def refusals(found: Sequence[Before]) -> Refusals:
    def share(kind: str) -> float:
        return statistics.mean(one.refused for one in found if one.asked.kind == kind)

    return Refusals(share("answerable"), share("other-article"), share("same-article"))


def quotes_hold(found: Sequence[Before], most: int) -> float:
    """Share of answerable questions whose gold answer is in the first `most` quotes; a refused question has none."""
    answerable = [one for one in found if one.asked.kind == "answerable"]
    return statistics.mean(holds(" \n ".join(quote.quote for quote in one.quotes[:most]), one.asked.answers) for one in answerable)


def sample(questions: Sequence[Asked], answerable: int, each_unanswerable: int, seed: int) -> list[Asked]:
    """The same questions each time for the same seed: so many answerable ones, so many of each unanswerable kind."""
    rng = random.Random(seed)
    chosen: list[Asked] = []
    for kind, amount in (("answerable", answerable), ("other-article", each_unanswerable), ("same-article", each_unanswerable)):
        of_kind = [asked for asked in questions if asked.kind == kind]
        chosen += rng.sample(of_kind, min(amount, len(of_kind)))
    return chosen


def answer(asker: Asker, collection_id: int, asked: Asked) -> Answer:
    for event in asker.ask(asked.question, collection_id, cancel=threading.Event()):
        if isinstance(event, Finished):
            return event.answer
    raise AssertionError("the ask pipeline ends with Finished")


@dataclass(frozen=True, slots=True)
class Written:
    """Of answerable questions that went to the model, unless said otherwise; shares of questions."""

    questions: int
    generated: float
    """The gold answer is in the model's prose; a refused question has none."""
    shown: float
    """… in the prose or a shown quote."""
    citations: int
    resolving: int
    """Citations whose document, page and offsets give exactly the quote, and markers in the text that have one."""
    sentences: int
    supported: float
    supported_where_right: float
    """Share of sentences marked supported in answers that hold the gold answer."""
    supported_where_wrong: float
    first_token: float
    """Median milliseconds from the question."""
    total: float


def written(library: Library, pairs: Sequence[tuple[Asked, Answer]]) -> Written:
    in_prose = [holds(got.generated, asked.answers) for asked, got in pairs]
    shown = [holds("\n".join((got.generated, *(one.quote for one in got.citations))), asked.answers) for asked, got in pairs]
    citations = [(got, citation) for _, got in pairs for citation in got.citations]
    right = [sentence.supported for (_, got), hit in zip(pairs, in_prose, strict=True) if hit for sentence in got.sentences]
    wrong = [sentence.supported for (_, got), hit in zip(pairs, in_prose, strict=True) if not hit for sentence in got.sentences]
    asked_model = [got for _, got in pairs if got.timings.first_token is not None]
    return Written(
        questions=len(pairs),
        generated=statistics.mean(in_prose),
        shown=statistics.mean(shown),
        citations=len(citations),
        resolving=sum(resolves(library, got, citation) for got, citation in citations),
        sentences=len(right) + len(wrong),
        supported=statistics.mean(right + wrong),
        supported_where_right=statistics.mean(right),
        supported_where_wrong=statistics.mean(wrong),
        first_token=statistics.median(got.timings.first_token or 0.0 for got in asked_model),
        total=statistics.median(got.timings.total for got in asked_model),
    )


def resolves(library: Library, got: Answer, citation: Citation) -> bool:
    """The quote is where the citation says, and no marker in the answer's text lacks its citation."""
    page = library.page(citation.document_id, citation.position)
    markers = {int(number) for number in _MARKER.findall(got.answer)}
    exact = page.text[citation.start : citation.end] == citation.quote and page.number == citation.page
    return exact and markers <= {one.marker for one in got.citations}


def holds(text: str, answers: Sequence[str]) -> bool:
    """Any of the gold answers is in the text, case and spacing aside: the measure of all our figures."""
    plain = " ".join(text.casefold().split())
    return any(" ".join(one.casefold().split()) in plain for one in answers)
