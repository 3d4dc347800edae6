"""The QR code says the address: read back from its own modules, in the picture and in the terminal's letters."""

from __future__ import annotations

import re

import segno

from appliance.access import code

ADDRESS = "http://192.168.178.20:8766"


def modules() -> list[str]:
    return ["".join("01"[bool(module)] for module in row) for row in segno.make(ADDRESS, error="m", micro=False).matrix]


def test_the_picture_is_one_path_and_has_every_dark_module() -> None:
    text = code.svg(ADDRESS).decode()
    (path,) = re.findall(r'<path[^>]* d="([^"]+)"', text)
    side = len(modules())
    assert f'width="{side + 8}"' in text
    assert "<script" not in text
    assert "href" not in text
    dark = sum(int(length) for length in re.findall(r"h(\d+)", path))
    assert dark == sum(row.count("1") for row in modules())


def test_the_letters_have_every_module_two_rows_in_a_line() -> None:
    lines = code.letters(ADDRESS).splitlines()
    halves = {"█": "00", "▀": "01", "▄": "10", " ": "11"}
    rows = []
    for line in lines:
        rows += ["".join(halves[letter][0] for letter in line), "".join(halves[letter][1] for letter in line)]
    side = len(modules())
    inside = [row[2 : 2 + side] for row in rows[2 : 2 + side]]
    assert inside == modules()
