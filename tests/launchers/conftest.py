"""Sticks to start from: the real starter, and a light one whose small archive leads to the real one's interpreter."""

from __future__ import annotations

import os
import shutil
import subprocess
from collections.abc import Iterator
from pathlib import Path

import pytest

from bundle.runtime.software import LAUNCHERS
from tests.launchers.starting import Stick

TELLS = """
import json, os, sys
print(json.dumps({"arguments": sys.argv[1:], "environment": dict(os.environ), "isolated": sys.flags.isolated, "said": sys.stdin.read()}))
print("a word to stderr", file=sys.stderr)
sys.exit(int(os.environ.get("LEAVE_WITH", "0")))
"""


@pytest.fixture(scope="session")
def starter(bundle_root: Path, tmp_path_factory: pytest.TempPathFactory) -> Stick:
    """The real bundle; its large files are linked, so nobody may write into them. Its software is unpacked in `cache`."""
    root = tmp_path_factory.mktemp("starter") / "stick"
    shutil.copytree(bundle_root, root, copy_function=_link)
    stick = Stick(root, root.parent)
    stick.launcher.unlink()
    shutil.copyfile(LAUNCHERS / "start.sh", stick.launcher)
    stick.start("--version", XDG_CACHE_HOME=str(stick.cache)).check_returncode()
    return stick


@pytest.fixture
def stick(starter: Stick, tmp_path: Path) -> Iterator[Stick]:
    """A light stick of this test's own: its interpreter is the starter's, its code tells what it was started with."""
    light = Stick(tmp_path / "stick", tmp_path)
    light.root.mkdir()
    shutil.copyfile(starter.launcher, light.launcher)
    image, code = tmp_path / "image", tmp_path / "code"
    program = image / "python" / "bin" / "python3"
    program.parent.mkdir(parents=True)
    program.write_text(f'#!/bin/sh\nexec "{starter.image}/python/bin/python3" "$@"\n', encoding="utf-8")
    program.chmod(0o755)
    for name in ("LIBC", "PYTHON"):
        shutil.copyfile(starter.image / name, image / name)
    code.mkdir()
    (code / "haversack.py").write_text(TELLS, encoding="utf-8")
    light.carry(image, "linux-x64")
    light.carry(code, "haversack")
    yield light
    # Another user's folders are not for pytest to clear.
    subprocess.run(["rm", "-rf", str(tmp_path / "temporary")], check=True)


def _link(source: str, target: str) -> None:
    try:
        os.link(source, target)
    except OSError:
        shutil.copyfile(source, target)
