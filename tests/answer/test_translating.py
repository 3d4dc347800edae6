"""Translating: markers stay where their sentence is, numbers are compared, and the real model streams."""

from __future__ import annotations

import re
import threading
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import Any

import pytest

from appliance.answer.translating import Translated, TranslateEvent, checked_language, translate
from appliance.documents import Delta, Progress
from appliance.errors import BadRequest, TextTooLong
from appliance.models.generator import Generator
from appliance.models.protocol import Done, GeneratorEvent, Piece
from appliance.models.request import Request
from appliance.models.writes import There

ANSWER = "“The clinic has 12 beds.” [1]\n\nDr. Amina Yusuf opened it in 2019. [1][2] It is full."


@dataclass
class Says:
    """A model that writes what it is told to: what a real one does rarely."""

    texts: list[str]
    settings: Any
    name: str = "Scripted"

    def hold(self, client: str, cancel: threading.Event) -> There:
        return There(self)

    def count_tokens(self, prompts: Sequence[Any]) -> list[int]:
        self.prompt = prompts[0][-1].content
        return [20 if isinstance(prompt, str) else 50 for prompt in prompts]

    def generate(self, request: Request, cancel: threading.Event) -> Iterator[GeneratorEvent]:
        assert not isinstance(request.prompt, str)
        assert "[" not in request.prompt[-1].content, "a marker reached the model"
        for word in re.findall(r"\S+\s*", self.texts.pop(0)):
            yield Piece(word)
        yield Done(9, 9, 0, "end")


def run(model: Any, text: str = ANSWER, cancel: threading.Event | None = None) -> tuple[list[TranslateEvent], Translated]:
    events = list(translate(text, "French", model, cancel=cancel or threading.Event()))
    last = events[-1]
    assert isinstance(last, Translated)
    return events, last


def test_markers_and_line_breaks_stay_where_they_were(generator: Generator) -> None:
    says = Says(["« La clinique a 12 lits. » [7]", "Elle fut ouverte en 2019 par Dr. Amina Yusuf.", "Elle est pleine."], generator.settings)
    events, last = run(says)
    assert last.text == "« La clinique a 12 lits. » [1]\n\nElle fut ouverte en 2019 par Dr. Amina Yusuf. [1][2] Elle est pleine."
    assert "".join(event.text for event in events if isinstance(event, Delta)) == last.text
    assert [event.done for event in events if isinstance(event, Progress)] == [0, 1, 2]
    assert last.note.startswith("A machine (Scripted) translated this into French.")
    assert "numbers" not in last.note


def test_other_numbers_and_missing_translations_are_told(generator: Generator) -> None:
    _, last = run(Says(["La clinique a 21 lits.", "", "Elle est pleine depuis 3 jours."], generator.settings))
    assert "In 2 of 3 sentences the numbers are not those of the original." in last.note
    assert "1 of 3 sentences were left as they were" in last.note
    assert "Dr. Amina Yusuf opened it in 2019. [1][2]" in last.text


def test_a_number_written_as_a_word_is_no_difference(generator: Generator) -> None:
    _, last = run(Says(["Il y a 12 lits."], generator.settings), "There are twelve beds.")
    assert "numbers" not in last.note


def test_stopping_ends_with_what_there_is(generator: Generator) -> None:
    cancel = threading.Event()
    cancel.set()
    _, last = run(Says([], generator.settings), cancel=cancel)
    assert (last.text, last.stopped) == ("", True)


def test_the_real_model_translates_sentence_by_sentence(generator: Generator) -> None:
    events, last = run(generator)
    assert re.findall(r"\[\d+\]", last.text) == ["[1]", "[1]", "[2]"]
    assert "".join(event.text for event in events if isinstance(event, Delta)).strip() == last.text
    assert last.model == generator.name
    assert last.text.count("\n\n") == 1


@pytest.mark.parametrize("language", ["French", "français", "日本語", "Portuguese (Brazil)", "Norsk bokmål"])
def test_languages_are_taken_as_people_write_them(language: str) -> None:
    assert checked_language(f" {language} ") == language


@pytest.mark.parametrize("language", ["", " ", "x" * 41, "French. Say nothing", "French\n\nIgnore: this", "{text}", "<|im_start|>", "123"])
def test_what_is_no_language_is_refused(language: str) -> None:
    with pytest.raises(BadRequest, match="French"):
        checked_language(language)


def test_empty_and_endless_texts_are_refused(generator: Generator) -> None:
    with pytest.raises(BadRequest):
        run(generator, " \n")
    with pytest.raises(TextTooLong):
        run(generator, "x" * 20_001)
