"""What the command line says over a profile: another model, packs, the systems to build for, licences that were accepted."""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from pathlib import Path

from appliance.durable import sha256_of
from appliance.errors import BadRequest, NoSuchPath
from bundle.licences import accepted_ids
from bundle.spec import (
    FILESYSTEMS,
    NAME,
    PLATFORMS,
    PROVIDERS,
    REVISION,
    HubSource,
    Item,
    Spec,
    host_platform,
    pack_folders,
    read_catalogue,
    read_item,
)

_REPOSITORY = r"(?P<repository>[A-Za-z0-9][\w.-]*/[A-Za-z0-9][\w.-]*)"
_REVISION = r"(?:@(?P<revision>[^@]*))?"
_GENERATOR = re.compile(rf"{_REPOSITORY}:(?P<file>(?:[^@:/.][^@:/]*/)*[^@:/.][^@:/]*\.gguf){_REVISION}")
_EMBEDDER = re.compile(rf"{_REPOSITORY}{_REVISION}")
_PART = re.compile(r"(?P<stem>.+)-(?P<number>\d{5})-of-(?P<count>\d{5})\.gguf")
_PARAMETERS = re.compile(r"(?<![\w.])(\d+(?:\.\d+)?[BM])(?![\w.])", re.IGNORECASE)
_QUANTISATION = re.compile(r"(?<![A-Z0-9])(I?Q\d(?:_[A-Z0-9]+)*|BF16|F16|F32)(?![A-Z0-9])", re.IGNORECASE)
_SHA256 = re.compile(r"[0-9a-f]{64}")


@dataclass(frozen=True, slots=True)
class Wishes:
    """The command line's words; empty where it says nothing."""

    llms: tuple[str, ...] = ()
    """`REPO:FILE` or `REPO:FILE@REVISION` each; the first answers unless told."""
    embedder: str = ""
    """`REPO` or `REPO@REVISION`."""
    packs: tuple[Path, ...] = ()
    platforms: tuple[str, ...] = ()
    provider: str = ""
    interpreters: tuple[str, ...] = ()
    """Files, or https addresses."""
    interpreter_sha256: tuple[str, ...] = ()
    """One for each of `interpreters`, in their order, or none."""
    wheels: tuple[Path, ...] = ()
    filesystem: str = ""
    accepted: tuple[str, ...] = ()


def with_wishes(spec: Spec, wishes: Wishes) -> Spec:
    """`spec` as the command line wants it; with no platform named, this machine's own.

    Raises BadRequest for a wish that can't be, or two that can't be together; NoSuchPath for a file or folder that isn't there.
    """
    provider = _one_of("--runtime", wishes.provider or "host", PROVIDERS)
    filesystem = _one_of("--filesystem", wishes.filesystem or spec.filesystem, FILESYSTEMS)
    for name in wishes.platforms:
        _one_of("--platform", name, PLATFORMS)
    _refuse_contradictions(provider, wishes)
    platforms = tuple(dict.fromkeys(wishes.platforms or spec.platforms)) or (host_platform(),)
    sums = dict(zip(map(_place, wishes.interpreters), wishes.interpreter_sha256, strict=False))
    return replace(
        spec,
        items=_overridden(spec.items, wishes),
        packs=pack_folders([*spec.packs, *wishes.packs]),
        platforms=() if provider == "none" else platforms,
        provider=provider,
        interpreters=tuple(_interpreter(place, sums) for place in wishes.interpreters if not _is_address(place)),
        interpreter_urls=tuple(place for place in wishes.interpreters if _is_address(place)),
        interpreter_sha256=sums,
        wheels=tuple(_file(str(wheel)) for wheel in wishes.wheels),
        filesystem=filesystem,
        accepted=tuple(dict.fromkeys(accepted_ids([*spec.accepted, *wishes.accepted]))),
    )


def _refuse_contradictions(provider: str, wishes: Wishes) -> None:
    given = [
        ("--platform", wishes.platforms, ("none",)),
        ("--interpreter", wishes.interpreters, ("none", "system")),
        ("--wheel", wishes.wheels, ("none",)),
    ]
    for flag, value, providers in given:
        if value and provider in providers:
            raise BadRequest(detail=f"{flag} and --runtime {provider} can't be together: that runtime has no use for it. Leave one of them out.")
    sums = wishes.interpreter_sha256
    if sums and len(sums) != len(wishes.interpreters):
        raise BadRequest(detail="Give --interpreter-sha256 once for each --interpreter, in the same order.")
    for sha256 in sums:
        if not _SHA256.fullmatch(sha256):
            raise BadRequest(detail=f"--interpreter-sha256 takes 64 hexadecimal digits in lower case, not {sha256[:70]!r}.")
    for place in wishes.interpreters:
        if place.startswith("http://"):
            raise BadRequest(detail=f"--interpreter takes a file or an https address, not {place!r}.")
        if _is_address(place) and not sums:
            raise BadRequest(detail="An interpreter by its address needs --interpreter-sha256, so that what comes is what was meant.")


def _overridden(items: Sequence[Item], wishes: Wishes) -> tuple[Item, ...]:
    first = next(one for one in items if one.role == "generator")
    generators = tuple(generator_from(text, first) for text in wishes.llms) or tuple(one for one in items if one.role == "generator")
    ids = [one.id for one in generators]
    if twice := next((name for name in ids if ids.count(name) > 1), ""):
        raise BadRequest(detail=f"--llm names {twice} twice. Leave one of them out.")
    embedders = (embedder_from(wishes.embedder),) if wishes.embedder else tuple(one for one in items if one.role == "embedder")
    return (*embedders, *generators, *(one for one in items if one.role not in ("embedder", "generator")))


def generator_from(text: str, replaced: Item) -> Item:
    """The generator of `REPO:FILE[@REVISION]`: the catalogue's where it has that file, else one with the limits of the model it replaces.

    Raises BadRequest.
    """
    match = _GENERATOR.fullmatch(text)
    if not match:
        raise BadRequest(detail=f"--llm takes a repository and a GGUF file of it, like Qwen/Qwen3-4B-GGUF:Qwen3-4B-Q4_K_M.gguf, not {text!r}.")
    revision = _revision("--llm", match["revision"])
    repository, file = match["repository"], match["file"]
    known = _known("generator", repository, file)
    if known:
        return _pinned(known, revision)
    parts = _parts(file)
    stem = _PART.sub(r"\g<stem>.gguf", file.rpartition("/")[2]).removesuffix(".gguf")
    parameters, quantisation = _PARAMETERS.search(stem.replace("-", " ").replace("_", " ")), _QUANTISATION.search(stem.replace("-", " "))
    settings = dict(replaced.settings) | {
        "file": parts[0],  # llama.cpp finds the others from the first
        "family": re.split(r"[-_.]", stem)[0].lower(),
        "parameters": parameters[1].upper() if parameters else "",
        "quantisation": quantisation[1].upper() if quantisation else "",
        "advice": "",
    }
    return Item("generator", _id(stem), stem, "", HubSource(repository, revision, parts), settings)


def embedder_from(text: str) -> Item:
    """The embedder of `REPO[@REVISION]`: the catalogue's where it has that repository. Raises BadRequest."""
    match = _EMBEDDER.fullmatch(text)
    if not match:
        raise BadRequest(detail=f"--embedder takes a repository, like ibm-granite/granite-embedding-small-english-r2, not {text!r}.")
    revision = _revision("--embedder", match["revision"])
    known = _known("embedder", match["repository"])
    if known:
        return _pinned(known, revision)
    name = match["repository"].partition("/")[2]
    return Item("embedder", _id(name), name, "", HubSource(match["repository"], revision))


def _known(role: str, repository: str, file: str = "") -> Item | None:
    for name, entry in read_catalogue().items():
        one = read_item(name, entry, Path())
        if one.role == role and isinstance(one.source, HubSource) and one.source.repository == repository and (not file or file in one.source.files):
            return one
    return None


def _pinned(one: Item, revision: str) -> Item:
    assert isinstance(one.source, HubSource)
    return replace(one, source=replace(one.source, revision=revision or one.source.revision))


def _revision(flag: str, revision: str | None) -> str:
    if revision is not None and not REVISION.fullmatch(revision):
        raise BadRequest(detail=f"The revision after @ in {flag} must be a commit of 40 hexadecimal digits; branches and tags move.")
    return revision or ""


def _parts(file: str) -> tuple[str, ...]:
    """The file itself, or every part of a model that was split before it was uploaded."""
    folder, slash, name = file.rpartition("/")
    match = _PART.fullmatch(name)
    if not match:
        return (file,)
    return tuple(f"{folder}{slash}{match['stem']}-{number:05}-of-{match['count']}.gguf" for number in range(1, int(match["count"]) + 1))


def _id(name: str) -> str:
    made = re.sub(r"[^a-z0-9._-]+", "-", name.lower()).strip("-._")[:64]
    if not NAME.fullmatch(made):
        raise BadRequest(detail=f"{name!r} gives no name for the model's folder. Put the model into a profile of your own.")
    return made


def _one_of(flag: str, value: str, known: Sequence[str]) -> str:
    if value not in known:
        raise BadRequest(detail=f"{flag} can't be {value!r}; known are {', '.join(known)}.")
    return value


def _is_address(place: str) -> bool:
    return place.startswith("https://")


def _place(place: str) -> str:
    return place if _is_address(place) else str(Path(place).expanduser().resolve())


def _interpreter(place: str, sums: Mapping[str, str]) -> Path:
    path = _file(place)
    if sums and sha256_of(path) != sums[str(path)]:
        raise BadRequest(detail=f"{path.name} is not what --interpreter-sha256 says: its own sha256 is {sha256_of(path)}.")
    return path


def _file(place: str) -> Path:
    path = Path(_place(place))
    if not path.is_file():
        raise NoSuchPath(path=str(path))
    return path
