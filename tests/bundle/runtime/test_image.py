"""The runtime as it travels: what it is made of, that it runs where it was not made, and what is said where it can't be made."""

from __future__ import annotations

import platform
import shutil
import struct
import subprocess
import tarfile
import zipfile
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path

import pytest

from appliance.durable import sha256_of
from bundle.errors import RuntimeIncomplete
from bundle.runtime.image import Image, make, plan_runtimes
from bundle.runtime.packages import llama_version
from bundle.runtime.software import LAUNCHERS
from bundle.spec import Spec, host_platform
from tests.bundle.runtime.conftest import Run
from tests.bundle.runtime.standalone import standalone_linux, standalone_windows
from tests.launchers.conftest import TELLS
from tests.launchers.starting import Stick, told

FOREIGN = ("windows-x64", "macos-arm64", "macos-x64", "linux-arm64")
GPL = ("readline", "_gdbm", "_dbm", "_curses", "_curses_panel", "_tkinter", "_crypt", "nis", "_ctypes_test")
BUILD_TIME = ("torch", "kubernetes", "transformers", "sentence_transformers", "huggingface_hub", "uvicorn", "pip", "setuptools")
EVERYTHING = (
    "import numpy, onnxruntime, tokenizers, chromadb, flask, waitress, pypdf, cryptography, docx, pptx, openpyxl, odfdo, llama_cpp, ssl, sqlite3"
)
OF_GLIBC = ("libc", "libm", "libdl", "libpthread", "librt", "libutil", "libresolv", "libanl", "libmvec", "linux-vdso", "ld-linux-x86-64")


def elf_files(image: Path) -> Iterator[Path]:
    for path in image.rglob("*"):
        if path.is_file():
            with path.open("rb") as file:
                if file.read(4) == b"\x7fELF":
                    yield path


def test_it_runs_at_another_place_with_an_empty_environment(image: Path, run_in: Run) -> None:
    assert run_in(image, f"{EVERYTHING}; import sys; print(sys.prefix)") == str(image / "python")


def test_its_search_path_leads_nowhere_else(image: Path, run_in: Run) -> None:
    for entry in run_in(image, "import sys; print('\\n'.join(sys.path))").splitlines():
        assert Path(entry).is_relative_to(image)


@pytest.mark.parametrize("module", [*GPL, *BUILD_TIME])
def test_what_must_not_travel_is_not_there(image: Path, run_in: Run, module: str) -> None:
    assert run_in(image, f"import importlib.util; print(importlib.util.find_spec({module!r}))") == "None"


def test_it_holds_no_tests_headers_or_links(image: Path) -> None:
    names = {path.relative_to(image).as_posix() for path in image.rglob("*")}
    assert [name for name in names if set(name.split("/")) & {"tests", "test", "include", "idlelib", "ensurepip", "lib2to3"}] == []
    assert [name for name in names if name.endswith((".h", ".pyi", ".pyx", ".a", ".whl"))] == []
    assert [path for path in image.rglob("*") if path.is_symlink()] == []
    assert len(list(image.glob("python/bin/*"))) == 1


def test_it_is_at_most_400_mib_and_says_how_large(made: Image, image: Path) -> None:
    unpacked = sum(-(-path.stat().st_size // 4096) * 4096 for path in image.rglob("*") if path.is_file())
    assert made.unpacked == unpacked
    assert unpacked <= 400 << 20


def test_every_program_in_it_finds_all_its_libraries_inside_or_in_glibc(image: Path) -> None:
    programs = list(elf_files(image))
    assert len(programs) > 100
    for program in programs:
        said = subprocess.run(["ldd", str(program)], env={"PATH": "/usr/bin:/bin"}, capture_output=True, text=True, check=False)
        for line in said.stdout.splitlines():
            name, _, place = line.strip().partition(" => ")
            if name.startswith("statically linked") or Path(name.split()[0]).name.partition(".so")[0] in OF_GLIBC:
                continue
            assert place.startswith(str(image)), f"{program.relative_to(image)}: {line}"


def test_it_says_the_oldest_glibc_and_the_python(made: Image, image: Path) -> None:
    assert (image / "LIBC").read_text().strip() == made.libc
    assert (image / "PYTHON").read_text().strip() == ".".join(platform.python_version_tuple()[:2])
    assert tuple(map(int, made.libc.split("."))) <= tuple(map(int, platform.libc_ver()[1].split(".")))


def test_bytecode_is_there_and_asks_for_no_times(image: Path) -> None:
    compiled = list(image.rglob("*.pyc"))
    assert len(compiled) > 2000
    assert {struct.unpack("<I", path.read_bytes()[4:8])[0] for path in compiled} == {1}, "hash-based, and not checked"
    assert str(image.parent).encode() not in b"".join(path.read_bytes() for path in compiled[:50])


def test_every_kind_of_processor_is_carried_once(image: Path) -> None:
    names = sorted(path.name for path in image.rglob("*") if "ggml" in path.name or path.name.startswith("libllama"))
    assert len(names) == len(set(names))
    assert {"libggml-cpu-x64.so", "libggml-cpu-haswell.so", "libllama.so"} <= set(names)


def test_what_was_made_is_taken_from_the_cache_and_made_anew_where_it_was_damaged(made: Image, host_spec: Spec, tmp_path: Path) -> None:
    shutil.copytree(made.archive.parent, tmp_path / "runtimes")
    before = (tmp_path / "runtimes" / made.archive.name).stat().st_mtime_ns
    assert replace(make(host_spec, host_platform(), tmp_path), archive=made.archive) == made
    assert (tmp_path / "runtimes" / made.archive.name).stat().st_mtime_ns == before


@pytest.mark.slow
def test_made_again_from_nothing_it_is_the_same_to_the_byte(made: Image, host_spec: Spec, tmp_path: Path) -> None:
    again = make(host_spec, host_platform(), tmp_path)
    assert sha256_of(again.archive) == sha256_of(made.archive)
    assert replace(again, archive=made.archive) == made
    assert [path.name for path in (tmp_path / "runtimes").iterdir() if path.name.startswith(".") or path.suffix == ".part"] == []


# --- other providers --------------------------------------------------------------------------------------------------------------


def unpack(archive: Path, folder: Path) -> Path:
    with tarfile.open(archive) as packed:
        packed.extractall(folder, filter="data")
    return folder


@pytest.mark.slow
def test_a_standalone_interpreter_becomes_a_runtime_that_runs(image: Path, host_spec: Spec, tmp_path: Path, run_in: Run) -> None:
    spec = replace(host_spec, interpreters=(standalone_linux(image, tmp_path),))
    made = make(spec, host_platform(), tmp_path)
    assert (made.provider, made.tested) == ("pbs", False)
    built = unpack(made.archive, tmp_path / "built")
    assert run_in(built, f"{EVERYTHING}; print('all there')") == "all there"
    assert (built / "python" / "lib" / "libgomp.so.1").is_file(), "llama.cpp needs it, and a bare system has none"


@pytest.mark.slow
def test_packages_alone_run_with_the_python_of_the_machine(host_spec: Spec, tmp_path: Path) -> None:
    made = make(replace(host_spec, provider="system"), host_platform(), tmp_path)
    assert (made.provider, made.tested) == ("system", False)
    packed = tmp_path / "system"
    unpack(made.archive, packed)
    assert sorted(path.name for path in packed.iterdir()) == ["LIBC", "PYTHON", "packages"]
    stick = Stick(tmp_path / "stick", tmp_path)
    stick.root.mkdir()
    shutil.copyfile(LAUNCHERS / "start.sh", stick.launcher)
    (tmp_path / "code").mkdir()
    (tmp_path / "code" / "haversack.py").write_text(EVERYTHING + TELLS)
    (tmp_path / "bin").mkdir()
    minor = (packed / "PYTHON").read_text().strip()
    base = subprocess.run(["python3", "-c", "import sys; print(sys._base_executable)"], capture_output=True, text=True, check=True).stdout.strip()
    (tmp_path / "bin" / f"python{minor}").symlink_to(base)
    stick.carry(packed, "linux-x64")
    stick.carry(tmp_path / "code", "haversack")
    found = told(stick.start("status", PATH=f"{tmp_path / 'bin'}:{stick.environment()['PATH']}"))
    assert found["arguments"] == ["status"]


# --- other systems -----------------------------------------------------------------------------------------------------------------


def llama_wheel(folder: Path, tag: str) -> Path:
    path = folder / f"llama_cpp_python-{llama_version()}-py3-none-{tag}.whl"
    about = f"llama_cpp_python-{llama_version()}.dist-info"
    with zipfile.ZipFile(path, "w") as archive:
        archive.writestr("llama_cpp/__init__.py", "")
        archive.writestr("llama_cpp/lib/llama.dll", b"MZ a stand-in")
        archive.writestr(f"{about}/METADATA", f"Metadata-Version: 2.4\nName: llama_cpp_python\nVersion: {llama_version()}\nLicense-Expression: MIT\n")
        archive.writestr(f"{about}/licenses/LICENSE.md", "MIT License\n\nPermission is hereby granted, free of charge")
        archive.writestr(f"{about}/RECORD", "llama_cpp/__init__.py,,\nllama_cpp/lib/llama.dll,,\n")
    return path


@pytest.mark.slow
def test_the_plan_names_all_that_is_missing_for_other_systems(host_spec: Spec, tmp_path: Path) -> None:
    plans = {plan.platform: plan for plan in plan_runtimes(replace(host_spec, platforms=FOREIGN), tmp_path)}
    for name in FOREIGN:
        assert plans[name].provider == "pbs"
        assert plans[name].missing[0] == "an interpreter; give a python-build-standalone archive with --interpreter FILE"
        assert plans[name].missing[1] == "a llama.cpp wheel; give one with --wheel FILE"
        assert len(plans[name].missing) == (3 if name == "macos-x64" else 2)
    assert plans["macos-x64"].missing[2].endswith(": its makers publish none for it")
    assert list(tmp_path.iterdir()) == []


def test_this_machines_own_lacks_nothing(host_spec: Spec, made: Image) -> None:
    (plan,) = plan_runtimes(host_spec, made.archive.parents[1])
    assert (plan.provider, plan.missing, plan.bytes) == ("host", (), made.archive.stat().st_size)


@pytest.mark.parametrize("name", FOREIGN)
def test_without_what_it_needs_nothing_is_built(host_spec: Spec, tmp_path: Path, name: str) -> None:
    spec = replace(host_spec, platforms=(name,))
    with pytest.raises(RuntimeIncomplete, match=rf"{name} can be made: it lacks a llama.cpp wheel; give one with --wheel FILE"):
        make(spec, name, tmp_path)
    tag = {"windows-x64": "win_amd64", "macos-arm64": "macosx_11_0_arm64", "macos-x64": "macosx_11_0_x86_64", "linux-arm64": "linux_aarch64"}[name]
    with pytest.raises(RuntimeIncomplete, match="it lacks an interpreter; give a python-build-standalone archive with --interpreter FILE"):
        make(replace(spec, wheels=(llama_wheel(tmp_path, tag),)), name, tmp_path)
    assert not (tmp_path / "runtimes").exists()


@pytest.fixture(scope="module")
def windows(host_spec: Spec, tmp_path_factory: pytest.TempPathFactory) -> tuple[Image, Path]:
    """Real packages for Windows around an interpreter and a llama.cpp that are stand-ins."""
    folder = tmp_path_factory.mktemp("windows")
    given = {"interpreters": (standalone_windows(folder),), "wheels": (llama_wheel(folder, "win_amd64"),)}
    made = make(replace(host_spec, platforms=("windows-x64",), **given), "windows-x64", folder)
    return made, unpack(made.archive, folder / "image")


@pytest.mark.slow
def test_a_windows_runtime_is_built_here_and_labelled_as_not_run(windows: tuple[Image, Path]) -> None:
    made, image = windows
    assert (made.provider, made.tested, made.python, made.libc) == ("pbs", False, "3.11.9", "")
    assert (image / "python" / "python.exe").is_file()
    packages = image / "python" / "Lib" / "site-packages"
    assert (packages / "llama_cpp" / "lib" / "llama.dll").is_file()
    assert list(packages.glob("onnxruntime/capi/*.dll"))
    assert {"numpy", "onnxruntime", "colorama"} <= {one.name for one in made.software}


@pytest.mark.slow
def test_a_windows_runtime_holds_nothing_of_linux_and_its_paths_are_short(windows: tuple[Image, Path]) -> None:
    _, image = windows
    names = [path.relative_to(image).as_posix() for path in image.rglob("*") if path.is_file()]
    assert [name for name in names if name.endswith(".so") or ".so." in name] == []
    assert list(elf_files(image)) == []
    assert max(map(len, names)) <= 150
    # Windows ends a path at 260 characters; the longest place it is unpacked to has about 70.
    assert len({name.casefold() for name in names}) == len(names)
    assert [name for name in names if set(name) & set('<>:"\\|?*')] == []
