"""Real FAT32 and exFAT sticks for tests: images made by `mkfs`, mounted by the file systems in user space that Debian carries.

Needs root, /dev/fuse and the packages dosfstools, exfatprogs, exfat-fuse and fusefat. A kernel with vfat and exfat of its own isn't
needed. Both mounts let every user in, as a desktop's mount does for the one who sits there.

What was found of fusefat 0.1a: it is FAT32 as it should be in renaming over an existing file, fsync of files and folders, long names, names of
either case for one file, removing an open file, and O_DIRECT; links and modes it refuses, as FAT has none. It differs from the
kernel's vfat in these: `statvfs` tells blocks of 1 KiB whatever the cluster, and counts clusters as files; a full disk and a file
of 4 GiB answer EPERM; a renamed folder loses what is in it until the next mount; the label appears as a file of its own; a file
is written in time that grows with the square of its size (100 MB in 1 s, 200 MB in 3 s), for it walks the chain of clusters
from the start. exfat-fuse 1.3 has none of these, and wrote 200 MB in 0.5 s; it needs a loop device, and `statvfs` tells the cluster's true size.
"""

from __future__ import annotations

import os
import subprocess
import time
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Literal

KIB, MIB = 1 << 10, 1 << 20


@dataclass(frozen=True, slots=True)
class Stick:
    """A mounted image."""

    image: Path
    mount: Path


@contextmanager
def fat_image(folder: Path, size: int = 64 * MIB, cluster: int = 32 * KIB) -> Iterator[Stick]:
    """A new FAT32 stick of `size` bytes, mounted read-write at `folder`/fat; unmounted at the end, its image stays."""
    image = _blank(folder / "fat.img", size)
    _run("mkfs.vfat", "-F", "32", "-S", "512", "-s", str(cluster // 512), str(image))
    with mounted(image, "fat") as stick:
        yield stick


@contextmanager
def exfat_image(folder: Path, size: int = 64 * MIB, cluster: int = 128 * KIB) -> Iterator[Stick]:
    """A new exFAT stick of `size` bytes, mounted read-write at `folder`/exfat; unmounted at the end, its image stays."""
    image = _blank(folder / "exfat.img", size)
    _run("mkfs.exfat", "-c", str(cluster), str(image))
    with mounted(image, "exfat") as stick:
        yield stick


@contextmanager
def mounted(image: Path, kind: Literal["fat", "exfat"], *, read_only: bool = False) -> Iterator[Stick]:
    """An image that is there already, mounted beside itself."""
    mount = image.with_suffix("")
    mount.mkdir(exist_ok=True)
    with _fusefat(image, mount, read_only) if kind == "fat" else _exfat_fuse(image, mount, read_only):
        yield Stick(image, mount)


@contextmanager
def _fusefat(image: Path, mount: Path, read_only: bool) -> Iterator[None]:
    options = ("ro" if read_only else "rw+") + ",allow_other,umask=0,big_writes"
    # In the foreground: what it still has to write is written when its process has ended, not when the mount has gone. It chatters
    # without end, and would stand still once nobody reads that.
    # One thread: with several, and a client killed in between, it once wrote to where no cluster is, and the image grew to 8 TB.
    limit = ["prlimit", f"--fsize={image.stat().st_size}"]
    command = [*limit, "fusefat", "-f", "-s", "-o", options, str(image), str(mount)]
    with subprocess.Popen(command, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL) as process:
        while not os.path.ismount(mount):
            if process.poll() is not None:
                raise OSError(f"fusefat did not mount {image}: exit code {process.returncode}")
            time.sleep(0.01)
        try:
            yield
        finally:
            _unmount(mount)


@contextmanager
def _exfat_fuse(image: Path, mount: Path, read_only: bool) -> Iterator[None]:
    loop = _run("losetup", "--find", "--show", *(["--read-only"] if read_only else []), str(image)).strip()
    try:
        _run("mount.exfat-fuse", "-o", "ro" if read_only else "rw", loop, str(mount))
        try:
            yield
        finally:
            _unmount(mount)
    finally:
        _run("losetup", "--detach", loop)


def _unmount(mount: Path) -> None:
    """Whoever was killed a moment ago may still be in it."""
    for _ in range(100):
        ended = subprocess.run(["umount", str(mount)], capture_output=True, text=True, check=False)
        if not os.path.ismount(mount):
            return
        time.sleep(0.05)
    raise OSError(ended.stderr)


def _blank(image: Path, size: int) -> Path:
    with image.open("xb") as stream:
        stream.truncate(size)
    return image


def _run(*command: str) -> str:
    ended = subprocess.run(command, capture_output=True, text=True, check=False)
    if ended.returncode:
        raise OSError(f"{command[0]}: {ended.stderr.strip() or ended.stdout.strip()}")
    return ended.stdout
