"""The plain way to carry the same thing: a virtual environment with torch, the program and both models, in one folder that is copied.

Nothing is downloaded: the environment's packages are those of this checkout's own that the plain pipeline needs. What it does not hold
is Python's standard library, as no virtual environment does: the machine that it is carried to must have the same Python.
"""

from __future__ import annotations

import shutil
import sys
import venv
from collections.abc import Iterable, Iterator
from importlib import metadata
from pathlib import Path, PurePosixPath

from scripts.benchmark import machine

PROGRAM = PurePosixPath("scripts/reference_pipeline")
FOLDER, ENVIRONMENT, APPLICATION, MODELS = "plain", "env", "app", "models"


def make(folder: Path, packages: Iterable[str], models: Path) -> Path:
    """The folder that somebody copies to a stick: env, app and models."""
    environment = folder / ENVIRONMENT
    venv.EnvBuilder(symlinks=False).create(environment)
    for path in [path for path in environment.rglob("*") if path.is_symlink()]:
        path.unlink()  # lib64: a stick has no links, and a copy of what it leads to would count all packages twice
    for source, place in sorted(files_of(packages)):
        target = environment / place
        target.parent.mkdir(parents=True, exist_ok=True)
        shutil.copy2(source, target)  # with its time: compiled modules are of no use where the source's isn't the same
    shutil.copytree(machine.ROOT / PROGRAM, folder / APPLICATION / PROGRAM, ignore=shutil.ignore_patterns("__pycache__"))
    shutil.copytree(models, folder / MODELS)
    return folder


def files_of(packages: Iterable[str]) -> Iterator[tuple[Path, PurePosixPath]]:
    """Every file that those installed packages list, compiled modules included, and its place in a virtual environment."""
    prefix = Path(sys.prefix).resolve()
    for name in packages:
        for file in metadata.files(name) or ():
            source = Path(str(file.locate())).resolve()
            if source.is_file() and source.is_relative_to(prefix):
                yield source, PurePosixPath(source.relative_to(prefix))


def start(mount: Path, home: Path, port: int) -> tuple[list[str], dict[str, str]]:
    """What serves its page from the stick that it was copied to, and what the environment must hold; Chroma keeps its files in the home."""
    folder = mount / FOLDER
    python = folder / ENVIRONMENT / "bin" / "python"
    # -P: the folder that this is called from holds the same program, and isn't the one to be started.
    program = [str(python), "-P", "-m", ".".join(PROGRAM.parts), "--folder", str(home / "chroma"), "--models", str(folder / MODELS)]
    return [*program, "--port", str(port)], {"PYTHONPATH": str(folder / APPLICATION)}
