"""What models are chosen for, and how fast they were found to be: two small files in the home, written whole or not at all.

Choices that were never made leave no file; a file that can't be understood counts as none, since what it holds is chosen or measured again
in a moment.
"""

from __future__ import annotations

import json
import math
from collections.abc import Mapping
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

from appliance.durable import storage_error, writing_durably
from appliance.errors import BadRequest

PURPOSES = ("answering", "summarising", "rewriting", "translating")
"""Those that have no model of their own take that of answering; the rewriting of a question is then done by rules, without a model."""
CHOICES, SPEEDS = "model-choices.json", "model-speeds.json"
_LARGEST = 1 << 20


@dataclass(frozen=True, slots=True)
class Speed:
    """Tokens a second, measured on a machine with so many threads of that processor."""

    reading: float
    writing: float
    when: str
    """UTC, ISO 8601, whole seconds."""
    threads: int
    processor: str


def check_purpose(purpose: str) -> str:
    """Raises BadRequest."""
    if purpose not in PURPOSES:
        raise BadRequest(detail=f"There is no purpose {purpose[:40]!r}. A model can be chosen for " + ", ".join(PURPOSES) + ".")
    return purpose


def read_choices(home: Path) -> dict[str, str]:
    """Purpose → the name of the model that was chosen."""
    return {purpose: name for purpose, name in _read(home / CHOICES).items() if purpose in PURPOSES and isinstance(name, str)}


def write_choices(home: Path, choices: Mapping[str, str]) -> None:
    """Raises DiskFull, LibraryReadOnly."""
    _write(home / CHOICES, choices)


def read_speeds(home: Path) -> dict[str, Speed]:
    """sha256 of a model's first file → how fast it is. Another file under the same name is another model."""
    speeds = {}
    for digest, value in _read(home / SPEEDS).items():
        try:
            speed = Speed(
                float(value["reading"]), float(value["writing"]), str(value["when"])[:40], int(value["threads"]), str(value["processor"])[:200]
            )
        except (KeyError, TypeError, ValueError, OverflowError):
            continue
        if all(math.isfinite(figure) and figure > 0 for figure in (speed.reading, speed.writing)):
            speeds[digest] = speed
    return speeds


def write_speeds(home: Path, speeds: Mapping[str, Speed]) -> None:
    """Raises DiskFull, LibraryReadOnly."""
    _write(home / SPEEDS, {digest: asdict(speed) for digest, speed in speeds.items()})


def _read(path: Path) -> dict[str, Any]:
    try:
        with path.open("rb") as stream:
            values = json.loads(stream.read(_LARGEST))
    except (OSError, ValueError, RecursionError):
        return {}
    return values if isinstance(values, dict) else {}


def _write(path: Path, values: Mapping[str, Any]) -> None:
    try:
        with writing_durably(path) as file:
            file.write(json.dumps(values, indent=1).encode("ascii") + b"\n")
    except OSError as error:
        raise storage_error(error, path.parent) from error
