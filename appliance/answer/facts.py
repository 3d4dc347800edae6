"""The numbers, dates and names in a text, in one spelling each: what a sentence may not say unless its source does."""

from __future__ import annotations

import re

from appliance.answer.words import WORD, fold, stop_words, terms

_UNITS = "zero one two three four five six seven eight nine ten eleven twelve thirteen fourteen fifteen sixteen seventeen eighteen nineteen"
_TENS = {"twenty": 20, "thirty": 30, "forty": 40, "fifty": 50, "sixty": 60, "seventy": 70, "eighty": 80, "ninety": 90}
_ORDINALS = "first second third fourth fifth sixth seventh eighth ninth tenth eleventh twelfth"
NUMBER_WORDS = (
    {word: str(value) for value, word in enumerate(_UNITS.split())}
    | {word: str(value) for word, value in _TENS.items()}
    | {word: str(value) for value, word in enumerate(_ORDINALS.split(), start=1)}
)
_MONTHS = "january february march april may june july august september october november december"
_MONTH_NAMES = {name: name for name in _MONTHS.split()} | {name[:3]: name for name in _MONTHS.split()} | {"sept": "september"}

_NUMBER = re.compile(r"(?<![\d.,])\d+(?:[.,'’\u00a0\u202f]\d+)*")
_THOUSANDS = re.compile(r"\d{1,3}(?:[.,'’\u00a0\u202f]\d{3})+")
_BOTH_SIGNS = re.compile(r"\d{1,3}(?:[,'’\u00a0\u202f]\d{3})+\.\d+|\d{1,3}(?:[.'’\u00a0\u202f]\d{3})+,\d+")
"""1,234.56 and 1.234,56"""
_ABBREVIATED = re.compile(r"\b(?:[^\W\d_]\.){2,}")


def number(text: str) -> str:
    """One spelling of a number: "1,000", "1.000" and "1 000" are "1000"; "3,50" is "3.5"; "007" is "7"; digits of any script."""
    digits = "".join(str(int(sign)) if sign.isdecimal() else sign for sign in text)
    if _THOUSANDS.fullmatch(digits):
        # "1.000" is read as one thousand in a sentence and in its source alike, so copies always agree.
        digits = re.sub(r"\D", "", digits)
    elif _BOTH_SIGNS.fullmatch(digits):
        point = max(digits.rfind("."), digits.rfind(","))
        digits = re.sub(r"\D", "", digits[:point]) + digits[point:]
    whole, _, fraction = digits.replace(",", ".").partition(".")
    fraction = fraction.rstrip("0")
    return (whole.lstrip("0") or "0") + (f".{fraction}" if fraction else "")


def numbers(text: str) -> dict[str, str]:
    """Each number in digits: its one spelling → as written. "12.5.1990" and "1.2.3" are the numbers that they are made of."""
    found = {}
    for match in _NUMBER.finditer(text):
        written = match[0]
        whole = sum(not sign.isdecimal() for sign in written) < 2 or _THOUSANDS.fullmatch(written) or _BOTH_SIGNS.fullmatch(written)
        for part in [written] if whole else re.findall(r"\d+", written):
            found[number(part)] = part
    return found


def number_words(text: str) -> set[str]:
    """The numbers that `text` writes as words, as digits: "twelve" and "twelfth" are "12"; "twenty-five" is "25"."""
    found: set[str] = set()
    tens = 0
    for word in (fold(match) for match in WORD.findall(text)):
        value = NUMBER_WORDS.get(word)
        if value is not None:
            found.add(value)
            if tens and 0 < int(value) < 10:
                found.add(str(tens + int(value)))
        tens = _TENS.get(word, 0)
    return found


def months(text: str) -> dict[str, str]:
    """Months written with a capital: full name → as written."""
    written = (word for word in WORD.findall(text) if word[0].isupper())
    return {_MONTH_NAMES[fold(word)]: word for word in written if fold(word) in _MONTH_NAMES}


def names(sentence: str) -> dict[str, str]:
    """Capitalised words that don't merely begin the sentence: folded → as written.

    A first word counts where the next has a capital too ("Albert Outler said") or where it is in capitals itself ("NASA").
    """
    plain = _ABBREVIATED.sub(lambda match: match[0].replace(".", ""), sentence)
    matches = list(WORD.finditer(plain))
    stops = stop_words(plain)
    found: dict[str, str] = {}
    for index, match in enumerate(matches):
        word = match[0]
        if not word[0].isupper() or fold(word).replace("’", "'").split("'")[0] in stops or fold(word) in _MONTH_NAMES or fold(word) in NUMBER_WORDS:
            continue
        if _begins(plain, match.start()):
            following = matches[index + 1][0] if index + 1 < len(matches) else ""
            together = following[:1].isupper() and plain[match.end() : matches[index + 1].start()].strip() in ("", "-")
            if not (together or (len(word) > 1 and word.isupper())):
                continue
        found[fold(word)] = word
    return found


def _begins(text: str, start: int) -> bool:
    before = text[:start].rstrip(" \t\"'“‘«(*_-–—")
    return not before or before[-1] in ".!?:\n。！？।؟"


def missing(sentence: str, source: str) -> tuple[str, ...]:
    """The numbers, months and names of `sentence`, as it writes them, that `source` does not hold in any spelling."""
    held = set(numbers(source)) | number_words(source)
    words = {fold(word) for word in WORD.findall(_ABBREVIATED.sub(lambda match: match[0].replace(".", ""), source))}
    stems = set(terms(source))
    source_months = {_MONTH_NAMES[word] for word in words if word in _MONTH_NAMES}
    lacking = [written for value, written in numbers(sentence).items() if value not in held]
    lacking += [written for month, written in months(sentence).items() if month not in source_months]
    lacking += [written for name, written in names(sentence).items() if name not in words and not set(terms(written)) <= stems]
    return tuple(dict.fromkeys(lacking))
