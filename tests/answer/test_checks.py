from __future__ import annotations

import pytest

from appliance.answer.checks import check
from appliance.answer.quotes import every_sentence
from appliance.documents import Evidence

TEXT = (
    "Dr. Amina Yusuf led the survey of wells in 2021. Four teams took samples between April and September. "
    "Of 214 wells, 37 were contaminated with nitrate. The cost was 480,000 dollars."
)
EVIDENCE = Evidence(1, "survey.pdf", 3, 0, 0, len(TEXT), TEXT, 1.0)
QUOTES = every_sentence([EVIDENCE])


@pytest.mark.parametrize(
    ("sentence", "source"),
    [
        ("The survey of wells was led by Amina Yusuf.", "Dr. Amina"),
        ("37 of the 214 wells were contaminated with nitrate.", "Of 214"),
        ("It cost 480000 dollars.", "The cost"),
        ("Samples were taken by 4 teams between April and September.", "Four teams"),
    ],
)
def test_what_a_sentence_takes_from_the_text_is_supported_and_cited(sentence: str, source: str) -> None:
    verdict = check(sentence, QUOTES)
    assert verdict.supported
    assert verdict.sources[0].text.startswith(source)
    assert verdict.missing == ()


@pytest.mark.parametrize(
    ("sentence", "missing"),
    [
        ("38 of the 214 wells were contaminated with nitrate.", ("38",)),
        ("The survey of wells was led by Amina Bello.", ("Bello",)),
        ("Four teams took samples between April and October.", ("October",)),
        ("The survey of wells was led by Amina Yusuf in Lagos.", ("Lagos",)),
    ],
)
def test_an_invented_number_name_or_date_is_named(sentence: str, missing: tuple[str, ...]) -> None:
    verdict = check(sentence, QUOTES)
    assert not verdict.supported
    assert verdict.missing == missing
    assert verdict.sources == ()


def test_words_of_its_own_are_not_supported() -> None:
    assert not check("Boiling water kills bacteria quickly and safely.", QUOTES).supported


def test_two_sentences_together_may_bear_one_out() -> None:
    verdict = check("Amina Yusuf led the survey of wells, and 37 wells were contaminated with nitrate.", QUOTES)
    assert verdict.supported
    assert len(verdict.sources) == 2


def test_a_quote_that_is_shown_already_is_preferred() -> None:
    again = Evidence(2, "copy.pdf", 1, 0, 0, len(TEXT), TEXT, 1.0)
    shown = every_sentence([again])[2]
    assert check("37 wells were contaminated with nitrate.", QUOTES, [shown]).sources == (shown,)


def test_a_sentence_without_words_rests_on_nothing() -> None:
    assert not check("…", QUOTES).supported
    assert check("In 1999.", []).missing == ("1999",)


@pytest.mark.parametrize(
    "sentence",
    [
        "The survey of wells was not led by Amina Yusuf.",
        "Of 214 wells, none were contaminated with nitrate.",
        "Was the survey of wells led by Amina Yusuf?",
        "The wells, the wells, the wells, the wells, the wells, the wells, the wells of the survey.",
    ],
)
def test_the_same_words_turned_round_are_not_supported(sentence: str) -> None:
    assert not check(sentence, QUOTES).supported


@pytest.mark.parametrize(
    ("source", "turned", "kept"),
    [
        ("The password is used to read the file and is not kept.", "The password is kept.", "The password is not kept."),
        (
            "The model has no tools: it can't open files, send anything or change anything.",
            "The model has no tools, but it can still send files.",
            "The model can't open files.",
        ),
        ("The tenant may keep a dog.", "The tenant may not keep a dog.", "A dog may be kept by the tenant."),
    ],
)
def test_what_the_source_denies_is_not_asserted(source: str, turned: str, kept: str) -> None:
    quotes = every_sentence([Evidence(1, "a.txt", None, 0, 0, len(source), source, 1.0)])
    assert not check(turned, quotes).supported
    assert check(kept, quotes).supported


def test_a_negation_that_is_dropped_is_noticed() -> None:
    text = "Cholera was not found in the samples."
    quotes = every_sentence([Evidence(1, "a.txt", None, 0, 0, len(text), text, 1.0)])
    assert not check("Cholera was found in the samples.", quotes).supported
    assert check("Cholera was not found in the samples.", quotes).supported
