"""Renders a chat template that nobody knows yet, in a process of its own: `python -m appliance.shelf.rendering`.

Jinja's sandbox keeps a template from running code, but not from running for ever or from making a text of 10 GB. So the process has a limit
of memory and of processor time where the system knows such limits (not on Windows; macOS holds only the second), and ends by the clock everywhere.
"""

from __future__ import annotations

import json
import os
import subprocess
import sys
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from appliance.models.protocol import Call, Message
from appliance.models.template import ChatTemplate, TemplateFailed

SECONDS = 10.0
"""Wall clock. Every template that we know renders in 5 ms; the interpreter takes up to 2 s to start from a slow stick."""
_CPU_SECONDS = 3
_MEMORY = 1 << 30
_LONGEST_SAMPLE = 20_000
"""Characters of the rendered sample that are told on."""
_ROOT = Path(__file__).resolve().parents[2]
_TALK = (
    Message("system", "Answer in one sentence."),
    Message("user", "How high is the pass?"),
    Message("assistant", "It is 3,200 m high."),
    Message("user", "And the hut?"),
)
SHORT_TALK = _TALK[:2]
"""What every question begins with: a system message and one of the user."""
_TOOL = {
    "type": "function",
    "function": {
        "name": "height",
        "description": "How high a place is.",
        "parameters": {"type": "object", "properties": {"place": {"type": "string"}}, "required": ["place"]},
    },
}
_CALLED = (
    Message("user", "How high is the hut?"),
    Message("assistant", "", (Call("call00001", "height", '{"place": "hut"}'),)),
    Message("tool", "2750", name="height"),
)
"""Mistral's templates want ids of nine letters and digits."""


@dataclass(frozen=True, slots=True)
class Rendering:
    sample: str
    """A short talk as the model would read it. The begin and end tokens' texts are stand-ins: <s> and </s>."""
    can_call_tools: bool
    """The template lays out tools, a call and its answer."""


def rendered(template: str) -> Rendering:
    """Render a sample with an unknown template; an empty one is ChatML. Raises TemplateFailed with one plain reason."""
    environment = {**os.environ, "PYTHONPATH": os.pathsep.join(filter(None, (str(_ROOT), os.environ.get("PYTHONPATH"))))}
    command = [sys.executable, "-P", "-m", "appliance.shelf.rendering"]
    try:
        done = subprocess.run(
            command,
            input=json.dumps(template).encode("ascii"),
            stdout=subprocess.PIPE,
            stderr=subprocess.DEVNULL,
            env=environment,
            timeout=SECONDS,
            check=False,
        )
    except subprocess.TimeoutExpired as error:
        raise TemplateFailed(f"its chat template doesn't come to an end within {SECONDS:.0f} s") from error
    try:
        reply = json.loads(done.stdout)
    except ValueError as error:
        raise TemplateFailed("its chat template takes more time or memory than any template needs") from error
    if "failed" in reply:
        raise TemplateFailed(reply["failed"])
    return Rendering(reply["sample"], reply["can_call_tools"])


def _render(template: str) -> dict[str, Any]:
    try:
        chat = ChatTemplate(template, bos="<s>", eos="</s>")
        sample = "".join(part.text for part in chat.parts(_TALK))
    except TemplateFailed as error:
        if isinstance(error.__cause__, MemoryError):
            raise error.__cause__ from error
        return {"failed": " ".join(str(error).split())[:300]}
    return {"sample": sample[:_LONGEST_SAMPLE], "can_call_tools": _can_call(chat)}


def _can_call(chat: ChatTemplate) -> bool:
    try:
        return chat.can_call_tools and bool(chat.parts(_CALLED, [_TOOL]))
    except TemplateFailed:
        return False


def _confine() -> None:
    if sys.platform == "win32":
        return
    import resource

    for kind, limit in ((resource.RLIMIT_CORE, 0), (resource.RLIMIT_CPU, _CPU_SECONDS), (resource.RLIMIT_AS, _MEMORY)):
        try:
            hard = resource.getrlimit(kind)[1]
            resource.setrlimit(kind, (limit if hard == resource.RLIM_INFINITY else min(limit, hard), hard))
        except (OSError, ValueError):
            continue  # the clock holds all the same


def main() -> int:
    template = json.load(sys.stdin)
    _confine()
    try:
        reply = _render(template)
    except (MemoryError, RecursionError):
        return 1
    sys.stdout.write(json.dumps(reply))
    return 0


if __name__ == "__main__":
    sys.exit(main())
