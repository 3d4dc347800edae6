"""The command line from end to end, on the real models: bundle → ingest → ask with a citation to its page."""

from __future__ import annotations

import json
import os
import sqlite3
import subprocess
import sys
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

from appliance.manifest import read_manifest
from appliance.trust import remember
from tests.carrying.making import key, make_bundle
from tests.clinic import make_pdf


class Cli:
    """Runs `haversack` as a user does: its own process, its own home."""

    def __init__(self, home: Path, bundle: Path) -> None:
        self.home = home
        self.first: list[Any] = []
        self.environment = {**os.environ, "HAVERSACK_HOME": str(home), "HAVERSACK_BUNDLE": str(bundle)}

    def __call__(self, *arguments: str, code: int = 0, **variables: str) -> subprocess.CompletedProcess[str]:
        command = [sys.executable, "-m", "appliance.cli", *arguments]
        done = subprocess.run(command, capture_output=True, text=True, env={**self.environment, **variables}, stdin=subprocess.DEVNULL, timeout=180)
        assert done.returncode == code, f"{arguments}: {done.returncode}\n{done.stdout}\n{done.stderr}"
        assert "Traceback" not in done.stderr
        return done

    def lines(self, *arguments: str, code: int = 0) -> list[Any]:
        return [json.loads(line) for line in self(*arguments, "--json", code=code).stdout.splitlines()]


@pytest.fixture(scope="module")
def cli(tmp_path_factory: pytest.TempPathFactory, bundle_root: Path) -> Iterator[Cli]:
    folder = tmp_path_factory.mktemp("cli")
    cli = Cli(folder / "home", bundle_root)
    reports = folder / "reports"
    (reports / "notes").mkdir(parents=True)
    (reports / "clinic.pdf").write_bytes(make_pdf())
    (reports / "notes" / "Überblick.md").write_text("# Travel\n\nThe road from Goma to Bukavu is closed in the rainy season.\n", encoding="utf-8")
    (reports / "empty.pdf").write_bytes(b"")
    (reports / "photo.xyz").write_bytes(bytes(range(256)) * 20)
    cli.first = cli.lines("ingest", str(reports), "--collection", "field", code=1)
    return cli


def test_ingest_prints_a_line_for_each_document(cli: Cli) -> None:
    lines = {line["document"]: line for line in cli.first}
    assert lines["clinic.pdf"] == {"document": "clinic.pdf", "status": "indexed", "pages": 3, "pages_unread": [], "chunks": 3}
    assert lines["notes/Überblick.md"]["status"] == "indexed"
    assert lines["empty.pdf"]["status"] == "failed"
    assert "empty" in lines["empty.pdf"]["reason"]
    assert lines["photo.xyz"]["status"] == "skipped"


def test_a_second_ingest_changes_nothing(cli: Cli) -> None:
    reports = cli.home.parent / "reports"
    lines = cli.lines("ingest", str(reports / "clinic.pdf"), "--collection", "field")
    assert [line["status"] for line in lines] == ["unchanged"]


def test_ask_answers_with_a_citation_to_the_page(cli: Cli) -> None:
    [answer] = cli.lines("ask", "How much is the yearly budget of the clinic?", "--collection", "field")
    assert not answer["refused"]
    assert "84,500" in answer["answer"]
    budget = next(item for item in answer["citations"] if "84,500" in item["quote"])
    assert (budget["document"], budget["page"]) == ("clinic.pdf", 3)
    assert f"[{budget['marker']}]" in answer["answer"]
    assert answer["timings_ms"]["retrieve"] < answer["timings_ms"]["first_token"] <= answer["timings_ms"]["total"]
    assert answer["tokens"]["prompt"] > 0
    assert answer["generated"]


def test_ask_in_plain_text_shows_quotes_and_sources(cli: Cli) -> None:
    shown = cli("ask", "Who opened the Goma clinic?", "--collection", "field").stdout
    assert "Amina Kasongo" in shown
    assert "[1] clinic.pdf, page 1" in shown


def test_a_question_without_evidence_is_refused_and_that_is_no_failure(cli: Cli) -> None:
    [answer] = cli.lines("ask", "Which composer wrote the opera Tosca in Rome?", "--collection", "field")
    assert answer["refused"]
    assert answer["citations"] == []
    assert answer["generated"] == ""
    assert answer["evidence"], "the nearest passages are shown"
    assert answer["timings_ms"]["first_token"] is None


def test_search_gives_offsets_in_the_page(cli: Cli) -> None:
    [found] = cli.lines("search", "wells tested for cholera", "--collection", "field")
    best = found["results"][0]
    assert (best["document"], best["page"]) == ("clinic.pdf", 2)
    assert best["end"] - best["start"] == len(best["text"])
    assert found["timings_ms"]["retrieve"] > 0


def test_many_questions_are_answered_by_one_process(cli: Cli, tmp_path: Path) -> None:
    questions = tmp_path / "questions.jsonl"
    questions.write_text('{"id": 7, "question": "How many beds?"}\n\nwhen was the well tested\n', encoding="utf-8")
    found = cli.lines("search", "--questions", str(questions), "--collection", "field")
    assert [item["query"] for item in found] == ["How many beds?", "when was the well tested"]


def test_a_filter_keeps_the_answer_inside_a_document(cli: Cli) -> None:
    [found] = cli.lines("search", "clinic in Goma", "--collection", "field", "--document", "notes/Überblick.md")
    assert {item["document"] for item in found["results"]} == {"notes/Überblick.md"}
    assert found["results"][0]["page"] is None


def test_collections_and_documents_are_listed_renamed_and_removed(cli: Cli, tmp_path: Path) -> None:
    (tmp_path / "one.pdf").write_bytes(make_pdf(("A page about canaries in xylophoneland.",)))
    cli("ingest", str(tmp_path / "one.pdf"), "--collection", "short")
    cli("collections", "rename", "short", "brief")
    assert "brief" in [item["name"] for item in cli.lines("collections", "list")]
    [entry] = cli.lines("documents", "ledger", "--collection", "brief")
    assert entry["document"] == "one.pdf"
    assert cli("documents", "ledger", "--collection", "brief").stdout == "one.pdf  indexed\n"
    cli("documents", "remove", "one.pdf", "--collection", "brief")
    assert cli.lines("documents", "list", "--collection", "brief") == []
    cli("collections", "remove", "brief")
    everything = b"".join(path.read_bytes() for path in cli.home.rglob("*") if path.is_file())
    assert b"xylophoneland" not in everything


def test_a_backup_brings_the_library_back(cli: Cli, tmp_path: Path, bundle_root: Path) -> None:
    cli("backup", str(tmp_path / "library.backup"))
    other = Cli(tmp_path / "other", bundle_root)
    other("restore", str(tmp_path / "library.backup"))
    assert [item["name"] for item in other.lines("collections", "list")] == [item["name"] for item in cli.lines("collections", "list")]
    [found] = other.lines("search", "beds", "--collection", "field")
    assert found["results"]


def test_status_and_check_tell_what_is_there(cli: Cli) -> None:
    [status] = cli.lines("status")
    assert {model["role"] for model in status["models"]} == {"embedder", "generator"}
    [check] = cli.lines("check")
    assert len(check["network"]["self_test"]) == 5
    assert all(attempt["refused"] for attempt in check["network"]["self_test"])
    assert check["bundle"] == []
    assert check["engine"]["works"]
    assert "wrote a first token" in check["engine"]["sentence"]
    assert check["machine"]["facts"]["library"]["writable"]
    assert [finding for finding in check["machine"]["findings"] if finding["severity"] == "error"] == []


def test_check_says_what_the_machine_is_in_plain_words(cli: Cli) -> None:
    done = cli("check")
    told = {name: words.strip() for name, colon, words in (line[9:].partition(":") for line in done.stdout.splitlines()) if colon}
    assert "threads for the models" in told["Processor"]
    assert told["Memory"].endswith(" GB")
    assert str(cli.home) in told["Library"]
    assert "MB/s" in told["Library"]


def test_check_fails_where_the_library_cannot_be_written(cli: Cli, tmp_path: Path) -> None:
    (tmp_path / "file").touch()
    [check] = cli.lines("check", "--home", str(tmp_path / "file" / "home"), code=1)
    [finding] = [finding for finding in check["machine"]["findings"] if finding["severity"] == "error"]
    assert finding["sentence"].startswith(f"Nothing can be written to {tmp_path / 'file' / 'home'}")
    assert "--home" in finding["advice"]


def test_whose_bundle_it_is_is_shown_before_its_key_is_kept(cli: Cli, bundle_root: Path, tmp_path: Path) -> None:
    signer = read_manifest(bundle_root).signer
    assert signer is not None
    (tmp_path / "note.md").write_text("The well of Kitsombiro is open on Mondays.\n", encoding="utf-8")
    new = Cli(tmp_path / "home", bundle_root)
    for _ in range(2):
        looked = new("check", "--json")
        assert f"signed by the key {signer.fingerprint}. It is the first" in json.loads(looked.stdout)["trust"]
    words = ["ingest", str(tmp_path / "note.md"), "--collection", "wells"]
    assert f"signed by the key {signer.fingerprint}. It is the first" in new(*words).stderr
    assert "signed by" not in new(*words).stderr
    assert "signed by" not in new("search", "well", "--collection", "wells").stderr
    assert f"signed by the key {signer.fingerprint}, the same as before" in cli("check").stdout


def test_a_whole_bundle_of_another_key_fails_the_check(cli: Cli, tmp_path: Path) -> None:
    """Every byte is as its manifest says, and everything was signed anew."""
    thief = make_bundle(tmp_path / "bundle", key(tmp_path, "thief"))
    [check] = cli.lines("check", "--bundle", str(thief), code=3)
    [finding] = check["bundle"]
    assert finding["state"] == "foreign"
    assert "and this library trusts" in finding["sentence"]
    assert check["engine"] is None
    assert finding["sentence"] in cli("check", "--bundle", str(thief), code=3).stdout


def test_check_warns_of_a_bundle_older_than_one_that_was_used(bundle_root: Path, tmp_path: Path) -> None:
    manifest = read_manifest(bundle_root)
    assert manifest.signer is not None
    (tmp_path / "home").mkdir()
    remember(replace(manifest, created="9999"), tmp_path / "home")
    [check] = Cli(tmp_path / "home", bundle_root).lines("check")
    [finding] = check["bundle"]
    assert finding["state"] == "older"
    assert "a newer one, of 9999, has already been used" in finding["sentence"]


def test_check_looks_at_the_machine_without_a_bundle_too(cli: Cli, tmp_path: Path) -> None:
    [check] = cli.lines("check", "--bundle", str(tmp_path), code=3)
    assert check["machine"]["facts"]["processor"]["threads"] >= 1


def test_status_says_where_the_library_is_and_why(cli: Cli) -> None:
    assert cli("status").stderr == f"The library is in {cli.home}: HAVERSACK_HOME names that folder.\n"


@pytest.mark.parametrize(
    ("arguments", "code", "sentence"),
    [
        (("ask", "What?", "--collection", "nowhere"), 1, "no collection named 'nowhere'"),
        (("ask", "x" * 100_000, "--collection", "field"), 2, "100000 characters"),
        (("ask", "--collection", "field"), 2, "one question"),
        (("ask", "What?", "--collection", "field", "--document", "nothing.pdf"), 1, "no document 'nothing.pdf'"),
        (("search", "--questions", "nothing.txt", "--collection", "field"), 1, "no file or folder"),
        (("ingest", "nothing.pdf", "--collection", "field"), 1, "no file or folder"),
        (("status", "--port", "0"), 2, "from 1 to 65535"),
        (("collections", "rename", "nowhere", "x"), 1, "no collection named 'nowhere'"),
        (("restore", __file__), 1, "not a whole Haversack backup"),
        (("frobnicate",), 2, "invalid choice"),
    ],
    ids=lambda value: str(value)[:40],
)
def test_bad_input_gets_one_sentence_and_its_exit_code(cli: Cli, arguments: tuple[str, ...], code: int, sentence: str) -> None:
    done = cli(*arguments, code=code)
    assert sentence in done.stderr
    assert done.stdout == ""


def linked(bundle: Path, root: Path) -> Path:
    """The same bundle at another place, a file of which can be replaced."""
    for path in bundle.rglob("*"):
        target = root / path.relative_to(bundle)
        if path.is_dir():
            target.mkdir(parents=True, exist_ok=True)
        else:
            target.parent.mkdir(parents=True, exist_ok=True)
            os.link(path, target)
    return root


def test_a_missing_or_altered_bundle_is_exit_code_3(cli: Cli, tmp_path: Path, bundle_root: Path) -> None:
    missing = cli("ask", "What?", "--collection", "field", "--bundle", str(tmp_path), code=3)
    assert "no bundle" in missing.stderr
    altered = linked(bundle_root, tmp_path / "altered")
    tokenizer = next(altered.rglob("tokenizer.json"))
    content = tokenizer.read_bytes()
    tokenizer.unlink()
    tokenizer.write_bytes(content[:-2] + b" \n")
    refused = cli("search", "clinic", "--collection", "field", "--bundle", str(altered), code=3)
    assert "tokenizer.json in the bundle is altered" in refused.stderr
    assert cli.lines("collections", "list"), "the library can still be looked at"


def test_without_its_model_the_quotes_are_printed_and_the_exit_code_is_3(cli: Cli, tmp_path: Path, bundle_root: Path) -> None:
    altered = linked(bundle_root, tmp_path / "altered")
    for model in altered.rglob("*.gguf"):
        model.unlink()
        model.write_bytes(b"GGUF")
    done = cli("ask", "Who opened the Goma clinic?", "--collection", "field", "--bundle", str(altered), code=3)
    assert done.stdout.startswith("“")
    assert ".gguf in the bundle is altered" in done.stderr


def test_debug_shows_the_traceback_and_nothing_else_does(cli: Cli) -> None:
    command = [sys.executable, "-m", "appliance.cli", "collections", "rename", "nowhere", "x", "--debug"]
    done = subprocess.run(command, capture_output=True, text=True, env=cli.environment)
    assert done.returncode == 1
    assert "Traceback" in done.stderr


def test_a_damaged_keyword_index_is_found_and_repaired(cli: Cli) -> None:
    database = sqlite3.connect(cli.home / "library.sqlite3")
    with database:
        collection = database.execute("SELECT id FROM collections WHERE name = 'field'").fetchone()[0]
        database.execute(f"INSERT INTO keywords_{collection}(rowid, text, title, heading) VALUES (999999, 'planted', '', '')")
    database.close()
    [check] = cli.lines("check", code=1)
    assert any("check --repair" in finding["advice"] for finding in check["library"])
    [repaired] = cli.lines("check", "--repair")
    assert repaired["library"] == []
