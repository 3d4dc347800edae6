"""Bytes, rate and time left; a line a second where there is no terminal."""

from __future__ import annotations

import io

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
    clock = Clock()
    progress = Progress(stream, clock)
    progress.begin("Model", 100_000_000)
    for _ in range(8):
        clock.now += 0.25
        progress.add(10_000_000)
    progress.add(20_000_000)
    progress.end()
    return stream.getvalue()


def test_a_plain_line_a_second_where_there_is_no_terminal() -> None:
    assert run(io.StringIO()).splitlines() == [
        "  Model: 40.0 MB of 100.0 MB, 40.0 MB/s, 2 s left",
        "  Model: 80.0 MB of 100.0 MB, 40.0 MB/s, 1 s left",
        "  Model: 100.0 MB in 2 s",
    ]


def test_one_growing_line_on_a_terminal() -> None:
    text = run(Terminal())
    assert text.count("\n") == 1
    assert text.count("\r\x1b[K") == 9


def test_nothing_is_said_of_what_needs_no_fetching() -> None:
    stream = io.StringIO()
    progress = Progress(stream)
    progress.begin("Model", 1)
    progress.end()
    assert stream.getvalue() == ""


@pytest.mark.parametrize(
    ("count", "text"), [(0, "0 B"), (999, "999 B"), (83_506_384, "83.5 MB"), (2_497_280_256, "2.50 GB"), (1_500, "2 kB"), (5 * 10**12, "5000.00 GB")]
)
def test_sizes_are_in_powers_of_a_thousand(count: int, text: str) -> None:
    assert size_text(count) == text


@pytest.mark.parametrize(("seconds", "text"), [(0.2, "1 s"), (59, "59 s"), (90, "2 min"), (3600, "60 min"), (7200, "2.0 h")])
def test_times_are_as_long_as_they_need_to_be(seconds: float, text: str) -> None:
    assert time_text(seconds) == text
