"""The facts of a machine in plain words, a line each; what the system doesn't say is "not known here"."""

from __future__ import annotations

from appliance.machine.facts import Disk, Machine, Memory, Processor

UNKNOWN = "not known here"


def lines(machine: Machine) -> tuple[tuple[str, str], ...]:
    return (
        ("System", ", ".join(word for word in (machine.system, machine.libc, machine.platform or machine.processor.architecture) if word)),
        ("Processor", _processor(machine.processor)),
        ("Memory", _memory(machine.memory)),
        ("Bundle", _disk(machine.bundle, "reads")),
        ("Library", _disk(machine.library, "writes")),
    )


def gigabytes(size: float) -> str:
    return f"{size / 1e9:.1f} GB"


def _processor(processor: Processor) -> str:
    cores = f"{processor.cores} cores" if processor.cores else f"cores {UNKNOWN}"
    known = processor.instructions
    instructions = f"instructions {UNKNOWN}" if known is None else ", ".join(known) or "no vector instructions"
    return f"{processor.name or f'name {UNKNOWN}'}; {cores}, {processor.threads} threads for the models; {instructions}"


def _memory(memory: Memory) -> str:
    if memory.total is None:
        return UNKNOWN
    free = UNKNOWN if memory.available is None else gigabytes(memory.available)
    return f"{gigabytes(memory.total)}, free {free}"


def _disk(disk: Disk, does: str) -> str:
    system = disk.filesystem
    if system is None:
        return f"{disk.path}: {UNKNOWN}"
    if disk.writable is None:
        state = "write-protected" if system.read_only else "not write-protected"
    else:
        state = "can be written to" if disk.writable else "can't be written to"
    speed = "speed not measured" if disk.speed is None else f"{does} at {disk.speed / 1e6:.0f} MB/s"
    return f"{disk.path}: {system.name or f'file system {UNKNOWN}'}, {state}, {gigabytes(system.free)} free, {speed}"
