"""What carrying costs: our bundle and the plain way on exFAT images: files, bytes, time to copy, first and second start.

Needs root, /dev/fuse and the file systems that `tests/images.py` names: the sticks are the tests' own, which is why they come from there.
"""

from __future__ import annotations

import os
import shutil
import statistics
import subprocess
import sys
import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from appliance.manifest import DATA, MANIFEST, read_manifest
from scripts.benchmark import machine, plain_way
from scripts.benchmark.measures import Row
from scripts.benchmark.processes import Server, free_port
from tests.images import exfat_image, mounted

BUNDLE = machine.ROOT / "dist" / "starter"
MIB = 1 << 20
CLUSTERS = {32 << 10: 16 << 30, 128 << 10: 64 << 30}
"""Size of the cluster, and of a stick that Windows gives such clusters. The image has holes: it takes what is written to it."""
STARTED_FROM = 128 << 10
"""The stick of today, and the last of the two."""
OURS = "haversack"
_NEEDED = ("mkfs.exfat", "mount.exfat-fuse", "losetup")
_FORGET = Path("/proc/sys/vm/drop_caches")
_PACKS = "packs"
_BLOCK = 4 << 10
"""Of a local disk."""


Start = Callable[[Path, Path, int], tuple[list[str], dict[str, str]]]
"""A stick, a home and a port → the command that serves a page there, and what its environment must hold besides."""


@dataclass(slots=True)
class Carried:
    """One side. Sizes in bytes, times in seconds; `taken` and `copying` by the size of the cluster."""

    files: int
    runtime: int
    taken: dict[int, int] = field(default_factory=dict)
    copying: dict[int, float] = field(default_factory=dict)
    first: list[float] = field(default_factory=list)
    second: list[float] = field(default_factory=list)


def hindrance() -> str | None:
    """Why it can't be measured here, in a sentence; None where it can."""
    missing = [name for name in _NEEDED if not shutil.which(name)]
    if missing:
        return f"carrying can't be measured without {', '.join(missing)}: install exfatprogs and exfat-fuse, or take --only answering"
    if os.geteuid() != 0 or not os.access("/dev/fuse", os.W_OK):
        return "carrying is measured on images that root alone mounts, with /dev/fuse: run it as root, or take --only answering"
    if not (BUNDLE / MANIFEST).is_file() or not read_manifest(BUNDLE).runtimes:
        return "dist/starter holds no runtime: run `make bundle`, or take --only answering"
    return None


def measure(work: Path, models: Path, rounds: int) -> tuple[list[Row], dict[str, Any]]:
    """The rows, and what a reader must know beside them. Takes about six minutes on two quiet cores, and 14 GB in `work`."""
    notes: dict[str, Any] = {
        "day": time.strftime("%Y-%m-%d"),
        "load": os.getloadavg()[0],
        "rounds": rounds,
        "started_from": STARTED_FROM,
        "written": {},
    }
    packages = machine.theirs()
    plain = plain_way.make(work / plain_way.FOLDER, packages, models)
    ours, theirs = Carried(0, 0), Carried(len(sizes(plain)), sum(sizes(plain / plain_way.ENVIRONMENT)))
    for cluster, size in CLUSTERS.items():
        folder = work / f"cluster-{cluster}"
        folder.mkdir()
        with exfat_image(folder, size, cluster) as stick:
            _, ours.copying[cluster] = copied(BUNDLE, stick.mount / "copied")
            shutil.rmtree(stick.mount / "copied")
            ours.taken[cluster], notes["written"][cluster] = _written(stick.mount)
            ours.files = besides_packs(stick.mount / OURS)
            theirs.taken[cluster], theirs.copying[cluster] = copied(plain, stick.mount / plain_way.FOLDER)
        if cluster == STARTED_FROM:
            _start(stick.image, work, rounds, ours, theirs, notes)
        stick.image.unlink()
    runtime = read_manifest(BUNDLE).runtimes[0]
    notes |= {"packages": len(packages), "bundle": sum(sizes(BUNDLE)), "plain": sum(sizes(plain)), "unpacked": runtime.unpacked}
    return rows(ours, theirs), notes


def rows(ours: Carried, theirs: Carried) -> list[Row]:
    """The table: each figure of ours beside theirs, and the aim where there is one."""

    def row(what: str, unit: str, mine: float, plain: float, target: str = "", most: float | None = None) -> Row:
        return Row(what, unit, mine, plain, target, most is None or mine <= most)

    first, second = statistics.median(ours.first), statistics.median(ours.second)
    made = [
        row("Software, unpacked", "MiB", ours.runtime / MIB, theirs.runtime / MIB, "≤ 400 MiB", 400),
        row("Files on the stick besides packs", "files", ours.files, theirs.files, "≤ 60 files", 60),
    ]
    for cluster, plain in theirs.taken.items():
        what = f"Bytes on exFAT, clusters of {cluster >> 10} KiB"
        made.append(row(what, "MB", ours.taken[cluster] / 1e6, plain / 1e6, "≤ 0.25×", 0.25 * plain / 1e6))
    for cluster, plain_seconds in theirs.copying.items():
        made.append(row(f"Copied, clusters of {cluster >> 10} KiB", "s", ours.copying[cluster], plain_seconds))
    return [
        *made,
        row("First start to page answering", "s", first, statistics.median(theirs.first), "≤ 30 s", 30),
        row("Second start to page answering", "s", second, statistics.median(theirs.second), "≤ 4 s", 4),
    ]


def sizes(folder: Path) -> list[int]:
    """The size of each file in it."""
    return [path.stat().st_size for path in folder.rglob("*") if path.is_file()]


def besides_packs(bundle: Path) -> int:
    """How many files a bundle is, without its document packs and the user's own folder."""
    names = (path.relative_to(bundle) for path in bundle.rglob("*") if path.is_file())
    return sum(name.parts[0] not in (_PACKS, DATA) for name in names)


def copied(source: Path, target: Path) -> tuple[int, float]:
    """Bytes that a copy takes, and seconds for it, until everything has been written."""
    return _timed(target.parent, ["cp", "-r", "--preserve=timestamps", str(source), str(target)])


def _written(mount: Path) -> tuple[int, float]:
    """The same for our own command, which checks what it copies and reads it back."""
    return _timed(mount, [sys.executable, "-m", "bundle.cli", "write", str(BUNDLE), str(mount)])


def _timed(mount: Path, command: Sequence[str]) -> tuple[int, float]:
    os.sync()  # what others have still to write is not ours
    free, started = _free(mount), time.perf_counter()
    subprocess.run(command, check=True, cwd=machine.ROOT, stdout=subprocess.DEVNULL)
    os.sync()
    return free - _free(mount), time.perf_counter() - started


def _free(mount: Path) -> int:
    found = os.statvfs(mount)
    return found.f_bfree * found.f_frsize


def _start(image: Path, work: Path, rounds: int, ours: Carried, theirs: Carried, notes: dict[str, Any]) -> None:
    """Each side twice in a new home, the two in turn, the stick plugged in anew for every start."""
    notes["forgotten"] = True
    for number in range(rounds):
        mine, plain = work / f"home-{number}", work / f"home-plain-{number}"
        for seconds, others in ((ours.first, theirs.first), (ours.second, theirs.second)):
            seconds.append(_answers(image, mine, work / "ours.log", _launcher, notes))
            others.append(_answers(image, plain, work / "theirs.log", plain_way.start, notes))
        unpacked = sizes(mine / ".cache" / "haversack" / "runtime")
        ours.runtime = sum(unpacked)
        notes |= {"runtime_files": len(unpacked), "runtime_blocks": sum(-(-size // _BLOCK) * _BLOCK for size in unpacked)}
        shutil.rmtree(mine)


def _answers(image: Path, home: Path, log: Path, start: Start, notes: dict[str, Any]) -> float:
    """Seconds from the start of a process until its page answers, with nothing of the stick in memory."""
    home.mkdir(exist_ok=True)
    port = free_port()
    with mounted(image, "exfat") as stick:
        command, variables = start(stick.mount, home, port)
        notes["forgotten"] &= _forget()
        with Server(command, log, {"HOME": str(home), "PATH": "/usr/bin:/bin", **variables}) as server:
            return server.until_it_answers(port)


def _launcher(mount: Path, home: Path, port: int) -> tuple[list[str], dict[str, str]]:
    return ["sh", str(mount / OURS / "start-linux.sh"), "serve", "--port", str(port)], {}


def _forget() -> bool:
    """Drop what the system keeps of files in memory; whether it let us."""
    os.sync()
    try:
        _FORGET.write_text("3\n")
    except OSError:
        return False
    return True
