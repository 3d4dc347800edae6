from __future__ import annotations

import pytest

from appliance.documents import Heading
from appliance.errors import BadRequest, TextTooLong
from tests.answer.reading_room import LEASE, WELLS, ReadingRoom


def test_the_page_that_answers_comes_first(room: ReadingRoom) -> None:
    room.add("lease.pdf", *LEASE)
    room.add("wells.pdf", *WELLS)
    for question, document, page in [
        ("Who led the survey?", "wells.pdf", 2),
        ("What does it cost to drill new wells?", "wells.pdf", 3),
        ("When must the rent be paid?", "lease.pdf", 1),
        ("Who repairs the roof?", "lease.pdf", 3),
    ]:
        first = room.found(question).evidence[0]
        assert (first.document, first.page) == (document, page), question


def test_evidence_is_a_slice_of_its_page(room: ReadingRoom) -> None:
    document = room.add("wells.txt", "\n\n".join(WELLS * 4), numbered=False)
    text = room.library.page(document.id, 0).text
    for one in room.found("Which wells are contaminated with nitrate?").evidence:
        assert text[one.start : one.end] == one.text


def test_scores_fall(room: ReadingRoom) -> None:
    room.add("lease.pdf", *LEASE)
    scores = [one.score for one in room.asker.search("rent of the house", room.collection_id).evidence]
    assert scores == sorted(scores, reverse=True)


def test_a_search_can_keep_to_documents(room: ReadingRoom) -> None:
    lease = room.add("lease.pdf", *LEASE)
    room.add("wells.pdf", *WELLS)
    evidence = room.asker.search("contaminated wells", room.collection_id, documents=[lease.id]).evidence
    assert {one.document for one in evidence} == {"lease.pdf"}


def test_the_name_of_a_document_tells_two_alike_apart(room: ReadingRoom) -> None:
    for year, amount in ((2018, "4.1"), (2019, "5.3"), (2020, "6.2")):
        room.add(f"annual-report-{year}.pdf", f"The company earned {amount} million euros in the year under review. All plants were in use.")
    first = room.found("How much did the company earn according to the annual report 2019?").evidence[0]
    assert first.document == "annual-report-2019.pdf"
    assert len(room.found("How much did the company earn?").evidence) == 3


def test_a_heading_counts_for_what_stands_under_it(room: ReadingRoom) -> None:
    text = "Doors\n\nThey open outward and weigh 40 kg.\n\nWindows\n\nThey open inward and weigh 12 kg."
    headings = [Heading(0, 0, "Doors", 1), Heading(0, text.index("Windows"), "Windows", 1)]
    room.add("house.txt", text, headings=headings)
    assert "12 kg" in room.found("How heavy are the windows?").evidence[0].text


def test_an_empty_collection_has_no_evidence(room: ReadingRoom) -> None:
    assert room.asker.search("anything", room.collection_id).evidence == ()


@pytest.mark.parametrize("question", ["", "   \n"])
def test_an_empty_question_is_refused_with_a_sentence(room: ReadingRoom, question: str) -> None:
    with pytest.raises(BadRequest):
        room.asker.search(question, room.collection_id)


def test_a_question_of_100000_characters_is_refused_with_a_sentence(room: ReadingRoom) -> None:
    with pytest.raises(TextTooLong, match="100000 characters; at most 4000"):
        room.found("why?" * 25_000)


@pytest.mark.parametrize("question", ['"', "a AND (b OR", "NEAR(x y)", "'; DROP TABLE chunks; --", "\u202e\x00", "*", "😀", "wells " * 600])
def test_any_text_is_a_question(room: ReadingRoom, question: str) -> None:
    room.add("wells.pdf", *WELLS)
    room.asker.search(question, room.collection_id)
