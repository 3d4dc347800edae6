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
CHUNKS = -1.05
"""For each factor of e in the number of chunks. Fitted -0.86; made steeper, with the bias moved so that nothing changes at 1,400
chunks: whoever has one short document and asks about it must not be turned away."""
BIAS = -3.8


def relevance(question: Question, ranked: Sequence[Ranked]) -> float:
    """Log odds that the collection holds an answer; below 0 the question is refused. `ranked` is best first."""
    if not ranked or question.chunks < 1:
        return -math.inf
    first = ranked[0].features
    nearest = max(one.features.cosine for one in ranked)
    return BIAS + COSINE * nearest + COVERAGE * first.coverage + NEIGHBOURS * first.neighbours + CHUNKS * math.log(question.chunks)


def is_relevant(question: Question, ranked: Sequence[Ranked]) -> bool:
    return relevance(question, ranked) >= 0
