"""Sentence spans: the cuts that splitter and answers share."""

from __future__ import annotations

from itertools import pairwise

import pytest
from hypothesis import given
from hypothesis import strategies as st

from appliance.sentences import paragraphs, sentences


def texts(text: str) -> list[str]:
    return [text[start:end] for start, end in sentences(text)]


@pytest.mark.parametrize(
    "expected",
    [
        ["Dr. Smith met J. R. R. Tolkien, e.g. in Fig. 3, on Jan. 5, 1999.", "It ended."],
        ["The U.S. Army base opened at 3.14 p.m. on Monday.", "He left."],
        ["He moved to the U.S. in 1920.", "It was cold."],
        ["They sell fish, bread, etc. and more.", "Prices rose by 2.5 percent."],
        ["It was founded by Acme Inc. in 1991.", "The end."],
        ["Planning ended.[4]", "Next came design.[citation needed]", "Then use."],
        ['"What?" he asked.', '"Nothing."', "She left."],
        ["Wait... what?", "Yes…", "No."],
        ["Wait...", "Then he left."],
        ["Am 3. Oktober 1990 wurde z.B. Berlin vereint.", "Das ist so."],
        ["Версия 2.0 вышла в г. Москве.", "Это т.е. новая версия."],
        ["¿Quién es el Sr. García?", "No sé."],
        ["He said no.", "Then he made art.", "See vol. IV."],
        ["See sect. 4.2 for No. 17.", "Stop!", "Why?!"],
    ],
)
def test_latin_and_cyrillic_sentences_end_where_a_reader_ends_them(expected: list[str]) -> None:
    assert texts(" ".join(expected)) == expected


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("これは文です。次の文！「はい。」そう。", ["これは文です。", "次の文！", "「はい。」", "そう。"]),
        ("هل هذا صحيح؟ نعم هو كذلك. حسنا", ["هل هذا صحيح؟", "نعم هو كذلك.", "حسنا"]),
        ("यह वाक्य है। दूसरा वाक्य है।", ["यह वाक्य है।", "दूसरा वाक्य है।"]),
        ("这是第一句。“第二句？”第三句", ["这是第一句。", "“第二句？”", "第三句"]),
    ],
)
def test_other_scripts_end_their_sentences_with_their_own_marks(text: str, expected: list[str]) -> None:
    assert texts(text) == expected


def test_wrapped_lines_are_one_sentence_and_list_items_are_not() -> None:
    assert texts("A line of text that wraps goes on to the\nnext line and ends here.") == [
        "A line of text that wraps goes on to the\nnext line and ends here."
    ]
    assert texts("Bring:\n• water\n• bread\n1. a map\n2. a pen") == ["Bring:", "• water", "• bread", "1. a map", "2. a pen"]


def test_rows_of_a_table_are_sentences_of_their_own() -> None:
    assert texts("name | age\nAda | 36\nAlan | 41") == ["name | age", "Ada | 36", "Alan | 41"]
    assert texts("name\tage\nAda\t36") == ["name\tage", "Ada\t36"]


def test_a_blank_line_ends_a_sentence_without_any_mark() -> None:
    assert texts("A title\n\nIts text begins\n \nand goes on") == ["A title", "Its text begins", "and goes on"]
    assert [("a\n\n\nb\fc")[start:end] for start, end in paragraphs("a\n\n\nb\fc")] == ["a", "b", "c"]


@given(st.text(alphabet=st.one_of(st.characters(), st.sampled_from(' \n.!?…。؟।\t|•1aA"”)]['))))
def test_spans_are_in_order_trimmed_and_hold_all_that_is_not_white_space(text: str) -> None:
    spans = sentences(text)
    assert all(start < end and not text[start].isspace() and not text[end - 1].isspace() for start, end in spans)
    assert all(before[1] <= after[0] for before, after in pairwise(spans))
    covered = {index for start, end in spans for index in range(start, end)}
    assert all(character.isspace() for index, character in enumerate(text) if index not in covered)


@pytest.mark.parametrize("unit", ["a.", ". ", "A. ", "[x", "\n", '."', ".[", " \n", "1.", "(a) ", "a" * 50])
def test_long_odd_text_is_cut_without_trouble(unit: str) -> None:
    assert isinstance(sentences(unit * 20_000), list)
