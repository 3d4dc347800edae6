"""requirements.lock for every platform, asked of the package index itself; and what is refused."""

from __future__ import annotations

import zipfile
from pathlib import Path

import pytest

from bundle.errors import RuntimeIncomplete
from bundle.runtime import packages
from bundle.runtime.packages import add_llama, find_wheel, install, llama_version, unavailable
from bundle.runtime.platforms import PLATFORMS

WINDOWS = PLATFORMS["windows-x64"]


def wheel(folder: Path, platform: str, files: dict[str, bytes]) -> Path:
    path = folder / f"llama_cpp_python-{llama_version()}-py3-none-{platform}.whl"
    with zipfile.ZipFile(path, "w") as archive:
        for name, content in files.items():
            archive.writestr(name, content)
    return path


@pytest.mark.slow
@pytest.mark.parametrize("name", ["linux-x64", "linux-arm64", "windows-x64", "macos-arm64"])
def test_every_package_has_a_wheel_there(name: str) -> None:
    assert unavailable(PLATFORMS[name], "3.11") == ""


@pytest.mark.slow
def test_for_macs_with_intel_it_says_which_package_has_none() -> None:
    assert "a wheel of " in (said := unavailable(PLATFORMS["macos-x64"], "3.11"))
    assert any(name in said for name in ("cryptography==", "onnxruntime==")), said
    assert said.endswith(": its makers publish none for it")


def lock(monkeypatch: pytest.MonkeyPatch, folder: Path, line: str) -> None:
    (folder / "requirements.lock").write_text(line + "\n", encoding="utf-8")
    monkeypatch.setattr(packages, "LOCK", folder / "requirements.lock")


def test_a_package_that_is_published_as_source_alone_is_named(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    lock(monkeypatch, tmp_path, f"llama-cpp-python=={llama_version()} --hash=sha256:{'0' * 64}")
    assert unavailable(WINDOWS, "3.11") == f"a wheel of llama-cpp-python=={llama_version()}: its makers publish none for it"


def test_a_wheel_that_is_not_the_locked_one_is_refused(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    lock(monkeypatch, tmp_path, f"defusedxml==0.7.1 --hash=sha256:{'0' * 64}")
    with pytest.raises(RuntimeIncomplete, match=r"windows-x64.*(?i:hash).*defusedxml"):
        install(WINDOWS, "3.11", tmp_path / "site")
    assert not (tmp_path / "site" / "defusedxml").exists()


def test_without_an_index_it_says_so(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    monkeypatch.setenv("UV_DEFAULT_INDEX", "http://127.0.0.1:1/simple")
    monkeypatch.setenv("UV_HTTP_RETRIES", "0")
    monkeypatch.setenv("UV_NO_CACHE", "1")
    lock(monkeypatch, tmp_path, f"defusedxml==0.7.1 --hash=sha256:{'0' * 64}")
    with pytest.raises(RuntimeIncomplete, match="the package index can't be reached; check the connection"):
        install(WINDOWS, "3.11", tmp_path / "site")


def test_llamas_wheel_is_found_by_the_system_in_its_name(tmp_path: Path) -> None:
    mac, windows = wheel(tmp_path, "macosx_11_0_arm64", {}), wheel(tmp_path, "win_amd64", {})
    assert find_wheel(WINDOWS, [mac, windows]) == windows
    assert find_wheel(PLATFORMS["linux-arm64"], [mac, windows]) is None


@pytest.mark.parametrize(
    ("content", "says"), [(None, "can't be unpacked"), ({"other/__init__.py": b""}, "holds no llama.cpp")], ids=["no wheel", "another package"]
)
def test_a_file_that_is_no_wheel_of_llama_is_refused(tmp_path: Path, content: dict[str, bytes] | None, says: str) -> None:
    path = wheel(tmp_path, "win_amd64", content or {})
    if content is None:
        path.write_bytes(b"not a zip")
    with pytest.raises(RuntimeIncomplete, match=says):
        add_llama(path, WINDOWS, tmp_path / "site")


def test_a_wheel_cannot_write_outside(tmp_path: Path) -> None:
    add_llama(wheel(tmp_path, "win_amd64", {"llama_cpp/lib/llama.dll": b"", "../../escaped": b""}), WINDOWS, tmp_path / "deep" / "site")
    assert not list(tmp_path.glob("escaped"))
    assert not list(tmp_path.glob("deep/escaped"))
