"""Staging folder → manifest → verified → renamed into place. Until the rename, the bundle that was there is untouched."""

from __future__ import annotations

import ctypes
import fcntl
import hashlib
import importlib.metadata
import json
import os
import platform
import shutil
from collections.abc import Iterable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import asdict
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

from appliance.errors import BuildBusy, BundleError, OutputRefused, SourceAltered
from appliance.manifest import FORMAT, MANIFEST, SUMS, Model, differences, read_manifest, sha256_of
from bundle import TOOL, VERSION
from bundle.prepare import RECIPE
from bundle.sources import Fetched, Resolved
from bundle.spec import Spec

_LICENCES = Path(__file__).parent / "licences"
_AT_FDCWD, _RENAME_EXCHANGE = -100, 2


def recipe(spec: Spec, resolved: Iterable[Resolved]) -> str:
    """A hash of all that decides what the bundle will be: two bundles of one recipe hold the same models."""
    items = [[one.item.role, one.item.id, one.item.title, one.licence, dict(one.record), dict(one.item.settings)] for one in resolved]
    return hashlib.sha256(json.dumps([FORMAT, VERSION, RECIPE, spec.profile, items], sort_keys=True).encode()).hexdigest()


def up_to_date(output: Path, wanted: str) -> bool:
    """Whether the bundle at `output` is whole and of that recipe. Reads every byte of it."""
    try:
        return read_manifest(output).tool.get("recipe") == wanted and not differences(output)
    except BundleError:
        return False


@contextmanager
def staging(output: Path) -> Iterator[Path]:
    """The folder beside `output` in which it is built, held by this process alone; it stays when the build doesn't end.

    Raises BuildBusy, OutputRefused.
    """
    if output.is_symlink() or (output.exists() and not output.is_dir()):
        raise OutputRefused(path=output, detail="it is a file or a link")
    if output.is_dir() and any(output.iterdir()) and not (output / MANIFEST).is_file():
        raise OutputRefused(path=output, detail="it holds something that is no bundle")
    folder = output.parent / f".{output.name}.building"
    try:
        folder.mkdir(parents=True, exist_ok=True)
        handle = os.open(folder, os.O_RDONLY)
    except OSError as error:
        raise OutputRefused(path=output, detail=error.strerror) from error
    try:
        try:
            fcntl.flock(handle, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except OSError as error:
            raise BuildBusy(path=output) from error
        if (folder / "old").exists() and not output.exists():
            (folder / "old").rename(output)  # stopped between two renames, where they can't be one
        shutil.rmtree(folder / "old", ignore_errors=True)
        yield folder
        shutil.rmtree(folder, ignore_errors=True)
    finally:
        os.close(handle)


def assemble(spec: Spec, models: Iterable[tuple[Fetched, Mapping[str, Any]]], root: Path, mark: str, created: str) -> None:
    """Put models, notices and manifest into `root`; the prepared ones lie there already. Raises SourceAltered."""
    entries: list[Model] = []
    for fetched, settings in models:
        item = fetched.resolved.item
        folder = root / "models" / item.id
        if item.role == "generator":
            _move(fetched.folder, folder)
            if not (folder / str(settings["file"])).is_file():
                raise SourceAltered(what=item.title, source="its source", detail=f"it holds no {settings['file']}")
        _notices(fetched, root / "LICENSES")
        entries.append(
            Model(item.role, item.id, item.title, f"models/{item.id}", fetched.resolved.licence, dict(fetched.resolved.record), dict(settings))
        )
    _keep_only(root, {model.id for model in entries})
    _write_manifest(spec, entries, root, mark, created)
    bad = differences(root)
    if bad:
        raise SourceAltered(what=bad[0].path, source="the build", detail=f"it is {bad[0].state}; the disk may be failing")


def put_in_place(root: Path, output: Path) -> None:
    """Everything to the disk, then one rename; the older bundle goes to `old` beside `root` and is removed with the staging folder."""
    for path in [*root.rglob("*"), root]:
        _sync(path)
    old = root.parent / "old"
    if output.exists():
        if _exchange(root, output):
            root.rename(old)
        else:
            output.rename(old)
            root.rename(output)
    else:
        root.rename(output)
    _sync(output.parent)


def _write_manifest(spec: Spec, models: list[Model], root: Path, mark: str, created: str) -> None:
    files = []
    for path in sorted(root.rglob("*")):
        name = path.relative_to(root).as_posix()
        if path.is_file() and name not in (MANIFEST, SUMS):
            role = next((model.role for model in models if name.startswith(model.folder + "/")), "notice")
            files.append({"path": name, "size": path.stat().st_size, "sha256": sha256_of(path), "role": role})
    manifest = {
        "format": FORMAT,
        "profile": spec.profile,
        "created": created,
        "tool": {"name": TOOL, "version": VERSION, "recipe": mark},
        "versions": _versions(),
        "files": files,
        "models": [asdict(model) for model in models],
    }
    content = (json.dumps(manifest, indent=1, ensure_ascii=False) + "\n").encode()
    sums = {str(file["path"]): str(file["sha256"]) for file in files} | {MANIFEST: hashlib.sha256(content).hexdigest()}
    (root / MANIFEST).write_bytes(content)
    (root / SUMS).write_text("".join(f"{digest}  {path}\n" for path, digest in sorted(sums.items())), encoding="utf-8")


def _versions() -> dict[str, str]:
    """What made the models: needed to make the same ones again."""
    found = {"python": platform.python_version()}
    for name in ("torch", "transformers", "sentence-transformers", "onnx", "onnxruntime", "tokenizers", "huggingface_hub"):
        try:
            found[name] = importlib.metadata.version(name)
        except importlib.metadata.PackageNotFoundError:
            continue
    return found


def now() -> str:
    """UTC, to the second; SOURCE_DATE_EPOCH makes it repeatable."""
    told = os.environ.get("SOURCE_DATE_EPOCH", "")
    moment = datetime.fromtimestamp(int(told), UTC) if told.isdigit() else datetime.now(UTC)
    return moment.strftime("%Y-%m-%dT%H:%M:%SZ")


def _notices(fetched: Fetched, folder: Path) -> None:
    """The licence's text once, and what the source says of the model in a folder of its own."""
    folder.mkdir(parents=True, exist_ok=True)
    text = _LICENCES / f"{fetched.resolved.licence}.txt"
    if text.is_file():
        shutil.copyfile(text, folder / text.name)
    for notice in fetched.notices:
        target = folder / fetched.resolved.item.id / notice.name
        target.parent.mkdir(exist_ok=True)
        shutil.copyfile(notice, target)


def _move(source: Path, target: Path) -> None:
    shutil.rmtree(target, ignore_errors=True)
    target.parent.mkdir(parents=True, exist_ok=True)
    source.rename(target)


def _keep_only(root: Path, models: set[str]) -> None:
    """What an interrupted build of another profile left in the staging folder doesn't travel."""
    for folder in (root / "models", root / "LICENSES"):
        for path in folder.iterdir():
            if path.is_dir() and path.name not in models:
                shutil.rmtree(path)
    for path in root.iterdir():
        if path.is_file():
            path.unlink()


def _exchange(one: Path, other: Path) -> bool:
    """Swap two folders in one step, where the system can (Linux, most file systems): at no moment is there no bundle."""
    try:
        renameat2 = ctypes.CDLL(None, use_errno=True).renameat2
    except (OSError, AttributeError):
        return False
    return bool(renameat2(_AT_FDCWD, os.fsencode(one), _AT_FDCWD, os.fsencode(other), _RENAME_EXCHANGE) == 0)


def _sync(path: Path) -> None:
    handle = os.open(path, os.O_RDONLY)
    try:
        os.fsync(handle)
    finally:
        os.close(handle)
