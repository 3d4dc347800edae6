"""`haversack models` as people type it, with real models; and what it says beside a page that is being served."""

from __future__ import annotations

import json
import shutil
from pathlib import Path

import pytest

from appliance.cli import main
from appliance.library.store import Library
from appliance.machine.facts import Memory
from appliance.shelf import listing
from tests.shelf.conftest import STARTER


class Shell:
    """Runs a command as `haversack` does, in this process: exit code, and what it printed."""

    def __init__(self, home: Path, bundle: Path, capsys: pytest.CaptureFixture[str]) -> None:
        self._places = ["--home", str(home), "--bundle", str(bundle)]
        self._capsys = capsys

    def __call__(self, *arguments: str, code: int = 0) -> tuple[str, str]:
        self._capsys.readouterr()
        got = main([*arguments, *self._places])
        printed = self._capsys.readouterr()
        assert got == code, f"{arguments}: {got} {printed.out} {printed.err}"
        return printed.out, printed.err


@pytest.fixture
def run(home: Path, bundle_root: Path, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch) -> Shell:
    # A test process can't be sealed: what is shut stays shut for all tests after it.
    monkeypatch.setattr("appliance.offline.seal.Seal.close_network", lambda self: None)
    return Shell(home, bundle_root, capsys)


def test_list_makes_nothing_and_shows_the_bundles_model(run: Shell, home: Path) -> None:
    out, _ = run("models", "list")
    assert out.startswith(
        f"{STARTER}  SmolLM2 135M Instruct (of the bundle)\n    smollm2, 135M, Q4_1, 0.1 GB on the disk, 0.6 GB of memory, 2048 tokens,"
    )
    assert "chosen for answering, summarising, translating" in out
    assert not home.exists()


def test_the_way_of_a_model_onto_the_shelf_and_off_it(run: Shell, home: Path, second_gguf: Path) -> None:
    out, _ = run("models", "add", str(second_gguf), "--name", "second", "--licence", "gemma")
    assert out.startswith("SmolLM2 135M Second is on the shelf as second: 0.1 GB on the disk, 0.6 GB of memory.")
    assert "haversack models use second" in out
    out, _ = run("models", "use", "second", "--purpose", "translating")
    assert out == "SmolLM2 135M Second is chosen for translating.\n"
    lines = [json.loads(line) for line in run("models", "list", "--json")[0].splitlines()]
    assert [(line["name"], line["purposes"]) for line in lines] == [(STARTER, ["answering", "summarising"]), ("second", ["translating"])]
    # What the file says holds before what somebody tells.
    assert lines[1]["licence"] == "Apache-2.0"
    assert (home / "models" / "second" / "second.gguf").read_bytes() == second_gguf.read_bytes()
    out, _ = run("models", "remove", "second:latest")
    assert out == "second:latest is off the shelf, and its file off the disk.\n"
    assert list((home / "models").iterdir()) == []
    assert "second" not in run("models", "list")[0]
    assert json.loads(run("models", "use", STARTER, "--json")[0]) == {"purpose": "answering", "model": STARTER}


def test_a_choice_can_be_taken_back(run: Shell) -> None:
    run("models", "use", STARTER, "--purpose", "rewriting")
    assert "chosen for answering, summarising, rewriting, translating" in run("models", "list")[0]
    assert run("models", "use", "--none", "--purpose", "rewriting")[0] == "The choice for rewriting is taken back: no model does it.\n"
    assert "chosen for answering, summarising, translating" in run("models", "list")[0]
    assert json.loads(run("models", "use", "--none", "--json")[0]) == {"purpose": "answering", "model": STARTER}


def test_show_tells_all_with_the_parameters_and_measures(run: Shell, tmp_path: Path) -> None:
    out, _ = run("models", "show", STARTER)
    for words in (
        "Licence    Apache-2.0.",
        "not measured",
        "Template   {% for message",
        "temperature (0 to 2, here 0.0):",
        "seed (0 to 4294967295):",
    ):
        assert words in out
    out, _ = run("models", "show", STARTER, "--measure")
    assert "tokens a second (" in out
    shown = json.loads(run("models", "show", STARTER, "--json")[0])
    assert shown["speed"]["reading"] > shown["speed"]["writing"] > 0
    file = tmp_path / "Modelfile"
    out, _ = run("models", "show", STARTER, "--modelfile", str(file))
    assert f"It is in {file} as a Modelfile." in out
    assert f"FROM {shown_file(file)}" in file.read_text()


def shown_file(modelfile: Path) -> str:
    return next(line for line in modelfile.read_text().splitlines() if line.startswith("FROM ")).removeprefix("FROM ")


def test_a_modelfile_comes_back_as_the_same_model(run: Shell, tmp_path: Path, second_gguf: Path) -> None:
    shutil.copy(second_gguf, tmp_path / "weights.gguf")
    (tmp_path / "Brief").write_text(
        'FROM ./weights.gguf\nPARAMETER temperature 0.7\nPARAMETER num_ctx 1024\nSYSTEM """Be brief."""\nMESSAGE user Hello\n'
    )
    data = json.loads(run("models", "add", str(tmp_path / "Brief"), "--json")[0])
    assert (data["name"], data["system"], data["defaults"]["temperature"], data["defaults"]["context"]) == ("brief", "Be brief.", 0.7, 1024)
    out = tmp_path / "again"
    run("models", "show", "brief", "--modelfile", str(out))
    text = out.read_text()
    for line in ("PARAMETER temperature 0.7", "PARAMETER num_ctx 1024", "Be brief.", "MESSAGE user"):
        assert line in text


@pytest.mark.parametrize(
    ("arguments", "code", "sentence"),
    [
        (("models", "show", "third"), 1, "There is no model named 'third'."),
        (("models", "remove", "third"), 1, "There is no model named 'third'."),
        (("models", "remove", STARTER), 1, "it belongs to the bundle"),
        (("models", "use", "third"), 1, "There is no model named 'third'."),
        (("models", "use", STARTER, "--purpose", "dancing"), 2, "There is no purpose 'dancing'."),
        (("models", "use"), 2, "Name the model to be chosen, or say --none"),
        (("models", "use", STARTER, "--none"), 2, "Name the model to be chosen, or say --none"),
        (("models", "add", "/nowhere/x.gguf"), 1, "There is no file or folder"),
        (("models", "add", "/etc/hostname"), 1, "can't be added"),
    ],
)
def test_what_can_not_be_done_is_one_sentence(run: Shell, arguments: tuple[str, ...], code: int, sentence: str) -> None:
    out, err = run(*arguments, code=code)
    assert out == ""
    assert sentence in err
    assert err.count("\n") == 1


def test_beside_a_page_that_is_served_it_is_read_and_not_changed(run: Shell, home: Path, second_gguf: Path) -> None:
    with Library.open(home, write=True, purpose="serve") as library:
        library.announce("http://127.0.0.1:8765")
        assert STARTER in run("models", "list")[0]
        assert "Licence" in run("models", "show", STARTER)[0]
        for arguments in (
            ("add", str(second_gguf)),
            ("remove", "second"),
            ("use", STARTER),
            ("show", STARTER, "--measure"),
        ):
            _, err = run("models", *arguments, code=1)
            assert "serving at http://127.0.0.1:8765) is writing to this library. Use that one, or stop it and try again." in err
    assert not (home / "models").exists()


def test_beside_a_page_what_is_free_is_not_held_against_a_model_that_may_be_loaded_there(
    run: Shell, home: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(listing, "memory_now", lambda: Memory(16_000_000_000, 100_000_000))
    assert "0.1 GB are free" in run("models", "list")[0]
    with Library.open(home, write=True, purpose="serve") as library:
        library.announce("http://127.0.0.1:8765")
        assert "are free" not in run("models", "list")[0]
        assert "It fits." in run("models", "show", STARTER)[0]


def test_without_a_bundle_the_added_ones_are_shown(home: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    shell = Shell(home, tmp_path / "no-bundle", capsys)
    out, err = shell("models", "list")
    assert "There is no model here." in out
    assert err.startswith("The models of the bundle were left out: There is no bundle at")


def test_a_damaged_entry_is_listed_and_removed(run: Shell, home: Path) -> None:
    run("models", "use", STARTER)
    folder = home / "models" / "old"
    folder.mkdir(parents=True)
    (folder / "entry.json").write_text("{}")
    out, _ = run("models", "list")
    assert "old\n    old is not as it was added (nothing is said about 'format')." in out
    run("models", "remove", "old")
    assert not folder.exists()
