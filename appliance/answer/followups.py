"""A follow-up question, completed from the conversation before anything is searched: by rules, so that the reader can foresee it."""

from __future__ import annotations

import re
from collections.abc import Sequence

from appliance.answer.facts import names, numbers
from appliance.answer.question import kind
from appliance.answer.words import WORD, content_words, fold
from appliance.documents import Turn

_SHORT = 2
"""Content words up to which a question that begins like a continuation is one."""
_LONGEST = 300
"""Characters of an earlier question that is taken over whole."""

_AND = r"(?:and|but|so|or|y|e|et|und|aber|и|а|و|और)"
_CONTINUES = re.compile(rf"^[¿¡]?\s*{_AND}\b[\s,:]*", re.IGNORECASE)
_ABOUT = re.compile(
    r"^[¿¡]?\s*(?:and|but|so|y|e|et|und|и|а)?[\s,]*"
    r"(?:(?:what|how) about|what of|qué (?:hay|pasa) (?:de|con)|et pour|qu'en est-il de|wie (?:steht|ist) es mit|was ist mit|а что насчёт)\s+",
    re.IGNORECASE,
)
_ALONE = re.compile(
    r"^[¿¡]?\s*(?:why|when|where|who|how|how (?:much|many|long|old|so)|which(?: ones?)?|what else|anything else"
    r"|por qué|cuándo|dónde|quién|cómo|pourquoi|quand|où|qui|comment|warum|wann|wo|wer|wie|почему|когда|где|кто)"
    r"(?: (?:not|exactly|then))?\s*[?？]*$",
    re.IGNORECASE,
)
_PERSON = r"(?:he|she|him|they|them)"
_PRONOUN = re.compile(
    rf"\b(?P<owner>his|its|their|her(?=\s+\w))\b"
    rf"|\b(?:{_PERSON}|her|it|this|these|those|that(?=\s*(?:[?.!,]|$|(?:is|was|were|are|mean|happen)\b)))\b",
    re.IGNORECASE,
)
_EMPTY_IT = re.compile(
    r"\bit (?:is|was|seems|takes?|took|possible|true|rain\w*)\b|\bis it (?:true|possible|likely|safe|legal|necessary)\b", re.IGNORECASE
)


def complete(question: str, history: Sequence[Turn]) -> str:
    """`question` as it must be searched for: completed from the last turn where it leans on it, else unchanged."""
    if not history:
        return question
    last = history[-1]
    earlier = (last.searched_for or last.question)[:_LONGEST]
    about = _ABOUT.match(question)
    if about and question[about.end() :].strip(" ?"):
        return _exchanged(earlier, question[about.end() :].strip())
    if _ALONE.match(question):
        return f"{question.rstrip()} {_topic(earlier, last.answer, question) or earlier}"
    pronoun = _leaning_pronoun(question)
    continues = _CONTINUES.match(question)
    # "And what share goes to fuel?" names nothing: what it asks about was named before.
    if pronoun is None and not (continues and (len(_own_words(question)) <= _SHORT or not names(question[continues.end() :]))):
        return question
    topic = _topic(earlier, last.answer, question)
    if not topic:
        return question
    if pronoun is None:
        return f"{question.rstrip()} ({topic})"
    name = f"{topic}'s" if pronoun["owner"] else topic
    completed = question[: pronoun.start()] + name + question[pronoun.end() :]
    return completed[continues.end() :][:1].upper() + completed[continues.end() :][1:] if continues else completed


def _leaning_pronoun(question: str) -> re.Match[str] | None:
    """A pronoun that points out of the question: no name stands before it that it could mean."""
    empty = _EMPTY_IT.search(question)
    for match in _PRONOUN.finditer(question):
        if empty and empty.start() <= match.start() < empty.end():
            continue
        before = question[: match.start()]
        # "And" and "When" begin sentences; a name among the first words counts once something stands before it.
        if names(before) or (match[0].lower() in ("this", "these", "those") and _names_itself(question[match.end() :])):
            return None
        return match
    return None


def _names_itself(rest: str) -> bool:
    """ "this" before a name or a number ("these 12 states") needs nothing from before."""
    following = WORD.search(rest)
    return following is not None and (following[0][0].isupper() or following[0][0].isdigit())


def _own_words(question: str) -> list[str]:
    return [word for word in content_words(question) if fold(word) not in ("and", "but", "so")]


def _topic(earlier: str, answer: str, question: str) -> str:
    """What the conversation is about, as words to search for: names first.

    After a "who" question the person is in the answer; otherwise in the question. Without names, the question's content words.
    """
    asked = list(_name_runs(earlier))
    if kind(earlier) == "name" or (not asked and re.search(rf"\b{_PERSON}\b|\b(?:his|her)\b", question, re.IGNORECASE)):
        known = {fold(word) for word in WORD.findall(earlier)}
        answered = [run for run in _name_runs(_first_sentence(answer)) if not {fold(word) for word in run.split()} <= known]
        if answered:
            return answered[0]
    if asked:
        return " ".join(asked)
    words = content_words(earlier)
    return " ".join(words) if words != WORD.findall(earlier) else ""


def _first_sentence(answer: str) -> str:
    """The first line of an answer is its best quote."""
    return next((line.strip('“”" ') for line in answer.splitlines() if line.strip()), "")[:_LONGEST]


def _name_runs(text: str) -> list[str]:
    """Names of several words as one ("Marie Curie"), in order, each once. In an answer the first word may be one as well."""
    found = names(text) | ({} if kind(text) != "other" or not text[:1].isupper() else names(f"x {text}"))
    runs: list[str] = []
    end = -2
    for match in WORD.finditer(text):
        if fold(match[0]) not in found or not match[0][0].isupper():
            continue
        if runs and text[end : match.start()].strip() == "" and end > 0:
            runs[-1] += f" {match[0]}"
        else:
            runs.append(match[0])
        end = match.end()
    return list(dict.fromkeys(runs))


def _exchanged(earlier: str, new: str) -> str:
    """The earlier question with the new thing in the place of the old one of its kind: a number for the number, a name for the name."""
    new = new.rstrip(" ?.!")
    old_numbers = list(numbers(earlier).values())
    if numbers(new) and len(old_numbers) == 1 and not names(f"x {new}"):
        return re.sub(rf"(?<!\d){re.escape(old_numbers[0])}(?!\d)", lambda _: new if new.isdigit() else next(iter(numbers(new).values())), earlier)
    old_names = _name_runs(earlier)
    if names(f"x {new}") and len(old_names) == 1:
        return earlier.replace(old_names[0], new)
    return f"{earlier.rstrip(' ?')} – {new}?"
