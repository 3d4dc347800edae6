"""Models, runtimes, packs, launchers and papers → one folder → signed lists → verified. Everything large is named by its content."""

from __future__ import annotations

import hashlib
import importlib.metadata
import json
import os
import platform
import shutil
from collections.abc import Callable, Iterable, Iterator, Mapping
from dataclasses import asdict, dataclass
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

from appliance.durable import sha256_of
from appliance.errors import BundleError
from appliance.integrity import differences
from appliance.manifest import FORMAT, BundleFile, Model, Runtime, read_manifest
from appliance.minisign import PublicKey, SecretKey
from bundle import TOOL, VERSION
from bundle.errors import SourceAltered
from bundle.licences import notice
from bundle.notices import FOLDER as NOTICES
from bundle.notices import ModelNotices, write_notices
from bundle.prepare import RECIPE
from bundle.readme import README, write_readme
from bundle.runtime.archive import named_by_content
from bundle.runtime.image import Image
from bundle.runtime.software import code_digest, copy_launchers, launcher_files, pack_code
from bundle.sbom import SBOM, write_sbom
from bundle.sign import entry_of, listed, write_lists
from bundle.sources import Fetched, Resolved
from bundle.spec import Spec
from bundle.split import FAT32_LIMIT, split_gguf

_PLATFORM_OF = {"START-Windows.cmd": "windows", "START-macOS.command": "macos", "start-linux.sh": "linux"}


@dataclass(frozen=True, slots=True)
class Contents:
    """All that goes into a bundle."""

    spec: Spec
    models: tuple[tuple[Fetched, Path, Mapping[str, Any]], ...]
    """Each model as fetched, the folder that holds its files now (it is moved), and its manifest settings."""
    images: tuple[Image, ...]
    created: str
    mark: str
    key: SecretKey


Packer = Callable[[Path, Path], None]
"""Makes the packs of a bundle: (the bundle, whole but for its packs; the folder that they go into)."""


def recipe(spec: Spec, resolved: Iterable[Resolved], runtimes: Iterable[str], packs: Iterable[str], signer: PublicKey) -> str:
    """A hash of all that decides what the bundle will be: two bundles of one recipe hold the same. `runtimes`, `packs`: their keys."""
    items = [[one.item.role, one.item.id, one.item.title, one.licence, dict(one.record), dict(one.item.settings)] for one in resolved]
    told = [spec.profile, spec.title, list(spec.languages), spec.filesystem, spec.guide]
    code = code_digest() if spec.platforms else ""
    made_of = [FORMAT, VERSION, RECIPE, told, items, list(runtimes), list(packs), code, signer.fingerprint]
    return hashlib.sha256(json.dumps(made_of, sort_keys=True).encode()).hexdigest()


def up_to_date(output: Path, wanted: str) -> bool:
    """Whether the bundle at `output` is whole and of that recipe. Reads every byte of it."""
    try:
        return read_manifest(output).tool.get("recipe") == wanted and not differences(output)
    except BundleError:
        return False


def assemble(contents: Contents, root: Path, scratch: Path, pack: Packer | None = None) -> None:
    """Put everything into `root`, anew, sign for it and check it. Raises SourceAltered, FileTooLarge, and what `pack` raises."""
    for folder in (root, scratch):
        shutil.rmtree(folder, ignore_errors=True)
        folder.mkdir(parents=True)
    spec = contents.spec
    models = [_place_model(fetched, folder, settings, root, spec.filesystem) for fetched, folder, settings in contents.models]
    runtimes = [_place_image(image, root) for image in contents.images]
    if runtimes:
        pack_code(root / "runtime" / ".code", scratch / "code")
        (root / "runtime" / ".code").rename(root / "runtime" / named_by_content(root / "runtime" / ".code", "haversack"))
        copy_launchers(root)
    write_notices(
        root, models=[_notices(one) for one, _, _ in contents.models], software=[one for image in contents.images for one in image.software]
    )
    (root / NOTICES / "NOTICE.txt").write_text(notice(fetched.resolved for fetched, _, _ in contents.models), encoding="utf-8", newline="\n")
    if pack is not None:
        _list(contents, root, models, runtimes)  # whole but for its packs: what makes them runs from it
        pack(root, root / "packs")
    write_readme(
        root / README,
        title=spec.title,
        profile=spec.profile,
        languages=spec.languages,
        models=models,
        runtimes=runtimes,
        fingerprint=contents.key.public.fingerprint,
    )
    files = [BundleFile(**entry) for entry in _entries(root, models, runtimes)]
    software = [one for image in contents.images for one in image.software]
    write_sbom(root / SBOM, profile=spec.profile, created=contents.created, models=models, files=files, runtimes=runtimes, software=software)
    _list(contents, root, models, runtimes)
    bad = differences(root)
    if bad:
        raise SourceAltered(what=bad[0].path, source="the build", detail=f"it is {bad[0].state}; the disk may be failing")


def now() -> str:
    """UTC, to the second; SOURCE_DATE_EPOCH makes it repeatable."""
    told = os.environ.get("SOURCE_DATE_EPOCH", "")
    moment = datetime.fromtimestamp(int(told), UTC) if told.isdigit() else datetime.now(UTC)
    return moment.strftime("%Y-%m-%dT%H:%M:%SZ")


def _place_model(fetched: Fetched, folder: Path, settings: Mapping[str, Any], root: Path, filesystem: str) -> Model:
    """Move the model's files to a folder that is named by what is in them."""
    item, settings = fetched.resolved.item, dict(settings)
    if item.role == "generator":
        file = folder / str(settings["file"])
        if not file.is_file():
            raise SourceAltered(what=item.title, source="its source", detail=f"it holds no {settings['file']}")
    if filesystem == "fat32":
        for file in sorted(path for path in folder.rglob("*") if path.is_file()):
            parts = split_gguf(file, file.parent, FAT32_LIMIT)
            if parts != (file,):
                file.unlink()
                if file == folder / str(settings.get("file")):
                    settings["file"] = parts[0].relative_to(folder).as_posix()
    digest = hashlib.sha256()
    for path in sorted(path for path in folder.rglob("*") if path.is_file()):
        digest.update(f"{path.relative_to(folder).as_posix()} {sha256_of(path)}\n".encode())
    name = f"models/{item.id}-{digest.hexdigest()[:8]}"
    (root / "models").mkdir(exist_ok=True)
    folder.rename(root / name)
    return Model(item.role, item.id, item.title, name, fetched.resolved.licence, dict(fetched.resolved.record), settings)


def _place_image(image: Image, root: Path) -> Runtime:
    name = f"runtime/{named_by_content(image.archive, image.platform)}"
    (root / "runtime").mkdir(exist_ok=True)
    shutil.copyfile(image.archive, root / name)
    return Runtime(image.platform, name, image.provider, image.python, image.libc, image.tested, image.unpacked)


def _notices(fetched: Fetched) -> ModelNotices:
    return ModelNotices(fetched.resolved.item.title, fetched.resolved.licence, source_text(fetched.resolved.record), fetched.notices)


def source_text(record: Mapping[str, str]) -> str:
    """Where a model comes from, in one line: `hub Qwen/Qwen3-4B-GGUF 1a2b…`."""
    return " ".join(filter(None, (record["kind"], record["name"], record.get("version") or record.get("revision", ""))))


def _list(contents: Contents, root: Path, models: list[Model], runtimes: list[Runtime]) -> None:
    manifest = {
        "format": FORMAT,
        "profile": contents.spec.profile,
        "title": contents.spec.title,
        "created": contents.created,
        "languages": list(contents.spec.languages),
        "guide": contents.spec.guide,
        "tool": {"name": TOOL, "version": VERSION, "recipe": contents.mark},
        "versions": _versions(),
        "models": [asdict(model) for model in models],
        "runtimes": [asdict(runtime) for runtime in runtimes],
    }
    write_lists(root, manifest, contents.key, _entries(root, models, runtimes))


def _entries(root: Path, models: Iterable[Model], runtimes: Iterable[Runtime]) -> Iterator[dict[str, Any]]:
    """The manifest's entry of every file in `root` but the lists and the key."""
    launchers = {name for name, _ in launcher_files()}
    for name in listed(root):
        model = next((model for model in models if name.startswith(model.folder + "/")), None)
        runtime = next((runtime for runtime in runtimes if name == runtime.archive), None)
        if model is not None:
            yield entry_of(root, name, model.role, licence=model.licence, source=source_text(model.source))
        elif runtime is not None:
            source = f"{runtime.provider} Python {runtime.python}"
            yield entry_of(root, name, "runtime", platform=runtime.platform, licence=f"see LICENSES/software-{runtime.platform}.txt", source=source)
        elif name in launchers:
            yield entry_of(root, name, "launcher", platform=_PLATFORM_OF[name], licence="Apache-2.0", source=f"{TOOL} {VERSION}")
        elif name.startswith("runtime/"):
            yield entry_of(root, name, "software", licence="Apache-2.0", source=f"{TOOL} {VERSION}")
        elif name.startswith("packs/"):
            yield entry_of(root, name, "pack", source="documents of the builder's")
        else:
            yield entry_of(root, name, {README: "readme", SBOM: "sbom"}.get(name, "notice"))


def _versions() -> dict[str, str]:
    """What made the models: needed to make the same ones again."""
    found = {"python": platform.python_version()}
    for name in ("torch", "transformers", "sentence-transformers", "onnx", "onnxruntime", "tokenizers", "huggingface_hub"):
        try:
            found[name] = importlib.metadata.version(name)
        except importlib.metadata.PackageNotFoundError:
            continue
    return found
