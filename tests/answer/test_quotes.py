from __future__ import annotations

import threading

import pytest

from appliance.answer.quotes import LONGEST_QUOTE, choose, every_sentence
from appliance.documents import Citation, Heading, QuotesReady
from tests.answer.reading_room import LEASE, WELLS, ReadingRoom


def quotes(room: ReadingRoom, question: str) -> tuple[Citation, ...]:

    for event in room.asker.ask(question, room.collection_id, cancel=threading.Event()):
        if isinstance(event, QuotesReady):
            return event.citations
    raise AssertionError(f"refused: {question}")


@pytest.mark.parametrize(
    ("question", "answer"),
    [
        ("How many wells were contaminated?", "37"),
        ("Who led the survey?", "Amina Yusuf"),
        ("Where is the deposit kept?", "Rotterdam"),
        ("When does the lease begin?", "1 March 2019"),
        ("What would new wells cost?", "480,000"),
        ("Who answers for the heating?", "Jan de Vries"),
    ],
)
def test_the_best_sentence_holds_the_answer(room: ReadingRoom, question: str, answer: str) -> None:
    room.add("lease.pdf", *LEASE)
    room.add("wells.pdf", *WELLS)
    assert answer in quotes(room, question)[0].quote


def test_quotes_are_exact_slices_of_their_pages(room: ReadingRoom) -> None:
    room.add("lease.pdf", *LEASE)
    room.add("wells.txt", "\n\n".join(("Üben 😀 macht Spaß.", *WELLS)), numbered=False)
    for question in ("How many wells were contaminated?", "Who led the survey of the wells?", "What is the rent of the house?"):
        for number, citation in enumerate(quotes(room, question), start=1):
            assert citation.marker == number
            page = room.library.page(citation.document_id, citation.position)
            assert page.text[citation.start : citation.end] == citation.quote
            assert page.number == citation.page


def test_a_heading_is_quoted_with_the_sentence_under_it(room: ReadingRoom) -> None:
    room.add("house.txt", "Notice period\n\nThree months, in writing.\n\nOther matters\n\nThe garden is shared by all.", numbered=False)
    assert quotes(room, "What is the notice period?")[0].quote == "Notice period\n\nThree months, in writing."


def test_a_known_heading_is_not_quoted_itself(room: ReadingRoom) -> None:
    text = "# Notice period\n\nIt is three months, in writing.\n\n# Other matters\n\nThe garden is shared by all."
    headings = [Heading(0, 0, "Notice period", 1), Heading(0, text.index("# Other"), "Other matters", 1)]
    room.add("house.md", text, headings=headings, numbered=False)
    assert quotes(room, "What is the notice period?")[0].quote == "It is three months, in writing."


def test_of_a_very_long_sentence_the_part_about_the_question_is_quoted(room: ReadingRoom) -> None:
    table = " ".join(f"row {number} value {number * 7} of item{number}" for number in range(60))
    room.add("table.txt", table.replace("item41", "zirconium"), numbered=False)
    first = quotes(room, "What is the value of zirconium?")[0]
    assert "zirconium" in first.quote
    assert len(first.quote) <= LONGEST_QUOTE


def test_the_same_sentence_is_not_quoted_twice(room: ReadingRoom) -> None:
    room.add("one.txt", f"{WELLS[0]} The roads were dry.", numbered=False)
    room.add("two.txt", f"{WELLS[0]} The bridges held.", numbered=False)
    texts = [citation.quote for citation in quotes(room, "How many wells were counted?")]
    assert len(texts) == len(set(texts))


def test_nothing_to_choose_from_is_no_quote() -> None:
    assert choose([]) == ()
    assert every_sentence([]) == []
