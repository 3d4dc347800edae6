"""The bundle's SBOM, `sbom.cdx.json`: CycloneDX 1.6 with the software of every runtime and the models as components.

It says the same for the same bundle, to the byte: its serial number is made of what it holds, its time is the manifest's.
"""

from __future__ import annotations

import uuid
from collections.abc import Iterable, Iterator, Mapping
from datetime import datetime
from pathlib import Path, PurePosixPath

from cyclonedx.model import HashAlgorithm, HashType, Property
from cyclonedx.model.bom import Bom
from cyclonedx.model.component import Component, ComponentScope, ComponentType
from cyclonedx.model.license import DisjunctiveLicense, LicenseExpression
from cyclonedx.output.json import JsonV1Dot6
from packageurl import PackageURL

from appliance.manifest import BundleFile, Model, Runtime
from bundle import TOOL, VERSION
from bundle.software import Software, note_on, spdx

SBOM = "sbom.cdx.json"
_LICENCE = "Apache-2.0"
_PREFIX = "haversack:"


def write_sbom(
    path: Path,
    *,
    profile: str,
    created: str,
    models: Iterable[Model],
    files: Iterable[BundleFile],
    runtimes: Iterable[Runtime] = (),
    software: Iterable[Software] = (),
) -> None:
    """Write it to `path`. `created` is the manifest's (UTC, ISO); `files` are those of the manifest that lie there already: models, archives, packs.

    A model without files, or a runtime without its archive among them, is a mistake of the caller's (ValueError).
    """
    known = {file.path: file for file in files}
    application = Component(
        name="haversack",
        version=VERSION,
        type=ComponentType.APPLICATION,
        bom_ref=f"haversack@{VERSION}",
        purl=PackageURL("generic", None, "haversack", VERSION),
        licenses=[LicenseExpression(_LICENCE)],
        description="A document assistant that is carried: answers from one's own documents, cited to the page, with no network.",
        properties=_properties(profile=profile),
    )
    bom = Bom()
    bom.metadata.component = application
    bom.metadata.timestamp = datetime.fromisoformat(created)
    bom.metadata.tools.components.add(Component(name=TOOL, version=VERSION, type=ComponentType.APPLICATION, bom_ref=f"{TOOL}@{VERSION}"))
    carried = [_model(model, known) for model in models] + [_pack(file) for file in known.values() if file.role == "pack"]
    everything = sorted(software, key=lambda one: (one.platform, one.name, one.version))
    for runtime in runtimes:
        component = _runtime(runtime, known)
        inside = [_software(one) for one in everything if one.platform == runtime.platform]
        bom.register_dependency(component, inside)
        bom.components.update(inside)
        carried.append(component)
    bom.components.update(carried)
    bom.register_dependency(application, carried)
    # What it holds makes its number: a fixed one first, so that nothing of chance is in what is hashed.
    bom.serial_number = uuid.UUID(int=0)
    content = JsonV1Dot6(bom).output_as_string()
    bom.serial_number = uuid.uuid5(uuid.NAMESPACE_OID, content)
    path.write_text(JsonV1Dot6(bom).output_as_string(indent=1) + "\n", encoding="utf-8")


def _model(model: Model, known: Mapping[str, BundleFile]) -> Component:
    own = [file for path, file in sorted(known.items()) if PurePosixPath(path).is_relative_to(model.folder)]
    if not own:
        raise ValueError(f"no file of {model.id} is listed")
    source = dict(model.source)
    settings = {name: str(model.settings[name]) for name in ("parameters", "quantisation", "dimensions") if name in model.settings}
    return Component(
        name=model.title,
        version=str(source.get("version") or source.get("revision") or "") or None,
        type=ComponentType.MACHINE_LEARNING_MODEL,
        bom_ref=f"model:{model.folder}",
        purl=_model_purl(source),
        licenses=_licences(model.licence),
        hashes=[_sha256(own[0].sha256)] if len(own) == 1 else None,
        components=[_file(file) for file in own],
        properties=_properties(role=model.role, id=model.id, **{f"source:{key}": str(value) for key, value in source.items()}, **settings),
    )


def _model_purl(source: Mapping[str, object]) -> PackageURL | None:
    match source.get("kind"):
        case "hub":
            owner, _, name = str(source["name"]).rpartition("/")
            return PackageURL("huggingface", owner, name, str(source.get("revision", "")).lower())
        case "package":
            return PackageURL("pypi", None, str(source["name"]), str(source.get("version", "")))
    return None


def _runtime(runtime: Runtime, known: Mapping[str, BundleFile]) -> Component:
    if runtime.archive not in known:
        raise ValueError(f"{runtime.archive} is not listed")
    return Component(
        name=f"runtime for {runtime.platform}",
        version=runtime.python,
        type=ComponentType.PLATFORM,
        bom_ref=f"runtime:{runtime.platform}",
        hashes=[_sha256(known[runtime.archive].sha256)],
        properties=_properties(
            platform=runtime.platform, archive=runtime.archive, provider=runtime.provider, libc=runtime.libc, tested="yes" if runtime.tested else "no"
        ),
    )


def _software(one: Software) -> Component:
    reference = f"{one.platform}:{one.name}@{one.version}"
    return Component(
        name=one.name,
        version=one.version or None,
        type=ComponentType.PLATFORM if one.name == "Python" else ComponentType.LIBRARY,
        bom_ref=reference,
        purl=PackageURL.from_string(one.purl),
        licenses=_licences(one.licence),
        components=[_part(part, reference) for part in one.parts],
        properties=_properties(platform=one.platform, files_sha256=one.digest, note=note_on(one.licence)),
    )


def _part(part: Software, whole: str) -> Component:
    return Component(
        name=part.name,
        version=part.version or None,
        bom_ref=f"{whole}/{part.name}@{part.version}",
        purl=PackageURL.from_string(part.purl) if part.purl else None,
        licenses=_licences(part.licence),
        scope=ComponentScope.OPTIONAL if part.optional else None,
    )


def _pack(file: BundleFile) -> Component:
    return Component(
        name=PurePosixPath(file.path).name,
        type=ComponentType.DATA,
        bom_ref=f"pack:{file.path}",
        hashes=[_sha256(file.sha256)],
        properties=_properties(path=file.path, size=str(file.size)),
    )


def _file(file: BundleFile) -> Component:
    return Component(
        name=PurePosixPath(file.path).name,
        type=ComponentType.FILE,
        bom_ref=f"file:{file.path}",
        hashes=[_sha256(file.sha256)],
        properties=_properties(path=file.path, size=str(file.size)),
    )


def _licences(licence: str) -> list[LicenseExpression | DisjunctiveLicense]:
    """An expression where SPDX knows it; a name where a licence was accepted by name ("other:…")."""
    if not licence:
        return []
    return [DisjunctiveLicense(name=licence) if spdx(licence) is None else LicenseExpression(licence)]


def _sha256(digest: str) -> HashType:
    return HashType(alg=HashAlgorithm.SHA_256, content=digest)


def _properties(**named: str) -> Iterator[Property]:
    return (Property(name=_PREFIX + name.replace("_", "-"), value=value) for name, value in named.items() if value)
