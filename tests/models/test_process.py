"""Children that die or hang in ways that the real one rarely does: nobody waits for ever."""

from __future__ import annotations

import os
import signal
import sys
import threading
import time
from pathlib import Path

import pytest

from appliance.errors import GeneratorFailed
from appliance.models.generator import Generator, Message, Piece
from appliance.models.process import ModelProcess
from appliance.models.request import Request


def test_a_child_that_is_killed_in_the_middle_of_a_line_is_gone_for_all_who_wait(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """As when the memory is full: what stands in the pipe then is half a reply."""
    child = tmp_path / "child"
    child.write_text("""#!/bin/sh\nread line\nprintf '{"is": "counts", "id": 1, "cou'\nkill -KILL $$\n""", encoding="utf-8")
    child.chmod(0o755)
    monkeypatch.setattr(sys, "executable", str(child))
    process = ModelProcess(Path("model.gguf"), 512, 1)
    replies = process.ask(1, {"do": "count", "prompts": []})
    assert "killed" in replies.get(timeout=10)["detail"]
    assert process.ended


def test_nothing_that_haversack_is_told_reaches_the_child(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    child = tmp_path / "child"
    child.write_text(f"#!/bin/sh\nenv > {tmp_path}/env\n", encoding="utf-8")
    child.chmod(0o755)
    monkeypatch.setattr(sys, "executable", str(child))
    monkeypatch.setenv("HAVERSACK_LLM_KEY", "the base camp's secret")
    process = ModelProcess(Path("model.gguf"), 512, 1)
    assert process.ask(1, {"do": "count", "prompts": []}).get(timeout=30)["is"] == "failed"
    told = (tmp_path / "env").read_text(encoding="utf-8")
    assert "PYTHONPATH" in told
    assert "HAVERSACK" not in told


def test_a_child_that_does_not_stop_is_ended_and_the_next_question_gets_another(own_generator: Generator) -> None:
    cancel = threading.Event()
    stream = own_generator.generate(Request([Message("user", "Tell a long story.")], 200), cancel)
    while not isinstance(next(stream), Piece):
        pass
    pid = own_generator.pid
    assert pid is not None
    os.kill(pid, signal.SIGSTOP)  # as good as a loop that never ends
    cancel.set()
    began = time.monotonic()
    with pytest.raises(GeneratorFailed, match="did not stop when it was told to"):
        list(stream)
    assert time.monotonic() - began < 30
    assert list(own_generator.generate(Request([Message("user", "Hi")], 2), threading.Event()))
    assert own_generator.pid != pid
