"""macOS: what its own `sysctl` says. Written from the manual; its output is read from samples in the tests, and was not run on a Mac yet."""

from __future__ import annotations

import platform
import subprocess

from appliance.machine.facts import Memory

_INSTRUCTIONS = {
    "hw.optional.sse4_2": "SSE4.2",
    "hw.optional.avx1_0": "AVX",
    "hw.optional.avx2_0": "AVX2",
    "hw.optional.avx512f": "AVX-512",
    "hw.optional.neon": "NEON",
    "hw.optional.arm.FEAT_DotProd": "NEON dot products",
}
_NAMES = ("machdep.cpu.brand_string", "hw.physicalcpu", "hw.memsize", *_INSTRUCTIONS)


def system() -> str:
    return f"macOS {platform.mac_ver()[0]}"


def libc() -> str:
    return ""


def processor() -> tuple[str, int | None, tuple[str, ...] | None]:
    return parse_processor(_run("/usr/sbin/sysctl", *_NAMES))


def memory() -> Memory:
    return parse_memory(_run("/usr/sbin/sysctl", "hw.memsize"))


def parse_processor(text: str) -> tuple[str, int | None, tuple[str, ...] | None]:
    """Name, real cores and instruction sets from lines such as "hw.physicalcpu: 4"; what a Mac doesn't know isn't among them."""
    values = _values(text)
    cores = values.get("hw.physicalcpu", "")
    known = tuple(title for name, title in _INSTRUCTIONS.items() if values.get(name) == "1")
    return values.get("machdep.cpu.brand_string", ""), int(cores) if cores.isdigit() else None, known if values else None


def parse_memory(text: str) -> Memory:
    """The total only: how much could be freed, macOS tells in no one number."""
    size = _values(text).get("hw.memsize", "")
    return Memory(int(size) if size.isdigit() else None)


def _values(text: str) -> dict[str, str]:
    return {name.strip(): value.strip() for name, colon, value in (line.partition(":") for line in text.splitlines()) if colon}


def _run(*command: str) -> str:
    try:
        return subprocess.run(command, capture_output=True, text=True, errors="replace", stdin=subprocess.DEVNULL, timeout=5).stdout
    except (OSError, subprocess.SubprocessError):
        return ""
