"""A stick, and how its launcher is started: in an environment of the test's own."""

from __future__ import annotations

import json
import os
import subprocess
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from appliance.durable import sha256_of
from appliance.manifest import SUMS
from bundle.runtime.archive import named_by_content, pack

PATH = "/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin"


@dataclass(frozen=True, slots=True)
class Stick:
    root: Path
    around: Path
    """Where the laptop's folders are made: a home, a cache, a temporary folder."""

    @property
    def launcher(self) -> Path:
        return self.root / "start-linux.sh"

    @property
    def cache(self) -> Path:
        return self.around / "cache"

    @property
    def temporary(self) -> Path:
        return self.around / "temporary"

    @property
    def image(self) -> Path:
        """The unpacked interpreter and packages."""
        return next(path for path in (self.cache / "haversack" / "runtime").iterdir() if (path / "LIBC").is_file())

    def archive(self, stem: str) -> Path:
        return next((self.root / "runtime").glob(f"{stem}-*.tar.gz"))

    def carry(self, folder: Path, stem: str) -> None:
        """Put `folder`'s files on the stick as an archive, and into SHA256SUMS."""
        packed = self.around / "packed.tar.gz"
        pack(folder, packed)
        target = self.root / "runtime" / named_by_content(packed, stem)
        target.parent.mkdir(exist_ok=True)
        packed.replace(target)
        with (self.root / SUMS).open("a", encoding="utf-8", newline="\n") as sums:
            sums.write(f"{sha256_of(target)}  runtime/{target.name}\n")

    def environment(self, **changes: str | None) -> dict[str, str]:
        """What the laptop has, with `changes`; None takes a variable away."""
        self.temporary.mkdir(exist_ok=True)
        own: dict[str, str | None] = {
            "PATH": PATH,
            "HOME": str(self.around / "home"),
            "TMPDIR": str(self.temporary),
            "XDG_CACHE_HOME": str(self.cache),
            "LC_ALL": "C.UTF-8",
        }
        return {name: value for name, value in (own | changes).items() if value is not None}

    def command(self, *arguments: str, shell: Sequence[str] = ("dash",)) -> list[str]:
        return [*shell, str(self.launcher), *arguments]

    def start(self, *arguments: str, shell: Sequence[str] = ("dash",), **changes: str | None) -> subprocess.CompletedProcess[str]:
        return self.run(self.command(*arguments, shell=shell), **changes)

    def run(self, command: Sequence[str], **changes: str | None) -> subprocess.CompletedProcess[str]:
        environment = self.environment(**changes)
        return subprocess.run(command, env=environment, capture_output=True, text=True, input="from stdin", timeout=120, check=False, cwd="/")

    def launch(self, *arguments: str, shell: Sequence[str] = ("dash",), **changes: str | None) -> subprocess.Popen[str]:
        """Started, and left running: in a process group of its own, as a terminal does it."""
        return subprocess.Popen(
            self.command(*arguments, shell=shell),
            env=self.environment(**changes),
            stdin=subprocess.DEVNULL,
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
            text=True,
            start_new_session=True,
        )


def told(done: subprocess.CompletedProcess[str]) -> dict[str, Any]:
    """What the light stick's code was started with."""
    assert done.returncode == 0, done.stderr
    found: dict[str, Any] = json.loads(done.stdout)
    return found


def files_in(folder: Path) -> list[str]:
    return sorted(str(path.relative_to(folder)) for path in folder.rglob("*")) if folder.exists() else []


def in_own_mounts(script: str, command: Sequence[str]) -> list[str]:
    """`command`, after `script` mounted something that nobody else sees."""
    return ["unshare", "--mount", "--propagation", "private", "sh", "-c", f'{script} && exec "$@"', "sh", *command]


def tools(folder: Path, *without: str) -> str:
    """A PATH with every program of this machine's but those."""
    folder.mkdir()
    for place in reversed(PATH.split(os.pathsep)):
        for program in Path(place).iterdir() if Path(place).is_dir() else ():
            link = folder / program.name
            if program.name not in without:
                link.unlink(missing_ok=True)
                link.symlink_to(program)
    return str(folder)
