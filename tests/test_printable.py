"""Names from outside that are shown without power over what shows them."""

from __future__ import annotations

import pytest

from appliance.printable import counted, printable


@pytest.mark.parametrize(
    ("name", "shown"),
    [
        ("plain näme.pdf", "plain näme.pdf"),
        ("报告 отчёт.pdf", "报告 отчёт.pdf"),
        ("two\nlines.pdf", "two\\nlines.pdf"),
        ("\x1b[2Jgone.pdf", "\\x1b[2Jgone.pdf"),
        ("inv\u202efdp.exe", "inv\\u202efdp.exe"),
        ("tag\U000e0041.txt", "tag\\U000e0041.txt"),
        ("bad\udcff.txt", "bad\\udcff.txt"),
    ],
)
def test_a_name_is_shown_without_power_over_the_terminal(name: str, shown: str) -> None:
    assert printable(name) == shown
    assert len(printable(name * 100)) <= 300


def test_one_of_something_is_no_plural() -> None:
    assert [counted(number, "page") for number in (0, 1, 12)] == ["0 pages", "1 page", "12 pages"]
