"""What of a machine will be slow or go wrong, in plain words, with figures that were measured there or are cited."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from typing import Literal

from appliance.config import Settings
from appliance.machine.facts import Machine, Memory
from appliance.machine.look import look
from appliance.machine.weights import generator_memory, model_size
from appliance.machine.words import gigabytes
from appliance.manifest import Manifest, Runtime

LEAST_FREE = 500_000_000
LEAST_MEMORY = 3_400_000_000
"""What a machine sold with 4 GB still shows: firmware and graphics keep some of it."""
SLOW_LOAD, NOTED_LOAD = 60, 10
"""Seconds for the models to come off the stick from which it is a warning, or is mentioned."""
SLOW_WRITE = 5_000_000
_SMALLER = "Close other programs, or carry a bundle with a smaller language model."
# research/packaging.md §2: llama.cpp's variants forced one by one, 2,000 tokens of prompt, SmolLM2 135M, 2 cores of an EPYC.
_WITH_AVX2, _SSE42, _X64 = 12.3, 155.0, 135.7


@dataclass(frozen=True, slots=True)
class Finding:
    """`sentence` says what is so, `advice` what to do. An error keeps Haversack from working; a warning is felt; a note is good to know."""

    severity: Literal["error", "warning", "note"]
    sentence: str
    advice: str


@dataclass(frozen=True, slots=True)
class Report:
    machine: Machine
    findings: tuple[Finding, ...]


def examine(settings: Settings, manifest: Manifest | None, *, measure: bool = True, before: Memory | None = None, loaded: bool = False) -> Report:
    """Look at this machine and judge it; see `look` and `findings`. No manifest: only what doesn't depend on the bundle."""
    machine = look(settings, manifest, measure=measure, before=before)
    return Report(machine, findings(machine, manifest, loaded=loaded))


def findings(machine: Machine, manifest: Manifest | None, *, loaded: bool = False) -> tuple[Finding, ...]:
    """The worst first; nothing where nothing is known to be wrong. `loaded`: another Haversack has the models in memory already."""
    found = [*_architecture(machine), *_memory(machine), *_processor(machine), *_library(machine)]
    if manifest is not None:
        found += [*_runtime(machine, manifest), *_model(machine, manifest, loaded=loaded), *_reading(machine, manifest)]
    return tuple(sorted(found, key=lambda one: ("error", "warning", "note").index(one.severity)))


def _architecture(machine: Machine) -> Iterator[Finding]:
    processor = machine.processor
    if processor.bits < 64:
        yield Finding(
            "error",
            f"This is a {processor.bits}-bit Python: models of 2 GB and more can't be loaded.",
            "Use a 64-bit system and the bundle's own start file.",
        )
    elif not machine.platform:
        yield Finding(
            "warning",
            f"No bundle is made for this kind of machine ({machine.system}, {processor.architecture}).",
            "What runs here is at your own risk; a 64-bit PC with Linux or Windows, or a Mac, is what bundles are made for.",
        )


def _memory(machine: Machine) -> Iterator[Finding]:
    total = machine.memory.total
    if total is not None and total < LEAST_MEMORY:
        yield Finding("warning", f"This machine has {gigabytes(total)} of memory; Haversack is made for 4 GB and more.", _SMALLER)


def _processor(machine: Machine) -> Iterator[Finding]:
    known, ask = machine.processor.instructions, "Quotes and “Find passages” need no language model and stay quick."
    if known is None or machine.processor.architecture.lower() not in ("x86_64", "amd64") or "AVX2" in known:
        return
    if "AVX" in known:
        yield Finding("warning", "This processor has no AVX2: answers are written more slowly than on newer ones; how much was not measured.", ask)
        return
    seconds = _SSE42 if "SSE4.2" in known else _X64
    sentence = (
        f"This processor has neither AVX nor AVX2: answers take about {seconds / _WITH_AVX2:.0f} times longer. "
        f"Where it was measured, with these instructions switched off, reading 2,000 tokens took {seconds:.0f} s instead of {_WITH_AVX2:.0f} s."
    )
    yield Finding("warning", sentence, ask)


def _library(machine: Machine) -> Iterator[Finding]:
    disk, system = machine.library, machine.library.filesystem
    if disk.writable is False:
        why = "its disk is write-protected" if system and system.read_only else "the system refuses"
        advice = "Remove the write protection, or name another place for the library with --home."
        yield Finding("error", f"Nothing can be written to {disk.path}: {why}.", advice)
    if system is not None and system.free < LEAST_FREE:
        yield Finding("warning", f"The disk of the library has {system.free / 1e6:.0f} MB free.", "Free some space before you add documents.")
    if disk.speed is not None and disk.speed < SLOW_WRITE:
        sentence = f"The disk of the library writes at {disk.speed / 1e6:.1f} MB/s: adding documents takes longer."
        yield Finding("note", sentence, "Add large folders when there is time.")
    if system is not None and "FAT" in system.name:
        largest = " and no file over 4 GB" if system.largest_file else ""
        sentence = f"The library is on {system.name}, which knows no users' rights{largest}: whoever has the disk can read it."
        yield Finding("note", sentence, "Keep the stick with you, or encrypt it with what your system offers.")


def _runtime(machine: Machine, manifest: Manifest) -> Iterator[Finding]:
    if not manifest.runtimes:
        return
    mine = next((one for one in manifest.runtimes if one.platform == machine.platform), None)
    if mine is None:
        others = ", ".join(sorted(one.platform for one in manifest.runtimes))
        here = machine.platform or machine.processor.architecture
        sentence = f"The bundle was made for {others}, and this machine is {here}: its start file can't work here."
        yield Finding("warning", sentence, "Build a bundle for this kind of machine too.")
        return
    if _older(machine.libc, mine):
        yield Finding(
            "warning",
            f"The bundle's programs need the C library {mine.libc}, and this system has {machine.libc}: they may not start.",
            "Use a newer system, or build the bundle on an older one.",
        )
    if not mine.tested:
        yield Finding(
            "note", f"The bundle's programs for {mine.platform} were built, and never run on such a machine before.", "Tell its maker how it goes."
        )


def _model(machine: Machine, manifest: Manifest, *, loaded: bool) -> Iterator[Finding]:
    needed, memory = generator_memory(manifest), machine.memory
    if needed is None or memory.total is None:
        return
    if needed > memory.total:
        sentence = f"The language model needs {gigabytes(needed)} of memory, and this machine has {gigabytes(memory.total)}: it can only swap."
        yield Finding("error", sentence, "Carry a bundle with a smaller language model.")
    elif not loaded and memory.available is not None and needed > memory.available:
        sentence = (
            f"The language model needs {gigabytes(needed)} of memory, and {gigabytes(memory.available)} of {gigabytes(memory.total)} are free: "
            "the system will swap, and answers will be slow."
        )
        yield Finding("warning", sentence, _SMALLER)


def _reading(machine: Machine, manifest: Manifest) -> Iterator[Finding]:
    speed, size = machine.bundle.speed, model_size(manifest, "generator") + model_size(manifest, "embedder")
    if not speed or size / speed < NOTED_LOAD:
        return
    yield Finding(
        "warning" if size / speed >= SLOW_LOAD else "note",
        f"The bundle's disk reads at {speed / 1e6:.0f} MB/s: loading its models ({gigabytes(size)}) takes about {size / speed:.0f} s.",
        "Use a faster port or stick, or copy the bundle to this machine's own disk.",
    )


def _older(libc: str, runtime: Runtime) -> bool:
    """Whether the system's glibc is older than what the runtime needs; False where either says nothing."""
    name, _, version = libc.partition(" ")
    try:
        return name == "glibc" and bool(runtime.libc) and _numbers(version) < _numbers(runtime.libc)
    except ValueError:
        return False


def _numbers(version: str) -> tuple[int, ...]:
    return tuple(int(part) for part in version.split("."))
