"""Where sentences begin and end, in any script: rules, no model, no library.

Kept segmenters were looked at and left: pysbd (MIT) is slow on long paragraphs and has seen no release since 2021, the
others bring models or a licence we don't carry. What is needed here is modest: cut a long paragraph at a good place, and
quote one sentence without its neighbours. The answers use the same cuts, so a quote is never half a sentence of a chunk.
"""

from __future__ import annotations

import re
from collections.abc import Iterator
from itertools import pairwise

Span = tuple[int, int]

_PARAGRAPH = re.compile(r"(?:\n[^\S\n]*){2,}|[\f\u2029]+\s*")
_CLOSERS = r"[\"'”’»›)\]】」』）］〉》]*(?:\[[^\[\]\n]{1,20}\])*"  # footnote marks stand after the full stop: "end.[4] Next"
_END = re.compile(
    rf"(?P<wide>[。！？｡．।॥؟۔።፧]+{_CLOSERS})"  # no space follows these
    rf"|(?P<full>[?!։⸮‼⁇⁈⁉]+{_CLOSERS})(?=\s|$)"
    rf"|(?P<dots>(?:\.\s?){{2,}}\.|…+){_CLOSERS}(?=\s|$)"
    rf"|(?P<stop>\.){_CLOSERS}(?=\s|$)"
)
_MARKER = re.compile(r"[•◦▪‣●○■□–—*·-]\s+|\(?(?:\d{1,3}|[a-zA-Z]|[ivxIVX]{1,5})[.)]\s+")
_ROMAN = re.compile(r"[IVXLC]+|[A-Z]")
_WORD_BEFORE = re.compile(r"[^\W\d_]+(?:\.[^\W\d_]+)*$|\d+$")
_NEXT_WORD = re.compile(r"[^\w]*([^\W\d_]+|\d+)?")


def _set(words: str) -> frozenset[str]:
    return frozenset(words.split())


# After these a full stop hardly ever ends the sentence.
_NEVER = _set(
    """mr mrs ms dr prof st sen gov gen capt lt sgt maj cmdr adm rev hon pres supt messrs mme mlle sr sra srta dra eds cf vs e.g eg
    i.e ie viz approx ca z.b d.h u.a s.a bzw vgl ggf evtl sog hrsg ebd stk tel p.ej ej им ул тов проф акад т.е т.к см напр св"""
)
# After these it doesn't where a number follows ("Fig. 3", "art. 12", "vol. IV").
_NUMBERED = _set("""no nos nr fig figs eq eqs vol vols pp p ch chap sec sect art arts abs tab app ed bd abb jh núm pág págs cap гл стр рис табл""")
# After these it may: only where the next word is one that begins sentences.
_MAYBE = _set(
    """etc inc ltd co corp bros jr esq dept univ assn mt ft jan feb mar apr jun jul aug sep sept oct nov dec mon tue wed thu fri sat
    sun usw ff bc ad b.c a.d a.m p.m am pm ph.d m.d б.г г гг в вв тыс млн млрд руб т.д т.п др"""
)
_STARTERS = _set(
    """the a an in it he she they we you this that these those there here but and or so as at on by for from with when where while
    who what why how if its his her their our my after before during since although though however many some most one two both each
    no not then thus also i der die das ein eine es er sie wir in im am le la les un une il elle ils el los las en se este esta"""
)
_MONTHS = _set("""januar februar märz april mai juni juli august september oktober november dezember jänner jahrhundert jh""")


def sentences(text: str) -> list[Span]:
    """The sentences of `text` as (start, end) in code points, in order, without the white space around them.

    Together they hold every character that isn't white space. A blank line always ends a sentence; a single line break does
    so only before a list item, around a row of a table, and after a line that was ended early on purpose.
    """
    found: list[Span] = []
    for start, end in _paragraphs(text):
        for left, right in _lines(text, start, end):
            found.extend(_in_line(text, left, right))
    return found


def paragraphs(text: str) -> list[Span]:
    """The paragraphs of `text`, cut at blank lines and form feeds, without the white space around them."""
    return list(_paragraphs(text))


def _paragraphs(text: str) -> Iterator[Span]:
    start = 0
    for gap in _PARAGRAPH.finditer(text):
        yield from _trimmed(text, start, gap.start())
        start = gap.end()
    yield from _trimmed(text, start, len(text))


def _lines(text: str, start: int, end: int) -> Iterator[Span]:
    """Runs of lines that are one flow of words."""
    if "\n" not in text[start:end]:
        yield start, end
        return
    lines: list[Span] = []
    at = start
    while at < end:
        stop = text.find("\n", at, end)
        stop = end if stop < 0 else stop
        lines.append((at, stop))
        at = stop + 1
    width = max(right - left for left, right in lines)
    first = start
    for (left, right), (following, last) in pairwise(lines):
        if _ends_early(text[left:right], text[following:last], width):
            yield from _trimmed(text, first, right)
            first = following
    yield from _trimmed(text, first, end)


def _ends_early(line: str, following: str, width: int) -> bool:
    if _MARKER.match(following.lstrip()) or "\t" in line.strip() or "\t" in following.strip() or " | " in line or " | " in following:
        return True
    word = following.split(maxsplit=1)[0] if following.strip() else ""
    # A line that wrapped has no room for the next word; one that had room was ended by its author.
    return bool(word) and not word[0].islower() and len(line.rstrip()) + 1 + len(word) <= 0.75 * width


def _in_line(text: str, start: int, end: int) -> Iterator[Span]:
    first = start
    for match in _END.finditer(text, start, end):
        if match.end() < end and not _ends_sentence(text, first, match, end):
            continue
        yield from _trimmed(text, first, match.end())
        first = match.end()
    yield from _trimmed(text, first, end)


def _ends_sentence(text: str, first: int, match: re.Match[str], end: int) -> bool:
    if match["wide"]:
        return True
    following = _NEXT_WORD.match(text, match.end(), min(end, match.end() + 80))
    word = (following[1] or "") if following else ""
    if word and word[0].islower():
        return False
    if not match["stop"]:
        return True
    before = _WORD_BEFORE.search(text[max(first, match.start() - 40) : match.start()])
    if before is None:
        return True
    last, begins = before[0], word.lower() in _STARTERS
    if last.isdigit():
        # "3. Oktober", and the number of a list item that opens the sentence.
        return word.lower() not in _MONTHS and match.start() - len(last) > first
    if last.lower() in _NEVER:
        return False
    if last.lower() in _NUMBERED:
        return not (word.isdigit() or _ROMAN.fullmatch(word))
    if last.lower() in _MAYBE or "." in last or (len(last) == 1 and last.isupper()):
        return begins
    return True


def _trimmed(text: str, start: int, end: int) -> Iterator[Span]:
    while start < end and text[start].isspace():
        start += 1
    while end > start and text[end - 1].isspace():
        end -= 1
    if start < end:
        yield start, end
