"""Refusals: a sensible question to a small collection must not be turned away, whatever its language."""

from __future__ import annotations

import pytest

from tests.answer.reading_room import LEASE, WELLS, ReadingRoom

SPANISH = (
    "El contrato de alquiler comienza el 1 de marzo de 2019. La inquilina paga una renta de 900 euros cada mes.",
    "La fianza se devuelve dentro de seis semanas después de la salida.",
)
RUSSIAN = (
    "Договор аренды начинается 1 марта 2019 года. Арендатор платит 900 евро в месяц.",
    "Залог возвращается в течение шести недель после выезда.",
)
CHINESE = ("租约从2019年3月1日开始。租客每月支付900欧元的租金。", "押金在退房后六周内退还。")
ARABIC = ("يبدأ عقد الإيجار في 1 مارس 2019. يدفع المستأجر 900 يورو كل شهر.", "يعاد مبلغ التأمين خلال ستة أسابيع بعد المغادرة.")
HINDI = ("किराये का अनुबंध 1 मार्च 2019 से शुरू होता है। किरायेदार हर महीने 900 यूरो किराया देता है।", "जमा राशि छह सप्ताह के भीतर लौटाई जाती है।")


@pytest.mark.parametrize(
    "question",
    [
        "What is the rent?",
        "rent",
        "How long is the notice period?",
        "Who is the landlord?",
        "When do I get the deposit back?",
        "Can I keep a dog or other pets?",
        "Who has to repair the heating?",
        "When was the contract signed and when does it begin?",
        "How much must the tenant pay each month?",
    ],
)
def test_a_sensible_question_to_one_short_document_is_answered(room: ReadingRoom, question: str) -> None:
    room.add("lease.pdf", *LEASE)
    assert not room.found(question).nearest


@pytest.mark.parametrize(
    "question",
    [
        "Who won the world cup in 1998?",
        "Which vaccines are recommended for children?",
        "What is the capital of Mongolia?",
        "Which planets have rings?",
    ],
)
def test_a_question_about_something_else_is_refused(room: ReadingRoom, question: str) -> None:
    room.add("lease.pdf", *LEASE)
    room.add("wells.pdf", *WELLS)
    assert room.found(question).nearest


@pytest.mark.parametrize(
    ("pages", "questions"),
    [
        (SPANISH, ("¿Cuándo comienza el contrato?", "¿Cuánto es la renta?", "¿Cuándo se devuelve la fianza?")),
        (RUSSIAN, ("Когда начинается договор аренды?", "Сколько платит арендатор?", "Когда возвращается залог?")),
        (CHINESE, ("租约什么时候开始?", "租金是多少?", "押金什么时候退还?")),
        (ARABIC, ("متى يبدأ عقد الإيجار؟", "كم يدفع المستأجر؟")),
        (HINDI, ("अनुबंध कब शुरू होता है?", "किरायेदार कितना किराया देता है?")),
    ],
    ids=["es", "ru", "zh", "ar", "hi"],
)
def test_questions_in_other_languages_are_answered(room: ReadingRoom, pages: tuple[str, ...], questions: tuple[str, ...]) -> None:
    room.add("contract.pdf", *pages)
    for question in questions:
        assert not room.found(question).nearest, question


def test_an_empty_collection_refuses(room: ReadingRoom) -> None:
    assert room.found("What is the rent?").nearest
