"""Cleans text from outside: what can't be seen is taken out, what breaks words is mended, and offsets can be followed back.

Cleaning is a row of steps, each a pattern and what takes its place. `run` applies them; `run_tracked` applies the very same
ones and tells for each character of the result where it came from, so that a passage can be shown on the page's image.
"""

from __future__ import annotations

import re
import unicodedata
from collections.abc import Callable, Sequence
from dataclasses import dataclass

Replacement = str | Callable[[re.Match[str]], str]


@dataclass(frozen=True, slots=True)
class Step:
    pattern: re.Pattern[str]
    replacement: Replacement


def _step(pattern: str, replacement: Replacement) -> Step:
    return Step(re.compile(pattern), replacement)


def _compose(match: re.Match[str]) -> str:
    return unicodedata.normalize("NFC", match[0])


_LIGATURES = {"ﬀ": "ff", "ﬁ": "fi", "ﬂ": "fl", "ﬃ": "ffi", "ﬄ": "ffl", "ﬅ": "st", "ﬆ": "st"}
# Scripts that are written wrongly without joiners: Arabic, the Indic ones to Tibetan and Myanmar, Khmer, Mongolian.
_JOINING = r"\u0600-\u109f\u1780-\u18af\ua8e0-\ua8ff\ufb50-\ufdff\ufe70-\ufefc"

LINES = (
    _step(r"\r\n?|[\x0b\x85\u2028]", "\n"),
    _step(r"[\f\u2029]", "\n\n"),
)
UNSEEN = (
    _step(r"[\u00a0\u1680\u2000-\u200a\u202f\u205f\u3000]", " "),
    # A soft hyphen at a line's end is where the typesetter cut the word.
    _step(r"\u00ad[ \t]*\n[ \t]*(?=[^\W\d_])|\u00ad", ""),
    # C0 and C1 but newline and tab; zero width, bidi marks and overrides; noncharacters and lone surrogates; tags and variation
    # selectors of plane 14, which can carry a whole message that no reader sees.
    _step(
        r"[\x00-\x08\x0e-\x1f\x7f-\x84\x86-\x9f\u061c\u180e\u200b\u200e\u200f\u202a-\u202e\u2060-\u206f\ufeff\ufdd0-\ufdef\ufff0-\ufffb\ufffe\uffff"
        r"\ud800-\udfff\U000e0000-\U000e0fff]",
        "",
    ),
    _step(rf"(?<![{_JOINING}])[\u200c\u200d]+|[\u200c\u200d]+(?![{_JOINING}])", ""),
    # Arabic as it is drawn → as it is written: nobody searches for the shapes.
    _step(r"[\ufb50-\ufd3d\ufd50-\ufdfb\ufe70-\ufefc]", lambda match: unicodedata.normalize("NFKC", match[0])),
    _step("[ﬀ-ﬆ]", lambda match: _LIGATURES[match[0]]),
    # No character below U+0300 composes with the one before it, so these runs can be composed one by one.
    _step(r"[\x00-\u02ff]?[\u0300-\U0010ffff]+", _compose),
)
BLANKS = (
    _step(r"(?<=\S)[ \t]{2,}(?=\S)", " "),
    _step(r"[ \t]+(?=\n)|[ \t]+\Z", ""),
    _step(r"\n{3,}", "\n\n"),
    _step(r"\A\n+|\n+\Z", ""),
)
NO_INDENT = (_step(r"(?m)^[ \t]+", ""),)

TEXT = (*LINES, *UNSEEN, *BLANKS)
"""For text whose lines are the author's: indentation stays."""
FLOW = (*LINES, *UNSEEN, *NO_INDENT, *BLANKS)
"""For text whose lines were made by a page or a tag."""


def run(text: str, steps: Sequence[Step]) -> str:
    """`text` after all `steps`."""
    for step in steps:
        if step.replacement is _compose and unicodedata.is_normalized("NFC", text):
            continue  # nearly always, and a hundred times as fast
        text = step.pattern.sub(step.replacement, text)
    return text


def run_tracked(text: str, steps: Sequence[Step]) -> tuple[str, list[int]]:
    """The same text as `run` gives, and for each of its characters the index of the one in `text` that it came from."""
    origins = list(range(len(text)))
    for step in steps:
        pieces: list[str] = []
        moved: list[int] = []
        last = 0
        for match in step.pattern.finditer(text):
            start, end = match.span()
            new = match.expand(step.replacement) if isinstance(step.replacement, str) else step.replacement(match)
            pieces += (text[last:start], new)
            moved += origins[last:start]
            # A replacement's characters stand for those they replace, one by one; what is longer stands for the last.
            moved += [origins[min(start + index, max(start, end - 1))] for index in range(len(new))]
            last = end
        if last:
            pieces.append(text[last:])
            text, origins = "".join(pieces), moved + origins[last:]
    return text, origins


def clean(text: str) -> str:
    """Plain text as it is kept: NFC, "\\n" lines, nothing that can't be seen; indentation stays."""
    return run(text, TEXT)


def flow(text: str) -> str:
    """As `clean`, without indentation."""
    return run(text, FLOW)


def line(text: str, limit: int = 300) -> str:
    """`text` as one clean line of at most `limit` characters: titles, headings, names, reasons."""
    # Two passes: what is far beyond the limit need not be cleaned.
    return " ".join(run(text[: limit * 4], FLOW).split())[:limit].rstrip()
