"""One platform's runtime: interpreter + packages + llama.cpp → trimmed → one archive, kept in the cache by what it was made from."""

from __future__ import annotations

import hashlib
import json
import platform as this_platform
import tempfile
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

from appliance.durable import sha256_of
from bundle.errors import RuntimeIncomplete
from bundle.interpreters import archive_name
from bundle.plan import RuntimePlan
from bundle.runtime import packages
from bundle.runtime.archive import folder_size, pack
from bundle.runtime.bytecode import compile_folder
from bundle.runtime.interpreter import Interpreter, archived_interpreter, gather_libraries, host_interpreter, oldest_libc, place
from bundle.runtime.platforms import PLATFORMS, Platform
from bundle.software import Software, interpreter, native, software_in
from bundle.spec import Spec, host_platform

RECIPE = 7
"""Grows when the same parts would make another image."""
_ABOUT = 120_000_000
"""Bytes of an archive that was not made yet: linux-x64 with CPython 3.11 came to this."""


@dataclass(frozen=True, slots=True)
class Image:
    """A runtime archive in the cache, and what the manifest, the notices and the SBOM say of it."""

    platform: str
    archive: Path
    provider: str
    python: str
    libc: str
    tested: bool
    unpacked: int
    software: tuple[Software, ...]


@dataclass(frozen=True, slots=True)
class Parts:
    """What an image will be made of, all of it here but the packages, which uv brings."""

    platform: Platform
    provider: str
    interpreter: Interpreter
    wheel: Path

    @property
    def locked(self) -> dict[str, str]:
        """What `bundle.lock` keeps of it: sha256 (the host's interpreter: a description) by name."""
        name = self.interpreter.file.name if self.interpreter.file else "interpreter"
        return {name: self.interpreter.origin, self.wheel.name: sha256_of(self.wheel), packages.LOCK.name: sha256_of(packages.LOCK)}

    @property
    def key(self) -> str:
        """Two images of one key are the same."""
        lock = sha256_of(packages.LOCK)
        made_of = [RECIPE, self.platform.name, self.provider, self.interpreter.origin, lock, sha256_of(self.wheel)]
        return hashlib.sha256(json.dumps(made_of).encode()).hexdigest()[:16]


def plan_runtimes(spec: Spec, cache: Path) -> tuple[RuntimePlan, ...]:
    """For each platform of the spec what is missing, and about how large it will be. Fetches metadata only."""
    return tuple(_plan(spec, name, cache) for name in spec.platforms)


def parts(spec: Spec, name: str) -> Parts:
    """Everything that the platform's image is made of. Raises RuntimeIncomplete naming what is missing."""
    platform = PLATFORMS[name]
    wheel = packages.find_wheel(platform, spec.wheels)
    if wheel is None or not wheel.is_file():
        raise RuntimeIncomplete(platform=name, detail=f"it lacks a llama.cpp wheel; {_wheel_advice(name)}")
    return Parts(platform, _provider(spec, name), _interpreter(spec, name), wheel)


def make(spec: Spec, name: str, cache: Path) -> Image:
    """The image of a platform, from the cache where it was made before. Raises RuntimeIncomplete, SoftwareRefused."""
    made = parts(spec, name)
    folder = cache / "runtimes"
    archive, record = folder / f"{name}-{made.key}.tar.gz", folder / f"{name}-{made.key}.json"
    known = _read(record, archive)
    if known is not None:
        return known
    folder.mkdir(parents=True, exist_ok=True)
    with tempfile.TemporaryDirectory(dir=folder, prefix=f".{name}-") as own:
        image = Path(own) / "image"
        described = _fill(made, image)
        pack(image, archive)
        result = Image(name, archive, made.provider, made.interpreter.version, described[0], _is_host(made), folder_size(image), described[1])
    note = record.with_suffix(".part")
    note.write_text(json.dumps({"sha256": sha256_of(archive), "image": asdict(result) | {"archive": archive.name}}), encoding="utf-8")
    note.replace(record)
    return result


def _fill(made: Parts, image: Path) -> tuple[str, tuple[Software, ...]]:
    """Put the parts into `image`; the oldest libc that runs it, and the software that is in it."""
    target, python = made.platform, made.interpreter
    if made.provider == "system":
        site = image / "packages"
        site.mkdir(parents=True)
    else:
        place(python, target, image)
        site = image / target.packages(python.minor)
    packages.install(target, python.minor, site)
    packages.add_llama(made.wheel, target, site)
    software = software_in(site, target.name)
    if made.provider != "system":
        software += (interpreter(image / "python", python.version, target.name),)
    packages.trim(site)
    # An archive's interpreter brings its own; llama.cpp's libgomp is on no bare system.
    if made.provider != "system" and target.name == host_platform():
        software += native(gather_libraries(image), target.name)
    _compile(image, python.minor)
    libc = oldest_libc(image)
    (image / "LIBC").write_text(libc + "\n", encoding="ascii")  # for the launcher, which reads no JSON
    (image / "PYTHON").write_text(python.minor + "\n", encoding="ascii")
    return libc, software


def _compile(image: Path, minor: str) -> None:
    """Bytecode, where this machine's Python makes what the image's reads."""
    if minor == ".".join(this_platform.python_version_tuple()[:2]):
        compile_folder(image)  # another version's is made there, at the first start


def _provider(spec: Spec, name: str) -> str:
    """`host` is this machine's own platform only; what is given for it, or for another, is an archive."""
    given = [*(path.name for path in spec.interpreters), *map(archive_name, spec.interpreter_urls)]
    foreign = name != host_platform() or any(_is_for(Path(file), name) for file in given)
    return "pbs" if spec.provider == "host" and foreign else spec.provider


def _interpreter(spec: Spec, name: str) -> Interpreter:
    host = name == host_platform()
    given = next((path for path in spec.interpreters if _is_for(path, name)), None)
    if spec.provider == "system":
        return Interpreter(this_platform.python_version(), f"system {'.'.join(this_platform.python_version_tuple()[:2])}")
    if given is None and spec.provider == "host" and host:
        return host_interpreter()
    if given is None:
        raise RuntimeIncomplete(platform=name, detail="it lacks an interpreter; give a python-build-standalone archive with --interpreter FILE")
    return archived_interpreter(given, name)


_ARCHIVE_NAMES = {
    "linux-x64": ("x86_64", "linux"),
    "linux-arm64": ("aarch64", "linux"),
    "windows-x64": ("x86_64", "windows"),
    "macos-arm64": ("aarch64", "apple"),
    "macos-x64": ("x86_64", "apple"),
}


def _is_for(archive: Path, name: str) -> bool:
    """python-build-standalone names its archives by the compiler's triple: cpython-3.11.9+20240814-x86_64-unknown-linux-gnu-….tar.gz."""
    return all(word in archive.name for word in _ARCHIVE_NAMES[name])


def _is_host(made: Parts) -> bool:
    """Whether what is made here is also what runs here: then `make test` and whoever builds has run it."""
    return made.platform.name == host_platform() and made.provider == "host"


def _plan(spec: Spec, name: str, cache: Path) -> RuntimePlan:
    missing = []
    platform = PLATFORMS[name]
    python = "3.11"
    # By its address one may still be to come.
    coming = any(_is_for(Path(archive_name(address)), name) for address in spec.interpreter_urls)
    try:
        python = _interpreter(spec, name).minor
    except RuntimeIncomplete as error:
        if not coming:
            missing.append(str(error.details["detail"]).removeprefix("it lacks "))
    wheel = packages.find_wheel(platform, spec.wheels)
    if wheel is None or not wheel.is_file():
        missing.append(f"a llama.cpp wheel; {_wheel_advice(name)}")
    if name != host_platform() and (reason := packages.unavailable(platform, python)):
        missing.append(reason)
    size = _ABOUT
    if not missing and not coming:
        archive = cache / "runtimes" / f"{name}-{parts(spec, name).key}.tar.gz"
        size = archive.stat().st_size if archive.is_file() else _ABOUT
    return RuntimePlan(name, _provider(spec, name), tuple(missing), size)


def _wheel_advice(name: str) -> str:
    return "make one with `make setup`" if name == host_platform() else "give one with --wheel FILE"


def _read(record: Path, archive: Path) -> Image | None:
    """What was made before, when both files are whole."""
    try:
        data = json.loads(record.read_text(encoding="utf-8"))
        if sha256_of(archive) != data["sha256"]:
            return None
        image: dict[str, Any] = data["image"]
        software = tuple(_software(entry) for entry in image["software"])
        return Image(**{**image, "archive": archive, "software": software})
    except (OSError, ValueError, KeyError, TypeError):
        return None


def _software(entry: dict[str, Any]) -> Software:
    texts = tuple((name, text) for name, text in entry["texts"])
    return Software(**{**entry, "texts": texts, "parts": tuple(_software(part) for part in entry["parts"])})
