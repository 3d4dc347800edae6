"""The promise itself: a stick, a Debian with no Python and no network, a user who may write nothing at home. Started by the launcher, twice."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from appliance.integrity import differences
from appliance.manifest import read_manifest
from bundle.cli import main as haversack_bundle
from tests.images import MIB, exfat_image, fat_image
from tests.offline.test_journey import INET, calls

ROOT = Path(__file__).resolve().parents[2]
CONDUCTOR = ["unshare", "--net", "--mount", "--propagation", "private", sys.executable, str(ROOT / "tests" / "proof" / "conductor.py")]
MIN_VARIANT = ["debootstrap", "--variant=minbase"]


@pytest.fixture(scope="session")
def bare() -> Path:
    """A bare Debian of this machine's own release: made once (a minute), kept in the cache, never changed by a test."""
    release = dict(line.split("=", 1) for line in Path("/etc/os-release").read_text().splitlines() if "=" in line)["VERSION_CODENAME"].strip('"')
    root = Path(os.environ.get("XDG_CACHE_HOME") or Path.home() / ".cache") / "haversack" / f"bare-{release}"
    if not root.is_dir():
        root.parent.mkdir(parents=True, exist_ok=True)
        unfinished = root.with_name(f"{root.name}.{os.getpid()}")
        subprocess.run([*MIN_VARIANT, release, str(unfinished)], check=True, stdout=subprocess.DEVNULL)
        unfinished.rename(root)
    assert not [path for path in root.glob("usr/bin/*") if path.name.startswith(("python", "pip", "gcc", "cc"))]
    return root


Journey = Callable[..., dict[str, Any]]


@pytest.fixture
def journey(bare: Path, tmp_path: Path) -> Journey:
    def travel(stick: Path, *options: str) -> dict[str, Any]:
        scratch = tmp_path / "scratch"
        scratch.mkdir()
        command = [*CONDUCTOR, str(bare), str(stick), str(scratch), "8765", *options]
        done = subprocess.run(command, env={**os.environ, "PYTHONPATH": str(ROOT)}, capture_output=True, text=True, timeout=400)
        assert done.returncode == 0, done.stderr[-4000:]
        found: dict[str, Any] = json.loads(done.stdout.splitlines()[-1])
        return found

    return travel


def is_answered(found: dict[str, Any]) -> None:
    """Twice: a PDF put in, a question, a cited answer, silence, and a clean end; the launcher itself prints to stderr alone."""
    assert [line["status"] for line in found["first"]["job"]["lines"]] == ["indexed"]
    for start in (found["first"], found["second"]):
        assert start["code"] == 0, start["err"]
        assert start["last"] == "kept"
        assert "14 March 2011" in start["answer"]["answer"]
        assert [(citation["document"], citation["page"]) for citation in start["answer"]["citations"]] == [("clinic.pdf", 1)]
        assert start["seal"]["sentence"] == "Sealed by the kernel: 0 attempts"
        assert all(attempt["refused"] for attempt in start["seal"]["self_test"])
        assert start["interfaces"] == ["lo"]
        assert start["out"] == ""


@pytest.mark.slow
def test_from_fat32_it_runs_answers_and_asks_nobody(journey: Journey, tmp_path: Path, bundle_root: Path) -> None:
    """The library is put where HAVERSACK_HOME says: fusefat can't leave holes in a file, which SQLite does, and the kernel's vfat can."""
    with fat_image(tmp_path, 700 * MIB, 16 << 10) as stick:
        assert haversack_bundle(["write", str(bundle_root), str(stick.mount)]) == 0
        found = journey(stick.mount, "HAVERSACK_HOME=/srv/reader/library", "--trace")
        assert differences(stick.mount / "haversack") == ()
    is_answered(found)
    signer = read_manifest(bundle_root).signer
    assert signer is not None
    assert f"signed by the key {signer.fingerprint}. It is the first" in found["first"]["err"]
    assert f"signed by the key {signer.fingerprint}, the same as before" in found["second"]["err"]
    assert "Unpacking the software into /tmp/haversack-1000/runtime" in found["first"]["err"]
    assert "Unpacking" not in found["second"]["err"]
    assert set(found["written"]) - {"/media/stick", "/home/reader"} == {"/tmp/haversack-1000/runtime", "/srv/reader/library"}
    traced = [call for call in calls(tmp_path / "scratch" / "trace") if INET.search(call) and "= -1" not in call]
    assert {call.partition("(")[0] for call in traced} <= {"socket", "bind", "getsockname", "accept4", "accept", "setsockopt", "getpeername"}
    assert all('"127.0.0.1"' in call for call in traced if call.startswith("bind"))


@pytest.mark.slow
@pytest.mark.parametrize(
    ("options", "left", "on_stick"),
    [
        ((), {"/tmp/haversack-1000/runtime"}, ["library.sqlite3"]),
        (("--portable",), set(), ["library.sqlite3", "runtime"]),
        (("--leave-no-trace",), set(), ["library.sqlite3"]),
    ],
    ids=["as it comes", "portable", "leave no trace"],
)
def test_from_exfat_the_library_stays_on_the_stick_and_nothing_else_is_written(
    journey: Journey, tmp_path: Path, bundle_root: Path, options: tuple[str, ...], left: set[str], on_stick: list[str]
) -> None:
    with exfat_image(tmp_path, 1400 * MIB, 32 << 10) as stick:
        assert haversack_bundle(["write", str(bundle_root), str(stick.mount)]) == 0
        found = journey(stick.mount, *options)
        assert differences(stick.mount / "haversack") == ()
        kept = {path.name for path in (stick.mount / "haversack" / "data").iterdir()}
    is_answered(found)
    assert found["first"]["home"] == "/media/stick/haversack/data"
    assert set(found["written"]) - {"/media/stick", "/home/reader", "/srv/reader", "/tmp"} == left, "a folder alone was only looked at"
    assert kept >= set(on_stick)
    assert ("runtime" in kept) == ("runtime" in on_stick)
