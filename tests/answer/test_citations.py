from __future__ import annotations

import re
from itertools import pairwise

from hypothesis import given
from hypothesis import strategies as st

from appliance.answer.citations import Citations, MarkerFilter, led_by_quotes, marks, without_markers
from appliance.answer.quotes import Quote
from appliance.documents import Evidence

MARKER = re.compile(r"\[\s*\d+(?:\s*[,;–-]\s*\d+)*\s*\]")
TEXTS = st.text(st.sampled_from("ab .[]0123,;-–［］【】^\n") | st.characters(), max_size=80)


def quote(text: str, start: int = 0, *, document: int = 1) -> Quote:
    evidence = Evidence(document, f"{document}.txt", 1, 0, 0, start + len(text), " " * start + text, 1.0)
    return Quote(evidence, start, start + len(text), 1.0)


def pieces(text: str, cuts: list[int]) -> list[str]:
    places = sorted({0, len(text), *(cut % (len(text) + 1) for cut in cuts)})
    return [text[left:right] for left, right in pairwise(places)]


@given(TEXTS, st.lists(st.integers(0, 80)))
def test_a_marker_of_the_models_never_shows_not_even_for_a_moment(text: str, cuts: list[int]) -> None:
    hidden = MarkerFilter()
    shown = ""
    for piece in pieces(text, cuts):
        shown += hidden.feed(piece)
        assert not MARKER.search(shown)
    assert not MARKER.search(shown + hidden.flush())


@given(st.text(st.characters(exclude_characters="[［【〔"), max_size=60), st.lists(st.integers(0, 60)))
def test_text_without_brackets_comes_through_whole(text: str, cuts: list[int]) -> None:
    hidden = MarkerFilter()
    assert "".join([*(hidden.feed(piece) for piece in pieces(text, cuts)), hidden.flush()]) == text


def test_bracketed_words_come_through() -> None:
    hidden = MarkerFilter()
    assert hidden.feed("He [the mayor] spoke") + hidden.flush() == "He [the mayor] spoke"


def test_an_opened_marker_that_never_grows_long_is_no_marker() -> None:
    hidden = MarkerFilter()
    shown = hidden.feed("a [" + "1" * 60) + hidden.feed("] b") + hidden.flush()
    assert not MARKER.search(shown)


def test_markers_number_the_quotes_in_order_of_appearance() -> None:
    citations = Citations([quote("One."), quote("Two.", 10)])
    assert citations.marker(quote("Three.", 20)) == 3
    assert citations.marker(quote("Two.", 10)) == 2
    assert [citation.marker for citation in citations.all] == [1, 2, 3]
    assert citations.leading == 2


def test_the_same_words_in_another_document_are_another_citation() -> None:
    citations = Citations([quote("One.")])
    assert citations.marker(quote("One.", document=2)) == 2


@given(st.lists(st.tuples(st.text(min_size=1, max_size=20), st.integers(0, 50), st.integers(1, 3)), max_size=12))
def test_every_marker_in_an_answer_has_its_citation(given_quotes: list[tuple[str, int, int]]) -> None:
    citations = Citations(quote(text, start, document=document) for text, start, document in given_quotes)
    known = {citation.marker for citation in citations.all}
    text = led_by_quotes(citations.all, "Prose." + marks(sorted(known)))
    assert {int(number) for number in re.findall(r"\[(\d+)\]", text)} <= known
    assert known == set(range(1, len(known) + 1))


def test_footnote_marks_inside_a_quote_are_not_shown_as_markers() -> None:
    citations = Citations([quote("The wells were closed.[14]")])
    assert led_by_quotes(citations.all) == "“The wells were closed.” [1]"
    assert citations.all[0].quote == "The wells were closed.[14]"


def test_markers_are_taken_out_however_they_are_written() -> None:
    assert without_markers("One [1], two [2, 3] and three【4】 and [^5].") == "One, two and three and."
