from __future__ import annotations

import pytest

from appliance.answer.words import content_words, fold, stem, stop_words, terms


@pytest.mark.parametrize(
    ("one", "other"),
    [("invented", "inventions"), ("country", "countries"), ("stopped", "stopping"), ("naïve", "naive"), ("Москве", "Москва"), ("الكتاب", "كتاب")],
)
def test_inflections_of_a_word_are_one_term(one: str, other: str) -> None:
    assert terms(one) == terms(other)


@pytest.mark.parametrize(("one", "other"), [("bus", "busy"), ("open", "opera"), ("1,000", "1001"), ("increase", "decrease")])
def test_different_words_stay_apart(one: str, other: str) -> None:
    assert terms(one) != terms(other)


def test_words_keep_their_combining_signs() -> None:
    assert terms("हिन्दी भाषा") == ["हिन्दी", "भाषा"]


def test_scripts_without_spaces_become_pairs() -> None:
    assert terms("北京大学") == ["北京", "京大", "大学"]


def test_function_words_are_those_of_the_language() -> None:
    assert content_words("When did the war end?") == ["war", "end"]
    assert content_words("Wann war der Krieg zu Ende?") == ["Krieg", "Ende"]
    assert fold("Qué") in stop_words("¿Qué es la casa?")


def test_a_question_of_function_words_keeps_them() -> None:
    assert content_words("Who is it?") == ["Who", "is", "it"]


def test_short_words_are_not_stemmed_away() -> None:
    assert stem("was") == "was"
    assert stem("gas") == "gas"
