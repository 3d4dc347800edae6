"""The parent's side of the wire: nothing that a worker can say is believed unchecked."""

from __future__ import annotations

import io
import json

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from appliance.documents import Page
from appliance.errors import FileUnreadable, IngestError
from appliance.ingest import wire

PAGES = [Page(1, "one"), Page(2, "two")]
ANYTHING = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats() | st.text(max_size=20),
    lambda inner: st.lists(inner, max_size=4) | st.dictionaries(st.sampled_from(["text", "reason", "class", "detail", "position", "start"]), inner),
    max_leaves=8,
)


def frame(content: bytes) -> io.BytesIO:
    return io.BytesIO(len(content).to_bytes(4, "big") + content)


def test_what_is_sent_is_received() -> None:
    stream = io.BytesIO()
    wire.send(stream, {"page": {"text": "é😀\ud800"}})
    stream.seek(0)
    assert wire.receive(stream) == {"page": {"text": "é😀\ud800"}}
    assert wire.receive(stream) is None


@pytest.mark.parametrize("content", [b"[]", b"5", b"{", b"\xff", b'"x"', b"[" * 200_000])
def test_what_is_no_message_is_refused(content: bytes) -> None:
    with pytest.raises(wire.Untrustworthy):
        wire.receive(frame(content))


def test_a_length_beyond_reason_is_not_even_read() -> None:
    with pytest.raises(wire.Untrustworthy):
        wire.receive(io.BytesIO(b"\xff\xff\xff\xff"))


def test_a_frame_cut_short_is_an_end() -> None:
    assert wire.receive(io.BytesIO(b"\0\0\0\x09{}")) is None


@settings(max_examples=300, deadline=None)
@given(ANYTHING)
def test_any_value_is_taken_whole_or_refused(value: object) -> None:
    value = json.loads(json.dumps(value))
    for read in (
        lambda: wire.page(value, 1),
        lambda: wire.headings(value, PAGES),
        lambda: wire.labels(value, PAGES),
        lambda: wire.strings(value),
        lambda: wire.boxes(value),
        lambda: wire.error(value),
        lambda: wire.number(value, 9),
    ):
        try:
            read()
        except wire.Untrustworthy:
            continue


@pytest.mark.parametrize(
    "heading",
    [
        {"position": 2, "start": 0, "title": "x", "level": 1},
        {"position": -1, "start": 0, "title": "x", "level": 1},
        {"position": 0, "start": 4, "title": "x", "level": 1},
        {"position": 0, "start": True, "title": "x", "level": 1},
        {"position": 0, "start": 0, "title": "x" * 301, "level": 1},
        {"position": 0, "start": 0, "title": "\ud800", "level": 1},
        {"position": 0, "start": 0, "title": "x"},
    ],
)
def test_a_heading_outside_the_document_is_refused(heading: dict[str, object]) -> None:
    with pytest.raises(wire.Untrustworthy):
        wire.headings([heading], PAGES)


def test_only_the_three_errors_of_a_file_can_be_raised() -> None:
    assert isinstance(wire.error({"class": "FileUnreadable", "detail": "x"}), FileUnreadable)
    for name in ("KeyboardInterrupt", "DiskFull", "IngestError", ""):
        with pytest.raises(wire.Untrustworthy):
            wire.error({"class": name, "detail": "x"})
    assert all(issubclass(kind, IngestError) for kind in wire.ERRORS.values())


@pytest.mark.parametrize("box", [[0.0, 0.0, 1.0], [0.0, 0.0, 1.0, 1.5], [0, 0, 1, 1], [0.0, 0.0, float("nan"), 1.0], "abcd"])
def test_a_box_outside_the_page_is_refused(box: object) -> None:
    with pytest.raises(wire.Untrustworthy):
        wire.boxes([box])
