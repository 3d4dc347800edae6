"""The folder beside the output in which a bundle is built, and the one rename at the end. Until then, the bundle that was there is untouched."""

from __future__ import annotations

import ctypes
import fcntl
import os
import shutil
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from appliance.manifest import MANIFEST
from bundle.errors import BuildBusy, OutputRefused

_AT_FDCWD, _RENAME_EXCHANGE = -100, 2


@contextmanager
def staging(output: Path) -> Iterator[Path]:
    """The folder beside `output` in which it is built, held by this process alone; it stays when the build doesn't end.

    Raises BuildBusy, OutputRefused.
    """
    if output.is_symlink() or (output.exists() and not output.is_dir()):
        raise OutputRefused(path=output, detail="it is a file or a link")
    if output.is_dir() and any(output.iterdir()) and not (output / MANIFEST).is_file():
        raise OutputRefused(path=output, detail="it holds something that is no bundle")
    folder = output.parent / f".{output.name}.building"
    try:
        folder.mkdir(parents=True, exist_ok=True)
        handle = os.open(folder, os.O_RDONLY)
    except OSError as error:
        raise OutputRefused(path=output, detail=error.strerror) from error
    try:
        try:
            fcntl.flock(handle, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except OSError as error:
            raise BuildBusy(path=output) from error
        if (folder / "old").exists() and not output.exists():
            (folder / "old").rename(output)  # stopped between two renames, where they can't be one
        shutil.rmtree(folder / "old", ignore_errors=True)
        yield folder
        shutil.rmtree(folder, ignore_errors=True)
    finally:
        os.close(handle)


def put_in_place(root: Path, output: Path) -> None:
    """Everything to the disk, then one rename; the older bundle goes to `old` beside `root` and is removed with the staging folder."""
    for path in [*root.rglob("*"), root]:
        _sync(path)
    old = root.parent / "old"
    if output.exists():
        if _exchange(root, output):
            root.rename(old)
        else:
            output.rename(old)
            root.rename(output)
    else:
        root.rename(output)
    _sync(output.parent)


def _exchange(one: Path, other: Path) -> bool:
    """Swap two folders in one step, where the system can (Linux, most file systems): at no moment is there no bundle."""
    try:
        renameat2 = ctypes.CDLL(None, use_errno=True).renameat2
    except (OSError, AttributeError):
        return False
    return bool(renameat2(_AT_FDCWD, os.fsencode(one), _AT_FDCWD, os.fsencode(other), _RENAME_EXCHANGE) == 0)


def _sync(path: Path) -> None:
    handle = os.open(path, os.O_RDONLY)
    try:
        os.fsync(handle)
    finally:
        os.close(handle)
