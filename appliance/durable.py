"""Files that a power cut leaves whole or leaves out: written beside, synced, renamed; a half-written file never carries the name that is read."""

from __future__ import annotations

import contextlib
import errno
import hashlib
import os
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import BinaryIO

from appliance.errors import DiskFull, HaversackError, LibraryReadOnly


def storage_error(error: OSError, path: Path) -> HaversackError:
    """What an operating system's refusal to write means to the user."""
    if error.errno in (errno.ENOSPC, errno.EDQUOT, errno.EFBIG):
        return DiskFull(path=path)
    return LibraryReadOnly(path=path, detail=error.strerror or error)


@contextlib.contextmanager
def writing_durably(path: Path) -> Iterator[BinaryIO]:
    """A file that appears under `path` whole and synced when the block ends, or not at all. Raises OSError."""
    path.parent.mkdir(parents=True, exist_ok=True)
    beside = path.with_name(path.name + ".part")
    try:
        with open(beside, "wb") as file:
            yield file
            file.flush()
            sync(file.fileno())
        os.replace(beside, path)
        sync_folder(path.parent)
    except BaseException:
        with contextlib.suppress(OSError):
            beside.unlink()
        raise


def sync(handle: int) -> None:
    """Down to the medium; macOS's own fsync ends in the drive's memory. Raises OSError."""
    if sys.platform == "darwin":
        import fcntl

        with contextlib.suppress(OSError):  # not every file system there knows it
            fcntl.fcntl(handle, fcntl.F_FULLFSYNC)
            return
    os.fsync(handle)


def sync_folder(folder: Path) -> None:
    """Make renames and deletions in `folder` survive a power cut; Windows has no such call. Raises OSError."""
    if os.name == "nt":
        return
    handle = os.open(folder, os.O_RDONLY)
    try:
        sync(handle)
    except OSError as error:
        if error.errno not in (errno.EINVAL, errno.ENOTSUP, errno.ENOSYS):  # some FUSE file systems sync files only
            raise
    finally:
        os.close(handle)


def sha256_of(path: Path) -> str:
    """Raises OSError."""
    with open(path, "rb") as file:
        return hashlib.file_digest(file, "sha256").hexdigest()
