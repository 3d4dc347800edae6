"""The command `llm`, with an extra-openai-models.yaml as its documentation has it."""

from __future__ import annotations

import json
import os
import subprocess
import sys
import tempfile
from pathlib import Path

from telling import FIELD, KEY, OPENAI, QUESTION, SMALL, call, fits, tell

FOLDER = Path(tempfile.mkdtemp())
(FOLDER / "extra-openai-models.yaml").write_text(
    "\n".join(
        f"- model_id: {name}\n  model_name: {model}\n  api_base: {OPENAI}\n  api_key_name: haversack\n  supports_schema: true\n"
        for name, model in (("small", SMALL), ("field", FIELD))
    )
)
(FOLDER / "keys.json").write_text(json.dumps({"haversack": KEY}))


def llm(*arguments: str, status: int = 0) -> str:
    command = [str(Path(sys.executable).with_name("llm")), *arguments]
    run = subprocess.run(
        command, capture_output=True, text=True, timeout=120, env=os.environ | {"LLM_USER_PATH": str(FOLDER)}, stdin=subprocess.DEVNULL
    )
    assert run.returncode == status, run.stderr
    return run.stdout if status == 0 else run.stderr


@call("llm models")
def _() -> None:
    assert "OpenAI Chat: small" in llm("models")


@call("llm -m MODEL PROMPT")
def _() -> None:
    assert llm("-m", "small", "What is a well?", "-s", "You are brief.", "-o", "max_tokens", "24", "-o", "temperature", "0").strip()


@call("llm -m MODEL --no-stream PROMPT")
def _() -> None:
    options = ("-o", "max_tokens", "24", "-o", "temperature", "0")
    assert llm("-m", "small", "--no-stream", "What is a well?", *options) == llm("-m", "small", "What is a well?", *options)


@call("llm -m MODEL --schema")
def _() -> None:
    fits(llm("-m", "small", "--schema", "town, people int", "Kidatu has 900 people.", "-o", "max_tokens", "100", "-o", "temperature", "0"))


@call("llm -m MODEL@COLLECTION QUESTION")
def _() -> None:
    assert "Amina Salum" in llm("-m", "field", QUESTION)
    # What went before goes along with the next question.
    assert "14 March 2021" in llm("-c", "When was the pump at Kidatu repaired?")


@call("llm, wrong key")
def _() -> None:
    assert "haversack keys add" in llm("-m", "small", "--key", "wrong", "What is a well?", status=1)


tell()
