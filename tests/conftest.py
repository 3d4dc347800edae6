"""What every room's tests share: the real starter bundle and the real embedder. `make test` builds the bundle first."""

from __future__ import annotations

import os
from pathlib import Path

import pytest

from appliance.integrity import verify_model
from appliance.manifest import Manifest, read_manifest
from appliance.models.embedder import Embedder

ROOT = Path(__file__).resolve().parent.parent


@pytest.fixture(scope="session", autouse=True)
def signing_key(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """What tests build is signed by a key of their own, never by the user's."""
    file = tmp_path_factory.mktemp("key") / "signing.pem"
    os.environ["HAVERSACK_SIGNING_KEY"] = str(file)
    return file


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


@pytest.fixture
def home(tmp_path: Path) -> Path:
    return tmp_path / "home"
