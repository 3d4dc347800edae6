"""Texts into vectors for a program, slice by slice, so that one that hangs up is noticed."""

from __future__ import annotations

import threading
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from itertools import islice

from appliance.errors import BadRequest
from appliance.models.embeds import Embeds
from appliance.models.embeds import Vectors as Array
from appliance.runtime import Appliance
from appliance.web.answering import Answering
from appliance.web.programs.reading import Fields
from appliance.web.programs.watching import gone, watched

MOST_TEXTS = 2048
"""As many as OpenAI's API takes."""
_SLICE = 16
_SPECIAL = 2
"""Tokens that stand before and behind a text."""
_LONGEST_TOKEN = 100
"""Characters: what lies beyond so many for each token of the window can't be read, and isn't cut into tokens."""
_KINDS = ("document", "query")


@dataclass(frozen=True, slots=True)
class Embedded:
    vectors: tuple[Array, ...]
    tokens: int
    """That were read."""
    cut: tuple[int, ...]
    """Indexes of the texts that are longer than the embedder's window: only their beginnings were read."""


def texts(fields: Fields, name: str = "input") -> list[str]:
    """What is to be embedded: one text or several. Raises BadRequest."""
    value = fields.value(name)
    found = [value] if isinstance(value, str) and value.strip() else value
    if isinstance(found, list) and found and all(isinstance(one, (int, list)) and not isinstance(one, bool) for one in found):
        detail = f'"{name}" is in tokens, and every model has its own: send it as text (LangChain: check_embedding_ctx_length=False).'
        raise BadRequest(detail=detail, param=name)
    # Among many texts a blank one has a vector, too: whoever sends them counts on theirs.
    if not isinstance(found, list) or not 0 < len(found) <= MOST_TEXTS or not all(isinstance(one, str) for one in found):
        raise fields.wrong(name, f"a text that is not empty, or a list of 1 to {MOST_TEXTS:,} texts")
    return found


def embed(appliance: Appliance, answering: Answering, given: Sequence[str], kind: str = _KINDS[0]) -> Embedded:
    """`kind`: "document", or "query" for what is searched for; some embedders read them differently. Raises EmbedderFailed, ClientGone."""
    embedder = appliance.embedder()

    def work(cancel: threading.Event) -> Iterator[Embedded]:
        places = iter(enumerate(given))
        while (part := list(islice(places, _SLICE))) and not cancel.is_set():
            yield _slice(embedder, part, kind)

    done = [one for one in watched(answering, work, gone()) if one is not None]
    return Embedded(
        tuple(vector for one in done for vector in one.vectors), sum(one.tokens for one in done), tuple(i for one in done for i in one.cut)
    )


def dimensions(appliance: Appliance, fields: Fields) -> None:
    """Raises BadRequest where shorter vectors are wanted than the embedder makes."""
    made = appliance.embedder().dimensions
    fields.refuse("dimensions", f"the embedder makes vectors of {made} numbers, which can't be shortened", made)


def purpose(fields: Fields) -> str:
    """The field `input_type`. Raises BadRequest."""
    return fields.choice("input_type", _KINDS)


def _slice(embedder: Embeds, part: Sequence[tuple[int, str]], kind: str) -> Embedded:
    longest = embedder.max_tokens * _LONGEST_TOKEN
    read = [text[:longest] for _, text in part]
    lengths = [len(embedder.token_starts(text)) + _SPECIAL for text in read]
    cut = [index for (index, text), length in zip(part, lengths, strict=True) if length > embedder.max_tokens or len(text) > longest]
    vectors = embedder.embed_documents(read) if kind == "document" else [embedder.embed_query(text) for text in read]
    return Embedded(tuple(vectors), sum(min(length, embedder.max_tokens) for length in lengths), tuple(cut))
