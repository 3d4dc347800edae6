"""`haversack pack …`: a collection as one signed file: made, opened where it lies, copied into a collection, listed, closed."""

from __future__ import annotations

import argparse
import json
import os
import sys
from collections.abc import Iterable
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

from appliance.commands.ingesting import line_as_json, print_line
from appliance.commands.opening import open_holdings
from appliance.config import Settings
from appliance.documents import IngestLine
from appliance.errors import BundleError, NoSuchPath, PackOfAnotherEmbedder, PackRefused
from appliance.manifest import Manifest
from appliance.models.embeds import Embeds
from appliance.offline.seal import Seal
from appliance.packs.creating import FOLDER, create, pack_key
from appliance.packs.file import PackFile, read_pack
from appliance.packs.finding import Listed, facts, listed_as_json
from appliance.packs.merging import embed_again, estimate, merge
from appliance.printable import counted, printable
from appliance.runtime import carried_packs, fingerprint, load_embedder, trusted_manifest


def pack(settings: Settings, given: argparse.Namespace) -> int:
    run = {"create": _create, "open": _open, "close": _close, "merge": _merge, "list": _list}[given.action]
    return run(settings, given)


def _create(settings: Settings, given: argparse.Namespace) -> int:
    target = Path(given.file).absolute()
    with open_holdings(settings, write=False) as library:
        collection = library.collection(given.collection)
        key = pack_key(settings.home, Path(given.key) if given.key else None)
        made = create(library, collection, target, key, originals=not given.without_originals, moment=_moment())
    for name in made.left_out:
        print(f"The original of {printable(name)} is missing here: only its text is in the pack.", file=sys.stderr)
    data = {**facts(made.pack), "path": str(target), "originals": len(made.pack.originals), "originals_left_out": list(made.left_out)}
    _say(
        given,
        data,
        f"{printable(collection.name)} is in {target}: {made.pack.counts}, {made.pack.size / 1e6:.1f} MB.\n"
        f"It is signed by the key {made.pack.signer.fingerprint}: tell that to whoever gets it.",
    )
    return 0


def _open(settings: Settings, given: argparse.Namespace) -> int:
    file = read_pack(_file(given.file))
    manifest, wanted = _bundle(settings)
    with open_holdings(settings, write=True, purpose="pack open", embedder=wanted, manifest=manifest) as library:
        if (wanted or library.embedder() or file.embedder) != file.embedder:
            file = _embedded_again(settings, given, file, manifest, wanted)
        listed = library.open_pack(file)
    sentence = f"{printable(listed.collection)} is open: {file.counts}, read where it lies ({file.path})."
    _say(given, listed_as_json(listed), "\n".join((sentence, f"It is signed by the key {file.signer.fingerprint}.", *filter(None, [listed.note]))))
    return 0


def _close(settings: Settings, given: argparse.Namespace) -> int:
    with open_holdings(settings, write=True, purpose="pack close") as library:
        library.close_pack(given.name)
    _say(given, {"closed": given.name}, f"{printable(given.name)} is closed. Its file and the conversations about it are as they were.")
    return 0


def _merge(settings: Settings, given: argparse.Namespace) -> int:
    file = read_pack(_file(given.file))
    manifest = trusted_manifest(settings)
    wanted = fingerprint(manifest.model("embedder"))
    name = given.collection or file.title
    seal = Seal.without_counting()
    seal.close_network()
    with open_holdings(settings, write=True, purpose="pack merge", embedder=wanted, manifest=manifest) as library:
        again = None if wanted == file.embedder else _needed(settings, given, file, manifest, wanted)
        counts = _show(given, merge(library, file, name, again))
    if not given.json:
        print(f"{printable(name)} has {counted(counts['added'], 'document')} more; {counts['unchanged']} that it had already stayed as they were.")
    return 0


def _list(settings: Settings, given: argparse.Namespace) -> int:
    manifest, wanted = _bundle(settings)
    with open_holdings(settings, write=False, manifest=manifest) as library:
        library.look(carried_packs(manifest) if manifest else None, wanted or library.embedder())
        for one in library.packs:
            print(json.dumps(listed_as_json(one), ensure_ascii=False) if given.json else _line(one))
        if not library.packs and not given.json:
            print("There is no pack. Make one: haversack pack create COLLECTION FILE")
    return 0


def _embedded_again(settings: Settings, given: argparse.Namespace, file: PackFile, manifest: Manifest | None, wanted: str | None) -> PackFile:
    seal = Seal.without_counting()
    seal.close_network()
    loaded = _needed(settings, given, file, manifest, wanted)
    made = file
    for line in embed_again(settings.home, file, loaded, wanted or "", pack_key(settings.home)):
        if isinstance(line, PackFile):
            made = line
        else:
            print(f"{printable(line.document)}: {counted(line.chunks, 'passage')}", file=sys.stderr)
    return made


def _needed(settings: Settings, given: argparse.Namespace, file: PackFile, manifest: Manifest | None, wanted: str | None) -> Embeds:
    """The embedder to embed again with, where the user said so. Raises PackOfAnotherEmbedder with what that would take."""
    if manifest is None or wanted is None:
        raise PackRefused(detail=f"{file.path} was made with another embedder, and there is no bundle here whose embedder could take its place.")
    embedder = load_embedder(settings, manifest)
    took = estimate(file, settings.home / FOLDER / "merging", embedder)
    if not given.re_embed:
        raise PackOfAnotherEmbedder(path=file.path, found=file.embedder, wanted=wanted, estimate=took)
    print(f"Embedding again: {took}.", file=sys.stderr)
    return embedder


def _show(given: argparse.Namespace, lines: Iterable[IngestLine]) -> dict[str, int]:
    counts = {"added": 0, "unchanged": 0}
    for line in lines:
        counts["unchanged" if line.status == "unchanged" else "added"] += 1
        if given.json:
            print(json.dumps(line_as_json(line), ensure_ascii=False), flush=True)
        else:
            print_line(line)
    return counts


def _bundle(settings: Settings) -> tuple[Manifest | None, str | None]:
    """The bundle and its embedder, where there is one that is trusted: a pack is opened without, too."""
    try:
        manifest = trusted_manifest(settings)
        return manifest, fingerprint(manifest.model("embedder"))
    except BundleError:
        return None, None


def _file(name: str) -> Path:
    path = Path(name).absolute()
    if not os.path.isfile(path):  # where a name is too long, `Path.is_file` raises
        raise NoSuchPath(path=name)
    return path


def _moment() -> str | None:
    """SOURCE_DATE_EPOCH, as reproducible builds have it: seconds, to stand for every time in the pack."""
    told = os.environ.get("SOURCE_DATE_EPOCH", "")
    return datetime.fromtimestamp(int(told), UTC).isoformat().replace("+00:00", "Z") if told.isascii() and told.isdigit() and len(told) < 12 else None


def _line(one: Listed) -> str:
    lines = [f"{printable(one.collection)}  {one.sentence}"]
    if one.pack:
        file = one.pack
        lines.append(f"    {file.counts}, {file.size / 1e6:.1f} MB, made {file.created[:10]} with {file.embedder}")
        lines.append(f"    signed by {file.signer.fingerprint}")
    return "\n".join([*lines, f"    {printable(one.path)}", *([f"    {one.note}"] if one.note else [])])


def _say(given: argparse.Namespace, data: dict[str, Any], sentence: str) -> None:
    print(json.dumps(data, ensure_ascii=False) if given.json else sentence)
