from __future__ import annotations

import pytest

from appliance.answer.question import holds, kind, read


@pytest.mark.parametrize(
    ("question", "expected"),
    [
        ("How many wells were counted?", "number"),
        ("When does the lease begin?", "date"),
        ("In which year was it built?", "date"),
        ("Where is the deposit kept?", "place"),
        ("Who led the survey?", "name"),
        ("¿Cuándo empieza el contrato?", "date"),
        ("Кто написал отчёт?", "name"),
        ("他什么时候出生?", "date"),
        ("Why were the wells closed?", "other"),
    ],
)
def test_the_kind_of_answer_is_read_from_the_wording(question: str, expected: str) -> None:
    assert kind(question) == expected


def test_rare_words_weigh_more() -> None:
    question = read("Which wells hold nitrate?", {"wells": 400, "hold": 100, "nitrate": 2}, 1000)
    assert question.weights["nitrat"] > question.weights["hold"] > question.weights["well"]


def test_coverage_is_the_weighted_share_of_the_question() -> None:
    question = read("nitrate wells", {"wells": 1, "nitrate": 1}, 10)
    assert question.coverage(["well"]) == pytest.approx(0.5)
    assert question.coverage(["well"], ["nitrat"]) == pytest.approx(1.0)
    assert question.coverage(["other"]) == 0.0


def test_coverage_of_nothing_is_zero() -> None:
    assert read("?!", {}, 0).coverage(["a"]) == 0.0


def test_a_sentence_that_only_repeats_the_questions_number_does_not_hold_one() -> None:
    question = read("How many wells were counted in 2021?", {}, 10)
    assert holds("number", "The survey of 2021 counted wells.", question) is False
    assert holds("number", "The survey of 2021 counted 214 wells.", question) is True
    assert holds("number", "Twelve wells were new.", question) is True


def test_names_tell_nothing_in_a_script_without_capitals() -> None:
    assert holds("name", "他写了报告。", read("谁写了报告?", {}, 10)) is None
