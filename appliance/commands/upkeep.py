"""`haversack backup`, `restore`, `check` and `status`: keeping a library alive, and saying what is wrong with it."""

from __future__ import annotations

import argparse
import json
import sys
import time
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

from appliance.config import Settings
from appliance.errors import BundleError, BundleForeign, KeysUnreadable, ModelError
from appliance.integrity import differences
from appliance.library.backup import backup as write_backup
from appliance.library.backup import restore as read_backup
from appliance.library.health import REBUILD
from appliance.library.health import check as check_library
from appliance.library.store import Library
from appliance.machine.judge import Report, examine
from appliance.machine.words import lines
from appliance.manifest import MANIFEST, PUBLIC_KEY, Manifest, read_manifest
from appliance.models.generator import Generator
from appliance.offline.seal import Seal
from appliance.packs.checking import check_packs
from appliance.printable import counted
from appliance.runtime import library_status, open_library, trusted_manifest
from appliance.trust import Trust, check_trust


def backup(settings: Settings, given: argparse.Namespace) -> int:
    file = Path(given.file).absolute()
    with Library.open(settings.home, write=False) as library:
        write_backup(library, file)
    size = file.stat().st_size
    print(
        json.dumps({"file": str(file), "bytes": size})
        if given.json
        else f"The library is in {file} ({size / 1e6:.1f} MB). Keep it apart from this machine."
    )
    return 0


def restore(settings: Settings, given: argparse.Namespace) -> int:
    file = Path(given.file).absolute()
    read_backup(settings.home, file)
    print(
        json.dumps({"restored": str(file), "home": str(settings.home)})
        if given.json
        else f"The library in {settings.home} is as it was in {file.name}."
    )
    return 0


def status(settings: Settings, given: argparse.Namespace) -> int:
    try:
        manifest: Manifest | None = trusted_manifest(settings)
        problem = None
    except BundleError as error:
        manifest, problem = None, str(error)
    with open_library(settings, write=False, manifest=manifest) as library:
        data = library_status(settings, library, manifest)
        problem = library.left_out or problem
    data["bundle_problem"] = problem
    print(settings.place, file=sys.stderr)
    if given.json:
        print(json.dumps(data, ensure_ascii=False))
        return 0
    print(f"Haversack {data['version']}")
    collections = data["collections"]
    documents = counted(sum(one["documents"] for one in collections), "document")
    print(f"Library  {data['home']}: {counted(len(collections), 'collection')}, {documents}")
    print(f"Bundle   {data['bundle']}: " + (problem or f"profile {data['profile']}, " + ", ".join(m["title"] for m in data["models"])))
    writer = data["writer"]
    print("Serving  " + ((writer["url"] or f"no page; process {writer['pid']} is writing ({writer['purpose']})") if writer else "no"))
    print(f"Free     {data['free_bytes'] / 1e9:.1f} GB")
    return 0


def check(settings: Settings, given: argparse.Namespace) -> int:
    """Everything that can be wrong, looked at: every byte of the bundle, the library, the silence, the machine."""
    seal = Seal.prepare()
    try:
        seal.close_network()
        attempts = seal.self_test()
        bundle_code, bundle_findings, trust = _check_bundle(settings)
        with Library.open(settings.home, write=False) as library:
            findings = check_library(library)
        if given.repair and any(finding.advice == REBUILD for finding in findings):
            with Library.open(settings.home, write=True, purpose="check --repair") as library:
                library.rebuild_keywords()
                findings = check_library(library)
        with open_library(settings, write=False) as holdings:
            packs = check_packs(holdings.packs)
        report = _check_machine(settings)
        engine = _try_engine(settings) if not bundle_code else None
        data: dict[str, Any] = {
            "network": {"seal": seal.sentence, "level": seal.level, "self_test": [asdict(attempt) for attempt in attempts]},
            "bundle": bundle_findings,
            "trust": trust.sentence if trust else None,
            "library": [asdict(finding) for finding in findings],
            "packs": [asdict(finding) for finding in packs],
            "engine": asdict(engine) if engine else None,
            "machine": {"facts": asdict(report.machine), "findings": [asdict(finding) for finding in report.findings]},
        }
    finally:
        seal.close()
    leaks = [attempt for attempt in attempts if not attempt.refused]
    severities = [finding.severity for finding in (*findings, *packs)] + [finding.severity for finding in report.findings]
    bad = "error" in severities or (engine is not None and not engine.works)
    if given.json:
        print(json.dumps(data, ensure_ascii=False))
    else:
        _print_check(data)
        print("Engine   " + (engine.sentence if engine else "not tried: the bundle is not as it was built"))
        _print_machine(report)
    return bundle_code or (1 if leaks or bad else 0)


def _check_bundle(settings: Settings) -> tuple[int, list[dict[str, str]], Trust | None]:
    """The exit code, the findings, and what the trust in it rests on: every byte of a bundle can be right, and the bundle be a stranger's."""
    try:
        found = differences(settings.bundle)
    except BundleError as error:
        return error.exit_code, [{"path": str(settings.bundle), "state": "missing", "sentence": str(error)}], None
    # Extra files are named, but nothing that is loaded has changed: not a reason to refuse.
    code = BundleError.exit_code if any(item.state != "extra" for item in found) else 0
    findings = [{"path": item.path, "state": item.state, "sentence": f"{item.path} is {item.state}."} for item in found]
    try:
        trust = check_trust(read_manifest(settings.bundle), settings.home, settings.trust)
    except (BundleForeign, KeysUnreadable) as error:
        return error.exit_code, [*findings, {"path": PUBLIC_KEY, "state": "foreign", "sentence": str(error)}], None
    except BundleError as error:
        return error.exit_code, findings or [{"path": str(settings.bundle), "state": "altered", "sentence": str(error)}], None
    if trust.warning:
        findings.append({"path": MANIFEST, "state": "older", "sentence": trust.warning})
    return code, findings, trust


@dataclass(frozen=True, slots=True)
class Engine:
    """The language model's engine, tried in its own process."""

    works: bool
    variant: str
    sentence: str


def _try_engine(settings: Settings) -> Engine:
    """Load the language model and let it write one token, as an answer does: a wrong processor or too little memory shows here."""
    manifest = read_manifest(settings.bundle)
    model = manifest.model("generator")
    generator = Generator.carried(manifest.folder(model), model, settings.usable_threads)
    began = time.perf_counter()
    try:
        generator.start()
    except ModelError as error:
        return Engine(False, "", str(error))
    finally:
        variant = generator.variant
        generator.close()
    took = time.perf_counter() - began
    code = f"llama.cpp's code for {variant} processors" if variant else "llama.cpp"
    return Engine(True, variant, f"{code} runs here: {model.title} loaded and wrote a first token in {took:.1f} s")


def _check_machine(settings: Settings) -> Report:
    try:
        manifest: Manifest | None = read_manifest(settings.bundle)
    except BundleError:
        manifest = None  # what is wrong with it is said of the bundle
    holder = Library.holder(settings.home)
    return examine(settings, manifest, loaded=bool(holder and holder.url))


def _print_machine(report: Report) -> None:
    for number, (name, words) in enumerate(lines(report.machine)):
        print(f"{'' if number else 'Machine':<9}{name + ':':<11}{words}")
    for finding in report.findings:
        print(f"         {finding.severity}: {finding.sentence} {finding.advice}")
    sys.stdout.flush()


def _print_check(data: dict[str, Any]) -> None:
    print(f"Network  {data['network']['seal']}")
    for attempt in data["network"]["self_test"]:
        print(f"         {attempt['name']}: {'refused' if attempt['refused'] else 'NOT REFUSED'} ({attempt['detail']})")
    print("Bundle   " + ("every file is as it was built" if not data["bundle"] else ""))
    for difference in data["bundle"]:
        print(f"         {difference['sentence']}")
    if data["trust"]:
        print(f"Key      {data['trust']}")
    print("Library  " + ("whole" if not data["library"] else ""))
    for finding in data["library"]:
        print(f"         {finding['sentence']} {finding['advice']}")
    for finding in data["packs"]:
        print(f"Pack     {finding['sentence']} {finding['advice']}")
