"""Markers: they number the quotes, and only code sets them.

A marker that the model writes means nothing (it was shown no numbers), and neither does a footnote mark copied from a document: both are
held back while the text streams, so that no [n] is ever seen that doesn't resolve to a document, a page and a quote.
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Sequence

from appliance.answer.quotes import Quote, cite
from appliance.documents import Citation

_OPEN = "[［【〔"
_MARKER = re.compile(r"[^\S\n]*[\[［【〔]\s*\^?\s*\d+(?:\s*[,;–—-]\s*\^?\d+)*\s*[\]］】〕]")
_BEGUN = re.compile(r"[^\S\n]*(?:[\[［【〔][\s\d,;^–—-]*)?$")
_NO_BRACKETS = str.maketrans("", "", _OPEN)
_LONGEST = 40
"""Characters of something that may become a marker; beyond this it is text."""


class MarkerFilter:
    """Takes a text in pieces and gives it back without bracketed numbers, holding back only what may become one."""

    def __init__(self) -> None:
        self._held = ""

    def feed(self, piece: str) -> str:
        text = _without(self._held + piece)
        begun = _BEGUN.search(text)
        if begun and len(text) - begun.start() > _LONGEST:
            # Too long for a marker: it goes out, without the bracket that would make it look like one.
            self._held = ""
            return text[: begun.start()] + begun[0].translate(_NO_BRACKETS)
        cut = begun.start() if begun else len(text)
        self._held = text[cut:]
        return text[:cut]

    def flush(self) -> str:
        """What was held back: it became no marker. An opened bracket with digits is dropped all the same, a blank kept."""
        held, self._held = self._held, ""
        return held if not any(sign in held for sign in _OPEN) else ""


def without_markers(text: str) -> str:
    """`text` with every bracketed number taken out."""
    return _without(text)


def _without(text: str) -> str:
    previous = None
    while previous != text:  # taking one out may join the halves of another
        previous, text = text, _MARKER.sub("", text)
    return text


class Citations:
    """The citations of one answer, numbered from 1 in the order in which they appear."""

    def __init__(self, quotes: Iterable[Quote] = ()) -> None:
        self._quotes: list[Quote] = []
        for quote in quotes:
            self.marker(quote)
        self.leading = len(self._quotes)
        """How many of them lead the answer; the others came with sentences of the model."""

    def marker(self, quote: Quote) -> int:
        """The number of this quote, a new one where it wasn't cited before."""
        for number, known in enumerate(self._quotes, start=1):
            if _same(known, quote):
                return number
        self._quotes.append(quote)
        return len(self._quotes)

    @property
    def quotes(self) -> tuple[Quote, ...]:
        return tuple(self._quotes)

    @property
    def all(self) -> tuple[Citation, ...]:
        return tuple(cite(quote, number) for number, quote in enumerate(self._quotes, start=1))


def _same(one: Quote, other: Quote) -> bool:
    place = (one.evidence.document_id, one.evidence.position, one.start, one.end)
    return place == (other.evidence.document_id, other.evidence.position, other.start, other.end)


def marks(markers: Sequence[int]) -> str:
    """ " [1][3]" """
    return " " + "".join(f"[{marker}]" for marker in markers) if markers else ""


def led_by_quotes(citations: Sequence[Citation], prose: str = "") -> str:
    """The answer as text: each quote on its line with its marker, then the prose. Footnote marks inside quotes are left out."""
    lines = [f"“{' '.join(without_markers(citation.quote).split())}”{marks([citation.marker])}" for citation in citations]
    return "\n\n".join(part for part in ("\n".join(lines), prose.strip()) if part)
