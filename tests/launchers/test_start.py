"""start-linux.sh: what it checks, where it unpacks, what it hands on, and what it leaves."""

from __future__ import annotations

import json
import os
import shutil
import signal
import subprocess
import time
from collections.abc import Callable
from pathlib import Path

import pytest

from scripts.benchmark.client import Client
from tests.launchers.starting import Stick, files_in, in_own_mounts, told, tools
from tests.ports import free_port

SHELLS = [shell for shell in (("dash",), ("bash",), ("busybox", "sh")) if shutil.which(shell[0])]
CHECKERS = [program for program in ("sha256sum", "shasum", "openssl") if shutil.which(program)]
STUBBED = [shell for shell in SHELLS if shell[0] != "busybox"]
"""Busybox has programs of its own, and looks at no PATH for them."""
every_shell = pytest.mark.parametrize("shell", SHELLS, ids=[shell[0] for shell in SHELLS])
every_stubbed_shell = pytest.mark.parametrize("shell", STUBBED, ids=[shell[0] for shell in STUBBED])


def wait_until(condition: Callable[[], object]) -> None:
    for _ in range(1200):
        if condition():
            return
        time.sleep(0.02)
    raise AssertionError("it did not happen within 24 s")


def is_refused(done: subprocess.CompletedProcess[str], code: int, *words: str) -> None:
    """One sentence or two on one line of stderr, nothing on stdout."""
    assert done.stdout == ""
    assert len(done.stderr.splitlines()) == 1, done.stderr
    for word in words:
        assert word in done.stderr
    assert done.returncode == code


# --- the real bundle -----------------------------------------------------------------------------------------------------------


@every_shell
def test_the_carried_haversack_prints_its_version_and_nothing_else(starter: Stick, shell: tuple[str, ...]) -> None:
    done = starter.start("--version", shell=shell)
    assert (done.returncode, done.stderr) == (0, "")
    assert done.stdout.startswith("haversack ")


def test_stdout_is_what_haversack_prints_and_no_more(starter: Stick) -> None:
    status = json.loads(starter.start("status", "--json").stdout)
    assert status["bundle"] == str(starter.root)


def test_another_program_speaks_mcp_with_a_stick_through_its_launcher(starter: Stick) -> None:
    hello = {"protocolVersion": "2025-06-18", "capabilities": {}, "clientInfo": {"name": "a test", "version": "1"}}
    request = json.dumps({"jsonrpc": "2.0", "id": 1, "method": "initialize", "params": hello})
    environment = starter.environment(HAVERSACK_HOME=str(starter.around / "other"))
    done = subprocess.run(starter.command("mcp"), env=environment, input=request + "\n", capture_output=True, text=True, timeout=120, check=True)
    answer = json.loads(done.stdout)  # the protocol's line, and nothing else
    assert answer["result"]["serverInfo"]["name"] == "haversack"


def test_exit_codes_and_sentences_of_haversack_come_through(starter: Stick) -> None:
    done = starter.start("search", "--collection", "nothing-of-that-name", "what?", HAVERSACK_HOME=str(starter.around / "other"))
    assert (done.returncode, done.stdout) == (1, "")
    assert "nothing-of-that-name" in done.stderr
    assert starter.start("--nonsense").returncode == 2


def test_the_first_start_unpacks_into_the_cache_and_says_so(stick: Stick) -> None:
    first = stick.start("status")
    assert told(first)["environment"]["HAVERSACK_BUNDLE"] == str(stick.root)
    assert first.stderr.splitlines()[0].startswith(f"Unpacking the software into {stick.cache}/haversack/runtime ")
    assert "Unpacking" not in stick.start("status").stderr
    assert len(list((stick.cache / "haversack" / "runtime").iterdir())) == 2
    assert files_in(stick.temporary) == files_in(stick.root / "data") == files_in(stick.around / "home") == []


# --- is it whole? ---------------------------------------------------------------------------------------------------------------


def altered(path: Path) -> None:
    content = bytearray(path.read_bytes())
    content[len(content) // 2] ^= 1
    path.write_bytes(content)


def truncated(path: Path) -> None:
    path.write_bytes(path.read_bytes()[:-1])


@every_shell
@pytest.mark.parametrize("stem", ["linux-x64", "haversack"])
@pytest.mark.parametrize(("harm", "says"), [(altered, "is not as it was built"), (truncated, "is not as it was built"), (Path.unlink, "is missing")])
def test_an_archive_that_is_not_as_it_was_built_is_not_unpacked(
    stick: Stick, shell: tuple[str, ...], stem: str, harm: Callable[[Path], None], says: str
) -> None:
    archive = stick.archive(stem)
    harm(archive)
    done = stick.start(shell=shell)
    assert done.stdout == ""
    assert done.returncode == 3
    assert f"runtime/{archive.name} {says}" in done.stderr.splitlines()[-1]
    unpacked = [path.name for path in (stick.cache / "haversack").rglob("*") if path.is_file()]
    assert sorted(unpacked) == ([] if stem == "linux-x64" else [".whole", "LIBC", "PYTHON", "python3"])


def test_without_the_list_of_hashes_nothing_starts(stick: Stick) -> None:
    (stick.root / "SHA256SUMS").unlink()
    is_refused(stick.start(), 3, "SHA256SUMS is missing", "Copy the bundle again")


@pytest.mark.parametrize(("others", "has"), [(["windows-x64", "macos-arm64"], "windows-x64 macos-arm64"), ([], "none")])
def test_a_bundle_for_other_systems_says_which(stick: Stick, others: list[str], has: str) -> None:
    sums = stick.root / "SHA256SUMS"
    line = next(line for line in sums.read_text().splitlines() if "linux-x64" in line)
    rest = [line for line in sums.read_text().splitlines() if "linux-x64" not in line]
    sums.write_text("\n".join([*rest, *(line.replace("linux-x64", other) for other in others)]) + "\n")
    is_refused(stick.start(), 3, "holds no software for linux-x64", f"(it has: {has}", "--platform linux-x64")


@pytest.mark.parametrize("checker", CHECKERS)
def test_any_one_program_that_checks_files_is_enough(stick: Stick, checker: str) -> None:
    path = tools(stick.around / "tools", *(program for program in CHECKERS if program != checker))
    assert told(stick.start("status", PATH=path))["arguments"] == ["status"]
    altered(stick.archive("haversack"))
    assert stick.start("status", PATH=path, XDG_CACHE_HOME=str(stick.around / "another")).returncode == 3


def test_without_a_program_that_checks_files_nothing_starts(stick: Stick) -> None:
    path = tools(stick.around / "tools", "sha256sum", "shasum", "openssl")
    done = stick.start(PATH=path)
    assert done.returncode == 3
    assert "no program that checks a file" in done.stderr.splitlines()[-1]


# --- where to? ------------------------------------------------------------------------------------------------------------------


def place_of(stick: Stick) -> str:
    """Where the software was unpacked, as a path inside the test's folder."""
    return str(next(stick.around.rglob("runtime/*/LIBC")).parents[2].relative_to(stick.around))


OWN = f"haversack-{os.getuid()}"


@every_shell
def test_it_goes_to_the_temporary_folder_where_the_cache_cannot_be_written(stick: Stick, shell: tuple[str, ...]) -> None:
    told(stick.start("status", shell=shell, XDG_CACHE_HOME="/dev/null"))
    assert place_of(stick) == f"temporary/{OWN}"
    assert (stick.temporary / OWN).stat().st_mode & 0o777 == 0o700


@every_shell
def test_it_goes_onto_the_stick_where_neither_can_be_written(stick: Stick, shell: tuple[str, ...]) -> None:
    told(stick.start("status", shell=shell, XDG_CACHE_HOME="/dev/null", TMPDIR="/dev/null"))
    assert place_of(stick) == "stick/data"


def test_where_nothing_can_be_written_it_says_where_it_looked(stick: Stick) -> None:
    (stick.root / "data").write_text("in the way")
    done = stick.start(XDG_CACHE_HOME="/dev/null", TMPDIR="/dev/null")
    is_refused(done, 1, "your cache folder, /dev/null, the stick", "none can be written")


def test_it_finds_its_places_where_there_is_no_home(stick: Stick) -> None:
    told(stick.start("status", HOME=None, XDG_CACHE_HOME=None))
    assert place_of(stick) == f"temporary/{OWN}"
    assert not Path("/nonexistent").exists()


def test_the_cache_is_in_the_home_where_no_variable_says_otherwise(stick: Stick) -> None:
    told(stick.start("status", XDG_CACHE_HOME=None))
    assert place_of(stick) == "home/.cache/haversack"


@every_shell
def test_a_place_that_programs_cannot_run_from_is_passed_over(stick: Stick, shell: tuple[str, ...]) -> None:
    stick.cache.mkdir()
    command = in_own_mounts(f'mount -t tmpfs -o noexec,size=50m tmpfs "{stick.cache}"', stick.command("status", shell=shell))
    told(stick.run(command))
    assert place_of(stick) == f"temporary/{OWN}"


def test_where_there_is_no_room_anywhere_it_says_how_much_is_needed(starter: Stick, tmp_path: Path) -> None:
    (tmp_path / "small").mkdir()
    small, needed = str(tmp_path / "small"), starter.archive("linux-x64").stat().st_size * 7 // 2048 // 1024
    launch = starter.command("--portable", "status")
    command = in_own_mounts(f'mount -t tmpfs -o size=50m tmpfs "{small}"', launch)
    (starter.root / "data").symlink_to(small)
    try:
        is_refused(starter.run(command), 1, "the data folder on the stick", f"has {needed} MB free")
    finally:
        (starter.root / "data").unlink()


def test_a_small_cache_is_passed_over(stick: Stick) -> None:
    (stick.root / "filler").write_bytes(os.urandom(3 << 20))
    image = stick.around / "image"
    (stick.root / "filler").rename(image / "filler")
    stick.archive("linux-x64").unlink()
    lines = (stick.root / "SHA256SUMS").read_text().splitlines()
    (stick.root / "SHA256SUMS").write_text("".join(line + "\n" for line in lines if "linux-x64" not in line))
    stick.carry(image, "linux-x64")
    stick.cache.mkdir()
    told(stick.run(in_own_mounts(f'mount -t tmpfs -o size=4m tmpfs "{stick.cache}"', stick.command("status"))))
    assert place_of(stick) == f"temporary/{OWN}"


@every_shell
def test_a_disk_that_is_full_before_its_time_leaves_nothing_half_made(stick: Stick, shell: tuple[str, ...]) -> None:
    """So it is on a disk that has bytes, but no more files."""
    stick.cache.mkdir()
    look = f'"$@"; code=$?; ls -A "{stick.cache}/haversack/runtime" >&2; exit $code'
    command = in_own_mounts(f'mount -t tmpfs -o nr_inodes=8,size=50m tmpfs "{stick.cache}"', ["sh", "-c", look, "sh", *stick.command(shell=shell)])
    done = stick.run(command)
    assert done.returncode == 1
    assert done.stderr.splitlines()[-1].endswith(f"could not be unpacked into {stick.cache}/haversack. Free some space there and start again.")


@pytest.mark.parametrize("kind", ["another user's", "a link"])
def test_a_folder_that_somebody_else_made_in_the_temporary_folder_is_not_trusted(stick: Stick, kind: str) -> None:
    stick.temporary.mkdir()
    prepared = stick.temporary / OWN
    if kind == "a link":
        (stick.around / "elsewhere").mkdir()
        prepared.symlink_to(stick.around / "elsewhere")
    else:
        prepared.mkdir()
        os.chown(prepared, 1234, 1234)
    told(stick.start("status", XDG_CACHE_HOME="/dev/null"))
    assert place_of(stick) == "stick/data"


@pytest.mark.parametrize("name", ["Stick für Ärzte", 'it\'s $HOME; "50 %" & (more)', "two  spaces: and a colon"])
@every_shell
def test_a_stick_may_have_any_name(stick: Stick, shell: tuple[str, ...], name: str) -> None:
    stick.root.rename(stick.around / name)
    renamed = Stick(stick.around / name, stick.around)
    for options in ((), ("--portable",), ("--leave-no-trace",)):
        found = told(renamed.start(*options, "status", shell=shell))
        assert found["environment"]["HAVERSACK_BUNDLE"] == str(renamed.root)


# --- can it run here? ------------------------------------------------------------------------------------------------------------


def stub(stick: Stick, program: str, script: str) -> str:
    folder = stick.around / "stubs"
    folder.mkdir()
    (folder / program).write_text(f"#!/bin/sh\n{script}\n", encoding="utf-8")
    (folder / program).chmod(0o755)
    return f"{folder}:{stick.environment()['PATH']}"


@pytest.mark.parametrize(
    ("script", "words"),
    [
        ("echo glibc 2.17", ("too old", "it has glibc 2.17", "is needed")),
        ("echo glibc 2.9", ("too old", "it has glibc 2.9", "is needed")),
        ("exit 1", ("no GNU C library", "Take another laptop")),
    ],
    ids=["old", "very old", "musl"],
)
def test_a_linux_that_cannot_run_it_is_told_so(stick: Stick, script: str, words: tuple[str, ...]) -> None:
    done = stick.start(PATH=stub(stick, "getconf", script))
    assert (done.returncode, done.stdout) == (3, "")
    for word in words:
        assert word in done.stderr.splitlines()[-1]


def test_a_newer_linux_runs_it(stick: Stick) -> None:
    told(stick.start("status", PATH=stub(stick, "getconf", "echo glibc 2.100")))


def test_a_machine_of_another_kind_is_told_so(stick: Stick) -> None:
    is_refused(stick.start(PATH=stub(stick, "uname", "case $1 in -m) echo i686;; *) echo Linux;; esac")), 3, "(Linux, i686)", "64-bit")


def test_a_processor_that_is_too_old_is_told_so(stick: Stick) -> None:
    """Under qemu's `qemu64`, which has no SSE 4.2, numpy ended in an illegal instruction; under `Nehalem` everything ran."""
    (stick.around / "cpuinfo").write_text("processor : 0\nflags : fpu sse sse2 ht syscall nx lm sse4_1 cx16\n")
    command = in_own_mounts(f'mount --bind "{stick.around}/cpuinfo" /proc/cpuinfo', stick.command("status"))
    is_refused(stick.run(command), 3, "too old", "SSE 4.2")


# --- what is handed on -------------------------------------------------------------------------------------------------------------


@every_shell
@pytest.mark.parametrize(
    ("given", "handed_on"),
    [
        ([], ["serve", "--open"]),
        (["--port", "9000"], ["serve", "--open", "--port", "9000"]),
        (["--portable"], ["serve", "--open"]),
        (["--help"], ["--help"]),
        (["ask", "--portable", "a  b"], ["ask", "a  b"]),
        (["ask", "", 'it\'s "so" & $HOME *', "zwölf\nlines\\n"], ["ask", "", 'it\'s "so" & $HOME *', "zwölf\nlines\\n"]),
    ],
)
def test_arguments_reach_haversack_as_they_were_given(stick: Stick, shell: tuple[str, ...], given: list[str], handed_on: list[str]) -> None:
    found = told(stick.start(*given, shell=shell))
    assert found["arguments"] == handed_on
    assert found["said"] == "from stdin"


@every_shell
@pytest.mark.parametrize("option", [(), ("--leave-no-trace",)])
def test_the_exit_code_is_haversacks(stick: Stick, shell: tuple[str, ...], option: tuple[str, ...]) -> None:
    done = stick.start(*option, "status", shell=shell, LEAVE_WITH="7")
    assert done.returncode == 7
    assert "a word to stderr" in done.stderr


@pytest.mark.parametrize("option", [(), ("--leave-no-trace",)])
def test_a_users_own_python_does_not_get_in(starter: Stick, stick: Stick, option: tuple[str, ...]) -> None:
    trap = stick.around / "trap"
    trap.mkdir()
    for module in ("json", "sitecustomize", "usercustomize", "appliance"):
        (trap / f"{module}.py").write_text("raise SystemExit('the trap')")
    done = starter.start("--version", PYTHONPATH=str(trap), PYTHONHOME="/nowhere", PYTHONSTARTUP=str(trap / "json.py"))
    assert (done.returncode, done.stderr) == (0, "")
    found = told(stick.start(*option, "status", PYTHONPATH=str(trap), PYTHONHOME="/nowhere"))
    assert found["isolated"] == 1
    assert not {"PYTHONPATH", "PYTHONHOME"} & set(found["environment"])


def test_a_bundle_and_a_home_that_the_user_named_stay(stick: Stick) -> None:
    named = {"HAVERSACK_BUNDLE": "/another/bundle", "HAVERSACK_HOME": "/another/home"}
    assert told(stick.start("status", **named))["environment"].items() >= named.items()


# --- twice, killed, portable, without a trace ----------------------------------------------------------------------------------------


@every_shell
def test_two_starts_at_the_same_time_both_run_and_leave_one_copy(stick: Stick, shell: tuple[str, ...]) -> None:
    runs = [stick.launch("status", shell=shell) for _ in range(4)]
    ended = [run.communicate(timeout=60) for run in runs]
    assert [run.returncode for run in runs] == [0] * 4, ended
    runtime = stick.cache / "haversack" / "runtime"
    assert len(list(runtime.iterdir())) == 2
    assert sorted(path.name for image in runtime.iterdir() for path in image.iterdir()) == [
        ".whole",
        ".whole",
        "LIBC",
        "PYTHON",
        "haversack.py",
        "python",
    ]


@every_stubbed_shell
def test_the_slower_of_two_starts_takes_its_copy_away_again(stick: Stick, shell: tuple[str, ...]) -> None:
    """The other one is through while this one still unpacks."""
    runtime = stick.cache / "haversack" / "runtime"
    hashes = [line[:16] for line in (stick.root / "SHA256SUMS").read_text().splitlines()]
    script = f'[ "$1" = -xzmo ] || exec /bin/tar "$@"; /bin/tar "$@" && for one in {" ".join(hashes)}; do mkdir -p "{runtime}/$one"; done'
    script += f'; cp -R "{stick.around}/image/." "{runtime}/{hashes[0]}"; cp -R "{stick.around}/code/." "{runtime}/{hashes[1]}"'
    script += f'; for one in {" ".join(hashes)}; do : >"{runtime}/$one/.whole"; done'
    slow = stub(stick, "tar", script)
    told(stick.start("status", shell=shell, PATH=slow))
    assert sorted(path.name for path in runtime.iterdir()) == sorted(hashes)
    assert sorted(path.name for path in (runtime / hashes[1]).iterdir()) == [".whole", "haversack.py"]


def test_a_copy_that_was_torn_by_a_power_cut_is_made_anew(stick: Stick) -> None:
    """It has its name, and no mark that all of it reached the disk."""
    told(stick.start("status"))
    for copy in (stick.cache / "haversack" / "runtime").iterdir():
        (copy / ".whole").unlink()
        for path in copy.rglob("*.py"):
            path.write_bytes(b"")
    told(stick.start("status"))
    told(stick.start("status"))


@pytest.mark.parametrize(("value", "portable"), [("1", True), ("yes", True), ("0", False), ("no", False), ("", False)])
def test_portable_by_the_environment_means_what_the_settings_mean(stick: Stick, value: str, portable: bool) -> None:
    told(stick.start("status", HAVERSACK_PORTABLE=value))
    assert (stick.root / "data" / "runtime").is_dir() == portable


@pytest.mark.slow
def test_after_a_kill_while_unpacking_the_next_start_cleans_up_and_works(starter: Stick, tmp_path: Path) -> None:
    laptop = Stick(starter.root, tmp_path)
    runtime = laptop.cache / "haversack" / "runtime"
    killed = laptop.launch("--version")
    wait_until(lambda: len(list(runtime.glob(".unpacking-*/python/lib/*"))) > 2)
    os.killpg(killed.pid, signal.SIGKILL)
    killed.communicate()
    assert [path.name[:11] for path in runtime.iterdir()] == [".unpacking-"]
    done = laptop.start("--version")
    assert done.stdout.startswith("haversack "), done.stderr
    assert sorted(path.name for path in runtime.iterdir()) == sorted(path.name for path in starter.image.parent.iterdir())


def test_portable_keeps_everything_on_the_stick(stick: Stick) -> None:
    found = told(stick.start("--portable", "status"))
    assert found["environment"]["HAVERSACK_PORTABLE"] == "1"
    assert place_of(stick) == "stick/data"
    assert files_in(stick.cache) == files_in(stick.temporary) == files_in(stick.around / "home") == []


@every_shell
def test_without_a_trace_the_library_is_on_the_stick_and_nothing_on_the_laptop(stick: Stick, shell: tuple[str, ...]) -> None:
    found = told(stick.start("--leave-no-trace", "status", shell=shell))
    assert found["environment"]["HAVERSACK_PORTABLE"] == "1"
    assert files_in(stick.cache) == files_in(stick.temporary) == files_in(stick.around / "home") == []
    assert files_in(stick.root / "data") == []


def test_without_a_trace_and_on_a_stick_that_cannot_be_written_the_library_goes_too(stick: Stick) -> None:
    (stick.root / "data").write_text("in the way")
    done = stick.start("--leave-no-trace", "status")
    library = Path(told(done)["environment"]["HAVERSACK_HOME"])
    assert library.is_relative_to(stick.temporary)
    assert "what you put in is gone when Haversack stops" in done.stderr
    assert files_in(stick.temporary) == []


@pytest.mark.slow
@pytest.mark.parametrize(("shell", "number"), [(("dash",), signal.SIGINT), *((shell, signal.SIGTERM) for shell in SHELLS)])
def test_without_a_trace_a_signal_stops_the_page_and_leaves_nothing(
    starter: Stick, tmp_path: Path, shell: tuple[str, ...], number: signal.Signals
) -> None:
    laptop, port = Stick(starter.root, tmp_path), free_port()
    serving = laptop.launch("--leave-no-trace", "serve", "--port", str(port), shell=shell, HAVERSACK_HOME=str(tmp_path / "library"))
    Client(port, patience=60)
    assert files_in(laptop.temporary) != []
    if number == signal.SIGINT:
        os.killpg(serving.pid, number)  # as Ctrl+C does it: to every process of the terminal
    else:
        serving.send_signal(number)
    out, complaints = serving.communicate(timeout=60)
    assert (serving.returncode, out) == (0, ""), complaints
    assert "Traceback" not in complaints
    assert files_in(laptop.temporary) == files_in(laptop.cache) == []


@every_stubbed_shell
@pytest.mark.parametrize("number", [signal.SIGTERM, signal.SIGINT, signal.SIGHUP])
def test_without_a_trace_a_signal_while_it_unpacks_leaves_nothing(stick: Stick, shell: tuple[str, ...], number: signal.Signals) -> None:
    go_on = stick.around / "go-on"
    path = stub(stick, "tar", f'/bin/tar "$@"; while [ ! -e "{go_on}" ]; do sleep 0.05; done')
    starting = stick.launch("--leave-no-trace", "status", shell=shell, PATH=path)
    wait_until(lambda: list(stick.temporary.glob("haversack.*/runtime/.unpacking-*/PYTHON")))
    starting.send_signal(number)
    go_on.touch()
    out, _ = starting.communicate(timeout=30)
    assert (starting.returncode, out) == (143, "")
    assert files_in(stick.temporary) == []
