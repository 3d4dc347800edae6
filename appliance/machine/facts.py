"""What is known of a machine: measured or told by the system. None, or an empty text, where the system doesn't say; nothing is guessed."""

from __future__ import annotations

from dataclasses import dataclass

from appliance.carrying.filesystem import FileSystem


@dataclass(frozen=True, slots=True)
class Processor:
    name: str
    architecture: str
    """As the system calls it: "x86_64", "arm64", "AMD64"."""
    bits: int
    """Of the interpreter that runs us."""
    cores: int | None
    """Real ones; a core that runs two threads counts once."""
    threads: int
    """How many of them the models are given."""
    instructions: tuple[str, ...] | None
    """Of those that matter for the models: "SSE4.2", "AVX", "AVX2", "AVX-512", or for ARM "NEON" and its like."""


@dataclass(frozen=True, slots=True)
class Memory:
    """In bytes."""

    total: int | None = None
    available: int | None = None
    """What programs can still take before the system swaps."""


@dataclass(frozen=True, slots=True)
class Disk:
    """The file system that holds one folder of ours."""

    path: str
    filesystem: FileSystem | None
    writable: bool | None
    """What came of trying; None where it is not ours to write to."""
    speed: float | None
    """Bytes a second: read of the bundle, written and synced of the library."""


@dataclass(frozen=True, slots=True)
class Machine:
    system: str
    """Name and version."""
    libc: str
    """The C library's name and version, "glibc 2.36"; empty where there is no such thing to say."""
    platform: str
    """As bundles name it: "linux-x64"; empty for a machine that none is made for."""
    processor: Processor
    memory: Memory
    bundle: Disk
    library: Disk
