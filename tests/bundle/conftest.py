"""What the bundle's tests share: small wheels, the Hub-shaped server, and the starter bundle built once, with a kill on the way."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
import zipfile
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path

import pytest

from bundle.build import Built, build
from bundle.overrides import Wishes, with_wishes
from bundle.progress import Progress
from bundle.sources import cache_folder
from bundle.spec import read_spec
from tests.bundle.hub_server import HubServer, serving

ROOT = Path(__file__).resolve().parent.parent.parent


class Silent:
    """A stream that keeps what a build says."""

    def __init__(self) -> None:
        self.text = ""

    def write(self, text: str) -> int:
        self.text += text
        return len(text)

    def flush(self) -> None: ...

    def isatty(self) -> bool:
        return False


@pytest.fixture
def progress() -> Progress:
    return Progress(Silent())


@pytest.fixture
def hub(monkeypatch: pytest.MonkeyPatch) -> Iterator[HubServer]:
    with serving() as server:
        monkeypatch.setenv("HF_ENDPOINT", server.url)
        monkeypatch.delenv("HF_TOKEN", raising=False)
        yield server


@pytest.fixture
def make_wheel(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Callable[[dict[str, bytes]], Path]:
    """Writes tiny_model-1.0 with these files, where pip finds it and nothing else."""
    index = tmp_path / "index"
    index.mkdir()
    for name in [name for name in os.environ if name.startswith("PIP_")]:
        monkeypatch.delenv(name)
    monkeypatch.setenv("PIP_CONFIG_FILE", os.devnull)
    monkeypatch.setenv("PIP_NO_INDEX", "1")
    monkeypatch.setenv("PIP_FIND_LINKS", str(index))

    def write(files: dict[str, bytes]) -> Path:
        path = index / "tiny_model-1.0-py3-none-any.whl"
        info = "tiny_model-1.0.dist-info"
        own = {
            f"{info}/METADATA": b"Metadata-Version: 2.1\nName: tiny-model\nVersion: 1.0\n",
            f"{info}/WHEEL": b"Wheel-Version: 1.0\nGenerator: test\nRoot-Is-Purelib: true\nTag: py3-none-any\n",
            f"{info}/RECORD": b"",
        }
        with zipfile.ZipFile(path, "w", zipfile.ZIP_DEFLATED) as archive:
            for name, content in (files | own).items():
                archive.writestr(name, content)
        return path

    return write


@dataclass
class Starter:
    """What a first build that was killed, and a second one, left."""

    output: Path
    after_kill: list[str]
    built: Built
    said: str


@pytest.fixture(scope="session")
def starter(tmp_path_factory: pytest.TempPathFactory) -> Starter:
    """The real starter profile: the first build is killed by SIGKILL while it prepares the embedder, the second one goes on."""
    folder = tmp_path_factory.mktemp("starter")
    output = folder / "starter"
    command = [sys.executable, "-m", "bundle.cli", "build", "--output", str(output)]
    with subprocess.Popen(command, cwd=ROOT, stderr=subprocess.PIPE, text=True) as first:
        assert first.stderr is not None
        for line in first.stderr:
            if line.startswith("Preparing"):
                break
        first.send_signal(signal.SIGKILL)
    after_kill = sorted(path.relative_to(folder).as_posix() for path in folder.rglob("*") if path.is_file())
    stream = Silent()
    built = build(with_wishes(read_spec("starter"), Wishes()), output, cache_folder(), Progress(stream))
    return Starter(output, after_kill, built, stream.text)
