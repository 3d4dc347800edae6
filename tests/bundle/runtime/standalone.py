"""Archives in the shape of python-build-standalone's `install_only`, made from what this machine has."""

from __future__ import annotations

import platform
import tarfile
from io import BytesIO
from pathlib import Path

_LLAMA_NEEDS = ("libgomp.so.1", "libstdc++.so.6", "libgcc_s.so.1")


def standalone_linux(image: Path, folder: Path) -> Path:
    """The interpreter of a host image with links, headers and tests, as such an archive has them; without what only packages need."""
    version = platform.python_version()
    minor = version.rpartition(".")[0]
    archive = folder / f"cpython-{version}+20260101-x86_64-unknown-linux-gnu-install_only.tar.gz"

    def wanted(entry: tarfile.TarInfo) -> tarfile.TarInfo | None:
        return None if "site-packages/" in entry.name or Path(entry.name).name in _LLAMA_NEEDS else entry

    with tarfile.open(archive, "w:gz", compresslevel=1) as packed:
        packed.add(image / "python" / "lib", "python/lib", filter=wanted)
        packed.add(image / "python" / "bin" / "python3", f"python/bin/python{minor}")
        for name in ("python", "python3"):
            packed.addfile(link(f"python/bin/{name}", f"python{minor}"))
        for name in (f"python/include/python{minor}/Python.h", f"python/lib/python{minor}/test/test_os.py", "python/bin/pip3"):
            _add(packed, name, b"# not wanted\n")
    return archive


def standalone_windows(folder: Path) -> Path:
    archive = folder / "cpython-3.11.9+20240814-x86_64-pc-windows-msvc-install_only_stripped.tar.gz"
    with tarfile.open(archive, "w:gz") as packed:
        for name in ("python/python.exe", "python/python311.dll", "python/vcruntime140.dll", "python/Lib/os.py", "python/Lib/test/test_os.py"):
            _add(packed, name, b"# a stand-in\n")
        _add(packed, "python/LICENSE.txt", b"PYTHON SOFTWARE FOUNDATION LICENSE VERSION 2\n")
    return archive


def link(name: str, target: str) -> tarfile.TarInfo:
    entry = tarfile.TarInfo(name)
    entry.type, entry.linkname = tarfile.SYMTYPE, target
    return entry


def _add(packed: tarfile.TarFile, name: str, content: bytes) -> None:
    entry = tarfile.TarInfo(name)
    entry.size = len(content)
    packed.addfile(entry, BytesIO(content))
