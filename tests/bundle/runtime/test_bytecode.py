from __future__ import annotations

import marshal
from pathlib import Path

import pytest

from bundle.runtime.bytecode import compile_folder

SOURCE = 'KNOWN = {"a", "b", "c"}\n\ndef known(one):\n    return one in {"a", "b", "c", "d"} or one == __file__\n'


def test_the_same_files_give_the_same_bytes_wherever_they_lie(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    for number, place in enumerate(("here", "some/where/else")):
        monkeypatch.setenv("PYTHONHASHSEED", str(number))
        (tmp_path / place / "package").mkdir(parents=True)
        for name in ("one.py", "package/two.py"):
            (tmp_path / place / name).write_text(SOURCE)
        compile_folder(tmp_path / place)
    here, elsewhere = ({path.name: path.read_bytes() for path in (tmp_path / place).rglob("*.pyc")} for place in ("here", "some/where/else"))
    assert len(here) == 2
    assert here == elsewhere


def test_it_names_files_by_their_place_in_the_folder_and_skips_what_is_no_python(tmp_path: Path) -> None:
    (tmp_path / "good.py").write_text(SOURCE)
    (tmp_path / "bad.py").write_text("print 'for Python 2'\n")
    compile_folder(tmp_path)
    (compiled,) = tmp_path.rglob("*.pyc")
    assert marshal.loads(compiled.read_bytes()[16:]).co_filename == "good.py"
