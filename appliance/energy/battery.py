"""The battery: how full it is, whether it is being emptied, and how fast. Linux' /sys/class/power_supply, Windows' and macOS's own words.

Linux tells µW and µWh, or µA, µAh and µV, as the battery's own chip does (Documentation/ABI/testing/sysfs-class-power).
"""

from __future__ import annotations

import ctypes
import re
import subprocess
import sys
from dataclasses import dataclass
from pathlib import Path

SUPPLIES = Path("/sys/class/power_supply")


@dataclass(frozen=True, slots=True)
class Battery:
    """`watts`: what leaves it now, the whole machine's; `watt_hours`: what is left in it; `full`: watt-hours that it takes. None where the system
    doesn't say."""

    percent: int
    discharging: bool
    watts: float | None = None
    watt_hours: float | None = None
    full: float | None = None


def battery() -> Battery | None:
    """This machine's; None where it has none, or the system doesn't say. Several are taken as one."""
    if sys.platform == "win32":
        return _windows()
    if sys.platform == "darwin":
        return _macos()
    return linux(SUPPLIES)


def linux(folder: Path) -> Battery | None:
    try:
        supplies = sorted(folder.iterdir())
    except OSError:
        return None
    found = [one for one in map(_supply, supplies) if one is not None]
    if not found:
        return None
    watts = [one.watts for one in found if one.watts is not None and one.discharging]
    hours = [one.watt_hours for one in found if one.watt_hours is not None]
    sizes = [one.full for one in found if one.full]
    alike = len(sizes) < len(found)  # a small one that is full is no half of the whole, where the sizes are told
    percent = round(sum(one.percent * (1 if alike else one.full or 0) for one in found) / (len(found) if alike else sum(sizes)))
    return Battery(
        percent,
        any(one.discharging for one in found),
        sum(watts) if watts else None,
        sum(hours) if hours else None,
        None if alike else sum(sizes),
    )


def _supply(folder: Path) -> Battery | None:
    # A mouse has a battery too: its scope is "Device".
    if _text(folder, "type") != "Battery" or _text(folder, "scope") == "Device" or _text(folder, "present") == "0":
        return None
    voltage, current = _micro(folder, "voltage_now"), _micro(folder, "current_now")
    power = _micro(folder, "power_now")
    if power is None and current is not None and voltage is not None:
        power = current * voltage
    energy, full = (_watt_hours(folder, when, voltage) for when in ("now", "full"))
    percent = _text(folder, "capacity")
    if not percent.isdigit():
        return None
    # Some chips count what leaves as less than nothing; 0 is a chip that doesn't know yet.
    watts = abs(power) if power else None
    return Battery(min(100, int(percent)), _text(folder, "status") == "Discharging", watts, energy, full)


def _watt_hours(folder: Path, when: str, voltage: float | None) -> float | None:
    energy, charge = _micro(folder, f"energy_{when}"), _micro(folder, f"charge_{when}")
    return charge * voltage if energy is None and charge is not None and voltage is not None else energy


def macos_says(text: str) -> Battery | None:
    """What `pmset -g batt` printed."""
    percent = re.search(r"(\d{1,3})%;", text)
    return Battery(min(100, int(percent[1])), "Battery Power" in text) if percent else None


def _macos() -> Battery | None:
    try:
        return macos_says(subprocess.run(["/usr/bin/pmset", "-g", "batt"], capture_output=True, text=True, timeout=5).stdout)
    except (OSError, subprocess.SubprocessError):
        return None


class _PowerStatus(ctypes.Structure):
    _fields_ = (
        ("line", ctypes.c_ubyte),
        ("flag", ctypes.c_ubyte),
        ("percent", ctypes.c_ubyte),
        ("saver", ctypes.c_ubyte),
        ("seconds", ctypes.c_ulong),
        ("full", ctypes.c_ulong),
    )


def windows_says(line: int, flag: int, percent: int) -> Battery | None:
    """The fields of SYSTEM_POWER_STATUS: line 0 is "offline"; flag 128 means no battery, 255 that nothing is known."""
    return None if flag & 128 or percent > 100 else Battery(percent, line == 0)


def _windows() -> Battery | None:
    status = _PowerStatus()
    kernel = ctypes.CDLL("kernel32")  # WinDLL's other calling convention is that of 32-bit systems, which nothing here runs on
    return windows_says(status.line, status.flag, status.percent) if kernel.GetSystemPowerStatus(ctypes.byref(status)) else None


def _text(folder: Path, name: str) -> str:
    try:
        return (folder / name).read_text(encoding="utf-8", errors="replace").strip()
    except OSError:
        return ""


def _micro(folder: Path, name: str) -> float | None:
    try:
        return int(_text(folder, name)) / 1e6
    except ValueError:
        return None
