"""A model of the shelf, and the entry that is stored beside an added one: `models/<name>/entry.json` under the home.

```json
{"format": 1, "title": "Qwen3 1.7B", "files": [{"name": "model.gguf", "size": 1, "sha256": "…"}], "licence": "Apache-2.0", "good_for": "",
 "settings": {"family": "qwen3", "parameters": "1.7B", "quantisation": "Q4_K_M", "context": 4096, "evidence": {"passages": 3, "tokens": 1500},
              "temperature": 0.0, "max_tokens": 400, "advice": ""},
 "architecture": "qwen3", "trained_context": 40960, "kv_width": 28672, "template": "…", "can_call_tools": true,
 "system": "", "parameters": {"temperature": 0.6}, "examples": [["user", "…"], ["assistant", "…"]], "added": "2026-11-24T16:00:00Z"}
```

A home can be on a stick that somebody else has written: every value is checked when it is read, and no name leads out of the folder.
"""

from __future__ import annotations

import json
import re
from collections.abc import Mapping
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

from appliance.errors import BadRequest, BundleUnreadable, UsageError
from appliance.licences import may_be_passed_on
from appliance.machine.weights import memory_needed
from appliance.manifest import Model
from appliance.models.catalogue import GeneratorSettings, generator_settings
from appliance.models.parameters import NOTHING_TOLD, Parameters, checked
from appliance.models.protocol import Message

ENTRY = "entry.json"
FORMAT = 1
LARGEST_ENTRY = 4 << 20
"""Bytes: a chat template has up to 20 kB, a licence's text up to 100 kB."""
LONGEST_TEMPLATE = 1 << 18
_LONGEST = 1000
_MOST_PARTS = 1000
_MOST_EXAMPLES = 200
_NAME = re.compile(r"[a-z0-9][a-z0-9._-]{0,63}")
_FILE = re.compile(r"[A-Za-z0-9][A-Za-z0-9._-]{0,199}")
_SHA256 = re.compile(r"[0-9a-f]{64}")
_DEVICES = frozenset({"con", "prn", "aux", "nul", *(f"{kind}{number}" for kind in ("com", "lpt") for number in range(1, 10))})
"""Windows keeps these for devices, with any ending."""


@dataclass(frozen=True, slots=True)
class ModelPart:
    """One file of a model."""

    path: Path
    size: int
    sha256: str


@dataclass(frozen=True, slots=True)
class ShelfModel:
    """A language model that is at hand. What nobody says is empty, 0 or None; nothing is guessed."""

    name: str
    """What it is called by commands and programs; see `check_name`."""
    title: str
    """What people read."""
    origin: str
    """"bundle" or "added"."""
    files: tuple[ModelPart, ...]
    """All parts, the one that is opened first."""
    settings: GeneratorSettings
    licence: str = ""
    good_for: str = ""
    architecture: str = ""
    """As the file's header calls it ("llama", "qwen3")."""
    trained_context: int = 0
    """The longest context that it was made for, in tokens."""
    kv_width: int = 0
    """Numbers (f16) that a token adds to the KV cache, over all layers."""
    template: str = ""
    """Its chat template, Jinja."""
    can_call_tools: bool = False
    """Whether the template takes tools."""
    system: str = ""
    """What it is told before everything else, where nobody says otherwise."""
    parameters: Parameters = NOTHING_TOLD
    examples: tuple[Message, ...] = ()
    """Messages that stand before a chat's first, as a Modelfile's MESSAGE says."""
    added: str = ""
    """UTC, ISO 8601, whole seconds; empty for the bundle's."""

    @property
    def file(self) -> Path:
        return self.files[0].path

    @property
    def size(self) -> int:
        """Bytes of all parts."""
        return sum(part.size for part in self.files)

    @property
    def sha256(self) -> str:
        """Of the first part: it names the model."""
        return self.files[0].sha256

    @property
    def may_be_carried(self) -> bool | None:
        """Whether its licence lets it be passed on, on a stick; None where that isn't known."""
        return may_be_passed_on(self.licence)

    def memory(self, context: int | None = None) -> int:
        """Bytes that answering takes with so many tokens of context, its own number unless told."""
        wanted = context or self.settings.context
        return memory_needed(self.size, min(wanted, self.trained_context or wanted), self.kv_width)


@dataclass(frozen=True, slots=True)
class Prepared:
    """A model that was checked and is not on the shelf yet. Its files lie in `folder`, a folder of its own under `models/` of the home, whose
    name begins with a dot; `ModelShelf.add` makes it the model's."""

    model: ShelfModel
    folder: Path
    notes: tuple[str, ...] = ()
    """Sentences for whoever added it: what was not taken over, or not tried."""


def check_name(name: str) -> str:
    """`name` as it is where it can be a model's: small letters, digits, ".", "_" and "-", on any disk. Raises BadRequest."""
    if not _NAME.fullmatch(name) or name.endswith(".") or name.partition(".")[0] in _DEVICES:
        raise BadRequest(
            detail=f"{name[:80]!r} can't be a model's name: take up to 64 small letters, digits, dots, dashes, underscores, the first no sign."
        )
    return name


def name_of(text: str) -> str:
    """A name that is like `text` ("Qwen3 1.7B (Q4_K_M)" → "qwen3-1.7b-q4_k_m")."""
    name = re.sub(r"[^a-z0-9._]+", "-", text.lower()).strip("-._")[:60].strip("-._") or "model"
    return f"model-{name}" if name.partition(".")[0] in _DEVICES else name


def with_context(settings: GeneratorSettings, context: int | None) -> GeneratorSettings:
    """The settings with another context, if one is told; evidence and answer then each take half of it at most."""
    if context is None:
        return settings
    half = context // 2
    return replace(settings, context=context, evidence_tokens=min(settings.evidence_tokens, half), max_tokens=min(settings.max_tokens, half))


def to_entry(model: ShelfModel) -> bytes:
    settings = model.settings
    entry = {
        "format": FORMAT,
        "title": model.title,
        "files": [{"name": part.path.name, "size": part.size, "sha256": part.sha256} for part in model.files],
        "settings": {
            "family": settings.family,
            "parameters": settings.parameters,
            "quantisation": settings.quantisation,
            "context": settings.context,
            "evidence": {"passages": settings.evidence_passages, "tokens": settings.evidence_tokens},
            "temperature": settings.temperature,
            "max_tokens": settings.max_tokens,
            "advice": settings.advice,
        },
        "licence": model.licence,
        "good_for": model.good_for,
        "architecture": model.architecture,
        "trained_context": model.trained_context,
        "kv_width": model.kv_width,
        "template": model.template,
        "can_call_tools": model.can_call_tools,
        "system": model.system,
        "parameters": model.parameters.told(),
        "examples": [[message.role, message.content] for message in model.examples],
        "added": model.added,
    }
    return json.dumps(entry, indent=1).encode("ascii") + b"\n"


def read_entry(folder: Path) -> ShelfModel:
    """The added model in that folder. Raises ValueError with what is wrong, OSError; whether its files are there is not looked at."""
    with (folder / ENTRY).open("rb") as stream:
        content = stream.read(LARGEST_ENTRY + 1)
    if len(content) > LARGEST_ENTRY:
        raise ValueError(f"{ENTRY} is too large")
    try:
        entry = json.loads(content)
        if not isinstance(entry, dict):
            raise ValueError(f"{ENTRY} is no object")
        return _model(folder, entry)
    except (UsageError, BundleUnreadable) as error:
        raise ValueError(str(error.details.get("detail", error))) from error
    except KeyError as error:
        raise ValueError(f"nothing is said about {error}") from error
    except (RecursionError, TypeError, AttributeError, OverflowError) as error:
        raise ValueError(f"{ENTRY} is not as it was written") from error


def _model(folder: Path, entry: Mapping[str, Any]) -> ShelfModel:
    if type(entry["format"]) is not int or entry["format"] != FORMAT:
        raise ValueError(f"format {str(entry['format'])[:20]}, this Haversack knows {FORMAT}")
    name = check_name(folder.name)
    files = entry["files"]
    if not isinstance(files, list) or not 1 <= len(files) <= _MOST_PARTS:
        raise ValueError("files is no list of its parts")
    parts = tuple(
        ModelPart(folder / _matching(part, "name", _FILE), _whole(part, "size", 1, 1 << 50), _matching(part, "sha256", _SHA256)) for part in files
    )
    if len({part.path for part in parts}) < len(parts) or any(part.path.name.lower() == ENTRY for part in parts):
        raise ValueError("files names one twice")
    title, licence = _text(entry, "title"), _text(entry, "licence")
    told = {**entry["settings"], "file": parts[0].path.name}
    settings = generator_settings(Model("generator", name, title, folder.name, licence, {}, told))
    for text in (settings.family, settings.parameters, settings.quantisation, settings.advice):
        _text({"settings": text}, "settings")
    parameters = checked(entry["parameters"])
    return ShelfModel(
        name=name,
        title=title or name,
        origin="added",
        files=parts,
        # What a Modelfile's num_ctx says is what the card counts and the loader takes, in entries of older versions, too.
        settings=with_context(settings, parameters.context),
        licence=licence,
        good_for=_text(entry, "good_for"),
        architecture=_text(entry, "architecture"),
        trained_context=_whole(entry, "trained_context", 0, 1 << 31),
        kv_width=_whole(entry, "kv_width", 0, 1 << 31),
        template=_text(entry, "template", LONGEST_TEMPLATE),
        can_call_tools=entry["can_call_tools"] is True,
        # A Modelfile's SYSTEM is held to what the panel's system prompt is.
        system=checked({"system": _text(entry, "system", LARGEST_ENTRY)}).system or "",
        parameters=parameters,
        examples=_examples(entry["examples"]),
        added=_text(entry, "added"),
    )


def renamed(model: ShelfModel, folder: Path, name: str) -> ShelfModel:
    """The same model in another folder, under another name."""
    return replace(model, name=name, files=tuple(replace(part, path=folder / part.path.name) for part in model.files))


def _examples(value: Any) -> tuple[Message, ...]:
    if not isinstance(value, list) or len(value) > _MOST_EXAMPLES:
        raise ValueError("examples is no list of messages")
    messages = []
    for role, content in value:
        if role not in ("system", "user", "assistant") or not isinstance(content, str):
            raise ValueError("an example is no message")
        messages.append(Message(role, content))
    return tuple(messages)


def _whole(entry: Mapping[str, Any], name: str, least: int, most: int) -> int:
    number = entry[name]
    if type(number) is not int or not least <= number <= most:  # true, 2.0 and 1e999 are JSON too
        raise ValueError(f"{name} is {str(number)[:40]}, it must be from {least} to {most}")
    return number


def _text(entry: Mapping[str, Any], name: str, longest: int = _LONGEST) -> str:
    text = entry[name]
    if not isinstance(text, str) or len(text) > longest:
        raise ValueError(f"{name} is no text of at most {longest} characters")
    return text.encode("utf-8", "replace").decode()


def _matching(entry: Mapping[str, Any], name: str, pattern: re.Pattern[str]) -> str:
    text = _text(entry, name)
    if not pattern.fullmatch(text):
        raise ValueError(f"{name} is {text[:80]!r}")
    return text
