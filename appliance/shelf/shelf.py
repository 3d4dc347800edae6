"""The shelf: which language models are at hand. What is on it is read from the disk each time, so nothing has to be told that it changed."""

from __future__ import annotations

import os
import shutil
import threading
from contextlib import suppress
from dataclasses import replace
from pathlib import Path, PurePosixPath

from appliance.durable import sha256_of, storage_error, sync_folder, writing_durably
from appliance.errors import BundleAltered, ModelAltered, ModelBusy, ModelError, ModelMissing, ModelTaken, NoSuchModel
from appliance.integrity import verify_model
from appliance.manifest import Manifest, Model
from appliance.models.catalogue import generator_settings
from appliance.models.gguf import NotAGguf, read_gguf
from appliance.models.template import ChatTemplate, TemplateFailed
from appliance.shelf.entries import ENTRY, ModelPart, Prepared, ShelfModel, check_name, name_of, read_entry, renamed, to_entry
from appliance.shelf.purposes import PURPOSES, Speed, check_purpose, read_choices, read_speeds, write_choices, write_speeds

FOLDER = "models"
"""Of the home: a folder for each added model."""
_LEAVING = ".leaving-"


class ModelShelf:
    """The bundle's language models and those added to a home. Safe to use from several threads.

    Reading changes nothing and works beside another process that writes; `use`, `add`, `remove` and `keep_speed` are for the process that
    holds the library's lock.
    """

    def __init__(self, home: Path, manifest: Manifest | None) -> None:
        """`manifest` is None where there is no bundle that can be trusted: then only added models are there."""
        self.home = home
        self._manifest = manifest
        self._lock = threading.RLock()
        self._prints: dict[ModelPart, tuple[int, ...]] = {}
        self._faults: dict[ModelPart, tuple[tuple[int, ...], str]] = {}
        self._bundled: tuple[tuple[ShelfModel, Model], ...] | None = None

    @property
    def folder(self) -> Path:
        return self.home / FOLDER

    # What is there

    def all(self) -> tuple[ShelfModel, ...]:
        """The bundle's, the default first, then the added ones by name. An added one whose name the bundle has too is called NAME-added."""
        bundled = self._from_bundle()
        names = {model.name for model in bundled}
        added = []
        for folder in self._folders():
            with suppress(ValueError, OSError):
                model = read_entry(folder)
                added.append(replace(model, name=f"{model.name}-added") if model.name in names else model)
        return (*bundled, *added)

    def unreadable(self) -> dict[str, str]:
        """Added models whose entry can't be read: name → the sentence that says so."""
        found = {}
        for folder in self._folders():
            try:
                read_entry(folder)
            except ValueError as error:
                found[folder.name] = str(ModelAltered(name=folder.name, detail=str(error)[:200]))
            except OSError as error:
                found[folder.name] = str(ModelAltered(name=folder.name, detail=f"{ENTRY} can't be read: {error.strerror or error}"))
        return found

    def find(self, name: str) -> ShelfModel:
        """The model of that name, "name:latest" too. Raises NoSuchModel, and ModelAltered where its entry can't be read."""
        wanted = name.removesuffix(":latest")
        for model in self.all():
            if model.name == wanted:
                return model
        if wanted in self.unreadable():
            raise ModelAltered(name=wanted, detail=f"its {ENTRY} can't be read")
        raise NoSuchModel(name=name[:100])

    def problem(self, model: ShelfModel) -> str:
        """Why the model can't be used: a file that is gone or altered, as far as is known without reading it; "" where nothing is."""
        for part in model.files:
            try:
                # `lstat`: a link leads to what can be another file a moment later.
                fault = "altered" if part.path.is_symlink() or part.path.lstat().st_size != part.size else self._found(part)
            except OSError:
                fault = "gone"
            if fault:
                return str(self._altered(model, part, fault))
        return ""

    def verify(self, model: ShelfModel, *, again: bool = False) -> None:
        """Compare its files with their sha256, before a loader opens them. Raises BundleAltered, ModelAltered.

        A file that was compared in this process is not read once more while it is the same file, by all that its file system says of it, but
        for `again`: meanwhile the stick may have been out, and another one in.
        """
        with self._lock:
            prints = {part: _print(part.path) for part in model.files}
            if not again and all(self._prints.get(part) == found != () for part, found in prints.items()):
                return
        with self._lock:
            for part in model.files:
                self._prints.pop(part, None)
                self._faults.pop(part, None)
        self._compare(model)
        with self._lock:
            self._prints |= prints

    # What is chosen

    def chosen(self, purpose: str = "answering") -> ShelfModel | None:
        """The model for a purpose; None where it is done without one. One whose file is gone or altered gives way to the default.

        Raises BadRequest for what is no purpose, NoSuchModel where the shelf is empty.
        """
        told = read_choices(self.home).get(check_purpose(purpose), "")
        models = [model for model in self.all() if not self.problem(model)]
        for model in models:
            if model.name == told:
                return model
        if purpose == "rewriting":
            return None
        if purpose != "answering":
            return self.chosen("answering")
        if models:
            return models[0]
        every = self.all()
        if not every:
            raise NoSuchModel(name="any")
        return every[0]  # whoever loads it is told what is wrong with it

    def told(self) -> dict[str, str]:
        """Purpose → the name that was chosen for it; those that were not are left out."""
        return read_choices(self.home)

    def purposes(self) -> dict[str, str]:
        """Purpose → the name of the model that serves it; "" where none does."""
        found: dict[str, str] = {}
        for purpose in PURPOSES:
            try:
                model = self.chosen(purpose)
            except NoSuchModel:
                model = None
            found[purpose] = model.name if model else ""
        return found

    def use(self, name: str, purpose: str = "answering") -> None:
        """Choose a model for a purpose; an empty name takes the choice back. Raises BadRequest, NoSuchModel, ModelAltered, DiskFull."""
        check_purpose(purpose)
        wanted = self.find(name).name if name else ""
        with self._lock:
            choices = read_choices(self.home)
            choices.pop(purpose, None)
            write_choices(self.home, {**choices, purpose: wanted} if wanted else choices)

    # What comes and goes

    def add(self, prepared: Prepared) -> ShelfModel:
        """Put a checked model on the shelf: its folder gets the entry, then its name. Raises ModelTaken, BadRequest, DiskFull, LibraryReadOnly."""
        name = check_name(prepared.model.name)
        with self._lock:
            target = self.folder / name
            if os.path.lexists(target) or name in {model.name for model in self.all()}:
                raise ModelTaken(name=name)
            try:
                with writing_durably(prepared.folder / ENTRY) as file:
                    file.write(to_entry(prepared.model))
                os.rename(prepared.folder, target)
                sync_folder(self.folder)
            except OSError as error:
                raise storage_error(error, self.folder) from error
        return renamed(prepared.model, target, name)

    def removable(self, name: str) -> Path:
        """The folder of an added model, one with an unreadable entry too. Raises NoSuchModel, ModelBusy for one of the bundle."""
        model = next((model for model in self.all() if model.name == name.removesuffix(":latest")), None)
        if model is None:
            folder = self.folder / name
            if folder not in self._folders():
                raise NoSuchModel(name=name[:100])
            return folder
        if model.origin == "bundle":
            raise ModelBusy(name=model.name, what="removed", detail="it belongs to the bundle, and a bundle is not changed")
        return model.file.parent

    def remove(self, name: str) -> None:
        """Take an added model off the shelf, its files off the disk, its choices back. Raises as `removable`, and LibraryReadOnly."""
        with self._lock:
            folder = self.removable(name)
            leaving = folder.with_name(_LEAVING + folder.name)
            try:
                for left in self.folder.glob(f"{_LEAVING}*"):  # of one that was interrupted
                    if not left.is_symlink():
                        shutil.rmtree(left)
                # Renamed first: whoever is interrupted leaves no half of a model with a model's name.
                os.rename(folder, leaving)
                leaving.unlink() if leaving.is_symlink() else shutil.rmtree(leaving)
            except OSError as error:
                raise storage_error(error, self.folder) from error
            choices = read_choices(self.home)
            kept = {purpose: one for purpose, one in choices.items() if one != name.removesuffix(":latest")}
            if kept != choices:
                write_choices(self.home, kept)

    # How fast it is here

    def speed(self, name: str) -> Speed | None:
        """Raises NoSuchModel."""
        return read_speeds(self.home).get(self.find(name).sha256)

    def speeds(self) -> dict[str, Speed]:
        """By the sha256 of each model's first file."""
        return read_speeds(self.home)

    def keep_speed(self, name: str, speed: Speed) -> None:
        """Raises NoSuchModel, DiskFull, LibraryReadOnly."""
        model = self.find(name)
        with self._lock:
            here = {one.sha256 for one in self.all()}
            known = {digest: one for digest, one in read_speeds(self.home).items() if digest in here}
            write_speeds(self.home, {**known, model.sha256: speed})

    def _folders(self) -> tuple[Path, ...]:
        try:
            found = [entry for entry in os.scandir(self.folder) if not entry.name.startswith(".") and entry.is_dir(follow_symlinks=False)]
        except OSError:
            return ()
        return tuple(sorted(self.folder / entry.name for entry in found))

    def _from_bundle(self) -> tuple[ShelfModel, ...]:
        with self._lock:
            if self._bundled is None:
                manifest = self._manifest
                models = [model for model in manifest.models if model.role == "generator"] if manifest else []
                self._bundled = tuple((bundled(manifest, model), model) for model in models if manifest)
            return tuple(one for one, _ in self._bundled)

    def _compare(self, model: ShelfModel) -> None:
        if model.origin == "bundle" and self._manifest is not None:
            entry = next(entry for one, entry in self._bundled or () if one.name == model.name)
            try:
                verify_model(self._manifest, entry)
            except BundleAltered as error:
                self._remember(model.files[0], "gone" if error.details.get("state") == "missing" else "altered")
                raise
            return
        for part in model.files:
            fault = "gone"
            with suppress(OSError):
                same = not part.path.is_symlink() and part.path.stat().st_size == part.size and sha256_of(part.path) == part.sha256
                fault = "" if same else "altered"
            if fault:
                self._remember(part, fault)
                raise self._altered(model, part, fault)

    def _remember(self, part: ModelPart, fault: str) -> None:
        with self._lock:
            self._faults[part] = _print(part.path), fault

    def _found(self, part: ModelPart) -> str:
        """What was found wrong with a file when it was last read, if it is still the same file."""
        known, fault = self._faults.get(part, ((), ""))
        return fault if known == _print(part.path) else ""

    def _altered(self, model: ShelfModel, part: ModelPart, fault: str) -> ModelError | BundleAltered:
        if model.origin == "bundle":
            path = part.path.relative_to(self._manifest.root) if self._manifest else part.path
            return BundleAltered(path=PurePosixPath(path).as_posix(), state="missing" if fault == "gone" else fault)
        return ModelAltered(name=model.name, detail=f"{part.path.name} is {fault}")


def bundled(manifest: Manifest, model: Model) -> ShelfModel:
    """A generator of the manifest as a model of the shelf. Raises BundleUnreadable, ModelMissing."""
    settings = generator_settings(model)
    folder = PurePosixPath(model.folder)
    first = folder / settings.file
    own = [file for file in manifest.files if PurePosixPath(file.path).is_relative_to(folder) and file.path.endswith(".gguf")]
    own.sort(key=lambda file: (PurePosixPath(file.path) != first, file.path))
    if not own or PurePosixPath(own[0].path) != first:
        raise ModelMissing(path=manifest.root, role="generator")
    parts = tuple(ModelPart(manifest.root / file.path, file.size, file.sha256) for file in own)
    found = ShelfModel(name_of(model.id), model.title, "bundle", parts, settings, model.licence, str(model.settings.get("good_for", "")))
    # A file that isn't what it should be is found out when it is compared, before it is loaded.
    with suppress(OSError, NotAGguf, TemplateFailed):
        header = read_gguf(parts[0].path)
        found = replace(found, architecture=header.architecture, trained_context=header.context, kv_width=header.kv_width, template=header.template)
        found = replace(found, can_call_tools=ChatTemplate(header.template).can_call_tools)
    return found


def _print(path: Path) -> tuple[int, ...]:
    """What a file system says of a file: it changes whenever the file does. Empty where there is none."""
    try:
        found = path.stat()
    except OSError:
        return ()
    return found.st_dev, found.st_ino, found.st_size, found.st_mtime_ns, found.st_ctime_ns
