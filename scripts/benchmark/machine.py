"""The machine that figures are from, its limits, and the weight of what is installed."""

from __future__ import annotations

import os
import platform
import re
import subprocess
import sys
import time
from importlib import metadata
from pathlib import Path

import numpy
from packaging.requirements import Requirement
from packaging.utils import canonicalize_name

ROOT = Path(__file__).resolve().parents[2]
THEIRS = ("pypdf", "langchain-text-splitters", "sentence-transformers", "chromadb", "llama-cpp-python", "flask")
VERSIONS = ("llama-cpp-python", "onnxruntime", "tokenizers", "torch", "sentence-transformers", "chromadb", "pypdf", "pypdfium2", "flask", "numpy")


def describe() -> list[tuple[str, str]]:
    """What a reader must know of the machine, name by name."""
    info = Path("/proc/cpuinfo").read_text() if Path("/proc/cpuinfo").exists() else ""
    found = re.search(r"model name\s*: (.*)", info)
    flags = re.search(r"flags\s*: (.*)", info)
    vector = [name for name in ("avx2", "avx512f", "avx512_vnni", "avx_vnni", "amx_int8") if flags and name in flags[1].split()]
    memory = os.sysconf("SC_PAGE_SIZE") * os.sysconf("SC_PHYS_PAGES")
    return [
        ("Processor", f"{found[1] if found else platform.processor()}, {os.cpu_count()} cores to be used ({', '.join(vector)})"),
        ("Memory", f"{memory / 2**30:.0f} GiB, copies at {copy_speed() / 1e9:.1f} GB/s in one thread"),
        ("System", f"{platform.system()} {platform.release().split('-')[0]}, Python {platform.python_version()}"),
        ("Libraries", ", ".join(f"{name} {metadata.version(name)}" for name in VERSIONS)),
        ("Day", time.strftime("%Y-%m-%d")),
        ("Load before", f"{os.getloadavg()[0]:.1f} (processes that wanted to run, mean of a minute)"),
    ]


def copy_speed() -> float:
    """Bytes a second that one thread moves from memory to memory, read and written both counted."""
    source = numpy.ones(32 << 20, dtype=numpy.float64)
    target = numpy.empty_like(source)
    best = min(_time(lambda: numpy.copyto(target, source)) for _ in range(4))
    return 2 * source.nbytes / best


def multiply_time(rows: int, columns: int) -> float:
    """Seconds that one exact comparison of a question with `rows` vectors takes: the least that exact search can."""
    vectors = numpy.random.default_rng(1).standard_normal((rows, columns), dtype=numpy.float32)
    return min(_time(lambda: vectors @ vectors[0]) for _ in range(10))


def python_start() -> float:
    """Seconds that an empty Python program takes."""
    return min(_time(lambda: subprocess.run([sys.executable, "-c", "pass"], check=True)) for _ in range(5))


def installed_size(names: set[str]) -> int:
    """Bytes of the files of those packages, compiled modules left out."""
    total = 0
    for name in names:
        for file in metadata.files(name) or ():
            path = Path(str(file.locate()))
            if path.suffix != ".pyc" and path.is_file():
                total += path.stat().st_size
    return total


def ours() -> set[str]:
    """What is carried: the lock of the run time, and the engine that is compiled apart."""
    lines = (ROOT / "requirements.lock").read_text().splitlines()
    names = {canonicalize_name(line.split("==")[0].split("[")[0]) for line in lines if "==" in line and not line.startswith((" ", "#"))}
    return {name for name in names | {canonicalize_name("llama-cpp-python")} if _installed(name)}


def theirs() -> set[str]:
    """What `pip install` of the plain pipeline's libraries brings, all the way down."""
    found: set[str] = set()
    waiting = [Requirement(name) for name in THEIRS]
    while waiting:
        requirement = waiting.pop()
        name = canonicalize_name(requirement.name)
        if name in found or not _installed(name):
            continue
        found.add(name)
        for line in metadata.requires(name) or ():
            needed = Requirement(line)
            if needed.marker is None or any(needed.marker.evaluate({"extra": extra}) for extra in (requirement.extras or {""})):
                waiting.append(needed)
    return found


def _installed(name: str) -> bool:
    try:
        metadata.distribution(name)
    except metadata.PackageNotFoundError:
        return False
    return True


def _time(action: object) -> float:
    assert callable(action)
    started = time.perf_counter()
    action()
    return time.perf_counter() - started
