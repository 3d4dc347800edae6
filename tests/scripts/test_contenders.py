"""The plain side answers at all: a benchmark against something that doesn't would say nothing."""

from __future__ import annotations

from pathlib import Path

import pytest

from scripts.benchmark.processes import Side


@pytest.mark.slow
def test_the_plain_side_reads_finds_and_answers(tmp_path: Path, bundle_root: Path) -> None:
    assert bundle_root.is_dir(), "building it fetched the models that both sides take"
    folder = tmp_path / "documents"
    folder.mkdir()
    (folder / "clinic.txt").write_text("The Goma clinic was opened on 14 March 2011 by Dr Amani.")
    with Side("theirs", tmp_path / "chroma", tmp_path / "models", tmp_path / "log") as plain:
        assert plain("ingest", folder=str(folder), name="field")["chunks"] == 1
        assert plain("retrieve", question="Who opened it?", name="field")["found"] == 1
        said = plain("converse", first="When was the Goma clinic opened?", second="On which day was it opened?", name="field")
    assert "14 March 2011" in said["answer"]
