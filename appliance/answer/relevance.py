"""Is there anything here that could answer? Decided from what retrieval found alone, before any model is asked.

A logistic model with four coefficients, fitted on squad/*.dev.jsonl (`python -m scripts.evaluate.fit`): answerable questions against
`other-article` ones, each asked of all 28 articles (1,400 chunks) and of one article (about 50). An irrelevant question finds better
and better strangers the more there are to choose from, so the bar rises with the logarithm of the chunks.
"""

from __future__ import annotations

import math
from collections.abc import Sequence

from appliance.answer.fusion import Ranked
from appliance.answer.question import Question

COSINE = 11.4
"""Of the nearest passage, on the embedder's own scale."""
COVERAGE = 4.5
"""Of the question by the first passage with its title and headings."""
NEIGHBOURS = 4.0
"""Of the question by the best two neighbouring sentences of the first passage."""
CHUNKS = -0.86
"""For each factor of e in the number of chunks."""
LENIENCE, LARGE = 0.35, 1400
"""Given back for each factor of e that a collection is smaller than `LARGE` chunks. Not fitted but chosen, on a dozen questions typed
about the guide (34 chunks): people don't repeat the words of the text as SQuAD's questions do, and must not be turned away for that."""
BIAS = -5.2


def relevance(question: Question, ranked: Sequence[Ranked]) -> float:
    """Log odds that the collection holds an answer; below 0 the question is refused. `ranked` is best first."""
    if not ranked or question.chunks < 1:
        return -math.inf
    first = ranked[0].features
    nearest = max(one.features.cosine for one in ranked)
    size = CHUNKS * math.log(question.chunks) + LENIENCE * max(0.0, math.log(LARGE / question.chunks))
    return BIAS + COSINE * nearest + COVERAGE * first.coverage + NEIGHBOURS * first.neighbours + size


def is_relevant(question: Question, ranked: Sequence[Ranked]) -> bool:
    return relevance(question, ranked) >= 0
