"""`haversack compare`, and the parameters of `ask`, as a user calls them: their own processes, two real models."""

from __future__ import annotations

import csv
import json
import signal
import subprocess
import sys
from pathlib import Path

import pytest

from appliance.answer.compare import NO_ROOM
from appliance.commands.choosing import values, with_preset
from appliance.errors import BadParameter, BadRequest
from appliance.manifest import Manifest
from appliance.shelf.shelf import ModelShelf
from tests.clinic import make_pdf
from tests.shelf.conftest import STARTER, prepared
from tests.test_cli import Cli

QUESTION = "When was the clinic in Goma opened?"


@pytest.fixture(scope="module")
def cli(tmp_path_factory: pytest.TempPathFactory, bundle_root: Path, manifest: Manifest, second_gguf: Path) -> Cli:
    folder = tmp_path_factory.mktemp("comparing")
    cli = Cli(folder / "home", bundle_root)
    (folder / "clinic.pdf").write_bytes(make_pdf())
    cli.first = cli.lines("ingest", str(folder / "clinic.pdf"), "--collection", "field")
    shelf = ModelShelf(cli.home, manifest)
    shelf.add(prepared(shelf, second_gguf, "second"))
    return cli


def test_answers_stand_below_each_other_with_their_figures(cli: Cli) -> None:
    done = cli("compare", QUESTION, "--collection", "field", "--model", STARTER, "--model", "second:exact")
    text = done.stdout
    assert text.startswith("“")
    assert text.count("\n── ") == 2
    assert text.index("── SmolLM2 135M Instruct") < text.index("── SmolLM2 135M Second (exact)")
    assert text.count("tokens a second") == 2
    assert "found in the documents" in text
    assert "clinic.pdf, page" in text.partition("Sources")[2]
    assert "the same for all" in done.stderr


def test_json_and_a_table_of_questions_and_models(cli: Cli, tmp_path: Path) -> None:
    questions = tmp_path / "questions.txt"
    questions.write_text(f'{QUESTION}\n\n{{"question": "How many beds does the clinic have?"}}\n', encoding="utf-8")
    given = ("compare", "--collection", "field", "--questions", str(questions), "--model", STARTER, "--model", "second")
    done = cli(*given, "--export", str(tmp_path / "all.csv"))
    head, *rows = done.stdout.splitlines()
    assert head.split()[:2] == ["Model", "Settings"]
    assert len(rows) == 2
    assert "Written to" in done.stderr
    with (tmp_path / "all.csv").open(encoding="utf-8-sig", newline="") as file:
        lines = list(csv.DictReader(file))
    assert [(line["question"], line["model"]) for line in lines][:2] == [(QUESTION, STARTER), (QUESTION, "second")]
    assert len(lines) == 4
    assert all(line["answer"] for line in lines)
    compared = cli.lines(*given, "--export", str(tmp_path / "all.json"))
    assert [len(one["results"]) for one in compared] == [2, 2]
    assert compared[0]["id"] is None
    exported = json.loads((tmp_path / "all.json").read_text(encoding="utf-8"))
    assert {row["model"] for row in exported["table"]} == {STARTER, "second"}
    cli(*given, "--export", str(tmp_path / "all.md"))
    assert (tmp_path / "all.md").read_text(encoding="utf-8").startswith("# Comparison\n\n| Model |")


def test_documents_parameters_and_all_at_once(cli: Cli) -> None:
    given = ("compare", QUESTION, "--collection", "field", "--model", STARTER, "--model", "second:free", "--set", "max_tokens=5", "--set", "seed=3")
    (compared,) = cli.lines(*given, "--document", "clinic.pdf", "--together")
    assert compared["together"] or compared["note"].startswith(NO_ROOM)
    assert [one["contender"]["parameters"]["max_tokens"] for one in compared["results"]] == [5, 5]
    assert compared["results"][1]["contender"]["parameters"]["temperature"] == 0.9, "the preset holds where nothing is set beside it"
    assert {item["document"] for one in compared["results"] for item in one["answer"]["evidence"]} == {"clinic.pdf"}


@pytest.mark.parametrize(
    ("arguments", "code", "sentence"),
    [
        (["--model", STARTER], 2, "2 to 6 models"),
        ([], 2, "2 to 6 models"),
        (["--model", STARTER, "--model", "nobody"], 1, "no model named 'nobody'"),
        (["--model", STARTER, "--model", "second", "--document", "other.pdf"], 1, "other.pdf"),
        (["--model", STARTER, "--model", "second", "--set", "mirostat=1"], 2, "known are"),
        (["--model", STARTER, "--model", "second:wild"], 2, "known are exact, balanced, free"),
        (["--model", STARTER, "--model", "second", "--export", "table.xls"], 2, ".csv, .md or .json"),
        (["--model", STARTER, "--model", "second", "--export", "nowhere/table.csv"], 1, "no file or folder"),
    ],
)
def test_bad_input_is_one_sentence(cli: Cli, arguments: list[str], code: int, sentence: str) -> None:
    done = cli("compare", QUESTION, "--collection", "field", *arguments, code=code)
    assert sentence in done.stderr
    assert done.stdout == ""
    assert len(done.stderr.splitlines()) == 1


def test_ctrl_c_leaves_the_table_of_what_was_answered(cli: Cli, tmp_path: Path) -> None:
    (tmp_path / "many.txt").write_text(f"{QUESTION}\n" * 200, encoding="utf-8")
    command = [sys.executable, "-m", "appliance.cli", "compare", "--collection", "field", "--questions", str(tmp_path / "many.txt")]
    command += ["--model", STARTER, "--model", "second", "--export", str(tmp_path / "all.JSON")]
    with subprocess.Popen(command, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True, env=cli.environment) as running:
        assert running.stderr
        while not running.stderr.readline().startswith("1. "):
            assert running.poll() is None
        running.send_signal(signal.SIGINT)
        out, _ = running.communicate(timeout=60)
    assert running.returncode == 130
    assert out.startswith("Model ")
    exported = json.loads((tmp_path / "all.JSON").read_text(encoding="utf-8"))
    assert 1 <= len(exported["comparisons"]) < 200


def test_ask_takes_a_model_and_parameters(cli: Cli) -> None:
    asked = ("ask", QUESTION, "--collection", "field")
    answer = cli.lines(*asked, "--model", "second", "--preset", "free", "--set", "seed=3")[0]
    assert answer["model"] == "SmolLM2 135M Second"
    again = cli.lines(*asked, "--model", "second", "--preset", "free", "--set", "seed=3")[0]
    assert again["answer"] == answer["answer"]
    for wrong, sentence in {"temperature=9": "from 0 to 2", "seed": "NAME=VALUE", "mirostat=1": "known are", "seed=abc": "whole number"}.items():
        assert sentence in cli(*asked, "--set", wrong, code=2).stderr
    assert "known are exact" in cli(*asked, "--preset", "wild", code=2).stderr
    assert "no model named" in cli(*asked, "--model", "nobody", code=1).stderr


def test_what_a_command_line_says_becomes_values() -> None:
    assert values(["temperature=0.4", "seed=7", "system=a=b", "top-p=1"]) == {"temperature": 0.4, "seed": 7, "system": "a=b", "top_p": 1.0}
    assert with_preset("small:exact") == ("small", "exact")
    assert with_preset("small:latest") == with_preset("small") == ("small", "")
    with pytest.raises(BadParameter):
        with_preset("small:x")
    with pytest.raises(BadRequest):
        values(["=3"])
