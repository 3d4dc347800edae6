from __future__ import annotations

import pytest

from appliance.answer.facts import missing, names, number, numbers


@pytest.mark.parametrize(
    ("written", "spelled"),
    [("1,000", "1000"), ("1.000", "1000"), ("1 000", "1000"), ("12,345,678", "12345678"), ("3,50", "3.5"), ("3.5", "3.5"), ("007", "7")],
)
def test_a_number_has_one_spelling(written: str, spelled: str) -> None:
    assert number(written.replace(" ", "\u00a0")) == spelled


@pytest.mark.parametrize(("written", "spelled"), [("1,234.50", "1234.5"), ("1.234,5", "1234.5"), ("٣٧", "37"), ("0.0", "0")])
def test_numbers_of_other_conventions_and_scripts(written: str, spelled: str) -> None:
    assert number(written) == spelled


def test_a_date_in_digits_is_its_numbers() -> None:
    assert set(numbers("12.5.1990")) == {"12", "5", "1990"}


@pytest.mark.parametrize(
    ("sentence", "source"),
    [
        ("It cost 1,000 euros.", "The price was 1000 euros."),
        ("Twelve wells were drilled in May.", "In May, 12 wells were drilled."),
        ("12 wells were drilled.", "Twelve wells were drilled."),
        ("She left on 3 September 1921.", "On Sept. 3rd, 1921 she left."),
        ("The 21st century.", "the twenty-first century"),
        ("It began in the 1990s.", "During the 1990s it began."),
        ("Marie Curie's work was honoured.", "the work of marie curie was honoured"),
        ("The U.S. army came.", "The US army came."),
        ("However, it was late.", "it was late"),
    ],
)
def test_what_the_source_says_otherwise_is_not_missing(sentence: str, source: str) -> None:
    assert missing(sentence, source) == ()


@pytest.mark.parametrize(
    ("sentence", "source", "expected"),
    [
        ("It cost 1,001 euros.", "The price was 1000 euros.", ("1,001",)),
        ("She left in June.", "She left in July.", ("June",)),
        ("The report is by Anna Lindqvist.", "The report is by Anna Berg.", ("Lindqvist",)),
        ("Albert Outler founded it.", "John Wesley founded it.", ("Albert", "Outler")),
        ("It fell by 3.5 percent.", "It fell by 35 percent.", ("3.5",)),
    ],
)
def test_what_the_source_does_not_say_is_missing(sentence: str, source: str, expected: tuple[str, ...]) -> None:
    assert missing(sentence, source) == expected


def test_the_word_that_begins_a_sentence_is_no_name() -> None:
    assert names("Wells were closed. Boiling helps.") == {}
    assert set(names("NASA sent Neil Armstrong.")) == {"nasa", "neil", "armstrong"}


def test_scripts_without_capitals_have_no_names() -> None:
    assert names("他在北京大学学习。") == {}
