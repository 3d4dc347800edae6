"""Linux: what /proc says."""

from __future__ import annotations

import platform
import re
from contextlib import suppress
from pathlib import Path

from appliance.machine.facts import Memory

_INSTRUCTIONS = {
    "sse4_2": "SSE4.2",
    "avx": "AVX",
    "avx2": "AVX2",
    "avx512f": "AVX-512",
    "asimd": "NEON",
    "asimddp": "NEON dot products",
}


def system() -> str:
    try:
        return platform.freedesktop_os_release()["PRETTY_NAME"]
    except (OSError, KeyError):
        return f"Linux {platform.release()}"


def libc() -> str:
    return " ".join(platform.libc_ver()).strip()


def processor() -> tuple[str, int | None, tuple[str, ...] | None]:
    return parse_cpuinfo(_read("/proc/cpuinfo"))


def memory() -> Memory:
    return parse_meminfo(_read("/proc/meminfo"))


def parse_cpuinfo(text: str) -> tuple[str, int | None, tuple[str, ...] | None]:
    """Name, real cores and instruction sets from /proc/cpuinfo."""
    name, flags = _value(text, "model name"), _value(text, "flags") or _value(text, "Features")
    found = set(zip(re.findall(r"^physical id\s*: (\d+)", text, re.M), re.findall(r"^core id\s*: (\d+)", text, re.M), strict=False))
    known = tuple(title for flag, title in _INSTRUCTIONS.items() if flag in flags.split())
    return name, len(found) or None, known if flags else None


def parse_meminfo(text: str) -> Memory:
    sizes = {name: int(kib) * 1024 for name, kib in re.findall(r"^(\w+):\s+(\d+) kB", text, re.M)}
    return Memory(sizes.get("MemTotal"), sizes.get("MemAvailable"))


def _value(text: str, name: str) -> str:
    found = re.search(rf"^{name}\s*: (.*)$", text, re.M)
    return found[1].strip() if found else ""


def _read(path: str) -> str:
    with suppress(OSError):
        return Path(path).read_text(encoding="utf-8", errors="surrogateescape")
    return ""
