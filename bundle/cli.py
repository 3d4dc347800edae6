"""`haversack-bundle plan|build|verify`: parses, calls, prints; the one place that catches errors."""

from __future__ import annotations

import argparse
import json
import shlex
import sys
from collections.abc import Sequence
from pathlib import Path

from appliance.errors import HaversackError
from appliance.manifest import differences
from bundle import TOOL, VERSION
from bundle.progress import Progress, size_text
from bundle.sources import Resolved, cache_folder
from bundle.spec import Spec, profiles, read_spec
from bundle.stick import commands as stick

_INTERRUPTED = 130


def main(arguments: Sequence[str] | None = None) -> int:
    """Run one command; the exit code is 0 done, 1 failed, 2 wrong usage, 3 no bundle, 130 stopped."""
    options = _parser().parse_args(arguments)
    try:
        code: int = options.run(options)
        return code
    except HaversackError as error:
        if options.debug:
            raise
        print(error, file=sys.stderr)
        return error.exit_code
    except OSError as error:
        if options.debug:
            raise
        where = f" ({error.filename})" if error.filename else ""
        print(f"The system said: {error.strerror or error}{where}. Nothing was changed; run the same command again.", file=sys.stderr)
        return 1
    except KeyboardInterrupt:
        print("\nStopped; run the same command to go on.", file=sys.stderr)
        return _INTERRUPTED


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(prog=TOOL, description="Makes the bundle that a laptop without a network carries.")
    parser.add_argument("--version", action="version", version=f"{TOOL} {VERSION}")
    commands = parser.add_subparsers(metavar="COMMAND", required=True)
    common = argparse.ArgumentParser(add_help=False)
    common.add_argument("--profile", default="starter", help=f"what goes in: {', '.join(profiles())}, or a TOML file (default: starter)")
    common.add_argument("--output", type=Path, help="where the bundle goes (default: dist/PROFILE)")
    common.add_argument("--debug", action="store_true", help="show where an error arose")

    plan = commands.add_parser("plan", parents=[common], help="show what would be fetched, from where, and the space it needs; fetches nothing")
    plan.add_argument("--json", action="store_true", help="the same for programs")
    plan.set_defaults(run=_plan)
    build = commands.add_parser("build", parents=[common], help="fetch, prepare and check the models, and make the bundle")
    build.set_defaults(run=_build)
    verify = commands.add_parser("verify", parents=[common], help="name every file of a bundle that is missing, altered or extra")
    verify.add_argument("folder", nargs="?", type=Path, metavar="DIR", help="the bundle (default: the profile's)")
    verify.add_argument("--json", action="store_true", help="the same for programs")
    verify.set_defaults(run=_verify)
    stick.add(commands)
    return parser


def _output(options: argparse.Namespace) -> Path:
    chosen: Path = options.output or Path("dist") / Path(options.profile).name.removesuffix(".toml")
    return chosen


def _plan(options: argparse.Namespace) -> int:
    from bundle.fetch import resolve, space_for

    spec = read_spec(options.profile)
    resolved = resolve(spec, cache_folder())
    space = space_for(resolved)
    if options.json:
        items = [_item_json(one) for one in resolved]
        needed = {"download": space.download, "build": space.build, "bundle": space.bundle}
        print(json.dumps({"profile": spec.profile, "output": str(_output(options)), "items": items, "space": needed}, indent=1))
        return 0
    _print_plan(spec, resolved)
    print(f"To download: {size_text(space.download)}. Space while building: {size_text(space.download + space.build)}.")
    print(f"The bundle will take about {size_text(space.bundle)}. Nothing was downloaded; `build` does it.")
    return 0


def _print_plan(spec: Spec, resolved: Sequence[Resolved]) -> None:
    rows = [("item", "model", "size", "licence", "source", "here")]
    for one in resolved:
        here = "yes" if one.cached >= one.download else size_text(one.cached) if one.cached else "no"
        rows.append((one.item.role, one.item.title, size_text(one.download), one.licence, _source_text(one), here))
    widths = [max(len(row[column]) for row in rows) for column in range(len(rows[0]))]
    print(f"Profile {spec.profile}: {spec.title}")
    for row in rows:
        print("  " + "  ".join(cell.ljust(width) for cell, width in zip(row, widths, strict=True)).rstrip())


def _source_text(one: Resolved) -> str:
    record = one.record
    pin = record.get("version") or record.get("revision", "")[:12]
    return f"{record['kind']} {record['name']} {pin}".rstrip()


def _item_json(one: Resolved) -> dict[str, object]:
    files = [{"path": file.path, "size": file.size, "digest": file.digest} for file in one.files]
    return {
        "role": one.item.role,
        "id": one.item.id,
        "title": one.item.title,
        "licence": one.licence,
        "source": dict(one.record),
        "size": one.download,
        "cached": one.cached,
        "files": files,
    }


def _build(options: argparse.Namespace) -> int:
    from bundle.build import build

    output = _output(options)
    built = build(options.profile, output, cache_folder(), Progress())
    files = built.manifest.files
    size = size_text(sum(file.size for file in files))
    if not built.fresh:
        print(f"{output} is already up to date ({len(files)} files, {size}).")
        return 0
    carried = shlex.quote(str(output))
    print(f"Made {output}: {len(files)} files, {size}, every one listed in its manifest.")
    print(f"Carry it:  cp -r {carried} /media/STICK/")
    print(f"Check it:  {TOOL} verify /media/STICK/{shlex.quote(output.name)}   (or there: sha256sum -c SHA256SUMS)")
    print(f"Run it:    haversack serve --bundle {carried}")
    return 0


def _verify(options: argparse.Namespace) -> int:
    folder: Path = options.folder or _output(options)
    found = differences(folder)
    if options.json:
        print(json.dumps({"bundle": str(folder), "differences": [{"path": one.path, "state": one.state} for one in found]}, indent=1))
    else:
        for one in found:
            print(f"{one.state}: {one.path}")
        print(f"{folder} differs in {len(found)} of its files." if found else f"{folder} is whole: every file is as its manifest says.")
    return 1 if found else 0


if __name__ == "__main__":
    sys.exit(main())
