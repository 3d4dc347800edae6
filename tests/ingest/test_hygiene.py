from __future__ import annotations

import re
import unicodedata

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from appliance.ingest.hygiene import FLOW, TEXT, clean, flow, line, run, run_tracked

NASTY = st.text(
    st.sampled_from("aZé \t\r\n\f\x00\x85\u2028­ﬁ\u200b\u200c\u200dक्षمن\u0301\u0327e가\u1100\u1161\u202e\ufeff\U000e0041\ud800😀-"), max_size=60
)


@pytest.mark.parametrize(
    ("dirty", "tidy"),
    [
        ("cafe\u0301", "café"),
        ("ofﬁce aﬀair", "office affair"),
        ("docu\u00ad\nment co\u00adoperate", "document cooperate"),
        ("a\x00b\x1b[31mc\x9fd", "ab[31mcd"),
        ("pay\u202eexe.\u202cpdf \u2066x\u2069", "payexe.pdf x"),
        ("hid\U000e0068\U000e0069den\ufeff wo\u200brd", "hidden word"),
        ("a\r\nb\rc\x0bd", "a\nb\nc\nd"),
        ("page one\fpage two", "page one\n\npage two"),
        ("one\u00a0two\u2003three", "one two three"),
        ("much    room\t\there   \n\n\n\n end", "much room here\n\n end"),
        ("\ufeb3\ufefc\ufee1", "سلام"),
        ("half \ud800 a letter", "half a letter"),
    ],
)
def test_what_cannot_be_seen_is_taken_out_and_words_are_mended(dirty: str, tidy: str) -> None:
    assert clean(dirty) == tidy


def test_joiners_stay_where_a_script_needs_them_and_go_elsewhere() -> None:
    persian, hindi = "می\u200cخواهم", "क्\u200dष"
    assert clean(persian) == persian
    assert clean(hindi) == unicodedata.normalize("NFC", hindi)
    assert clean("pass\u200dword\u200c") == "password"


def test_indentation_stays_in_text_and_goes_in_flow() -> None:
    assert clean("if a:\n    b") == "if a:\n    b"
    assert flow("  one\n    two") == "one\ntwo"


@settings(max_examples=300, deadline=None)
@given(NASTY)
def test_tracked_cleaning_gives_the_same_text_and_origins_in_order(text: str) -> None:
    for steps in (TEXT, FLOW):
        tidy, origins = run_tracked(text, steps)
        assert tidy == run(text, steps)
        assert len(origins) == len(tidy)
        assert origins == sorted(origins)
        assert all(0 <= origin < len(text) for origin in origins)


@settings(max_examples=300, deadline=None)
@given(NASTY)
def test_clean_text_can_be_stored_and_is_clean(text: str) -> None:
    tidy = clean(text)
    tidy.encode("utf-8")
    assert unicodedata.is_normalized("NFC", tidy)
    assert not re.search(r"[\x00-\x08\x0b-\x1f\x7f-\x9f\u202a-\u202e\u2066-\u2069\U000e0000-\U000e007f]", tidy)


def test_a_tracked_letter_comes_from_where_it_stood() -> None:
    tidy, origins = run_tracked("a\x00b ﬁn\r\nx", FLOW)
    assert tidy == "ab fin\nx"
    assert [origins[tidy.index(letter)] for letter in "abfnx"] == [0, 2, 4, 5, 8]


def test_a_title_is_one_short_line() -> None:
    assert line("  A\n title\u202e  ") == "A title"
    assert len(line("x" * 10_000)) == 300
