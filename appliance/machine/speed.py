"""How fast the bundle can be read and the library written: a few megabytes, half a second each at most."""

from __future__ import annotations

import ctypes
import errno
import os
import sys
import time
from collections.abc import Iterable
from pathlib import Path

_SCRATCH = "speed.part"
"""One name, so that what a killed one leaves is gone with the next."""
_PIECE = 1 << 20
_WINDOW = 8 << 20
_LEAST = 1 << 20
_PATIENCE = 0.5
_FUSE = 0x65735546
_PROT_READ, _MAP_SHARED = 1, 1
_MAP_FAILED = ctypes.c_void_p(-1).value


def read_speed(files: Iterable[Path]) -> float | None:
    """Bytes a second from the medium itself, out of the middle of the first file that the system can be made to forget.

    None where it can't: then the memory would be measured and not the stick. A file that a running model has mapped stays in memory, so
    the next one is tried; a file system in user space (exfat-fuse, ntfs-3g) remembers behind the kernel's back.
    """
    if sys.platform != "linux":  # others have no call that forgets what was read
        return None
    for path in files:
        try:
            speed = _read(path)
        except OSError:
            continue
        if speed is not None:
            return speed
    return None


def write_speed(folder: Path) -> tuple[bool, float | None]:
    """Whether a file can be written into `folder`, and the bytes a second that reach the medium. The file is removed again."""
    content = os.urandom(_PIECE)  # zeros could be written without being written
    path = folder / _SCRATCH
    try:
        # Closed before it is removed: file systems in user space keep an open one under another name, and drop it some time later.
        descriptor = os.open(path, os.O_WRONLY | os.O_CREAT | os.O_TRUNC | getattr(os, "O_NOFOLLOW", 0) | getattr(os, "O_BINARY", 0), 0o600)
        try:
            started, written = time.perf_counter(), 0
            while written < 4 * _PIECE and time.perf_counter() - started < _PATIENCE:
                written += os.write(descriptor, content)
                os.fsync(descriptor)
            return True, written / (time.perf_counter() - started)
        finally:
            os.close(descriptor)
            path.unlink(missing_ok=True)
    except OSError as error:
        return error.errno in (errno.ENOSPC, errno.EDQUOT), None


def _read(path: Path) -> float | None:
    descriptor = os.open(path, os.O_RDONLY)
    try:
        size = os.fstat(descriptor).st_size
        if size < _LEAST:
            return None
        window = min(size, _WINDOW)
        offset = (size - window) // 2 // _PIECE * _PIECE
        os.posix_fadvise(descriptor, offset, window, os.POSIX_FADV_DONTNEED)
        if _in_user_space(descriptor) or _in_memory(descriptor, offset, window):
            return None
        os.lseek(descriptor, offset, os.SEEK_SET)
        started, done = time.perf_counter(), 0
        while done < window and time.perf_counter() - started < _PATIENCE:
            done += len(os.read(descriptor, min(_PIECE, window - done)))
        return done / (time.perf_counter() - started)
    finally:
        os.close(descriptor)


def _in_user_space(descriptor: int) -> bool:
    told = (ctypes.c_ulong * 64)()  # struct statfs: its first word is the type
    return bool(ctypes.CDLL(None).fstatfs(descriptor, told)) or told[0] == _FUSE


def _in_memory(descriptor: int, offset: int, length: int) -> bool:
    """Whether the system still has a page of that piece: mincore(2), which says yes too where it won't tell."""
    library = ctypes.CDLL(None, use_errno=True)
    library.mmap.restype = ctypes.c_void_p
    library.mmap.argtypes = (ctypes.c_void_p, ctypes.c_size_t, ctypes.c_int, ctypes.c_int, ctypes.c_int, ctypes.c_long)
    library.mincore.argtypes = (ctypes.c_void_p, ctypes.c_size_t, ctypes.c_void_p)
    library.munmap.argtypes = (ctypes.c_void_p, ctypes.c_size_t)
    address = library.mmap(None, length, _PROT_READ, _MAP_SHARED, descriptor, offset)
    if address in (None, _MAP_FAILED):
        return True
    try:
        page = os.sysconf("SC_PAGE_SIZE")
        pages = (ctypes.c_ubyte * -(-length // page))()
        return bool(library.mincore(address, length, pages)) or any(one & 1 for one in pages)
    finally:
        library.munmap(address, length)
