"""Names that some stick or some system can't hold are refused before anything is copied."""

from __future__ import annotations

import pytest

from appliance.carrying.names import LONGEST, check_names
from appliance.errors import NameUnfit
from appliance.manifest import BundleFile

GOOD = ["START-Windows.cmd", "models/granite-embedding-97m-1a2b3c4d/model.onnx", "packs/تقرير 2026.haversack", "LICENSES/Apache-2.0.txt"]


def file(path: str, size: int = 1, sha256: str = "0" * 64) -> BundleFile:
    return BundleFile(path, size, sha256, "notice")


def test_the_names_of_a_bundle_are_taken() -> None:
    check_names(file(path) for path in GOOD)
    check_names([file("a" * (LONGEST - 4))])


@pytest.mark.parametrize(
    ("path", "because"),
    [
        ("", "plain path"),
        ("/etc/passwd", "plain path"),
        ("models/../../x", "plain path"),
        ("models//x", "plain path"),
        ("./x", "plain path"),
        ("models/", "plain path"),
        ("a" * LONGEST, "longer"),
        ("cafe\u0301.txt", "macOS"),
        ("data/library.sqlite3", "user's own"),
        ("Data/x", "user's own"),
        ("manifest.json", "lists"),
        ("sha256sums", "lists"),
        ("model.gguf.new", "lists"),
        ("manifest.json.old", "lists"),
        ("CON", "Windows"),
        ("models/aux.json", "Windows"),
        ("nul .txt", "Windows"),
        ("LPT1", "Windows"),
        ("com².x", "Windows"),
        ("a:b", "Windows"),
        ("a\\b", "Windows"),
        ("a?b", "Windows"),
        ("a\tb", "Windows"),
        ("models/end.", "dots at the end"),
        ("end /x", "dots at the end"),
    ],
)
def test_a_name_that_some_system_does_not_take_is_refused(path: str, because: str) -> None:
    with pytest.raises(NameUnfit, match=because):
        check_names([file(path)])


@pytest.mark.parametrize(
    ("one", "other"),
    [
        ("Model.gguf", "model.gguf"),
        ("models/a", "Models/b"),
        ("packs/Straße.x", "packs/STRASSE.x"),
        ("a/b", "a/b"),
        ("models", "models/x"),
        ("models/x", "models"),
    ],
)
def test_two_names_that_a_stick_takes_for_one_are_refused(one: str, other: str) -> None:
    with pytest.raises(NameUnfit):
        check_names([file(one), file(other)])


def test_sizes_and_hashes_that_are_none_are_refused() -> None:
    for bad in (file("x", size=-1), file("x", sha256="F" * 64), file("x", sha256="../" * 21 + "x")):
        with pytest.raises(NameUnfit):
            check_names([bad])
