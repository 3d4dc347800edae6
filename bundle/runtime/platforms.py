"""What is known of each platform: how uv and wheels name it, and where an interpreter keeps its parts there."""

from __future__ import annotations

import re
from dataclasses import dataclass


@dataclass(frozen=True, slots=True)
class Platform:
    name: str
    uv: str
    """uv's --python-platform."""
    wheel: str
    """What the last part of a wheel's file name must match."""
    environment: tuple[tuple[str, str], ...] = ()
    """Variables that uv reads for this platform."""

    @property
    def windows(self) -> bool:
        return self.name.startswith("windows")

    def python(self) -> str:
        """The interpreter's path inside an image."""
        return "python/python.exe" if self.windows else "python/bin/python3"

    def packages(self, version: str) -> str:
        """The folder of packages inside an image. `version`: "3.11"."""
        return "python/Lib/site-packages" if self.windows else f"python/lib/python{version}/site-packages"


_ALL = (
    Platform("linux-x64", "x86_64-unknown-linux-gnu", r"(many)?linux\w*_x86_64"),
    Platform("linux-arm64", "aarch64-unknown-linux-gnu", r"(many)?linux\w*_aarch64"),
    Platform("windows-x64", "x86_64-pc-windows-msvc", r"win_amd64"),
    # The oldest macOS for which onnxruntime has wheels is 14.
    Platform("macos-arm64", "aarch64-apple-darwin", r"macosx_\w+_(arm64|universal2)", (("MACOSX_DEPLOYMENT_TARGET", "14.0"),)),
    Platform("macos-x64", "x86_64-apple-darwin", r"macosx_\w+_(x86_64|universal2)", (("MACOSX_DEPLOYMENT_TARGET", "14.0"),)),
)
PLATFORMS = {platform.name: platform for platform in _ALL}


def wheel_platform(file_name: str) -> str | None:
    """The platform that a wheel's name says it is for, None where it is for none that we know."""
    tags = file_name.removesuffix(".whl").split("-")[-1].split(".")
    return next((p.name for p in _ALL if any(re.fullmatch(p.wheel, tag) for tag in tags)), None)
