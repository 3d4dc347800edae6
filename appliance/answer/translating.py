"""An answer in another language, by the model that is chosen for translating: sentence by sentence, each where it stood.

The model is never given a marker: they are taken off each sentence and set behind its translation again. A machine's translation says that
it is one, and code compares the numbers, which is what it can compare.
"""

from __future__ import annotations

import re
import threading
from collections.abc import Iterator, Sequence
from dataclasses import dataclass

from appliance.answer.citations import MarkerFilter
from appliance.answer.facts import number_words, numbers
from appliance.documents import Delta, Progress, Queued
from appliance.errors import BadRequest, TextTooLong
from appliance.models.protocol import Done, Message, Piece, Waiting
from appliance.models.request import Request
from appliance.models.writes import Writes
from appliance.sentences import sentences

LONGEST = 20_000
"""Characters: about ten pages, minutes of work for a small model."""
SYSTEM = "You translate into {language}. Reply with the translation alone. Keep numbers, dates and names as they are."
SENTENCE = "Translate into {language}:\n\n{text}"
BY_A_MACHINE = "A machine ({model}) translated this into {language}. The original is what the documents bear out: keep to it where it matters."
OTHER_NUMBERS = "In {count} of {total} sentences the numbers are not those of the original."
LEFT = "{count} of {total} sentences were left as they were: the model gave no translation."
_SPARE = 24
_LANGUAGE = re.compile(r"[^\W\d_](?:[^\W\d_]|[ '’()-])*")
_LONGEST_LANGUAGE = 40
_WORDS = re.compile(r"[^\W\d_]")
_LEADING = re.compile(r"(?:\[\d+\]\s*)+")
_MARKERS = re.compile(r"(?:\s*\[\d+\])+")


@dataclass(frozen=True, slots=True)
class Translated:
    """The whole translation, with markers. `note` says that a machine made it, and what code found doubtful in it."""

    text: str
    language: str
    model: str
    note: str
    stopped: bool


TranslateEvent = Queued | Progress | Delta | Translated


def checked_language(language: str) -> str:
    """The name of a language, as people write it ("French", "日本語"). Raises BadRequest: it becomes a part of the prompt."""
    name = " ".join(language.split())
    if len(name) > _LONGEST_LANGUAGE or not _LANGUAGE.fullmatch(name):
        raise BadRequest(detail=f'"language" must be a language\'s name of at most {_LONGEST_LANGUAGE} letters, such as French.')
    return name


def checked_text(text: str) -> str:
    """Raises BadRequest where there is nothing to translate, TextTooLong beyond 20,000 characters."""
    if not text.strip():
        raise BadRequest(detail="There is nothing to translate: the text is empty.")
    if len(text) > LONGEST:
        raise TextTooLong(what="text", length=len(text), limit=LONGEST)
    return text


def translate(text: str, language: str, model: Writes, *, cancel: threading.Event, client: str = "page") -> Iterator[TranslateEvent]:
    """Translate `text`; the last event is always Translated. Raises BadRequest, TextTooLong, GeneratorFailed and what the model raises."""
    text, language = checked_text(text), checked_language(language)
    spans = list(_spans(text))
    shown: list[str] = []
    at = doubtful = left = 0
    for done, (start, end) in enumerate(spans):
        if cancel.is_set():
            break
        yield Progress("translating", done, len(spans))
        said, markers = _without_markers(text[start:end])
        written = ""
        if text[at:start]:
            shown.append(text[at:start])
            yield Delta(text[at:start])
        for event in _sentence(said, language, model, cancel, client):
            written += event.text if isinstance(event, Delta) else ""
            yield event
        rest = markers
        if not written.strip():
            left += not cancel.is_set()
            rest = said + markers
        elif not _same_numbers(said, written):
            doubtful += 1
        shown += [written, rest]
        if rest:
            yield Delta(rest)
        at = end
    if not cancel.is_set() and text[at:].strip():
        shown.append(text[at:].rstrip())
        yield Delta(shown[-1])
    notes = [BY_A_MACHINE.format(model=model.name, language=language)]
    notes += [OTHER_NUMBERS.format(count=doubtful, total=len(spans))] if doubtful else []
    notes += [LEFT.format(count=left, total=len(spans))] if left else []
    yield Translated("".join(shown).strip(), language, model.name, " ".join(notes), cancel.is_set())


def _spans(text: str) -> Iterator[tuple[int, int]]:
    """The sentences that have words, without the markers that stand before them: those belong to the sentence that ended there."""
    for start, end in sentences(text):
        leading = _LEADING.match(text, start, end)
        begin = leading.end() if leading else start
        if _WORDS.search(text, begin, end):
            yield begin, end


def _sentence(text: str, language: str, model: Writes, cancel: threading.Event, client: str) -> Iterator[Queued | Delta]:
    """One sentence's translation on one line, no marker of the model's own in it."""
    messages = _messages(text, language)
    with model.hold(client, cancel) as held:
        for waiting in held.wait():
            yield Queued(waiting.ahead)
        if cancel.is_set():
            return
        whole, own = held.count_tokens([messages, text])
        room = model.settings.context - whole - _SPARE
        if room < _SPARE:  # a sentence of pages: it is left as it is
            return
        most = min(room, _SPARE + 3 * own)
        markers, begun = MarkerFilter(), False
        for event in held.generate(Request(messages, most, stop=("\n\n",), client=client), cancel):
            match event:
                case Waiting(ahead=ahead):
                    yield Queued(ahead)
                case Piece(text=piece):
                    piece = re.sub(r"\s+", " ", markers.feed(piece))
                    piece = piece if begun else piece.lstrip()
                    if piece:
                        begun = True
                        yield Delta(piece)
                case Done():
                    rest = markers.flush().rstrip()
                    if begun and rest:
                        yield Delta(rest)


def _messages(text: str, language: str) -> Sequence[Message]:
    return (Message("system", SYSTEM.format(language=language)), Message("user", SENTENCE.format(language=language, text=" ".join(text.split()))))


def _without_markers(sentence: str) -> tuple[str, str]:
    """The sentence, and the markers that stood in it, to be set behind it."""
    return _MARKERS.sub("", sentence), "".join(_MARKERS.findall(sentence))


def _same_numbers(original: str, translation: str) -> bool:
    """Every number of the original is there, and no other one: one written as a word on either side is no difference."""
    had, has = set(numbers(original)), set(numbers(translation))
    return had <= has and has <= had | number_words(original)
