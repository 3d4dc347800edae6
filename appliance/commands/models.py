"""`haversack models …`: the shelf, what each model needs and how fast it is here, and what comes, goes and is chosen."""

from __future__ import annotations

import argparse
import json
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import replace
from pathlib import Path
from typing import Any

from appliance.commands.opening import open_holdings
from appliance.config import Settings
from appliance.durable import storage_error, writing_durably
from appliance.errors import BadRequest, BundleError, GeneratorFailed
from appliance.library.store import Library
from appliance.machine.words import gigabytes
from appliance.manifest import Manifest
from appliance.models.parameters import RANGES
from appliance.offline.seal import Seal
from appliance.printable import printable
from appliance.runtime import trusted_manifest
from appliance.shelf.adding import licence_of, untold
from appliance.shelf.intake import bring
from appliance.shelf.listing import model_as_json, shelf_as_json
from appliance.shelf.loaded import Loaded
from appliance.shelf.modelfile import exported
from appliance.shelf.purposes import check_purpose
from appliance.shelf.shelf import ModelShelf
from appliance.shelf.speed import measure


def models(settings: Settings, given: argparse.Namespace) -> int:
    return {"list": _list, "show": _show, "add": _add, "remove": _remove, "use": _use}[given.action](settings, given)


def _list(settings: Settings, given: argparse.Namespace) -> int:
    data = shelf_as_json(_shelf(settings), served=_served(settings))
    if given.json:
        for model in data["models"]:
            serves = [purpose for purpose, name in data["purposes"].items() if name == model["name"]]
            print(json.dumps({**{name: value for name, value in model.items() if name != "template"}, "purposes": serves}, ensure_ascii=False))
        for one in data["unreadable"]:
            print(json.dumps(one, ensure_ascii=False))
        return 0
    for model in data["models"]:
        print(_line(model, [purpose for purpose, name in data["purposes"].items() if name == model["name"]]))
    for one in data["unreadable"]:
        print(f"{printable(one['name'])}\n    {printable(one['sentence'])}")
    if not data["models"]:
        print("There is no model here. Add one: haversack models add FILE.gguf")
    return 0


def _show(settings: Settings, given: argparse.Namespace) -> int:
    shelf = _shelf(settings)
    model = shelf.find(given.name)
    if given.measure:
        with _writing(settings, "models show --measure"):
            _measure(settings, shelf, model.name)
    if given.modelfile:
        target = Path(given.modelfile).absolute()
        try:
            with writing_durably(target) as file:
                file.write(exported(model).encode("utf-8"))
        except OSError as error:
            raise storage_error(error, target) from error
    data = model_as_json(shelf, model, served=_served(settings))
    if given.json:
        print(json.dumps({**data, **({"modelfile": str(target)} if given.modelfile else {})}, ensure_ascii=False))
        return 0
    for name, words in _facts(data):
        print(f"{name:<10} {words}")
    print("Parameters, each with its range (`--set NAME=VALUE` of `haversack ask` sets one):")
    for one in RANGES:
        allowed = "a text" if one.least is None else f"{one.least:.12g} to {one.most:.12g}"
        own = data["defaults"].get(one.name)
        print(f"    {one.name} ({allowed}{'' if own is None else f', here {own}'}): {one.sentence}")
    if given.modelfile:
        print(f"It is in {target} as a Modelfile.")
    return 0


def _add(settings: Settings, given: argparse.Namespace) -> int:
    with _writing(settings, "models add") as shelf, _sealed():
        # A pipe or a file has no use for a line that is written over and over.
        tell = _Progress() if sys.stderr.isatty() else untold
        path = Path(given.file).absolute()
        prepared = bring(path, shelf, name=given.name or "", tag=given.tag or "", threads=settings.usable_threads, tell=tell)
        licence = prepared.model.licence or licence_of(given.licence or "")
        model = shelf.add(replace(prepared, model=replace(prepared.model, licence=licence)))
        data = model_as_json(shelf, model)
    if given.json:
        print(json.dumps({**data, "notes": list(prepared.notes)}, ensure_ascii=False))
        return 0
    print(f"{printable(model.title)} is on the shelf as {model.name}: {_size(data)}. {printable(data['licence_sentence'])}")
    for sentence in (*prepared.notes, *([data["sentence"]] if data["sentence"] else [])):
        print(printable(sentence))
    print(f"To let it answer: haversack models use {model.name}")
    return 0


def _remove(settings: Settings, given: argparse.Namespace) -> int:
    with _writing(settings, "models remove") as shelf:
        shelf.remove(given.name)
    print(json.dumps({"removed": given.name}) if given.json else f"{printable(given.name)} is off the shelf, and its file off the disk.")
    return 0


def _use(settings: Settings, given: argparse.Namespace) -> int:
    purpose = check_purpose(given.purpose)
    if bool(given.name) == given.none:
        raise BadRequest(detail="Name the model to be chosen, or say --none to take the choice back.")
    with _writing(settings, "models use") as shelf:
        name = shelf.find(given.name).name if given.name else ""
        shelf.use(name, purpose)
        serving = name or shelf.purposes()[purpose]
        data = model_as_json(shelf, shelf.find(serving)) if serving else {"title": "no model", "sentence": ""}
    if given.json:
        print(json.dumps({"purpose": purpose, "model": serving}))
        return 0
    print(
        f"{printable(data['title'])} is chosen for {purpose}."
        if name
        else f"The choice for {purpose} is taken back: {printable(data['title'])} does it."
    )
    if data["sentence"]:
        print(printable(data["sentence"]))
    return 0


def _shelf(settings: Settings) -> ModelShelf:
    """The shelf; on stderr, why the bundle's models aren't on it."""
    manifest: Manifest | None = None
    try:
        manifest = trusted_manifest(settings)
    except BundleError as error:
        print(f"The models of the bundle were left out: {error}", file=sys.stderr)
    return ModelShelf(settings.home, manifest)


def _served(settings: Settings) -> bool:
    holder = Library.holder(settings.home)
    return bool(holder and holder.url)


@contextmanager
def _writing(settings: Settings, purpose: str) -> Iterator[ModelShelf]:
    """The shelf while nobody else writes to the library, a page that is being served included. Raises LibraryBusy."""
    with open_holdings(settings, write=True, purpose=purpose):
        yield _shelf(settings)


def _measure(settings: Settings, shelf: ModelShelf, name: str) -> None:
    """Raises GeneratorFailed, and what loading raises."""
    loaded = Loaded(shelf, settings.usable_threads)
    try:
        with _sealed():
            speed = measure(loaded.generator(name))
        if speed is None:
            raise GeneratorFailed(detail="measuring it was stopped")
        shelf.keep_speed(name, speed)
    finally:
        loaded.close()


@contextmanager
def _sealed() -> Iterator[None]:
    """Nothing that reads a model does so with an open network. What is shut stays shut for the rest of the command."""
    seal = Seal.prepare()
    try:
        seal.close_network()
        yield
    finally:
        seal.close()


def _line(model: dict[str, Any], serves: list[str]) -> str:
    facts = [
        model["family"],
        model["parameters"],
        model["quantisation"],
        _size(model),
        f"{model['context']} tokens",
        model["licence"] or "no licence told",
    ]
    speed = model["speed"]
    facts.append(f"writes {speed['writing']:g} and reads {speed['reading']:g} tokens a second" if speed else "speed not measured")
    lines = [f"{model['name']}  {printable(model['title'])} ({'added' if model['origin'] == 'added' else 'of the bundle'})"]
    lines.append("    " + ", ".join(printable(str(fact)) for fact in facts if fact))
    if serves:
        lines.append("    chosen for " + ", ".join(serves))
    if model["sentence"]:
        lines.append("    " + printable(model["sentence"]))
    return "\n".join(lines)


def _facts(data: dict[str, Any]) -> Iterator[tuple[str, str]]:
    speed = data["speed"]
    measured = (
        f"writes {speed['writing']:g} and reads {speed['reading']:g} tokens a second ({speed['threads']} threads, {speed['when']})" if speed else ""
    )
    for name, words in (
        ("Name", data["name"]),
        ("Title", data["title"]),
        ("From", "the bundle" if data["origin"] == "bundle" else f"added {data['added']}"),
        ("Family", f"{data['family']} (architecture {data['architecture'] or 'not told'}), {data['parameters']}, {data['quantisation']}"),
        ("Context", f"{data['context']} tokens, made for {data['trained_context'] or 'not told'}"),
        ("Size", f"{gigabytes(data['size'])}, sha256 {data['sha256']}"),
        ("Memory", f"{gigabytes(data['memory_bytes'])}. {data['sentence'] or 'It fits.'}"),
        ("Speed", measured or "not measured; `--measure` does it"),
        ("Licence", f"{data['licence'] or 'not told'}. {data['licence_sentence']}"),
        ("Good for", data["good_for"]),
        ("Advice", data["advice"]),
        ("Tools", "its chat template takes tools" if data["can_call_tools"] else "its chat template takes none"),
        ("System", data["system"]),
    ):
        if words:
            yield name, printable(str(words), 2000)
    template = data["template"] or "none in the file: ChatML is used"
    yield "Template", "\n           ".join(printable(line, 500) for line in template.splitlines())


def _size(model: dict[str, Any]) -> str:
    return f"{gigabytes(model['size'])} on the disk, {gigabytes(model['memory_bytes'])} of memory"


class _Progress:
    """How far copying is, on one line of the terminal, told when a whole per cent is reached."""

    def __init__(self) -> None:
        self._told = -1

    def __call__(self, done: int, total: int) -> None:
        share = 100 * done // max(1, total)
        if share != self._told:
            self._told = share
            print(f"\rCopying and checking: {share} %", end="" if share < 100 else "\n", file=sys.stderr, flush=True)
