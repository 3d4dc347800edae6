"""The saver: fewer threads, a smaller model, or no model at all. Offered when the battery is low, switched on by the user alone."""

from __future__ import annotations

import json
import os
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Literal, get_args

from appliance.durable import storage_error, writing_durably
from appliance.errors import BadRequest
from appliance.models.choice import Choice
from appliance.models.parameters import Parameters

Level = Literal["off", "threads", "model", "quotes"]
LEVELS: tuple[Level, ...] = get_args(Level)
FILE = "saver.json"


@dataclass(frozen=True, slots=True)
class Candidate:
    """A model that could stand in: its name, its title and what it weighs."""

    name: str
    title: str
    size: int


class Saver:
    """How much is saved; kept in the home, so that it is the same after a restart."""

    def __init__(self, home: Path, threads: int) -> None:
        self._path = home / FILE
        self._threads = threads

    @property
    def level(self) -> Level:
        try:
            told = json.loads(self._path.read_text(encoding="utf-8"))["level"]
        except (OSError, ValueError, KeyError, TypeError):
            return "off"
        return next((level for level in LEVELS if level == told), "off")

    def set(self, level: str) -> None:
        """Raises BadRequest, DiskFull, LibraryReadOnly."""
        if level not in LEVELS:
            raise BadRequest(detail=f'"level" must be one of {", ".join(LEVELS)}.')
        try:
            with writing_durably(self._path) as file:
                file.write(json.dumps({"level": level}).encode())
        except OSError as error:
            raise storage_error(error, self._path) from error

    def plan(self, model: str, parameters: Parameters, asked: str, shelf: Sequence[Candidate]) -> Choice:
        """What holds for a question. What it asks for itself (`asked`: its own model's name, or "") is never overruled."""
        level = self.level
        if level in ("model", "quotes") and not asked and shelf:
            model = min(shelf, key=lambda one: one.size).name
        return Choice(model, parameters, write=level != "quotes" or bool(asked))

    @property
    def threads(self) -> int:
        """Those that models use while it is on."""
        return max(1, self._threads // 2)

    def saving(self) -> int | None:
        """`threads` while it is on: they hold for whatever asks a model and tells none itself."""
        return None if self.level == "off" else self.threads

    def sentences(self, shelf: Sequence[Candidate]) -> dict[str, str]:
        """What each level does here, for people."""
        cores = os.cpu_count() or self._threads
        threads = f"Models use {self.threads} of {cores} threads: answers take longer, and the machine stays cooler."
        smallest = min(shelf, key=lambda one: one.size, default=None)
        model = f"{threads} The smallest model answers ({smallest.title})." if smallest and len(shelf) > 1 else f"{threads} There is only one model."
        return {"threads": threads, "model": model, "quotes": "No model writes: you read your documents' own best sentences, at once."}
