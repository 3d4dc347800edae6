"""Windows: what the system's own calls say, by ctypes. Written from Microsoft's manual; not run on Windows yet."""

from __future__ import annotations

import platform
import sys

from appliance.machine.facts import Memory

# winnt.h: PF_*_INSTRUCTIONS_AVAILABLE. Windows before 10 knows only the first of them and says no to the others.
_INSTRUCTIONS = {38: "SSE4.2", 39: "AVX", 40: "AVX2", 41: "AVX-512", 19: "NEON", 43: "NEON dot products"}


def system() -> str:
    return f"Windows {platform.release()} ({platform.version()})"


def libc() -> str:
    return ""


if sys.platform == "win32":
    import ctypes
    import winreg
    from ctypes import wintypes

    class _MemoryStatus(ctypes.Structure):
        """MEMORYSTATUSEX."""

        _fields_ = (
            ("length", wintypes.DWORD),
            ("load", wintypes.DWORD),
            *((name, ctypes.c_uint64) for name in ("total", "available", "total_page", "free_page", "total_virtual", "free_virtual", "extended")),
        )

    def processor() -> tuple[str, int | None, tuple[str, ...] | None]:
        known = tuple(title for number, title in _INSTRUCTIONS.items() if ctypes.windll.kernel32.IsProcessorFeaturePresent(number))
        return _name(), None, known

    def memory() -> Memory:
        status = _MemoryStatus(length=ctypes.sizeof(_MemoryStatus))
        if not ctypes.windll.kernel32.GlobalMemoryStatusEx(ctypes.byref(status)):
            return Memory()
        return Memory(status.total, status.available)

    def _name() -> str:
        try:
            with winreg.OpenKey(winreg.HKEY_LOCAL_MACHINE, r"HARDWARE\DESCRIPTION\System\CentralProcessor\0") as key:
                return str(winreg.QueryValueEx(key, "ProcessorNameString")[0]).strip()
        except OSError:
            return ""
else:

    def processor() -> tuple[str, int | None, tuple[str, ...] | None]:
        return "", None, None

    def memory() -> Memory:
        return Memory()
