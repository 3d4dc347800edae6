from __future__ import annotations

import pytest

from bundle.runtime.platforms import PLATFORMS, wheel_platform


@pytest.mark.parametrize(
    ("name", "platform"),
    [
        ("llama_cpp_python-0.3.36-py3-none-linux_x86_64.whl", "linux-x64"),
        ("llama_cpp_python-0.3.36-cp311-cp311-manylinux_2_17_x86_64.manylinux2014_x86_64.whl", "linux-x64"),
        ("llama_cpp_python-0.3.36-py3-none-manylinux_2_28_aarch64.whl", "linux-arm64"),
        ("llama_cpp_python-0.3.36-py3-none-win_amd64.whl", "windows-x64"),
        ("llama_cpp_python-0.3.36-py3-none-macosx_11_0_arm64.whl", "macos-arm64"),
        ("llama_cpp_python-0.3.36-py3-none-macosx_10_9_x86_64.whl", "macos-x64"),
        ("llama_cpp_python-0.3.36-py3-none-musllinux_1_2_x86_64.whl", None),
        ("llama_cpp_python-0.3.36-py3-none-win32.whl", None),
        ("something.zip", None),
    ],
)
def test_a_wheels_name_says_what_it_is_for(name: str, platform: str | None) -> None:
    assert wheel_platform(name) == platform


def test_the_parts_lie_where_the_launchers_look() -> None:
    assert PLATFORMS["windows-x64"].python() == "python/python.exe"
    assert PLATFORMS["windows-x64"].packages("3.11") == "python/Lib/site-packages"
    for name in ("linux-x64", "linux-arm64", "macos-arm64", "macos-x64"):
        assert PLATFORMS[name].python() == "python/bin/python3"
        assert PLATFORMS[name].packages("3.11") == "python/lib/python3.11/site-packages"
