"""requirements.lock for a platform, by uv and from wheels alone, plus llama.cpp's wheel; then what nobody needs there is taken out."""

from __future__ import annotations

import fnmatch
import os
import re
import shutil
import subprocess
import sysconfig
import zipfile
from collections.abc import Iterable
from pathlib import Path

from bundle.errors import RuntimeIncomplete
from bundle.runtime.platforms import Platform, wheel_platform

ROOT = Path(__file__).resolve().parents[2]
LOCK = ROOT / "requirements.lock"
LLAMA = "llama_cpp_python"
# Tests, headers, stubs, command lines; onnxruntime's tools for making models; llama.cpp's libraries once more at other places.
_UNUSED_FOLDERS = ("tests", "test", "__pycache__", "include", "f2py", "distutils", "licenses", "license_files")
_UNUSED_PATHS = (
    *("onnxruntime/transformers", "onnxruntime/tools", "onnxruntime/quantization"),
    *("chromadb/server", "llama_cpp/server", "pypdfium2_cli", "schemas", "lib", "bin"),
)
_UNUSED_FILES = (
    *("*.pyi", "*.pxd", "*.pyx", "*.h", "*.hpp", "*.c", "*.cpp", "*.a", "*.cmake", "*.pc"),
    # numpy's tests; onnxruntime for C programs: the binding holds all of it once more.
    *("_*_tests.*.so", "_*_tests.*.pyd", "libonnxruntime.so.*"),
    *("RECORD", "INSTALLER", "REQUESTED", "direct_url.json"),
)


def find_wheel(platform: Platform, given: Iterable[Path]) -> Path | None:
    """llama.cpp's wheel for the platform: one that was given, else the one that `make setup` compiled for this machine's kind."""
    cache = Path(os.environ.get("XDG_CACHE_HOME") or Path.home() / ".cache") / "haversack" / "wheels" / "all-processors"
    own = sorted(cache.glob(f"{LLAMA}-{llama_version()}-*.whl"))
    return next((wheel for wheel in [*given, *own] if wheel_platform(wheel.name) == platform.name), None)


def llama_version() -> str:
    found = re.search(r"^llama-cpp-python==(\S+)", (ROOT / "requirements.in").read_text(encoding="utf-8"), re.MULTILINE)
    assert found, "requirements.in pins llama-cpp-python"
    return found[1]


def unavailable(platform: Platform, python: str) -> str:
    """Why the packages can't be had as wheels for that platform and Python ("3.11"); empty where they can. Fetches metadata only."""
    done = _uv(platform, python, "--dry-run", "--target", os.devnull + "-nothing")
    return "" if done.returncode == 0 else _reason(done.stderr)


def install(platform: Platform, python: str, into: Path) -> None:
    """Unpack the locked packages into `into`, every one compared with its hash. Raises RuntimeIncomplete."""
    done = _uv(platform, python, "--target", str(into), "--link-mode", "copy", "--no-compile-bytecode")
    if done.returncode:
        raise RuntimeIncomplete(platform=platform.name, detail=_reason(done.stderr))


def add_llama(wheel: Path, platform: Platform, into: Path) -> None:
    """Unpack llama.cpp's wheel; its libraries once, its processor variants beside them. Raises RuntimeIncomplete."""
    try:
        with zipfile.ZipFile(wheel) as archive:
            archive.extractall(into)  # zipfile keeps every name inside the folder
    except (zipfile.BadZipFile, OSError) as error:
        raise RuntimeIncomplete(platform=platform.name, detail=f"{wheel.name} can't be unpacked ({error})") from error
    libraries = into / "llama_cpp" / "lib"
    if not libraries.is_dir():
        raise RuntimeIncomplete(platform=platform.name, detail=f"{wheel.name} holds no llama.cpp")
    for variant in (into / "bin").glob("*ggml-cpu*"):
        variant.replace(libraries / variant.name)


def trim(packages: Path) -> None:
    """Take out what the appliance never opens. Licence texts must have been read before: they travel in one file of their own."""
    for name in _UNUSED_PATHS:
        shutil.rmtree(packages / name, ignore_errors=True)
    for path in sorted(packages.rglob("*"), reverse=True):
        if path.is_dir() and not path.is_symlink():
            if path.name in _UNUSED_FOLDERS:
                shutil.rmtree(path)
        elif any(fnmatch.fnmatch(path.name, pattern) for pattern in _UNUSED_FILES):
            path.unlink()
    _one_name_each(packages / "llama_cpp" / "lib")


def _one_name_each(libraries: Path) -> None:
    """A wheel can't hold links, so `libllama.so`, `.so.0` and `.so.0.1.2` are three copies: the names that something asks for stay."""
    # libllama.so is opened by that name, and asks for libggml.so.0, which asks for libggml-base.so.0; the binding opens libggml.so too.
    asked = {"libllama.so", "libggml.so", "libggml.so.0", "libggml-base.so.0"}
    for path in libraries.glob("*.so*") if libraries.is_dir() else ():
        if path.name not in asked and "ggml-cpu" not in path.name:
            path.unlink()


def _uv(platform: Platform, python: str, *more: str) -> subprocess.CompletedProcess[str]:
    uv = Path(sysconfig.get_paths()["scripts"]) / "uv"
    command = [str(uv), "pip", "install", "--no-deps", "--only-binary", ":all:", "--require-hashes", "-r", str(LOCK)]
    command += ["--python-platform", platform.uv, "--python-version", python, *more]
    return subprocess.run(command, capture_output=True, text=True, env={**os.environ, **dict(platform.environment)}, check=False)


def _reason(said: str) -> str:
    """What uv says in one line, without addresses."""
    text = " ".join(line.strip() for line in said.splitlines() if line.strip())
    found = re.search(r"Because (\S+?==\S+) has no (?:usable )?wheels[^.,]*", text)
    if found:
        return f"a wheel of {found[1]}: its makers publish none for it"
    if re.search(r"error sending request|dns|Failed to fetch|timed out|Connect", text, re.IGNORECASE):
        return "the package index can't be reached; check the connection and run the same command again"
    return re.sub(r"\S+://\S+", "…", text)[:200] or "uv failed"
