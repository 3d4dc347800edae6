"""What a place on a disk is: its file system, how much it takes, and what it doesn't take.

A stick is FAT32 or exFAT as a rule. What decides there is the cluster (a file of one byte takes all of it: 128 KiB on a large exFAT stick),
the largest file (FAT32: 4 GiB − 1), and the write protection.
"""

from __future__ import annotations

import os
import re
import shutil
import sys
from dataclasses import dataclass
from pathlib import Path

FAT32_LARGEST = (1 << 32) - 1
_MOUNTS = Path("/proc/self/mounts")
_FAT, _EXFAT, _NTFS = "FAT32", "exFAT", "NTFS"
# The kernel's, the user-space drivers', macOS's and Windows' own words for the same few things.
_NAMES = {
    "vfat": _FAT,
    "fat32": _FAT,
    "fat": _FAT,
    "fuse.fusefat": _FAT,
    "exfat": _EXFAT,
    "fuse.exfat": _EXFAT,
    "fuse.exfat-fuse": _EXFAT,
    "ntfs": _NTFS,
    "ntfs3": _NTFS,
    "fuse.ntfs-3g": _NTFS,
    "apfs": "APFS",
    "hfs": "HFS+",
    "hfsplus": "HFS+",
}
_SHORT_NAMES = "FAT with names of 8 + 3 letters"
_WORST_FAT_CLUSTER = 32 << 10
_SIGNATURES = {b"EXFAT   ": _EXFAT, b"NTFS    ": _NTFS}
_EVERYWHERE = frozenset({_FAT, _EXFAT})


@dataclass(frozen=True, slots=True)
class FileSystem:
    """What lies under a path. Sizes are in bytes."""

    name: str
    """`FAT32`, `exFAT`, `NTFS`, or the system's own word for it ("ext4"); "" where it doesn't say."""
    cluster: int
    free: int
    read_only: bool

    @property
    def largest_file(self) -> int | None:
        """The largest file it takes; None where no file is too large."""
        return FAT32_LARGEST if self.name in (_FAT, _SHORT_NAMES) else None

    @property
    def long_names(self) -> bool:
        return self.name != _SHORT_NAMES

    @property
    def everywhere(self) -> bool:
        """Whether Linux, Windows and macOS all read and write it. True where it isn't known: nothing is to be said then."""
        return not self.name or self.name in _EVERYWHERE

    def takes(self, size: int) -> int:
        """The bytes that a file of `size` takes: whole clusters."""
        return -(-size // self.cluster) * self.cluster


def filesystem_of(path: Path) -> FileSystem:
    """The file system that holds `path`, or the nearest folder above it that is there. Raises OSError."""
    path = existing(path)
    kind, device = _mount(path)
    name = _NAMES.get(kind.lower(), _SHORT_NAMES if kind == "msdos" else kind)
    if kind in ("fuseblk", "fuse"):
        name = _by_signature(device)
    free, cluster, read_only = _space(path)
    if kind == "fuse.fusefat":
        cluster = max(cluster, _WORST_FAT_CLUSTER)  # it tells 1 KiB whatever is so
    return FileSystem(name, cluster, free, read_only)


def existing(path: Path) -> Path:
    """`path` itself, or the nearest folder above it that is there."""
    path = path.absolute()
    while not path.exists() and path != path.parent:
        path = path.parent
    return path.resolve()


def _space(path: Path) -> tuple[int, int, bool]:
    """Free bytes for this user, the cluster, and whether the mount is read-only."""
    if sys.platform == "win32":
        return shutil.disk_usage(path).free, _windows_cluster(path), not os.access(path, os.W_OK)
    found = os.statvfs(path)
    return found.f_bavail * found.f_frsize, max(512, found.f_frsize), bool(found.f_flag & os.ST_RDONLY)


def _mount(path: Path) -> tuple[str, str]:
    """The type of the mount that holds `path`, in the system's word, and its device; "" where the system doesn't say."""
    if sys.platform == "win32":
        return _windows_name(path), ""
    try:
        lines = _MOUNTS.read_text(encoding="utf-8", errors="surrogateescape").splitlines()
    except OSError:
        return "", ""
    best, found = -1, ("", "")
    for line in lines:
        device, folder, kind, *_ = line.split(" ")
        where = Path(_unescaped(folder))
        # The last of two mounts over each other is the one that is seen.
        if len(where.parts) >= best and path.is_relative_to(where):
            best, found = len(where.parts), (kind, _unescaped(device))
    return found


def _unescaped(text: str) -> str:
    r"""The list of mounts writes a space as `\040`."""
    return re.sub(r"\\([0-7]{3})", lambda match: chr(int(match[1], 8)), text)


def _by_signature(device: str) -> str:
    """`fuseblk` is said of exFAT and of NTFS alike; the first sector tells, where this user may read it."""
    try:
        with open(device, "rb") as stream:
            return _SIGNATURES.get(stream.read(11)[3:], "")
    except OSError:
        return ""


if sys.platform == "win32":
    import ctypes

    def _windows_root(path: Path) -> str:
        return f"{path.drive}\\"

    def _windows_name(path: Path) -> str:
        name = ctypes.create_unicode_buffer(64)
        told = ctypes.windll.kernel32.GetVolumeInformationW(_windows_root(path), None, 0, None, None, None, name, len(name))
        return name.value if told else ""

    def _windows_cluster(path: Path) -> int:
        sectors, size, spare = ctypes.c_ulong(), ctypes.c_ulong(), ctypes.c_ulong()
        told = ctypes.windll.kernel32.GetDiskFreeSpaceW(
            _windows_root(path), ctypes.byref(sectors), ctypes.byref(size), ctypes.byref(spare), ctypes.byref(spare)
        )
        return max(512, sectors.value * size.value) if told else 4096
