"""Looks at the machine: processor, memory, system, and the disks of the bundle and of the library. About half a second."""

from __future__ import annotations

import platform
import sys
from collections.abc import Iterator
from functools import cache
from pathlib import Path

from appliance.carrying.filesystem import FileSystem, filesystem_of
from appliance.config import Settings, can_be_written
from appliance.machine.facts import Disk, Machine, Memory, Processor
from appliance.machine.speed import read_speed, write_speed
from appliance.manifest import Manifest

if sys.platform == "win32":
    from appliance.machine import windows as here
elif sys.platform == "darwin":
    from appliance.machine import macos as here
else:
    from appliance.machine import linux as here

_PLATFORMS = {
    ("linux", "x86_64"): "linux-x64",
    ("linux", "aarch64"): "linux-arm64",
    ("win32", "amd64"): "windows-x64",
    ("darwin", "arm64"): "macos-arm64",
    ("darwin", "x86_64"): "macos-x64",
}


def platform_name(system: str, architecture: str, bits: int) -> str:
    """What bundles call a machine, empty where none is made for it."""
    return _PLATFORMS.get((system, architecture.lower()), "") if bits == 64 else ""


def memory_now() -> Memory:
    """What the system says of its memory at this moment: some microseconds."""
    return here.memory()


@cache
def processor_name() -> str:
    """As the system calls it; empty where it doesn't say."""
    return here.processor()[0]


def look(settings: Settings, manifest: Manifest | None, *, measure: bool = True, before: Memory | None = None) -> Machine:
    """Everything that can be known: some milliseconds, and half a second more to `measure` the disks.

    That reads 8 MB of the bundle and writes 4 MB into the library's folder, where there is one, and leaves nothing. `before` is the
    memory as it was before the models were loaded.
    """
    architecture, bits = platform.machine(), 64 if sys.maxsize > 2**32 else 32
    name, cores, instructions = here.processor()
    bundle, home = settings.bundle, settings.home
    reads = read_speed(_largest(manifest)) if measure and manifest else None
    # A folder that isn't there yet is not made: then the system's word must do.
    writable, writes = write_speed(home) if measure and home.is_dir() else (can_be_written(home), None)
    return Machine(
        system=here.system(),
        libc=here.libc(),
        platform=platform_name(sys.platform, architecture, bits),
        processor=Processor(name, architecture, bits, cores, settings.usable_threads, instructions),
        memory=before or here.memory(),
        bundle=Disk(str(bundle), _filesystem(bundle) if bundle.is_dir() else None, None, reads),
        library=Disk(str(home), _filesystem(home), writable, writes),
    )


def _largest(manifest: Manifest) -> Iterator[Path]:
    for file in sorted(manifest.files, key=lambda file: -file.size):
        yield manifest.root / file.path


def _filesystem(path: Path) -> FileSystem | None:
    """Of the path, or of the nearest folder above it that is there."""
    try:
        return filesystem_of(path)
    except OSError:
        return None
