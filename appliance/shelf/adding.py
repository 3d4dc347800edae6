"""A model on its way to the shelf: everything is checked before a loader sees it, and it is loaded once, in a process of its own, before it is kept.

`prepare` names the steps. What it leaves in `models/` under the home is a folder whose name begins with ".adding-": `ModelShelf.add` gives it the
model's name, and whatever ends before that is swept away by the next `prepare`.
"""

from __future__ import annotations

import contextlib
import hashlib
import os
import secrets
import shutil
import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
from functools import partial
from pathlib import Path

from appliance.durable import storage_error, sync, sync_folder, writing_durably
from appliance.errors import DiskFull, ModelTaken, NoSuchPath, NotAModel
from appliance.licences import CONDITIONS, FREE
from appliance.models.catalogue import GeneratorSettings
from appliance.models.gguf import NotAGguf
from appliance.models.parameters import NOTHING_TOLD, Parameters
from appliance.models.protocol import Message
from appliance.models.template import TemplateFailed
from appliance.models.thoughts import ALWAYS, opened
from appliance.shelf.entries import LONGEST_TEMPLATE, ModelPart, Prepared, ShelfModel, check_name, name_of, with_context
from appliance.shelf.joining import Found, find_parts, part_name
from appliance.shelf.rendering import Rendering, rendered
from appliance.shelf.shelf import ModelShelf
from appliance.shelf.tiers import settings_of
from appliance.shelf.trial import tried

ADDING = ".adding-"
LICENCE = "LICENSE.txt"
"""The licence's text in a model's folder, where one came with it."""
_PIECE = 4 << 20
_SPARE = 64 << 20
"""Bytes that must stay free on the home's disk."""
_LONGEST_TITLE = 300


@dataclass(frozen=True, slots=True)
class Wishes:
    """What comes with a model beside its weights: from a Modelfile, or from nowhere."""

    title: str = ""
    file_name: str = ""
    """What people know the file by, where it has another name here."""
    system: str = ""
    parameters: Parameters = NOTHING_TOLD
    examples: tuple[Message, ...] = ()
    licence: str = ""
    """Where the file itself says none."""
    licence_text: str = ""
    """Kept beside the model, for whoever passes it on."""
    sha256: str = ""
    """What the weights must be; empty where nobody says."""
    notes: tuple[str, ...] = ()
    """Sentences about what was not taken over."""


NO_WISHES = Wishes()


def untold(done: int, total: int) -> None:
    """Nobody wants to hear how far it is."""


def prepare(
    path: Path,
    shelf: ModelShelf,
    *,
    name: str = "",
    wishes: Wishes = NO_WISHES,
    threads: int = 2,
    take: bool = False,
    tell: Callable[[int, int], None] = untold,
) -> Prepared:
    """Check the GGUF at `path` and copy it to the shelf's disk; `ModelShelf.add` makes it one of its models.

    `name` is what it will be called, made from the file's name unless told. `take`: the files are ours and are moved, not copied, where that can
    be. Those of another model of this shelf lie on its disk once for both, where it can. `tell` hears of bytes copied, of how many.
    Takes some seconds more than the copying: the model is tried.
    Raises NotAModel with one plain reason, ModelTaken, BadRequest, NoSuchPath, DiskFull, LibraryReadOnly; then nothing is left behind.
    """
    shown = wishes.file_name[:200] or path.name
    found = _checked(path, shown)
    wanted = check_name(name) if name else name_of(wishes.title or wishes.file_name.removesuffix(".gguf") or found.stem)
    if wanted in {model.name for model in shelf.all()} or os.path.lexists(shelf.folder / wanted):
        raise ModelTaken(name=wanted)
    settings = settings_of(found.gguf, shown)
    wishes = _bounded(wishes, found.gguf.context)
    talk = _template(shown, found.gguf.template)
    sweep(shelf.folder)
    folder = shelf.folder / f"{ADDING}{os.getpid()}-{secrets.token_hex(4)}"
    try:
        put = os.rename if take else os.link if path.is_relative_to(shelf.folder) else None
        parts = _brought(found, folder, wanted, put, tell)
        if wishes.sha256 and parts[0].sha256 != wishes.sha256:
            raise NotAModel(name=shown, detail="its sha256 is not the one that it should have: the copy is damaged")
        if _checked(parts[0].path, shown).gguf != found.gguf:
            raise NotAModel(name=shown, detail="it changed while it was copied")
        model = _model(wanted, found, parts, settings, wishes, talk.can_call_tools)
        _keep_licence(folder, wishes.licence_text)
        notes = tried(model, shown, threads)
    except BaseException:
        shutil.rmtree(folder, ignore_errors=True)
        raise
    thinks = (ALWAYS,) if opened(talk.sample) else ()
    return Prepared(model, folder, (*wishes.notes, *thinks, *notes))


def sweep(folder: Path) -> None:
    """Remove what earlier processes left half-done. Only for the process that holds the library's lock."""
    for left in folder.glob(f"{ADDING}*") if folder.is_dir() else ():
        if left.name.split("-")[1] != str(os.getpid()) and not left.is_symlink():
            shutil.rmtree(left, ignore_errors=True)


def _bounded(wishes: Wishes, trained: int) -> Wishes:
    """No more context than the model was made for."""
    wanted = wishes.parameters.context
    if wanted is None or wanted <= trained:
        return wishes
    note = f"Its context is set to {trained} tokens, which the model was made for, not {wanted}."
    return replace(wishes, parameters=replace(wishes.parameters, context=trained), notes=(*wishes.notes, note))


def licence_of(told: str) -> str:
    """SPDX's id, or ours, for what a file says in the Hub's manner ("apache-2.0", "llama3.2"); anything else as it stands."""
    known = {name.lower(): name for name in FREE} | {terms.hub: terms.id for terms in CONDITIONS}
    return known.get(told.lower(), "" if told.lower() in ("other", "unknown") else told)


def _checked(path: Path, shown: str) -> Found:
    try:
        if not path.is_file():
            raise NoSuchPath(path=str(path))
        found = find_parts(path)
    except NotAGguf as error:
        raise NotAModel(name=shown, detail=error) from error
    except OSError as error:
        raise NotAModel(name=shown, detail=f"it can't be read ({error.strerror or error})") from error
    if found.gguf.unfit:
        raise NotAModel(name=shown, detail=found.gguf.unfit)
    return found


def _template(file_name: str, template: str) -> Rendering:
    """What it makes of a short talk. Raises NotAModel where it can't be used."""
    if len(template) > LONGEST_TEMPLATE:
        raise NotAModel(name=file_name, detail=f"its chat template has {len(template)} characters, more than {LONGEST_TEMPLATE}")
    try:
        return rendered(template)
    except TemplateFailed as error:
        raise NotAModel(name=file_name, detail=error) from error


def _brought(
    found: Found, folder: Path, name: str, put: Callable[[Path, Path], None] | None, tell: Callable[[int, int], None]
) -> tuple[ModelPart, ...]:
    """The files under the names that they will have, synced, with their hashes."""
    count = len(found.files)
    total = sum(file.stat().st_size for file in found.files)
    try:
        folder.mkdir(parents=True)
        parts: list[ModelPart] = []
        done = 0
        for number, file in enumerate(found.files, 1):
            target = folder / (part_name(name, number, count) if count > 1 else f"{name}.gguf")
            moved = put is not None and _put(put, file, target)
            if not moved and shutil.disk_usage(folder).free < total - done + _SPARE:
                raise DiskFull(path=folder.parent)
            digest = _copied(target if moved else file, None if moved else target, partial(_told, tell, done, total))
            size = target.stat().st_size
            done += size
            parts.append(ModelPart(target, size, digest))
        sync_folder(folder)
    except OSError as error:
        raise storage_error(error, folder.parent) from error
    return tuple(parts)


def _keep_licence(folder: Path, text: str) -> None:
    if not text:
        return
    try:
        with writing_durably(folder / LICENCE) as file:
            file.write(text.encode("utf-8", "replace"))
    except OSError as error:
        raise storage_error(error, folder.parent) from error


def _told(tell: Callable[[int, int], None], before: int, total: int, done: int) -> None:
    tell(before + done, total)


def _put(how: Callable[[Path, Path], None], source: Path, target: Path) -> bool:
    try:
        how(source, target)
    except OSError:  # another disk, or one that doesn't know links
        return False
    return True


def _copied(source: Path, target: Path | None, tell: Callable[[int], None]) -> str:
    """The sha256 of `source`, which is written to `target` on the way. Raises OSError."""
    digest, done = hashlib.sha256(), 0
    with contextlib.ExitStack() as stack:
        stream = stack.enter_context(source.open("rb"))
        out = stack.enter_context(target.open("xb")) if target else None
        while piece := stream.read(_PIECE):
            digest.update(piece)
            if out:
                out.write(piece)
            done += len(piece)
            tell(done)
        if out:
            out.flush()
            sync(out.fileno())
    return digest.hexdigest()


def _model(name: str, found: Found, parts: Sequence[ModelPart], settings: GeneratorSettings, wishes: Wishes, can_call_tools: bool) -> ShelfModel:
    gguf = found.gguf
    return ShelfModel(
        name=name,
        title=(wishes.title or gguf.name or found.stem)[:_LONGEST_TITLE],
        origin="added",
        files=tuple(parts),
        settings=replace(with_context(settings, wishes.parameters.context), file=parts[0].path.name),
        licence=licence_of(gguf.licence) or wishes.licence,
        architecture=gguf.architecture,
        trained_context=gguf.context,
        kv_width=gguf.kv_width,
        template=gguf.template,
        can_call_tools=can_call_tools,
        system=wishes.system,
        parameters=wishes.parameters,
        examples=wishes.examples,
        added=time.strftime("%Y-%m-%dT%H:%M:%SZ", time.gmtime()),
    )
