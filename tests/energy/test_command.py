"""`haversack energy` after `haversack ingest`, as they are typed."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from pathlib import Path

import pytest


def haversack(home: Path, bundle: Path, *words: str) -> str:
    environment = {**os.environ, "HAVERSACK_HOME": str(home), "HAVERSACK_BUNDLE": str(bundle)}
    command = [sys.executable, "-m", "appliance.cli", *words]
    return subprocess.run(command, env=environment, stdin=subprocess.DEVNULL, capture_output=True, text=True, check=True).stdout


def test_what_the_command_line_reads_is_measured(home: Path, bundle_root: Path, tmp_path: Path) -> None:
    for name in ("a", "b"):
        (tmp_path / f"{name}.txt").write_text(f"The well of camp {name} was dug in 2013.")
    haversack(home, bundle_root, "ingest", str(tmp_path / "a.txt"), str(tmp_path / "b.txt"), "--collection", "field")
    (day,) = json.loads(haversack(home, bundle_root, "energy", "--json"))["days"]
    assert (day["answers"], day["documents"]) == (0, 2)
    assert day["joules"] > 0
    assert day["watt_hours"] == pytest.approx(day["joules"] / 3600)
    assert "0 answers, 2 documents; " in haversack(home, bundle_root, "energy")
