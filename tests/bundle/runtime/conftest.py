"""The image of this machine's own runtime, from the download cache, unpacked at a place where it was not made."""

from __future__ import annotations

import subprocess
import tarfile
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path

import pytest

from bundle.runtime.image import Image, make
from bundle.sources import cache_folder
from bundle.spec import Spec, host_platform, read_spec

Run = Callable[..., str]


@pytest.fixture(scope="session")
def host_spec() -> Spec:
    return replace(read_spec("starter"), platforms=(host_platform(),), provider="host")


@pytest.fixture(scope="session")
def made(host_spec: Spec) -> Image:
    return make(host_spec, host_platform(), cache_folder())


@pytest.fixture(scope="session")
def image(made: Image, tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("another place")
    with tarfile.open(made.archive) as archive:
        archive.extractall(folder, filter="data")
    return folder


@pytest.fixture(scope="session")
def run_in() -> Run:
    """What a line of Python prints in an image, with an empty environment."""

    def run(image: Path, code: str, *flags: str) -> str:
        command = [str(image / "python" / "bin" / "python3"), "-I", *flags, "-c", code]
        done = subprocess.run(command, env={}, cwd="/", capture_output=True, text=True, check=False)
        assert done.returncode == 0, done.stderr
        return done.stdout.strip()

    return run
