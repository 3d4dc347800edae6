"""What is in a runtime besides the models: each package, the interpreter, the libraries beside it, with licence and texts.

A licence is taken from the package's own metadata, put into SPDX's words by software.toml, and must be one that a stick may carry.
"""

from __future__ import annotations

import hashlib
import json
import platform as platform_module
import re
import subprocess
import tomllib
from collections.abc import Collection, Iterable, Iterator, Mapping
from dataclasses import dataclass, replace
from functools import cache
from importlib.metadata import Distribution, distributions
from pathlib import Path, PurePosixPath
from typing import Any
from urllib.parse import quote

from license_expression import AND, OR, ExpressionError, LicenseWithExceptionSymbol, get_spdx_licensing

from bundle.errors import SoftwareRefused

LICENCES = Path(__file__).parent / "licences"
_TABLES = Path(__file__).parent / "software.toml"
_TEXT = re.compile(r"(licen[cs]e|copying|copyright|notice|authors|third.?party)", re.IGNORECASE)
_NO_TEXT = (".py", ".pyc", ".pyi", ".so", ".pyd", ".dll", ".json")
_OWN_TO_AN_INSTALLATION = ("INSTALLER", "REQUESTED", "RECORD", "direct_url.json")
_LIBRARY = re.compile(r"(lib[A-Za-z+_]+\d?|msvcp140)(?=[-.\d_])")
_DEBIAN_DOCUMENTS = Path("/usr/share/doc")
_DEBIAN_LICENCES = Path("/usr/share/common-licenses")
_SPDX = get_spdx_licensing()


@dataclass(frozen=True, slots=True)
class Software:
    """One piece of software in the runtime of one platform."""

    name: str
    version: str
    licence: str
    """An SPDX expression; empty only in `parts`, where a package's maker says nothing of it."""
    purl: str
    platform: str
    texts: tuple[tuple[str, str], ...] = ()
    """Licences and notices: the file's name and what is in it."""
    digest: str = ""
    """sha256 in hexadecimal over the list of its files and their hashes, without what differs from one installation to the next."""
    parts: tuple[Software, ...] = ()
    """What its maker compiled in, as the package itself lists it."""
    optional: bool = False
    """A part that its package can do without, and may not hold."""


def software_in(site_packages: Path, platform: str, only: Collection[str] | None = None) -> tuple[Software, ...]:
    """Every distribution installed in that folder, sorted by name; those named in `only` where it is given.

    To be called before a runtime is trimmed: it reads the licences, RECORD and `*.dist-info/sboms`. Raises SoftwareRefused.
    """
    wanted = {_plain(name) for name in only} if only is not None else None
    found = {
        _plain(one.metadata["Name"]): one
        for one in distributions(path=[str(site_packages)])
        if wanted is None or _plain(one.metadata["Name"]) in wanted
    }
    return tuple(_software(name, found[name], platform) for name in sorted(found))


def interpreter(prefix: Path, version: str, platform: str) -> Software:
    """The Python under `prefix`, with the text that lies in its own folders. Raises SoftwareRefused where there is none."""
    major, minor, *_ = version.split(".")
    own = [prefix / "lib" / f"python{major}.{minor}" / "LICENSE.txt", prefix / "LICENSE.txt"]
    texts = tuple(("LICENSE.txt", _read(path)) for path in own if path.is_file())
    if not texts:
        raise SoftwareRefused(name=f"Python {version}", detail=f"its licence lies neither in {own[0].parent} nor in {prefix}")
    return Software("Python", version, "PSF-2.0", f"pkg:generic/python@{version}", platform, texts[:1])


def native_licence(library_file_name: str) -> tuple[str, str]:
    """Name and SPDX expression of a library that an interpreter links ("libssl.so.3"). Raises SoftwareRefused for one not known."""
    match = _LIBRARY.match(library_file_name)
    known: Mapping[str, list[str]] = _tables()["native"]
    entry = known.get(match[1], known.get(match[1].rstrip("0123456789"))) if match else None
    if entry is None:
        raise SoftwareRefused(name=library_file_name, detail="nobody has said what this library is under")
    return entry[0], entry[1]


def native(libraries: Iterable[Path], platform: str) -> tuple[Software, ...]:
    """The libraries copied from this system beside its interpreter, by the paths they were copied from; files of one library once.

    Where dpkg knows them: version, source and the text that Debian keeps in /usr/share/doc. Raises SoftwareRefused.
    """
    found: dict[str, Software] = {}
    for path in sorted(libraries):
        name, licence = native_licence(path.name)
        if name == "Python":
            continue  # its own shared library: `interpreter` speaks for it
        package = _debian(path)
        version, purl = "", f"pkg:generic/{quote(name.lower().replace(' ', '-'))}"
        texts: tuple[tuple[str, str], ...] = ()
        if package:
            version = _dpkg("dpkg-query", "--show", "--showformat", "${Version}", package)
            purl = f"pkg:deb/{_distribution()}/{quote(package.split(':')[0])}@{quote(version, safe='~')}"
            texts = _debian_texts(package, licence)
        one = Software(name, version, checked(path.name, licence), purl, platform, texts)
        found[name] = replace(one, texts=tuple(dict([*found[name].texts, *texts]).items())) if name in found else one
    return tuple(found[name] for name in sorted(found))


def _debian(path: Path) -> str:
    """The package that a library came with, or nothing. dpkg may know it by the path before /usr was merged, or by its link's target."""
    for one in dict.fromkeys((path, path.resolve())):
        for spelling in (str(one), str(one).removeprefix("/usr"), f"/usr{one}"):
            told = _dpkg("dpkg-query", "--search", spelling)
            if told:
                return told.split(": ", 1)[0].split(",", 1)[0]
    return ""


def _distribution() -> str:
    """Debian or the one derived from it that this is, as package URLs name it."""
    return quote(platform_module.freedesktop_os_release().get("ID", "debian"))


def _debian_texts(package: str, licence: str) -> tuple[tuple[str, str], ...]:
    """Debian's copyright file, and the common licences that it only points to."""
    path = _DEBIAN_DOCUMENTS / package.split(":")[0] / "copyright"
    if not path.is_file():
        return ()
    text = _read(path)
    names = {*re.findall(r"/common-licenses/([A-Za-z0-9.-]*[A-Za-z0-9])", text), *re.findall(r"\bL?GPL-[\d.]*[1-9]", licence)}
    common = [_DEBIAN_LICENCES / name for name in sorted(names)]
    return ((f"{package.split(':')[0]}/copyright", text), *((one.name, _read(one)) for one in common if one.is_file()))


def _dpkg(*command: str) -> str:
    try:
        return subprocess.run(command, capture_output=True, text=True, check=False).stdout.strip()
    except FileNotFoundError:
        return ""


def checked(name: str, licence: str) -> str:
    """The expression as SPDX writes it. Raises SoftwareRefused where it is none, or may not be carried."""
    parsed = spdx(licence)
    if parsed is None:
        raise SoftwareRefused(name=name, detail=f"its licence {licence!r} is not in SPDX's words")
    if not _may_travel(parsed):
        raise SoftwareRefused(name=name, detail=f"its licence is {licence}, and that is not one that this stick may carry")
    return str(parsed)


def note_on(licence: str) -> str:
    """What a licence asks for in return ("MPL-2.0: whoever changes …"), or nothing."""
    noted: Mapping[str, str] = _tables()["noted"]
    return "; ".join(f"{key}: {noted[key]}" for key in _SPDX.license_keys(licence) if key in noted) if licence else ""


def spdx(expression: str) -> Any | None:
    """The parsed expression; None where it is empty, or not in SPDX's words."""
    try:
        return _SPDX.parse(expression, validate=True, strict=True)
    except ExpressionError:
        return None


def _may_travel(expression: Any) -> bool:
    """Of alternatives one is enough; of what holds together, all."""
    tables = _tables()
    if isinstance(expression, OR):
        return any(_may_travel(part) for part in expression.args)
    if isinstance(expression, AND):
        return all(_may_travel(part) for part in expression.args)
    if isinstance(expression, LicenseWithExceptionSymbol):
        return expression.exception_symbol.key in tables["exceptions"]
    return expression.key in tables["permissive"] or expression.key in tables["noted"]


def _software(name: str, found: Distribution, platform: str) -> Software:
    texts = tuple(_texts(found)) or tuple((text, _read(LICENCES / text)) for text in [_tables()["texts"].get(name)] if text)
    licence = checked(name, _licence(name, found, texts))
    own = _tables()["parts"].get(name, ())
    texts += tuple((part["text"], _read(LICENCES / part["text"])) for part in own)
    if not texts:
        raise SoftwareRefused(name=f"{name} {found.version}", detail="it brings no text of its licence")
    parts = [Software(part["name"], "", checked(part["name"], part["licence"]), part["purl"], platform) for part in own]
    parts += tuple(_listed_parts(name, found, platform)) or tuple(_libraries(found, platform))
    purl = f"pkg:pypi/{name}@{found.version}"
    return Software(name, found.version, licence, purl, platform, texts, _digest(found), tuple(parts))


def _licence(name: str, found: Distribution, texts: tuple[tuple[str, str], ...]) -> str:
    """What the distribution says of itself, its clearest word first. Raises SoftwareRefused."""
    words: Mapping[str, str] = _tables()["words"]
    if name in _tables()["licences"]:
        return str(_tables()["licences"][name])
    # `json` is the metadata as one mapping, its lists as lists (PEP 566).
    told: Mapping[str, Any] = found.metadata.json
    if told.get("license_expression"):
        return str(told["license_expression"])
    field = str(told.get("license", "")).strip()
    first = " ".join(field.split("\n", 1)[0].split())
    if first == field and spdx(field) is not None:
        return field
    classifiers = [value.rsplit("::", 1)[-1].strip() for value in told.get("classifier", ()) if value.startswith("License ::")]
    for word in [first, *classifiers]:
        if word.lower() in words:
            return words[word.lower()]
    if "BSD License" in classifiers and texts:  # which of them, the text says
        return "BSD-3-Clause" if any("Neither the name" in text for _, text in texts) else "BSD-2-Clause"
    raise SoftwareRefused(name=f"{name} {found.version}", detail=f"it says of its licence {(first or 'nothing')!r}")


def _texts(found: Distribution) -> Iterator[tuple[str, str]]:
    for path in sorted(found.files or (), key=str):
        pure = PurePosixPath(path)
        within = any(part.endswith(".dist-info") for part in pure.parts) and "licenses" in pure.parts
        if (within or _TEXT.match(pure.name)) and pure.suffix not in _NO_TEXT:
            real = Path(str(found.locate_file(path)))
            if real.is_file():
                yield str(pure).split(".dist-info/")[-1].removeprefix("licenses/"), _read(real)


def _digest(found: Distribution) -> str:
    """Over its files but bytecode, notes of the installer, and commands: their first line names the Python that installed them."""
    lines = sorted(
        f"{path}={path.hash.value}"
        for path in found.files or ()
        if path.hash and path.parts[0] not in ("..", "bin", "Scripts") and path.suffix != ".pyc" and path.name not in _OWN_TO_AN_INSTALLATION
    )
    return hashlib.sha256("\n".join(lines).encode()).hexdigest()


def _listed_parts(name: str, found: Distribution, platform: str) -> Iterator[Software]:
    """What the wheel's own lists (CycloneDX, in `*.dist-info/sboms`) say that was compiled in. Raises SoftwareRefused."""
    seen: dict[tuple[str, str], Software] = {}
    for path in sorted(found.files or (), key=str):
        real = Path(str(found.locate_file(path)))
        if "sboms" not in path.parts or path.suffix != ".json" or not real.is_file():
            continue
        for one in json.loads(_read(real)).get("components", ()):
            if _plain(one["name"]) == name:
                continue
            # What follows "?" is where it lay on the machine that built the wheel.
            part = Software(one["name"], one.get("version", ""), _told(one), one.get("purl", "").split("?")[0].split("#")[0], platform)
            part = replace(part, optional=one.get("scope") in ("optional", "excluded"))
            if part.licence and not part.optional:
                checked(f"{name}, by its part {part.name},", part.licence)
            seen.setdefault((part.name, part.version), part)
    yield from seen.values()


def _libraries(found: Distribution, platform: str) -> Iterator[Software]:
    """What a wheel without such a list brings in `NAME.libs`. Raises SoftwareRefused."""
    names = {path.name for path in found.files or () if path.parts[0].endswith((".libs", ".dylibs"))}
    for name, licence in sorted({native_licence(one) for one in names}):
        yield Software(name, "", checked(name, licence), f"pkg:generic/{quote(name.lower().replace(' ', '-'))}", platform)


def _told(component: Mapping[str, Any]) -> str:
    """The expression that a component of a wheel's own list names, or nothing where SPDX doesn't know it."""
    told = [one.get("expression") or one.get("license", {}).get("id") or "" for one in component.get("licenses", ())]
    expression = " AND ".join(f"({one})" if len(told) > 1 else one for one in told)
    parsed = spdx(expression) if all(told) else None
    return "" if parsed is None else str(parsed)


def _plain(name: str) -> str:
    """The name as package indexes compare it."""
    return re.sub(r"[-_.]+", "-", name).lower()


def _read(path: Path) -> str:
    return path.read_text(encoding="utf-8", errors="replace")


@cache
def _tables() -> dict[str, Any]:
    return tomllib.loads(_TABLES.read_text(encoding="utf-8"))
