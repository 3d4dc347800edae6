"""The blob store of an Ollama machine, copied here: `manifests/<registry>/<namespace>/<model>/<tag>` and `blobs/sha256-<64 hex digits>`.

A manifest is JSON whose layers name blobs by their hash: the weights, and with them template, parameters, system message, messages and licence. A
copy can be damaged and a store can come from anybody: names are held to their form, nothing is read through a link, every size has a limit, and
every blob that is used is compared with its hash.
"""

from __future__ import annotations

import hashlib
import json
import os
import re
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from appliance.errors import BadRequest, NotAModel
from appliance.models.protocol import Message
from appliance.shelf.modelfile import LARGEST, MOST_MESSAGES, ROLES, Modelfile

_KIND = "application/vnd.ollama.image."
_LARGEST_MANIFEST = 1 << 20
_MOST_MODELS = 5000
_MOST_LAYERS = 100
_NAME = re.compile(r"[A-Za-z0-9][A-Za-z0-9._-]{0,127}")
_DIGEST = re.compile(r"sha256:([0-9a-f]{64})")
OWN = ".ollama.ai"
"""How the host of Ollama's own registry ends. Ollama leaves it out of names, and with it this namespace."""
_USUAL = "library"


@dataclass(frozen=True, slots=True)
class Layer:
    kind: str
    """What it is, without the prefix that all have: "model", "params"."""
    sha256: str
    size: int


@dataclass(frozen=True, slots=True)
class StoredModel:
    """A model of the store. Nothing of it was read but its manifest."""

    tag: str
    """As Ollama lists it: "llama3.2:1b"; what came from another host has that before it."""
    layers: tuple[Layer, ...]
    root: Path

    @property
    def size(self) -> int:
        return sum(layer.size for layer in self.layers)

    @property
    def weights(self) -> Layer:
        """Raises NotAModel."""
        found = [layer for layer in self.layers if layer.kind == "model"]
        if len(found) != 1:
            what = "its weights are not in a GGUF" if not found else f"it is made of {len(found)} files of weights, and one is expected"
            raise NotAModel(name=self.tag, detail=what)
        return found[0]

    def blob(self, layer: Layer) -> Path:
        """The file of a layer. Raises NotAModel where it isn't there, is a link, or has another size."""
        for sign in "-:":  # older versions wrote the second
            path = self.root / "blobs" / f"sha256{sign}{layer.sha256}"
            if path.is_symlink():
                raise NotAModel(name=self.tag, detail=f"its blob {path.name[:20]}… is a link, and links are not followed")
            if path.is_file():
                if (size := path.stat().st_size) != layer.size:
                    raise NotAModel(
                        name=self.tag, detail=f"its blob {path.name[:20]}… has {size} bytes, and the manifest says {layer.size}: copy it again"
                    )
                return path
        raise NotAModel(name=self.tag, detail=f"its blob sha256-{layer.sha256[:12]}… is not in the store: copy the folder blobs, too")


def store_of(folder: Path) -> Path | None:
    """The root of the store that `folder` is or holds ("~/.ollama" holds one in "models"); None where there is none."""
    for root in (folder, folder / "models"):
        if (root / "manifests").is_dir() and (root / "blobs").is_dir():
            return root
    return None


def stored_models(root: Path) -> tuple[StoredModel, ...]:
    """Those whose manifest is as it should be, by name. Raises NotAModel where the store can't be read."""
    found = []
    for path in _manifests(root / "manifests", 4):
        try:
            found.append(StoredModel(_listed(*path.relative_to(root / "manifests").parts), _layers(path), root))
        except (ValueError, OSError):
            continue
        if len(found) > _MOST_MODELS:
            raise NotAModel(name=root.name, detail=f"it has more than {_MOST_MODELS} models")
    return tuple(sorted(found, key=lambda one: one.tag))


def find_stored(root: Path, tag: str) -> StoredModel:
    """The one with that name ("llama3.2:1b"; ":latest" may be left out, and what stands before a "/", where no other ends so), or the only one
    where no name is given. Capitals don't count, as in Ollama. Raises BadRequest, NotAModel."""
    models = stored_models(root)
    if not models:
        raise NotAModel(name=root.name or str(root), detail="it is an Ollama store without a model whose manifest can be read")
    wanted = (tag if ":" in tag else f"{tag}:latest").lower()
    exact = [model for model in models if model.tag.lower() == wanted]
    fitting = exact or [model for model in models if not tag or model.tag.lower().endswith(f"/{wanted}")]
    if len(fitting) == 1:
        return fitting[0]
    there = ", ".join(model.tag for model in (fitting or models)[:20]) + (" …" if len(fitting or models) > 20 else "")
    what = f"no model {tag[:80]!r}" if not fitting else f"several models that end in {tag[:80]!r}" if tag else "several models"
    raise BadRequest(detail=f"This Ollama store has {what}: name one of {there}.")


def as_modelfile(model: StoredModel) -> Modelfile:
    """What the layers beside the weights say. Raises NotAModel."""
    parameters = _parameters(model, _json(model, "params", {}))
    messages = _messages(model, _json(model, "messages", []))
    licences = tuple(_text(model, layer) for layer in model.layers if layer.kind == "license")
    adapter = "an adapter" if any(layer.kind == "adapter" for layer in model.layers) else ""
    template, system = (_last(model, kind) for kind in ("template", "system"))
    return Modelfile((str(model.blob(model.weights)),), parameters, template, system.strip(), messages, licences, adapter)


def _listed(host: str, namespace: str, model: str, tag: str) -> str:
    if not host.lower().endswith(OWN):
        return f"{host}/{namespace}/{model}:{tag}"
    return f"{model}:{tag}" if namespace.lower() == _USUAL else f"{namespace}/{model}:{tag}"


def _manifests(folder: Path, depth: int) -> Iterator[Path]:
    """Files exactly `depth` levels down, by no link, and by names of their form alone."""
    try:
        entries = sorted(os.scandir(folder), key=lambda entry: entry.name)[:_MOST_MODELS]
    except OSError:
        return
    for entry in entries:
        if not _NAME.fullmatch(entry.name):
            continue
        if depth > 1 and entry.is_dir(follow_symlinks=False):
            yield from _manifests(folder / entry.name, depth - 1)
        elif depth == 1 and entry.is_file(follow_symlinks=False):
            yield folder / entry.name


def _layers(path: Path) -> tuple[Layer, ...]:
    """Raises ValueError, OSError."""
    with path.open("rb") as stream:
        content = stream.read(_LARGEST_MANIFEST + 1)
    if len(content) > _LARGEST_MANIFEST:
        raise ValueError("too large")
    try:
        told = json.loads(content)["layers"]
        if not isinstance(told, list) or len(told) > _MOST_LAYERS:
            raise ValueError("no list of layers")
        return tuple(_layer(one) for one in told)
    except (KeyError, TypeError, AttributeError, RecursionError) as error:
        raise ValueError("no manifest") from error


def _layer(told: Mapping[str, Any]) -> Layer:
    digest, size = _DIGEST.fullmatch(told["digest"]), told["size"]
    if not digest or type(size) is not int or not 0 <= size < 1 << 50:
        raise ValueError("no layer")
    return Layer(str(told["mediaType"]).removeprefix(_KIND), digest[1], size)


def _text(model: StoredModel, layer: Layer) -> str:
    if layer.size > LARGEST:
        raise NotAModel(name=model.tag, detail=f"its {layer.kind} has {layer.size} bytes, more than any has")
    try:
        content = model.blob(layer).read_bytes()
    except OSError as error:
        raise NotAModel(name=model.tag, detail=f"its {layer.kind} can't be read ({error.strerror or error})") from error
    if hashlib.sha256(content).hexdigest() != layer.sha256:
        raise NotAModel(name=model.tag, detail=f"its {layer.kind} is not what its hash says: the copy is damaged")
    return content.decode("utf-8", "replace")


def _last(model: StoredModel, kind: str) -> str:
    layers = [layer for layer in model.layers if layer.kind == kind]
    return _text(model, layers[-1]) if layers else ""


def _json(model: StoredModel, kind: str, nothing: object) -> Any:
    text = _last(model, kind)
    try:
        return json.loads(text) if text else nothing
    except (ValueError, RecursionError) as error:
        raise NotAModel(name=model.tag, detail=f"its {kind} are no JSON") from error


def _parameters(model: StoredModel, told: Any) -> tuple[tuple[str, str], ...]:
    if not isinstance(told, dict):
        raise NotAModel(name=model.tag, detail="its params are no object")
    return tuple((str(name).lower(), str(one)) for name, value in told.items() for one in (value if isinstance(value, list) else [value]))


def _messages(model: StoredModel, told: Any) -> tuple[Message, ...]:
    if not isinstance(told, list) or len(told) > MOST_MESSAGES:
        raise NotAModel(name=model.tag, detail=f"its messages are no list of at most {MOST_MESSAGES}")
    return tuple(_message(model, one) for one in told)


def _message(model: StoredModel, told: Any) -> Message:
    if not isinstance(told, dict) or told.get("role") not in ROLES or not isinstance(told.get("content"), str):
        raise NotAModel(name=model.tag, detail=f"one of its messages is none of {', '.join(ROLES)}")
    return Message(told["role"], told["content"])
