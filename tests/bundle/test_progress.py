"""Bytes, rate and time left, per file and of all; a line a second where there is no terminal."""

from __future__ import annotations

import io
import threading

import pytest

from bundle.progress import Progress, size_text, time_text


class Terminal(io.StringIO):
    def isatty(self) -> bool:
        return True


class Clock:
    def __init__(self) -> None:
        self.now = 0.0

    def __call__(self) -> float:
        return self.now


def run(stream: io.StringIO) -> str:
    """Two files at once: one of 60 MB, one of 40 MB of which 20 MB are here."""
    clock = Clock()
    with Progress(stream, clock).bars(100_000_000, 20_000_000) as bars:
        one = bars.file("one.gguf", 60_000_000)
        two = bars.file("a/name/that/is/longer/than/a/line/can/bear/two.gguf", 40_000_000, 20_000_000)
        for _ in range(10):
            clock.now += 0.25
            one(4_000_000)
            two(2_000_000)
        clock.now += 0.25
        one(20_000_000)
    return stream.getvalue()


@pytest.mark.parametrize("stream", [io.StringIO, Terminal], ids=["a file", "a terminal that can't go back"])
def test_a_plain_line_a_second_where_nothing_can_be_redrawn(stream: type[io.StringIO], monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("TERM", "dumb")
    assert run(stream()).splitlines() == [
        "  42.0 MB of 100.0 MB, 24.0 MB/s, 3 s left (one.gguf 27 %, …r/than/a/line/can/bear/two.gguf 65 %)",
        "  66.0 MB of 100.0 MB, 24.0 MB/s, 2 s left (one.gguf 53 %, …r/than/a/line/can/bear/two.gguf 85 %)",
        "  80.0 MB came in 3 s",
    ]


def test_a_bar_each_and_one_for_all_on_a_terminal_and_none_left_behind(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("TERM", "xterm")
    monkeypatch.setenv("COLUMNS", "120")
    stream, clock = Terminal(), Clock()
    with Progress(stream, clock).bars(100_000_000) as bars:
        add = bars.file("model.gguf", 60_000_000)
        for _ in range(4):
            clock.now += 0.5
            add(10_000_000)
        bars._table.refresh()  # now, not at the next tenth of a second
        drawn = stream.getvalue()
    assert "model.gguf" in drawn
    assert "40.0 MB of 60.0 MB, 20.0 MB/s, 1 s left" in drawn
    assert "40.0 MB of 100.0 MB, 20.0 MB/s, 3 s left" in drawn
    assert stream.getvalue().endswith("  40.0 MB came in 2 s\n")
    assert stream.getvalue().count("\x1b[?25l") == stream.getvalue().count("\x1b[?25h")  # the cursor is there again


def test_what_was_thrown_away_is_taken_back() -> None:
    stream, clock = io.StringIO(), Clock()
    with Progress(stream, clock).bars(10_000_000) as bars:
        add = bars.file("model.gguf", 10_000_000)
        for count in (4_000_000, -4_000_000, 10_000_000):
            clock.now += 1
            add(count)
    assert [line.split(",")[0] for line in stream.getvalue().splitlines()] == [
        "  4.0 MB of 10.0 MB (model.gguf 40 %)",
        "  0 B of 10.0 MB (model.gguf 0 %)",
        "  10.0 MB of 10.0 MB",
        "  10.0 MB came in 3 s",
    ]


def test_threads_may_add_at_once() -> None:
    stream = io.StringIO()
    with Progress(stream, Clock()).bars(8_000_000) as bars:

        def work() -> None:
            add = bars.file("part", 1_000_000)
            for _ in range(1_000):
                add(1_000)

        threads = [threading.Thread(target=work) for _ in range(8)]
        for thread in threads:
            thread.start()
        for thread in threads:
            thread.join()
    assert stream.getvalue() == "  8.0 MB came in 1 s\n"


def test_nothing_is_said_of_what_needs_no_fetching() -> None:
    for stream in (io.StringIO(), Terminal()):
        with Progress(stream).bars(1) as bars:
            bars.file("model.gguf", 1)
        assert not [line for line in stream.getvalue().splitlines() if "model" in line or "came" in line]


def test_a_step_is_a_line() -> None:
    stream = io.StringIO()
    Progress(stream).say("Fetching the models")
    assert stream.getvalue() == "Fetching the models\n"


@pytest.mark.parametrize(
    ("count", "text"), [(0, "0 B"), (999, "999 B"), (83_506_384, "83.5 MB"), (2_497_280_256, "2.50 GB"), (1_500, "2 kB"), (5 * 10**12, "5000.00 GB")]
)
def test_sizes_are_in_powers_of_a_thousand(count: int, text: str) -> None:
    assert size_text(count) == text


@pytest.mark.parametrize(("seconds", "text"), [(0.2, "1 s"), (59, "59 s"), (90, "2 min"), (3600, "60 min"), (7200, "2.0 h")])
def test_times_are_as_long_as_they_need_to_be(seconds: float, text: str) -> None:
    assert time_text(seconds) == text
