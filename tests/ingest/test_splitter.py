"""Passages: exact offsets, one page each, inside the embedder's window, nothing lost."""

from __future__ import annotations

import re
from collections.abc import Callable
from itertools import pairwise

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from appliance.documents import Conversion, Heading, Page, Passage
from appliance.ingest.splitter import embedded_texts, split
from appliance.models.embedder import Embedder

WINDOW = 256


def words(text: str) -> list[int]:
    """A plain tokenizer: a token a word or sign."""
    return [match.start() for match in re.finditer(r"\w+|[^\w\s]", text)]


def letters(text: str) -> list[int]:
    """A token a character that isn't white space: what a byte-level tokenizer does to a script it doesn't know."""
    return [index for index, character in enumerate(text) if not character.isspace()]


def of(*pages: str, headings: tuple[Heading, ...] = (), title: str = "") -> Conversion:
    return Conversion("text", tuple(Page(number, text) for number, text in enumerate(pages, 1)), title, headings)


def check(conversion: Conversion, passages: tuple[Passage, ...], token_starts: Callable[[str], list[int]], window: int) -> None:
    for position, page in enumerate(conversion.pages):
        own = [passage for passage in passages if passage.position == position]
        assert all(passage.page == page.number and page.text[passage.start : passage.end] == passage.text for passage in own)
        assert all(before.end <= after.start for before, after in pairwise(own)), "passages overlap or are out of order"
        covered = {index for passage in own for index in range(passage.start, passage.end)}
        assert all(character.isspace() for index, character in enumerate(page.text) if index not in covered)
    assert all(passage.text == passage.text.strip() != "" for passage in passages)
    for text in embedded_texts(passages, token_starts, window):
        assert len(token_starts(text)) <= window - 2


headings = st.lists(st.tuples(st.integers(0, 3), st.integers(0, 300), st.text(max_size=60), st.integers(1, 4)), max_size=6)
pages = st.lists(
    st.one_of(
        st.text(alphabet=st.one_of(st.characters(), st.sampled_from(" \n\t.。!?")), max_size=400),
        st.lists(
            st.sampled_from(["word", "Ärger", "语言", "\n\n", "end.", "x" * 300, "a" * 90, "\u200d", "\u0301", "🏳️‍🌈", "हिन्दी"]), max_size=200
        ).map(" ".join),
    ),
    max_size=4,
)


@settings(suppress_health_check=[HealthCheck.too_slow], deadline=None, max_examples=60)
@given(pages, headings, st.text(max_size=100), st.sampled_from([32, 64, 256]))
def test_any_text_is_covered_exactly_page_by_page_within_the_window(
    embedder: Embedder, texts: list[str], marks: list[tuple[int, int, str, int]], title: str, window: int
) -> None:
    conversion = of(*texts, headings=tuple(Heading(*mark) for mark in marks), title=title)
    for token_starts in (words, letters, embedder.token_starts):
        check(conversion, split(conversion, token_starts, window), token_starts, window)


def test_a_paragraph_that_fits_is_one_passage() -> None:
    first, second = " ".join(["alpha"] * 150) + ".", " ".join(["beta"] * 150) + "."
    assert [passage.text for passage in split(of(f"{first}\n\n{second}"), words, WINDOW)] == [first, second]


def test_tiny_paragraphs_are_joined_and_a_title_line_goes_with_what_follows() -> None:
    lines = [f"Line {number} of a letter, which is short." for number in range(6)]
    assert len(split(of("\n\n".join(lines)), words, WINDOW)) == 1
    paragraph = " ".join(["Some words of a sentence."] * 47)  # 235 tokens: fits alone, not with its title line
    passages = split(of("A title line of fourteen words that stands over the text, to be read first\n\n" + paragraph), words, WINDOW)
    assert passages[0].text.startswith("A title line")
    assert "Some words" in passages[0].text


def test_a_long_paragraph_is_cut_between_sentences_into_parts_of_like_size() -> None:
    sentence = "This sentence has exactly nine words and a stop."
    passages = split(of(" ".join([sentence] * 30)), words, WINDOW)
    assert [passage.text.endswith("stop.") and passage.text.startswith("This") for passage in passages] == [True, True]
    assert max(len(words(passage.text)) for passage in passages) < 1.2 * min(len(words(passage.text)) for passage in passages)


def test_a_long_sentence_is_cut_between_words_and_a_long_word_somewhere() -> None:
    passages = split(of(" ".join(["word"] * 1000)), words, WINDOW)
    assert all(passage.text.startswith("word") and passage.text.endswith("word") for passage in passages)
    assert "".join(passage.text for passage in split(of("x" * 10_000), words, WINDOW)) == "x" * 10_000


def test_headings_are_carried_down_and_across_pages() -> None:
    text = "Part\n\nOne\n\n" + "a " * 100 + "\n\nTwo\n\n" + "b " * 100
    marks = (Heading(0, 0, "Part", 1), Heading(0, text.index("One"), "One", 2), Heading(0, text.index("Two"), "Two", 2), Heading(2, 0, "End", 1))
    passages = split(of(text, "c " * 100, "End\n" + "d " * 100, headings=marks), words, WINDOW)
    assert [(passage.page, passage.heading) for passage in passages] == [
        (1, ("Part", "One")),
        (1, ("Part", "Two")),
        (2, ("Part", "Two")),
        (3, ("End",)),
    ]
    assert passages[0].text.startswith("Part\n\nOne"), "a heading with nothing of its own goes with the passage under it"


def test_headings_on_a_page_without_text_still_count() -> None:
    passages = split(of("", "words here", headings=(Heading(0, 0, "Scanned part", 1),)), words, WINDOW)
    assert [passage.heading for passage in passages] == [("Scanned part",)]


@pytest.mark.parametrize("text", ["", " \n\t ", "\u00a0\u3000"])
def test_white_space_gives_no_passage(text: str) -> None:
    assert split(of(text, text), words, WINDOW) == ()


def test_what_is_embedded_leads_with_the_nearest_heading_and_is_cut_to_the_window() -> None:
    passage = Passage(0, 1, 0, 4, "text", ("Far " * 100, "Near"))
    (line, text) = embedded_texts([passage], words, WINDOW)[0].split("\n")
    assert (line[:10], text) == ("Near – Far", "text")
    assert len(words(line)) <= 32
    assert embedded_texts([Passage(0, 1, 0, 4, "text")], words, WINDOW) == ["text"]


def test_a_page_of_a_million_characters_is_cut_in_one_pass() -> None:
    passages = split(of("A plain sentence of a long log file. " * 27_000), words, WINDOW)
    assert sum(len(words(passage.text)) for passage in passages) == 27_000 * 9
