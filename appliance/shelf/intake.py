"""Whatever somebody wants on the shelf: a GGUF, one part of several, a Modelfile, a folder with one of these, or the store of an Ollama machine."""

from __future__ import annotations

import os
from collections.abc import Callable
from contextlib import suppress
from dataclasses import replace
from pathlib import Path

from appliance.errors import BadRequest, NoSuchModel, NoSuchPath, NotAModel
from appliance.models.ggml import OTHERWISE
from appliance.models.gguf import NotAGguf
from appliance.shelf.adding import NO_WISHES, Wishes, prepare, untold
from appliance.shelf.entries import Prepared, ShelfModel, name_of
from appliance.shelf.joining import find_parts
from appliance.shelf.modelfile import LARGEST, Modelfile, read_modelfile, wishes_of
from appliance.shelf.ollama import as_modelfile, find_stored, store_of
from appliance.shelf.shelf import ModelShelf

MODELFILE = "Modelfile"
WITHOUT_PICTURES = "Its part that sees pictures is left out."
_OTHER = {
    ".safetensors": "it is in the safetensors form: convert it to a GGUF on the machine that has its tools",
    ".bin": "it is no GGUF file",
    ".pt": "it is PyTorch's own form: convert it to a GGUF on the machine that has its tools",
    ".zip": "it is packed: unpack it first",
    ".gz": "it is packed: unpack it first",
    ".7z": "it is packed: unpack it first",
    ".part": "its download was not finished",
    ".crdownload": "its download was not finished",
}
_Meant = tuple[Path, str, Wishes]
"""A GGUF, what it will be called unless told, and what comes with it."""


def bring(path: Path, shelf: ModelShelf, *, name: str = "", tag: str = "", threads: int = 2, tell: Callable[[int, int], None] = untold) -> Prepared:
    """Check what is at `path` and prepare it; see `prepare`. `tag` names a model of an Ollama store ("llama3.2:1b").

    Raises NotAModel, NoSuchPath, NoSuchModel, ModelTaken, BadRequest, BadParameter, DiskFull, LibraryReadOnly.
    """
    file, called, wishes = _meant(path, shelf, tag)
    return prepare(file, shelf, name=name or called, wishes=wishes, threads=threads, tell=tell)


def _meant(path: Path, shelf: ModelShelf, tag: str) -> _Meant:
    try:
        folder, there = path.is_dir(), path.is_file()
    except ValueError:  # a name with a zero in it
        folder = there = False
    if not folder and not there:
        raise NoSuchPath(path=str(path)[:300])
    if folder and (root := store_of(path)):
        return _from_store(root, tag)
    if tag:
        raise BadRequest(detail=f"{path.name} is no Ollama store, and a tag names a model of one: leave it out, or name the store's folder.")
    if folder:
        path = _only_model(path)
    if _magic(path) == b"GGUF" or path.suffix.lower() == ".gguf":
        return path, "", NO_WISHES
    if path.suffix.lower() in _OTHER:
        raise NotAModel(name=path.name, detail=_OTHER[path.suffix.lower()])
    if path.stat().st_size > LARGEST:
        raise NotAModel(name=path.name, detail="it is neither a GGUF nor a Modelfile")
    return _from_modelfile(path, shelf)


def _from_modelfile(path: Path, shelf: ModelShelf) -> _Meant:
    modelfile = read_modelfile(path)
    files = [_source(path, source) for source in modelfile.sources]
    writing = [file for file in files if not _sees_pictures(file)] if len(files) > 1 else files
    if len(writing) != 1:
        raise NotAModel(name=path.name, detail="it has more than one FROM" if files else "it has no FROM, which names the model's file")
    (file,) = writing
    called = "" if path.stem == MODELFILE else name_of(path.stem)
    if file.is_file():
        wishes = _wishes(modelfile, file)
        return file, called, _noting(wishes, WITHOUT_PICTURES) if len(files) > 1 else wishes
    source = modelfile.sources[files.index(file)]
    try:
        base = shelf.find(source)
    except NoSuchModel as error:
        detail = f"its FROM says {source[:80]!r}, which is neither a file here nor a model of the shelf: add that first"
        raise NotAModel(name=path.name, detail=detail) from error
    shelf.verify(base)
    called = called or name_of(f"{base.name}-2")
    return base.file, called, _over(_wishes(modelfile, base.file), base, called)


def _source(modelfile: Path, source: str) -> Path:
    """What a FROM means as a file, whether that is there or not. Raises NotAModel."""
    if source.startswith(("\\\\", "//")):
        # On Windows, looking at such a path already opens a connection, with the user's name.
        raise NotAModel(name=modelfile.name, detail=f"its FROM names another machine ({source[:80]!r}): copy the model here first")
    file = modelfile.parent / os.path.expanduser(source)
    return _only_model(file) if file.is_dir() else file


def _sees_pictures(file: Path) -> bool:
    with suppress(NotAGguf, OSError):
        return find_parts(file).gguf.unfit == OTHERWISE["clip"]
    return False


def _over(wishes: Wishes, base: ShelfModel, called: str) -> Wishes:
    """What the Modelfile says, and where it says nothing, what its base came with."""
    return replace(
        wishes,
        title=f"{base.title} ({called})",
        system=wishes.system or base.system,
        parameters=wishes.parameters.over(base.parameters),
        examples=wishes.examples or base.examples,
        licence=wishes.licence or base.licence,
    )


def _from_store(root: Path, tag: str) -> _Meant:
    model = find_stored(root, tag)
    weights = model.blob(model.weights)
    wishes = replace(_wishes(as_modelfile(model), weights, model.tag), sha256=model.weights.sha256, title=model.tag, file_name=model.tag)
    if any(layer.kind == "projector" for layer in model.layers):
        wishes = _noting(wishes, WITHOUT_PICTURES)
    *before, called = model.tag.removesuffix(":latest").split("/")
    return weights, name_of("-".join([*before, called]) if len(before) < 2 else called), wishes


def _noting(wishes: Wishes, note: str) -> Wishes:
    return replace(wishes, notes=(*wishes.notes, note))


def _wishes(modelfile: Modelfile, weights: Path, name: str = "") -> Wishes:
    try:
        template = find_parts(weights).gguf.template
    except NotAGguf as error:
        raise NotAModel(name=name or weights.name, detail=error) from error
    except OSError as error:
        raise NotAModel(name=name or weights.name, detail=f"it can't be read ({error.strerror or error})") from error
    return wishes_of(modelfile, template)


def _only_model(folder: Path) -> Path:
    """The Modelfile of a folder, or the only GGUF in it, in parts or not. Raises NotAModel."""
    if (folder / MODELFILE).is_file():
        return folder / MODELFILE
    found = sorted(file for file in folder.iterdir() if file.suffix.lower() == ".gguf" and file.is_file())
    if found:
        try:
            parts = set(find_parts(found[0]).files)
        except (NotAGguf, OSError):
            parts = {found[0]}
        if set(found) <= parts:
            return found[0]
        raise NotAModel(name=folder.name, detail=f"it is a folder with several GGUF files: name one of {', '.join(file.name for file in found[:10])}")
    raise NotAModel(name=folder.name, detail="it is a folder without a GGUF, a Modelfile or an Ollama store")


def _magic(path: Path) -> bytes:
    try:
        with path.open("rb") as stream:
            return stream.read(4)
    except OSError as error:
        raise NotAModel(name=path.name, detail=f"it can't be read ({error.strerror or error})") from error
