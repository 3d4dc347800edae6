"""Which addresses are for programs, and whose shape each speaks; all others are the page's."""

from __future__ import annotations

import re
from typing import Literal

OPENAI = "/v1"
OLLAMA = re.compile(r"/api/(tags|show|chat|generate|embed|embeddings|ps|version|pull|push|create|copy|delete|blobs/[^/]*)")
"""Exactly Ollama's: those that it answers here, and those that are refused in its shape. No path of the page's API has such a name."""


def shape(path: str) -> Literal["openai", "ollama", ""]:
    """Whose shape the answers at `path` have; "" for the page's own."""
    if path == OPENAI or path.startswith(OPENAI + "/"):
        return "openai"
    return "ollama" if OLLAMA.fullmatch(path) else ""
