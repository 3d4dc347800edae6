"""Ranked chunks → evidence: near-duplicates dropped, neighbours on one page and under one heading merged into one passage."""

from __future__ import annotations

from collections.abc import Callable, Sequence

from appliance.answer.fusion import Ranked
from appliance.answer.words import terms
from appliance.documents import Chunk, Evidence

MOST_MERGED = 3
"""Chunks in one piece of evidence: beyond this it is a page, not a passage."""
_FUNCTION_WORDS = "a an the of in on at to for and that which is are was were be been it its this these those by with as from"
_HARMLESS = frozenset(terms(_FUNCTION_WORDS))
"""Function words that may come and go without a change of meaning. Negations are not among them."""

PageText = Callable[[int, int], str]
"""(document id, position of the page) → the page's text."""


def gather(ranked: Sequence[Ranked], limit: int, page_text: PageText) -> tuple[Evidence, ...]:
    """At most `limit` pieces, best first; a merged piece stands where its best chunk stood."""
    groups: list[list[Ranked]] = []
    wordings: list[tuple[str, ...]] = []
    for one in ranked:
        wording = _wording(one.chunk.text)
        if any(_says_the_same(wording, other) for other in wordings):
            continue
        group = next((group for group in groups if _touches(group, one.chunk)), None)
        if group is None and len(groups) == limit:
            break
        wordings.append(wording)
        if group is None:
            groups.append([one])
        else:
            group.append(one)
    return tuple(_evidence(group, page_text) for group in groups)


def _touches(group: Sequence[Ranked], chunk: Chunk) -> bool:
    if len(group) >= MOST_MERGED:
        return False
    first = group[0].chunk
    ids = [one.chunk.id for one in group]
    place = (first.document_id, first.position, first.heading)
    return place == (chunk.document_id, chunk.position, chunk.heading) and chunk.id in (min(ids) - 1, max(ids) + 1)


def _evidence(group: Sequence[Ranked], page_text: PageText) -> Evidence:
    chunks = sorted((one.chunk for one in group), key=lambda chunk: chunk.start)
    first = chunks[0]
    start, end = first.start, max(chunk.end for chunk in chunks)
    text = first.text if len(chunks) == 1 else page_text(first.document_id, first.position)[start:end]
    return Evidence(
        document_id=first.document_id,
        document=first.document,
        page=first.page,
        position=first.position,
        start=start,
        end=end,
        text=text,
        score=group[0].score,
        heading=first.heading,
        title=first.title,
        chunk_ids=tuple(chunk.id for chunk in chunks),
    )


def _wording(text: str) -> tuple[str, ...]:
    """The words that a reader would miss, in order: case, punctuation, spacing and harmless function words don't count."""
    return tuple(term for term in terms(text) if term not in _HARMLESS)


def _says_the_same(wording: tuple[str, ...], other: tuple[str, ...]) -> bool:
    """Equal, or wholly inside the other. One number, name, date, negation or any other word apart is not the same."""
    if len(wording) > len(other) or not wording:
        return False
    if wording == other:
        return True
    inside = f" {' '.join(wording)} " in f" {' '.join(other)} "
    return inside and len(wording) >= 8
