from __future__ import annotations

from dataclasses import replace

import pytest

from appliance.answer.evidence import gather
from appliance.answer.fusion import Features, Ranked
from appliance.documents import Chunk

PAGE = "First passage about wells.\n\nSecond passage about wells.\n\nThird one.\n\nFourth one."


def ranked(identity: int, text: str, start: int = 0, *, document: int = 1, position: int = 0, score: float = 0.5) -> Ranked:
    chunk = Chunk(identity, document, f"{document}.txt", position, 1, start, start + len(text), text)
    return Ranked(chunk, score, Features(0.5, 0.5, 0.5, 0.5, 0.5, 0.5))


def page_text(document_id: int, position: int) -> str:
    return PAGE


def slices(*ids: int) -> list[Ranked]:
    parts = PAGE.split("\n\n")
    return [ranked(identity, parts[identity - 1], PAGE.index(parts[identity - 1]), score=1 - index / 10) for index, identity in enumerate(ids)]


def test_neighbours_on_a_page_become_one_passage() -> None:
    one, *others = gather(slices(2, 1), 5, page_text)
    assert not others
    assert one.text == PAGE[one.start : one.end] == "First passage about wells.\n\nSecond passage about wells."
    assert one.chunk_ids == (1, 2)
    assert one.score == 1


def test_passages_apart_stay_apart() -> None:
    assert [one.chunk_ids for one in gather(slices(1, 3), 5, page_text)] == [(1,), (3,)]


def test_a_whole_page_is_not_merged() -> None:
    assert [one.chunk_ids for one in gather(slices(1, 2, 3, 4), 5, page_text)] == [(1, 2, 3), (4,)]


def test_neighbours_on_two_pages_stay_apart() -> None:
    both = [ranked(1, "The end of a page."), ranked(2, "The start of the next.", position=1)]
    assert len(gather(both, 5, page_text)) == 2


def test_neighbours_under_two_headings_stay_apart() -> None:
    first, second = slices(1, 2)
    second = replace(second, chunk=replace(second.chunk, heading=("Other",)))
    assert len(gather([first, second], 5, page_text)) == 2


def test_no_more_than_the_limit() -> None:
    assert len(gather(slices(1, 3), 1, page_text)) == 1


@pytest.mark.parametrize(
    "other",
    ["The well in Kano holds 37 mg of nitrate.", "the well in Kano holds  37 mg of  nitrate", "A well in Kano, holds 37 mg nitrate."],
)
def test_the_same_words_again_are_dropped(other: str) -> None:
    assert len(gather([ranked(1, "The well in Kano holds 37 mg of nitrate."), ranked(9, other, document=2)], 5, page_text)) == 1


@pytest.mark.parametrize(
    "other",
    [
        "The well in Kano holds 38 mg of nitrate.",
        "The well in Jos holds 37 mg of nitrate.",
        "The well in Kano holds 37 mg of nitrite.",
        "The well in Kano never holds 37 mg of nitrate.",
        "The well in Kano holds 37 g of nitrate.",
        "In May the well in Kano holds 37 mg of nitrate.",
    ],
)
def test_a_number_a_name_a_date_or_a_word_apart_is_another_passage(other: str) -> None:
    assert len(gather([ranked(1, "The well in Kano holds 37 mg of nitrate."), ranked(9, other, document=2)], 5, page_text)) == 2


def test_a_passage_inside_a_better_one_is_dropped() -> None:
    whole = "Before the rains. The well in Kano holds 37 mg of nitrate in each litre of water. After the rains."
    part = "The well in Kano holds 37 mg of nitrate in each litre of water."
    assert len(gather([ranked(1, whole), ranked(9, part, document=2)], 5, page_text)) == 1
