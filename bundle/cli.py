"""`haversack-bundle`: parses, calls, prints; the one place that catches errors."""

from __future__ import annotations

import argparse
import json
import shlex
import sys
from collections.abc import Sequence
from dataclasses import fields
from pathlib import Path
from typing import Any

from appliance.errors import BundleError, HaversackError
from appliance.integrity import differences
from appliance.manifest import read_manifest
from bundle import TOOL, VERSION
from bundle.fetch import resolve
from bundle.interpreters import cached_interpreters
from bundle.lock import lock_path, read_lock, resolve_locked
from bundle.overrides import Wishes, with_wishes
from bundle.plan import plan
from bundle.plan_text import plan_json, plan_text
from bundle.progress import Progress, size_text
from bundle.runtime.image import plan_runtimes
from bundle.sources import cache_folder
from bundle.spec import PLATFORMS, PROVIDERS, Spec, profiles, read_spec
from bundle.stick import commands as stick

_INTERRUPTED = 130


def main(arguments: Sequence[str] | None = None) -> int:
    """Run one command; the exit code is 0 done, 1 failed, 2 wrong usage, 3 no bundle, 130 stopped."""
    options = build_parser().parse_args(arguments)
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


def build_parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(prog=TOOL, description="Makes the bundle that a laptop without a network carries.")
    parser.add_argument("--version", action="version", version=f"{TOOL} {VERSION}")
    commands = parser.add_subparsers(metavar="COMMAND", required=True)
    common = argparse.ArgumentParser(add_help=False)
    common.add_argument("--profile", default="starter", help=f"what goes in: {', '.join(profiles())}, or a TOML file (default: starter)")
    common.add_argument("--output", type=Path, help="where the bundle goes (default: dist/PROFILE)")
    common.add_argument("--debug", action="store_true", help="show where an error arose")
    wishes = _wishes_parser()

    plan = commands.add_parser("plan", parents=[common, wishes], help="show what would be fetched, from where, and what it needs; fetches nothing")
    plan.add_argument("--json", action="store_true", help="the same for programs")
    plan.set_defaults(run=_plan)
    build = commands.add_parser("build", parents=[common, wishes], help="fetch, prepare and check everything, and make the bundle")
    build.set_defaults(run=_build)
    verify = commands.add_parser("verify", parents=[common], help="name every file of a bundle that is missing, altered or extra")
    verify.add_argument("folder", nargs="?", type=Path, metavar="DIR", help="the bundle (default: the profile's)")
    verify.add_argument("--json", action="store_true", help="the same for programs")
    verify.set_defaults(run=_verify)
    # The commands that live elsewhere, a line each.
    stick.add(commands)
    return parser


def _wishes_parser() -> argparse.ArgumentParser:
    """What `plan` and `build` take over the profile; `overrides.Wishes` has the same names."""
    parser = argparse.ArgumentParser(add_help=False)
    models = parser.add_argument_group("what goes in, over the profile")
    models.add_argument(
        "--llm",
        dest="llms",
        action="append",
        default=[],
        metavar="REPO:FILE[@REVISION]",
        help="another language model of the Hub, a GGUF file; can be given again, and the first answers unless told",
    )
    models.add_argument("--embedder", default="", metavar="REPO[@REVISION]", help="another embedding model of the Hub")
    models.add_argument("--pack", dest="packs", action="append", type=Path, default=[], metavar="FOLDER", help="documents to carry as a pack")
    models.add_argument("--accept-licence", dest="accepted", action="append", default=[], metavar="ID", help="carry what is under this licence")
    models.add_argument("--locked", action="store_true", help="build exactly what the lock beside the output says")
    target = parser.add_argument_group("what it will run on")
    target.add_argument("--platform", dest="platforms", action="append", default=[], metavar="P", help=f"{', '.join(PLATFORMS)} (default: this one)")
    target.add_argument("--runtime", dest="provider", default="", metavar="PROVIDER", help=f"{', '.join(PROVIDERS)} (default: host)")
    target.add_argument("--interpreter", dest="interpreters", action="append", default=[], metavar="FILE", help="a python-build-standalone archive")
    sums: dict[str, Any] = {"dest": "interpreter_sha256", "action": "append", "default": [], "metavar": "HEX"}
    target.add_argument("--interpreter-sha256", **sums, help="what that archive must be; one for each --interpreter")
    target.add_argument("--wheel", dest="wheels", action="append", type=Path, default=[], metavar="FILE", help="llama.cpp for another system")
    target.add_argument("--filesystem", default="", metavar="FS", help="the stick's: fat32 splits files over 4 GiB, exfat doesn't (default: fat32)")
    return parser


def _spec(options: argparse.Namespace) -> Spec:
    given: dict[str, Any] = {field.name: getattr(options, field.name) for field in fields(Wishes)}
    several: dict[str, Any] = {name: tuple(value) for name, value in given.items() if isinstance(value, list)}
    return with_wishes(read_spec(options.profile), Wishes(**given | several))


def _output(options: argparse.Namespace) -> Path:
    chosen: Path = options.output or Path("dist") / Path(options.profile).name.removesuffix(".toml")
    return chosen


def _plan(options: argparse.Namespace) -> int:
    spec, output = _spec(options), _output(options)
    lock = lock_path(output)
    resolved = resolve_locked(spec, read_lock(lock), lock, cache_folder()) if options.locked else resolve(spec, cache_folder())
    made = plan(spec, resolved, plan_runtimes(cached_interpreters(spec, cache_folder()), cache_folder()))
    if options.json:
        print(json.dumps(plan_json(made, output), indent=1))
    else:
        print(plan_text(made), end="")
    for refusal in made.refusals:
        print(refusal, file=sys.stderr)
    return 1 if made.refusals else 0


def _build(options: argparse.Namespace) -> int:
    from bundle.build import build

    output = _output(options)
    built = build(_spec(options), output, cache_folder(), Progress(), locked=options.locked)
    files = built.manifest.files
    size = size_text(sum(file.size for file in files))
    if not built.fresh:
        print(f"{output} is already up to date ({len(files)} files, {size}).")
        return 0
    carried = shlex.quote(str(output))
    print(f"Made {output}: {len(files)} files, {size}, every one listed in its manifest.")
    if built.manifest.signer is not None:
        print(f"Signed:    by the key {built.manifest.signer.fingerprint} (write it on the stick's label: the first start shows it)")
    print(f"Again:     the same words with --locked, and {shlex.quote(str(lock_path(output)))} beside it")
    print(f"Carry it:  {TOOL} write {carried} /media/STICK")
    print(f"Check it:  {TOOL} verify {carried}   (or there: sha256sum -c SHA256SUMS)")
    print(f"Run it:    haversack serve --bundle {carried}")
    return 0


def _verify(options: argparse.Namespace) -> int:
    folder: Path = options.folder or _output(options)
    found = differences(folder)
    signer = _signer(folder)
    if options.json:
        told = [{"path": one.path, "state": one.state} for one in found]
        print(json.dumps({"bundle": str(folder), "signed_by": signer or None, "differences": told}, indent=1))
    else:
        for one in found:
            print(f"{one.state}: {one.path}")
        print(f"{folder} differs in {len(found)} of its files." if found else f"{folder} is whole: every file is as its manifest says.")
        if signer:
            print(f"It is signed by the key {signer}: is that its maker's?")
    return 1 if found else 0


def _signer(folder: Path) -> str:
    """The fingerprint of the key whose signature fits; empty where none does, which `differences` names."""
    try:
        signer = read_manifest(folder).signer
    except BundleError:
        return ""
    return signer.fingerprint if signer else ""


if __name__ == "__main__":
    sys.exit(main())
