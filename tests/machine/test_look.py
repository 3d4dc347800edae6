"""What is found out about a machine: from sample texts of other systems, and from this one, its disks and real FAT sticks."""

from __future__ import annotations

import os
import platform
import sys
from dataclasses import asdict
from pathlib import Path

import pytest

from appliance.config import Settings
from appliance.machine import linux, macos, windows
from appliance.machine.facts import Memory
from appliance.machine.judge import examine
from appliance.machine.look import look, platform_name
from appliance.machine.speed import read_speed, write_speed
from appliance.machine.words import UNKNOWN, lines
from tests.images import exfat_image, fat_image, mounted
from tests.machine.making import MACHINE, QWEN_4B, gguf, make_bundle

CPUINFO = """\
processor\t: 0
model name\t: Intel(R) Core(TM) i5-2520M CPU @ 2.50GHz
physical id\t: 0
core id\t\t: 0
flags\t\t: fpu sse2 ssse3 sse4_1 sse4_2 avx

processor\t: 1
model name\t: Intel(R) Core(TM) i5-2520M CPU @ 2.50GHz
physical id\t: 0
core id\t\t: 0
flags\t\t: fpu sse2 ssse3 sse4_1 sse4_2 avx

processor\t: 2
model name\t: Intel(R) Core(TM) i5-2520M CPU @ 2.50GHz
physical id\t: 0
core id\t\t: 1
flags\t\t: fpu sse2 ssse3 sse4_1 sse4_2 avx
"""
ARM = "processor\t: 0\nBogoMIPS\t: 108.00\nFeatures\t: fp asimd evtstrm crc32 asimddp\nCPU implementer\t: 0x41\n"
MEMINFO = "MemTotal:        3905108 kB\nMemFree:          194532 kB\nMemAvailable:    1201020 kB\nSwapTotal:       2097148 kB\n"
MAC = """\
machdep.cpu.brand_string: Intel(R) Core(TM) i5-5257U CPU @ 2.70GHz
hw.physicalcpu: 2
hw.memsize: 8589934592
hw.optional.sse4_2: 1
hw.optional.avx1_0: 1
hw.optional.avx2_0: 1
hw.optional.avx512f: 0
"""


def test_linux_says_what_its_processor_can() -> None:
    assert linux.parse_cpuinfo(CPUINFO) == ("Intel(R) Core(TM) i5-2520M CPU @ 2.50GHz", 2, ("SSE4.2", "AVX"))
    assert linux.parse_cpuinfo(ARM) == ("", None, ("NEON", "NEON dot products"))
    assert linux.parse_cpuinfo("") == ("", None, None)


def test_linux_says_how_much_memory_there_is() -> None:
    assert linux.parse_meminfo(MEMINFO) == Memory(3905108 * 1024, 1201020 * 1024)
    assert linux.parse_meminfo("") == Memory(None, None)


def test_a_mac_says_it_in_its_own_words() -> None:
    assert macos.parse_processor(MAC) == ("Intel(R) Core(TM) i5-5257U CPU @ 2.70GHz", 2, ("SSE4.2", "AVX", "AVX2"))
    assert macos.parse_memory(MAC) == Memory(8589934592, None)
    assert macos.parse_processor("") == ("", None, None)
    assert macos.parse_memory("hw.memsize: much") == Memory(None, None)


def test_where_a_systems_calls_are_not_there_nothing_is_known() -> None:
    if sys.platform != "darwin":
        assert macos.memory() == Memory(None, None)
    if sys.platform != "win32":
        assert windows.memory() == Memory(None, None)
        assert windows.processor() == ("", None, None)


@pytest.mark.parametrize(
    ("system", "architecture", "bits", "name"),
    [
        ("linux", "x86_64", 64, "linux-x64"),
        ("linux", "x86_64", 32, ""),
        ("linux", "aarch64", 64, "linux-arm64"),
        ("linux", "armv7l", 32, ""),
        ("win32", "AMD64", 64, "windows-x64"),
        ("win32", "ARM64", 64, ""),
        ("darwin", "arm64", 64, "macos-arm64"),
        ("darwin", "x86_64", 64, "macos-x64"),
    ],
)
def test_a_machine_is_named_as_bundles_name_it(system: str, architecture: str, bits: int, name: str) -> None:
    assert platform_name(system, architecture, bits) == name


def test_this_machine_is_found_out(tmp_path: Path) -> None:
    machine = look(Settings(home=tmp_path / "home", bundle=tmp_path / "bundle"), None)
    assert machine.processor.architecture == platform.machine()
    assert machine.processor.threads >= 1
    if sys.platform == "linux":
        assert machine.memory.total == os.sysconf("SC_PAGE_SIZE") * os.sysconf("SC_PHYS_PAGES")
    assert machine.library.writable
    assert machine.library.filesystem
    assert machine.bundle.filesystem is None, "there is no bundle"
    assert list(tmp_path.iterdir()) == [], "looking makes nothing"


def test_the_memory_of_before_is_kept(tmp_path: Path) -> None:
    assert look(Settings(home=tmp_path, bundle=tmp_path), None, measure=False, before=Memory(2, 1)).memory == Memory(2, 1)


def test_the_disks_are_measured_and_nothing_is_left(tmp_path: Path) -> None:
    manifest = make_bundle(tmp_path / "bundle", model=gguf(QWEN_4B), size=9 << 20)
    file = tmp_path / "bundle" / "models" / "m" / "model.gguf"
    file.write_bytes(os.urandom(9 << 20))
    os.sync()
    home = tmp_path / "home"
    home.mkdir()
    machine = look(Settings(home=home, bundle=tmp_path / "bundle"), manifest)
    assert machine.bundle.speed
    assert machine.bundle.speed > 0
    assert machine.library.speed
    assert machine.library.speed > 0
    assert list(home.iterdir()) == []
    assert look(Settings(home=home, bundle=tmp_path / "bundle"), manifest, measure=False).bundle.speed is None


def test_a_file_that_stays_in_memory_is_not_measured(tmp_path: Path) -> None:
    import mmap

    used, other = tmp_path / "used", tmp_path / "other"
    for path in (used, other):
        path.write_bytes(os.urandom(9 << 20))
    os.sync()
    with used.open("rb") as stream, mmap.mmap(stream.fileno(), 0, prot=mmap.PROT_READ) as mapped:
        assert sum(mapped[::4096]) > 0
        assert read_speed([used]) is None
        assert read_speed([used, tmp_path / "missing", other])


def test_a_folder_that_cannot_be_written_has_no_speed(tmp_path: Path) -> None:
    assert write_speed(tmp_path / "missing") == (False, None)


def test_a_library_on_a_fat_stick_is_known_as_such(tmp_path: Path) -> None:
    with fat_image(tmp_path) as stick:
        data = stick.mount / "data"
        data.mkdir()
        report = examine(Settings(home=data, bundle=stick.mount, portable=True), None)
        assert report.machine.library.writable
        assert report.machine.library.speed
        assert [one.sentence for one in report.findings if "FAT32" in one.sentence and "no file over 4 GB" in one.sentence]
        assert list(data.iterdir()) == []
        (data / "large").write_bytes(os.urandom(2 << 20))
        assert read_speed([data / "large"]) is None, "it is mounted in user space: what was read would come from memory"


def test_a_write_protected_stick_is_known_as_such(tmp_path: Path) -> None:
    with exfat_image(tmp_path) as stick:
        (stick.mount / "data").mkdir()
    with mounted(stick.image, "exfat", read_only=True):
        report = examine(Settings(home=stick.mount / "data", bundle=stick.mount, portable=True), None)
        assert report.findings[0].severity == "error"
        assert report.findings[0].sentence.endswith("its disk is write-protected.")
        assert "exFAT, write-protected" in dict(lines(report.machine))["Bundle"]


def test_the_facts_are_told_in_words() -> None:
    told = dict(lines(MACHINE))
    assert told["System"] == "Debian GNU/Linux 12 (bookworm), glibc 2.36, linux-x64"
    assert told["Processor"] == "AMD EPYC; 4 cores, 8 threads for the models; SSE4.2, AVX, AVX2"
    assert told["Memory"] == "16.0 GB, free 12.0 GB"
    assert told["Bundle"] == "/media/STICK: exFAT, not write-protected, 20.0 GB free, reads at 400 MB/s"
    assert told["Library"] == "/home/amina/.local/share/haversack: ext4, can be written to, 90.0 GB free, writes at 200 MB/s"


def test_what_the_system_does_not_say_is_said_to_be_unknown(tmp_path: Path) -> None:
    machine = look(Settings(home=tmp_path / "home", bundle=tmp_path / "bundle"), None, before=Memory())
    told = dict(lines(machine))
    assert told["Memory"] == UNKNOWN
    assert told["Bundle"] == f"{tmp_path / 'bundle'}: {UNKNOWN}"
    assert told["Library"].endswith("free, speed not measured")
    assert asdict(machine)["memory"] == {"total": None, "available": None}
