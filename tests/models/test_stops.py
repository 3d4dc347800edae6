from __future__ import annotations

from hypothesis import given
from hypothesis import strategies as st

from appliance.models.stops import StopFilter


def test_a_stop_text_that_arrives_in_parts_is_never_shown() -> None:
    stops = StopFilter(["\nQuestion:", "###"])
    assert [stops.add(piece) for piece in ("Yes.", "\nQues", "tion", ": no")] == ["Yes.", "", "", ""]
    assert stops.found
    assert stops.add("more") == ""


def test_what_only_began_like_a_stop_text_is_shown_after_all() -> None:
    stops = StopFilter(["\nQuestion:"])
    assert stops.add("a\nQu") + stops.add("iet") + stops.add("\n") + stops.rest() == "a\nQuiet\n"
    assert not stops.found


@given(st.lists(st.text("ab", max_size=3), max_size=12), st.lists(st.text("ab", min_size=1, max_size=4), max_size=3))
def test_the_stream_is_the_text_up_to_the_first_stop_text(pieces: list[str], texts: list[str]) -> None:
    stops = StopFilter(texts)
    shown = "".join(stops.add(piece) for piece in pieces) + stops.rest()
    whole = "".join(pieces)
    assert whole.startswith(shown)
    assert not any(text in shown for text in texts)
    assert stops.found == any(text in whole for text in texts)
    assert stops.found or shown == whole
