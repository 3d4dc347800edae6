"""What every room's tests share: the real starter bundle and the real embedder. `make test` builds the bundle first."""

from __future__ import annotations

import os
import shutil
import signal
from collections.abc import Iterator
from pathlib import Path

import pytest
from playwright.sync_api import Browser, expect, sync_playwright

from appliance.integrity import verify_model
from appliance.manifest import Manifest, read_manifest
from appliance.models.embedder import Embedder
from tests.second_model import model_with_tools, second_model

ROOT = Path(__file__).resolve().parent.parent
# Whoever starts the tests in the background (`nohup make test &`) has these ignored, and every program that a test starts would inherit that.
signal.signal(signal.SIGINT, signal.default_int_handler)
signal.signal(signal.SIGHUP, signal.SIG_DFL)


@pytest.fixture(scope="session", autouse=True)
def signing_key(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """What tests build is signed by a key of their own, never by the user's."""
    file = tmp_path_factory.mktemp("key") / "signing.pem"
    os.environ["HAVERSACK_SIGNING_KEY"] = str(file)
    return file


@pytest.fixture(autouse=True)
def environment_as_it_was() -> Iterator[None]:
    """A command run in this process sets variables (HF_HUB_OFFLINE and others) that the next test must not find."""
    before = dict(os.environ)
    yield
    if os.environ != before:
        os.environ.clear()
        os.environ.update(before)


@pytest.fixture(scope="session")
def bundle_root() -> Path:
    root = ROOT / "dist" / "starter"
    assert (root / "manifest.json").is_file(), "dist/starter is not there: run `make bundle` first"
    return root


@pytest.fixture(scope="session")
def manifest(bundle_root: Path) -> Manifest:
    return read_manifest(bundle_root)


@pytest.fixture(scope="session")
def embedder(manifest: Manifest) -> Embedder:
    model = manifest.model("embedder")
    verify_model(manifest, model)
    return Embedder(manifest.folder(model), model, threads=2)


@pytest.fixture(scope="session")
def second_gguf(manifest: Manifest, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A second real language model (Q4_0, 92 MB), in a folder of its own. Not to be changed: copy it."""
    return second_model(manifest, tmp_path_factory.mktemp("second"))


@pytest.fixture(scope="session")
def tools_gguf(manifest: Manifest, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The starter's model (Q4_1, 98 MB) with a chat template that takes tools. Not to be changed: copy it."""
    return model_with_tools(manifest, tmp_path_factory.mktemp("tools"))


@pytest.fixture(scope="session")
def browser() -> Iterator[Browser]:
    """Debian's chromium, one for all tests: Playwright can't be started twice in one process."""
    path = shutil.which("chromium")
    assert path, "Debian's chromium is not there: `make system` installs it"
    expect.set_options(timeout=30_000)  # its own 5 s are not enough for a machine that is busy with a model
    with sync_playwright() as playwright:
        started = playwright.chromium.launch(executable_path=path, args=["--no-sandbox"])
        yield started
        started.close()


@pytest.fixture
def home(tmp_path: Path) -> Path:
    return tmp_path / "home"
