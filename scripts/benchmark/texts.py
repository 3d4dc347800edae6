"""Text to measure with: made up, the same on every machine, with facts to ask for. `--data` puts real text in its place."""

from __future__ import annotations

import random
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path


def _words(text: str) -> list[str]:
    return [word.strip() for word in text.split("|")]


_PLACES = _words("""
Goma | Bukavu | Kisoro | Mbarara | Gulu | Arua | Moyo | Lira | Soroti | Tororo | Busia | Homa | Kitale | Lodwar | Marsabit | Garissa |
Wajir | Lamu | Voi | Taveta
""")
_NAMES = _words("""
Amina Kasongo | John Hale | Ruth Adeyemi | Paul Okello | Grace Wanjiru | Samuel Otieno | Fatuma Ali | Peter Mwangi | Esther Nakato |
David Ochieng
""")
_THINGS = _words("""
clinic | school | well | bridge | depot | warehouse | laboratory | market | station | library | mill | workshop
""")
_MONTHS = _words("""
January | February | March | April | May | June | July | August | September | October | November | December
""")
_SUBJECTS = _words("""
the district office | the field team | a committee of elders | the water engineers | the regional council | several households |
the health workers | the cooperative | a visiting inspector | the drivers | the storekeepers | two teachers | the surveyors |
the midwives
""")
_VERBS = _words("""
reported | counted | repaired | inspected | ordered | delivered | measured | described | postponed | approved | questioned | recorded |
collected | replaced | compared | requested
""")
_OBJECTS = _words("""
the supplies for the rainy season | a shipment of spare parts | the accounts of the last quarter | the water tanks near the river |
the list of registered families | samples from every borehole | the condition of the northern road | new shelves for the store |
the results of the survey | the complaints about late deliveries | fuel for the generators | a plan for the vaccination campaign |
the minutes of the spring meeting | the roofs
""")
_ENDINGS = _words("""
because the road was closed after heavy rain | before the harvest began | although the budget had not been confirmed |
while the market was moved to the other bank | in the presence of two witnesses | as the agreement with the ministry requires |
and sent the figures to the capital | so that work could go on without delay | despite a shortage of trained staff |
with help from the neighbouring villages
""")


@dataclass(frozen=True, slots=True)
class Fact:
    """A sentence that stands in one document, a question for it, and one that only makes sense after that."""

    sentence: str
    question: str
    follow_up: str


def facts(count: int, seed: int = 7) -> list[Fact]:
    """Facts about places that are all different."""
    choose = random.Random(seed)
    pairs = [(place, thing) for place in _PLACES for thing in _THINGS]
    choose.shuffle(pairs)
    made = []
    for place, thing in pairs[:count]:
        day, month, year = choose.randint(1, 28), choose.choice(_MONTHS), choose.randint(1962, 2019)
        sentence = f"The {place} {thing} was opened on {day} {month} {year} by {choose.choice(_NAMES)}."
        made.append(Fact(sentence, f"When was the {place} {thing} opened?", "Who opened it?"))
    return made


def sentences(seed: int, data: Path | None = None) -> Iterator[str]:
    """Sentences without end: made up, or those of the text files in `data`, again and again in another order."""
    choose = random.Random(seed)
    if data is not None:
        texts = [path.read_text(encoding="utf-8", errors="replace") for path in sorted(data.rglob("*.txt"))]
        pool = [sentence.strip() + "." for text in texts for sentence in text.replace("\n", " ").split(". ") if 40 < len(sentence) < 400]
        while pool:
            yield choose.choice(pool)
    while True:
        subject, verb, thing = choose.choice(_SUBJECTS), choose.choice(_VERBS), choose.choice(_OBJECTS)
        where = f"in {choose.choice(_PLACES)}" if choose.random() < 0.4 else f"for {choose.randint(3, 980)} people"
        yield f"In {choose.choice(_MONTHS)} {choose.randint(1990, 2024)} {subject} {verb} {thing} {where} {choose.choice(_ENDINGS)}."


def paragraph(source: Iterator[str], characters: int) -> str:
    text = next(source)
    while len(text) < characters:
        text += " " + next(source)
    return text


def passages(count: int, data: Path | None = None) -> list[str]:
    """Passages of about 800 characters, as many as wanted."""
    source = sentences(11, data)
    return [paragraph(source, 750) for _ in range(count)]
