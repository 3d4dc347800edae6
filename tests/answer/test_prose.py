from __future__ import annotations

import re

import pytest
from hypothesis import given
from hypothesis import strategies as st

from appliance.answer.citations import Citations
from appliance.answer.prose import Prose
from appliance.answer.quotes import every_sentence
from appliance.documents import AnswerEvent, Delta, Evidence, SentenceChecked

TEXT = "Dr. Amina Yusuf led the survey. Of 214 wells, 37 were contaminated. The cost was 480,000 dollars."
QUOTES = every_sentence([Evidence(1, "survey.pdf", 3, 0, 0, len(TEXT), TEXT, 1.0)])


def stream(pieces: list[str], shown: int = 1) -> tuple[Prose, Citations, list[AnswerEvent]]:
    citations = Citations(QUOTES[:shown])
    prose = Prose(citations, QUOTES)
    events = [event for piece in pieces for event in prose.feed(piece)]
    return prose, citations, [*events, *prose.finish()]


def words(text: str) -> list[str]:
    return re.findall(r"\s*\S+", text)


def test_sentences_are_checked_as_they_end() -> None:
    prose, citations, events = stream(words("Dr. Amina Yusuf led the survey. 37 wells were contaminated. She went to Lagos."))
    checked = [event for event in events if isinstance(event, SentenceChecked)]
    assert [event.sentence.text for event in checked] == ["Dr. Amina Yusuf led the survey.", "37 wells were contaminated.", "She went to Lagos."]
    assert [event.sentence.markers for event in checked] == [(1,), (2,), ()]
    assert [[citation.marker for citation in event.citations] for event in checked] == [[], [2], []]
    assert checked[2].sentence.missing == ("Lagos",)
    assert prose.marked == "Dr. Amina Yusuf led the survey. [1] 37 wells were contaminated. [2] She went to Lagos."
    assert prose.plain == "Dr. Amina Yusuf led the survey. 37 wells were contaminated. She went to Lagos."
    assert len(citations.all) == 2


@pytest.mark.parametrize("size", [1, 2, 3, 7, 100])
def test_what_was_streamed_is_what_is_kept(size: int) -> None:
    text = "Dr. Amina Yusuf led it [1]. It cost 3.50 dollars [2, 3]! Was it so? No"
    prose, _, events = stream([text[start : start + size] for start in range(0, len(text), size)])
    assert "".join(event.text for event in events if isinstance(event, Delta)).strip() == prose.marked
    assert prose.plain == "Dr. Amina Yusuf led it. It cost 3.50 dollars! Was it so? No"
    assert len(prose.sentences) == 4


def test_after_the_last_sentence_wanted_nothing_more_shows() -> None:
    prose = Prose(Citations(), QUOTES)
    prose.most = 1
    events = [event for piece in words("Amina Yusuf led the survey. After that she went home.") for event in prose.feed(piece)]
    events += prose.finish()
    assert prose.plain == "Amina Yusuf led the survey."
    assert prose.marked == "Amina Yusuf led the survey. [1]"


def test_every_line_of_a_list_is_a_sentence_of_its_own() -> None:
    prose, _, _ = stream(["1. 37 wells were", " contaminated\n2. The cost was 480,000", " dollars\n"])
    assert [sentence.text for sentence in prose.sentences] == ["1. 37 wells were contaminated", "2. The cost was 480,000 dollars"]
    assert prose.plain == "1. 37 wells were contaminated\n2. The cost was 480,000 dollars"


def test_scripts_without_spaces_stream_on_after_a_full_stop() -> None:
    prose = Prose(Citations(), [])
    sent = "".join(event.text for sign in "水井已关闭。他们在等" for event in prose.feed(sign) if isinstance(event, Delta))
    assert sent == "水井已关闭。他们在等"


@given(st.text(st.sampled_from("abAB 19.!?[],\n“”") | st.characters(), max_size=120), st.integers(1, 9))
def test_nothing_is_taken_back_and_every_marker_resolves(text: str, size: int) -> None:
    prose, citations, events = stream([text[start : start + size] for start in range(0, len(text), size)])
    known = set(range(1, citations.leading + 1))
    shown = ""
    for event in events:
        if isinstance(event, Delta):
            shown += event.text
        elif isinstance(event, SentenceChecked):
            known |= {citation.marker for citation in event.citations}
            assert set(event.sentence.markers) <= known
    assert shown.strip() == prose.marked
    assert {int(number) for number in re.findall(r"\[(\d+)\]", prose.marked)} <= {citation.marker for citation in citations.all}
    assert not re.search(r"\[\d+\]", prose.plain)


def test_a_model_that_goes_in_circles_is_noticed() -> None:
    prose, _, _ = stream(words("The wells were closed. The wells were closed. "))
    assert prose.repeats
