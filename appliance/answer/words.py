"""The words of a text as retrieval and checks compare them: folded, stemmed lightly, function words left out.

Not a second search index (that is FTS5's work): this looks at a few dozen passages per question.
"""

from __future__ import annotations

import re
import unicodedata
from functools import lru_cache

_LETTERS = r"\w\u0300-\u036f\u0591-\u05bd\u05bf-\u05c7\u0610-\u061a\u064b-\u065f\u0670\u0900-\u0963\u0966-\u0dff"
"""Python's \\w leaves out combining marks: without these ranges a Hindi or a vocalised Arabic word falls to pieces."""
_UNSPACED = r"\u0e00-\u0e7f\u0e80-\u0eff\u1000-\u109f\u1780-\u17ff\u3040-\u30ff\u3400-\u4dbf\u4e00-\u9fff\uf900-\ufaff"
"""Scripts written without spaces: compared as overlapping pairs of characters, as the keyword index does."""
WORD = re.compile(rf"\d+(?:[.,]\d+)*|[{_LETTERS}]+(?:['’][{_LETTERS}]+)*")
_ASCII_WORD = re.compile(r"\d+(?:[.,]\d+)*|[a-zA-Z0-9_]+(?:'[a-zA-Z0-9_]+)*")
"""The same for plain text, three times as fast."""
_RUN = re.compile(rf"[{_UNSPACED}]+|[^{_UNSPACED}]+")
_IS_UNSPACED = re.compile(rf"[{_UNSPACED}]")

_FUNCTION_WORDS = {
    "en": """a an the this that these those it its he him his she her hers they them their we us our i me my you your who whom whose
    which what when where why how is are was were be been being am do does did done doing have has had having can could will would
    shall should may might must not no nor and or but if then than so as of at by for from in into on onto to with within about
    between during after before under over up down out off through there here also any some all each every both such only own same
    too very just ever s t re ve ll d m us there's it's one many much tell please give say said says according""",
    "es": """el la los las un una unos unas lo y o u e de del al en con por para sin sobre que qué quién quien quiénes cuál cual cuáles
    cuándo cuando dónde donde cómo como cuánto cuánta cuántos cuántas es son fue fueron era eran ser está están se su sus le les a""",
    "fr": """le la les l un une des du de d et ou à a au aux en dans par pour sur avec sans ce cet cette ces qui que quoi quel quelle
    quels quelles quand où comment pourquoi combien est sont était étaient été être ont avait il elle ils elles on se son sa ses leur""",
    "de": """der die das den dem des ein eine einer eines einem einen und oder ist sind war waren wurde wurden werden wird hat haben
    hatte in im am an auf aus bei mit nach von vom zu zum zur für über unter durch wer wen wem was wann wo wohin woher warum wieso wie
    welche welcher welches welchen viele viel es er sie sich nicht""",
    "pt": """o os a as um uma uns umas e do da dos das de no na nos nas em ao à pelo pela com por para que quem qual quais quando onde
    como quanto quantos foi foram são é era""",
    "it": """il lo la gli le i un uno una di del della dei delle da dal nel nella in con per e che chi quale quali quando dove come
    perché quanto è sono era erano stato""",
    "ru": """и в во на с со к ко о об от до из за по у не что кто где когда как какой какая какое какие каких сколько почему чем был
    была было были быть это его её их он она они для при""",
    "ar": "من في على إلى الى عن ما ماذا متى أين اين كيف كم لماذا هل هو هي هم كان كانت هذا هذه التي الذي أي اي مع و",
    "hi": """क्या कौन कब कहाँ कहां कैसे कितने कितनी कितना किस किसने किसके का की के को में से पर है हैं था थे थी और ने यह वह एक लिए""",
}
"""Function and question words. In a large collection a word's rarity does this work; in one of three chunks only a list can."""

_SUFFIXES = (
    *("izations", "ization", "ational", "fulness", "ousness", "iveness", "ations", "ements", "ation", "ement", "ments", "ities"),
    *("ings", "ment", "ness", "ized", "izes", "izing", "ions", "ally", "ence", "ance", "able", "ible", "ity", "ing", "ies", "ied", "ers"),
    *("ion", "ive", "ous", "est", "ors", "ed", "es", "er", "or", "ly", "al", "ic", "s", "e", "y"),
)
_LEAST_STEM = 4


def fold(text: str) -> str:
    """Lower case, without accents on Latin, Greek and Cyrillic letters; other scripts keep their signs."""
    if text.isascii():
        return text.lower()
    plain = unicodedata.normalize("NFKD", text.casefold())
    return unicodedata.normalize("NFC", "".join(sign for sign in plain if not "\u0300" <= sign <= "\u036f"))


@lru_cache(maxsize=65536)
def stem(word: str) -> str:
    """A folded word without its ending: "invented", "invention" and "inventing" are one. Short words stay whole.

    English is done with care; Greek and Cyrillic words lose two letters, which is where their cases are; Arabic its article.
    """
    if not word.isascii():
        if "\u0370" <= word[0] <= "\u052f" and len(word) > 5:
            return word[:-2]
        return word[2:] if word.startswith("ال") and len(word) > 4 else word
    if not word.isalpha():
        return word
    for suffix in _SUFFIXES:
        if word.endswith(suffix) and len(word) - len(suffix) >= (3 if suffix in ("s", "ies", "ed", "ing", "e", "es") else _LEAST_STEM):
            if suffix == "s" and word.endswith(("ss", "us", "is")):
                break
            word = word[: -len(suffix)]
            break
    if len(word) > 3 and word[-1] == word[-2] and word[-1] not in "aeiouls":
        word = word[:-1]
    return word[:-1] if len(word) > 3 and word[-1] in "ei" else word


@lru_cache(maxsize=65536)
def _terms_of(token: str) -> tuple[str, ...]:
    if token[0].isdigit():
        return (token.replace(",", "").rstrip("."),)
    word = fold(token).split("'")[0].split("’")[0] if token[-2:] in ("'s", "’s") else fold(token)
    if not word:
        return ()
    if not _IS_UNSPACED.search(word):
        return (stem(word),)
    terms: list[str] = []
    for run in _RUN.findall(word):
        if _IS_UNSPACED.match(run):
            terms.extend([run[i : i + 2] for i in range(len(run) - 1)] or [run])
        else:
            terms.append(stem(run))
    return tuple(terms)


def words_of(text: str) -> list[str]:
    """All words of `text` as written, in order."""
    return (_ASCII_WORD if text.isascii() else WORD).findall(text)


def terms(text: str) -> list[str]:
    """All words of `text` in order, folded and stemmed; unspaced scripts as pairs of characters."""
    return [term for word in words_of(text) for term in _terms_of(word)]


STOP_WORDS = {language: frozenset(fold(word) for word in words.split()) for language, words in _FUNCTION_WORDS.items()}


def stop_words(text: str) -> frozenset[str]:
    """The function words of the language that `text` seems to be in: "war" is one in German and none in English."""
    words = {fold(word) for word in words_of(text)}
    # The first of equals: English.
    return max(STOP_WORDS.values(), key=lambda stops: len(words & stops))


def content_words(text: str) -> list[str]:
    """The words of `text` that carry meaning, as written and in order, each once. Where all are function words, all of them."""
    words = list(dict.fromkeys(words_of(text)))
    stops = stop_words(text)
    return [word for word in words if fold(word) not in stops] or words


def is_number(word: str) -> bool:
    return word[0].isdigit()
