"""Which of llama.cpp's libraries runs on this processor: it is built once for each kind, from the oldest x86-64 to the newest.

llama.cpp asks the processor what it can do and takes the best. Should that ever be wrong (a virtual machine that promises more than it
has), the child dies of an illegal instruction while it loads the model; then the next older kind is tried, down to one that every
64-bit PC since 2003 can run.
"""

from __future__ import annotations

import platform

_CHOSEN_BY_LLAMA = ""
_OLDER = {
    "x86_64": ("haswell", "sandybridge", "sse42", "x64"),
    "amd64": ("haswell", "sandybridge", "sse42", "x64"),
}
"""What is tried after llama.cpp's own choice, best first. Haswell is AVX2 (2013), Sandy Bridge AVX (2011), sse42 Nehalem (2008)."""


def variants(machine: str = "") -> tuple[str, ...]:
    """The kinds to try on this machine, in order; the first, empty one leaves it to llama.cpp."""
    return (_CHOSEN_BY_LLAMA, *_OLDER.get((machine or platform.machine()).lower(), ()))
