"""A FAT32 and an exFAT stick; every test that takes one runs on both."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest

from appliance.minisign import SecretKey
from tests.carrying import making
from tests.images import MIB, Stick, exfat_image, fat_image


@pytest.fixture(params=["fat", "exfat"])
def stick(request: pytest.FixtureRequest, tmp_path: Path) -> Iterator[Stick]:
    with (fat_image if request.param == "fat" else exfat_image)(tmp_path, 64 * MIB) as image:
        yield image


@pytest.fixture
def signer(tmp_path: Path) -> SecretKey:
    return making.key(tmp_path)


@pytest.fixture
def old(tmp_path: Path, signer: SecretKey) -> Path:
    return making.make_bundle(tmp_path / "old", signer)


@pytest.fixture
def new(tmp_path: Path, signer: SecretKey) -> Path:
    return making.make_bundle(tmp_path / "new", signer, created=making.NEWER, version=2)
