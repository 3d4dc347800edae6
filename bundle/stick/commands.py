"""`haversack-bundle write`, `update` and `delta`: what is on a stick, and what comes next there."""

from __future__ import annotations

import argparse
import os
import shlex
from pathlib import Path

from appliance.carrying.carry import Carried, update, write
from appliance.carrying.filesystem import filesystem_of
from appliance.carrying.meter import size_text
from appliance.carrying.source import open_folder
from appliance.carrying.target import Terms
from appliance.manifest import MANIFEST
from appliance.printable import counted
from bundle.progress import Progress
from bundle.stick.delta import make_delta, read_old

FOLDER = "haversack"
"""The bundle's own folder, where a stick itself is named: the rest of the stick stays its owner's."""
STARTER = Path("dist/starter")
_READINGS = {"direct": "past the system's cache", "dropped": "after the system's cache was emptied", "cached": "from the system's cache"}


def add(commands: argparse._SubParsersAction[argparse.ArgumentParser]) -> None:
    """Put the three commands beside the builder's own."""
    common = argparse.ArgumentParser(add_help=False)
    common.add_argument("--debug", action="store_true", help="show where an error arose")
    writing = commands.add_parser("write", parents=[common], help="copy a bundle to a stick, and read it back")
    writing.add_argument("bundle", nargs="?", type=Path, metavar="BUNDLE", default=STARTER, help=f"the bundle's folder (default: {STARTER})")
    writing.add_argument("target", type=Path, metavar="STICK", help=f"a stick, which gets the folder {FOLDER}, or the folder itself")
    writing.set_defaults(run=_write)
    succession = argparse.ArgumentParser(add_help=False)
    succession.add_argument("--allow-downgrade", action="store_true", help="an older bundle may take a newer one's place")
    succession.add_argument("--replace", action="store_true", help="so may one of another profile or another key")
    updating = commands.add_parser("update", parents=[common, succession], help="bring the bundle on a stick up to another; keeps its library")
    updating.add_argument("bundle", type=Path, metavar="BUNDLE", help="the newer bundle's folder, or a delta")
    updating.add_argument("target", type=Path, metavar="STICK", help="the stick, or the bundle's folder on it")
    updating.set_defaults(run=_update)
    making = commands.add_parser("delta", parents=[common, succession], help="make one file of what a newer bundle has and an older one lacks")
    making.add_argument("old", type=Path, metavar="OLD", help="the older bundle's folder, or its manifest.json alone")
    making.add_argument("new", type=Path, metavar="NEW", help="the newer bundle's folder")
    making.add_argument("file", type=Path, metavar="FILE", help="the delta")
    making.set_defaults(run=_delta)


def place(target: Path) -> Path:
    """Where the bundle is, or will be: the folder that is named, or the bundle's own one where that is a stick's root."""
    return target / FOLDER if os.path.ismount(target) and not (target / MANIFEST).is_file() else target


def _write(options: argparse.Namespace) -> int:
    root = place(options.target)
    carried = write(options.bundle, root, Progress())
    _report(carried, root)
    disk = filesystem_of(root)
    if not disk.everywhere:
        print(f"It is on {disk.name}, which not every system reads: sticks for any laptop are FAT32 or exFAT.")
    print(f"Start it:  open {shlex.quote(str(root))} and double-click START, or run sh {shlex.quote(str(root / 'start-linux.sh'))}")
    return 0


def _update(options: argparse.Namespace) -> int:
    root = place(options.target)
    terms = Terms(allow_downgrade=options.allow_downgrade, replace=options.replace)
    _report(update(options.bundle, root, terms, Progress()), root)
    return 0


def _delta(options: argparse.Namespace) -> int:
    old, new = read_old(options.old), open_folder(options.new)
    terms = Terms(allow_downgrade=options.allow_downgrade, replace=options.replace)
    made = make_delta(old, new, options.file, terms, Progress())
    whole = sum(file.size for file in new.manifest.files)
    print(f"Made {options.file}: {counted(made.files, 'file')}, {size_text(made.size)}, where the whole bundle has {size_text(whole)}.")
    print(f"It follows the bundle of {old.created}, and no other. Apply it:  haversack update {shlex.quote(options.file.name)}")
    return 0


def _report(carried: Carried, root: Path) -> None:
    files = carried.manifest.files
    whole = size_text(sum(file.size for file in files))
    if not carried.files:
        print(f"{root} holds the bundle of {carried.manifest.created} ({len(files)} files, {whole}): every file was there and is right.")
    else:
        read = " and ".join(sorted(_READINGS[reading] for reading in carried.readings))
        print(f"{root} holds the bundle of {carried.manifest.created} ({len(files)} files, {whole}).")
        print(f"Brought {counted(carried.files, 'file')}, {size_text(carried.size)}; each was read back {read} and is right.")
    if carried.removed:
        print(f"Removed of the bundle before: {counted(len(carried.removed), 'file')}, {size_text(carried.freed)}.")
    for path in carried.strangers:
        print(f"Left alone, no bundle of ours named it: {path}")
