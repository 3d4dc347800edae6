"""Serve, upload, ask, read a cited answer: with no network there at all, and with a tracer that sees every call that could lead out."""

from __future__ import annotations

import json
import os
import re
import subprocess
import sys
from collections import Counter
from pathlib import Path
from typing import Any

import pytest

from tests.ports import free_port

ROOT = Path(__file__).resolve().parents[2]
JOURNEY = [sys.executable, str(ROOT / "tests" / "offline" / "journey.py")]
TRACER = ["strace", "-f", "-qq", "-e", "trace=network", "-o"]
INET = re.compile(r"AF_INET6?\b")


def run(command: list[str], bundle: Path) -> Any:
    # Without the variables that keep libraries quiet, and with a proxy that would lead out: only what Haversack does itself counts.
    variables = {name: value for name, value in os.environ.items() if "OFFLINE" not in name and "TELEMETRY" not in name and name != "CI"}
    variables |= {
        "PYTHONPATH": str(ROOT),
        "HAVERSACK_BUNDLE": str(bundle),
        "HTTP_PROXY": "http://192.0.2.1:3128",
        "https_proxy": "http://192.0.2.1:3128",
    }
    done = subprocess.run(command, cwd=ROOT, env=variables, capture_output=True, text=True, timeout=240)
    assert done.returncode == 0, done.stdout + done.stderr
    return json.loads(done.stdout.splitlines()[-1])


def is_whole(found: dict[str, Any]) -> None:
    """The answer is there and cited, and the seal has nothing to report."""
    assert found["code"] == 0
    assert [line["status"] for line in found["job"]["lines"]] == ["indexed"]
    assert found["last"] == "kept"
    assert "Amina Kasongo" in found["answer"]["answer"]
    assert next((citation["document"], citation["page"]) for citation in found["answer"]["citations"]) == ("clinic.pdf", 2)
    assert found["seal"]["sentence"] == "Sealed by the kernel: 0 attempts"
    assert [attempt["refused"] for attempt in found["seal"]["self_test"]] == [True] * 5


def calls(trace: Path) -> list[str]:
    """The traced calls, each whole: strace splits those that others interrupt."""
    begun: dict[str, str] = {}
    whole = []
    for line in trace.read_text(errors="replace").splitlines():
        thread, _, call = line.partition(" ")
        call = call.strip()
        if call.endswith("<unfinished ...>"):
            begun[thread] = call.removesuffix("<unfinished ...>")
        elif call.startswith("<... "):
            whole.append(begun.pop(thread, "") + call.partition(" resumed>")[2])
        elif not call.startswith(("---", "+++")):
            whole.append(call)
    return whole


def refused(trace: Path) -> Counter[str]:
    """What was tried to no avail, and how often: "socket AF_INET". The C library asking nscd on this machine for a user's name is none."""
    found = (re.match(r"(\w+)\((?:\d+, \{sa_family=)?(\w+)", call) for call in calls(trace) if "EACCES" in call and "nscd/socket" not in call)
    return Counter(f"{match[1]} {match[2]}" for match in found if match)


@pytest.mark.slow
def test_the_journey_needs_nothing_but_loopback(tmp_path: Path, bundle_root: Path) -> None:
    alone = ["unshare", "--net"] if os.geteuid() == 0 else ["unshare", "--map-root-user", "--net"]
    journey = " ".join([*JOURNEY, str(tmp_path), "8765"])
    is_whole(run([*alone, "sh", "-c", f"ip link set lo up && [ $(ip -o link | wc -l) = 1 ] && exec {journey}"], bundle_root))


@pytest.mark.slow
def test_the_journey_reaches_for_nothing_beyond_loopback(tmp_path: Path, bundle_root: Path) -> None:
    trace = tmp_path / "trace"
    is_whole(run([*JOURNEY, str(tmp_path), str(free_port()), *TRACER, str(trace)], bundle_root))
    traced = calls(trace)
    made = [call for call in traced if call.startswith(("socket(", "connect(", "sendto(", "sendmsg(")) and INET.search(call) and "= -1" not in call]
    # One socket of the internet's kind is made, to listen on loopback, before the seal; and none connects.
    assert [call.partition("(")[0] for call in made] == ["socket"]
    bound = [call for call in traced if call.startswith("bind(") and INET.search(call)]
    assert len(bound) == 1
    assert '"127.0.0.1"' in bound[0]
    # What was refused is what the self-test alone tries, and no more.
    alone = tmp_path / "self-test"
    command = [*TRACER, str(alone), sys.executable, "-m", "appliance.cli", "check", "--json", "--home", str(tmp_path / "none")]
    assert run(command, bundle_root)["network"]["seal"] == "Sealed by the kernel: 0 attempts"
    assert refused(trace) == refused(alone) != Counter()


@pytest.mark.slow
def test_every_process_but_the_attendant_is_sealed_and_nothing_is_written_outside_the_library(tmp_path: Path, bundle_root: Path) -> None:
    found = run([*JOURNEY, str(tmp_path), str(free_port())], bundle_root)
    is_whole(found)
    assert len(found["outside"]) == 1
    assert "attendant.py" in found["outside"][0]
    # onnxruntime's telemetry, where it is on, keeps what it can't send in ~/.cache/Microsoft for other programs to send.
    assert sorted(path.name for path in tmp_path.iterdir()) == ["clinic.pdf", "home", "log"]


@pytest.mark.slow
def test_short_commands_are_as_silent(tmp_path: Path, bundle_root: Path) -> None:
    document = tmp_path / "clinic.md"
    document.write_text("# Goma\n\nThe clinic was opened on 14 March 2011 by Dr Amina Kasongo.\n", encoding="utf-8")
    home = ["--home", str(tmp_path / "home"), "--collection", "field", "--json"]
    for number, arguments in enumerate((["ingest", str(document)], ["search", "clinic"], ["ask", "Who opened the clinic?"])):
        trace = tmp_path / f"trace{number}"
        run([*TRACER, str(trace), sys.executable, "-m", "appliance.cli", *arguments, *home], bundle_root)
        assert not [call for call in calls(trace) if INET.search(call) and "= -1" not in call]
        # One try of our own, right after the network is shut, to see that it is.
        assert refused(trace) == Counter({"socket AF_INET": 1})
