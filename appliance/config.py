"""Settings: frozen values, read once, passed in. Defaults < haversack.toml < HAVERSACK_* < flags.

Every path hangs off one home. The settings of the same name: `--home`, `HAVERSACK_HOME`, and so on.
"""

from __future__ import annotations

import os
import tomllib
from collections.abc import Mapping
from dataclasses import dataclass, fields
from pathlib import Path

from appliance.errors import BadSetting

SETTINGS_FILE = "haversack.toml"


@dataclass(frozen=True, slots=True)
class Settings:
    """What a run of the appliance is told. See `haversack --help` for the same in one line each."""

    home: Path
    """The library and everything derived from it live here."""
    bundle: Path
    port: int = 8765
    threads: int = 0
    """CPU threads for the models; 0 takes all the cores that this process may use."""
    debug: bool = False

    @property
    def host(self) -> str:
        """Loopback, always: sharing on a network is not a setting of this version."""
        return "127.0.0.1"

    @property
    def database(self) -> Path:
        return self.home / "library.sqlite3"

    @property
    def originals(self) -> Path:
        """The files as they were put in, by sha256: `originals/ab/abcd….pdf`."""
        return self.home / "originals"

    @property
    def index(self) -> Path:
        """Chroma's sealed generations. Can be deleted at any time: they are built again from the database."""
        return self.home / "index"

    @property
    def lock(self) -> Path:
        """Held by the one process that writes; says who and, where it serves, on which port."""
        return self.home / "writer.lock"

    @property
    def inbox(self) -> Path:
        """Uploads that are not in the library yet; unfinished ones go on after a restart."""
        return self.home / "inbox"

    @property
    def usable_threads(self) -> int:
        if self.threads:
            return self.threads
        return len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count() or 1


def default_home(environment: Mapping[str, str]) -> Path:
    data = environment.get("XDG_DATA_HOME")
    return (Path(data) if data else Path.home() / ".local" / "share") / "haversack"


def default_bundle() -> Path:
    """The bundle that this code was carried in, else the starter bundle of the checkout."""
    here = Path(__file__).resolve().parent.parent
    carried = next((folder for folder in (here, here.parent) if (folder / "manifest.json").is_file()), None)
    return carried or here / "dist" / "starter"


def load_settings(flags: Mapping[str, object | None], environment: Mapping[str, str]) -> Settings:
    """The settings of this run. A None flag was not given. Raises BadSetting with the range that is allowed."""
    home = Path(str(flags.get("home") or environment.get("HAVERSACK_HOME") or default_home(environment))).expanduser()
    layers: dict[str, object] = {}
    layers.update(_from_file(home / SETTINGS_FILE))
    layers.update(
        {
            name.removeprefix("HAVERSACK_").lower(): value
            for name, value in environment.items()
            if name.startswith("HAVERSACK_") and value and name.removeprefix("HAVERSACK_").lower() in _NAMES
        }
    )
    layers.update({name: value for name, value in flags.items() if value is not None and name in _NAMES})
    return Settings(
        home=home.absolute(),
        bundle=Path(str(layers.get("bundle") or default_bundle())).expanduser().absolute(),
        port=_whole("port", layers.get("port", 8765), 1, 65535),
        threads=_whole("threads", layers.get("threads", 0), 0, 512),
        debug=str(layers.get("debug", "")).lower() in {"1", "true", "yes", "on"},
    )


_NAMES = frozenset(field.name for field in fields(Settings))


def _from_file(path: Path) -> dict[str, object]:
    try:
        values = tomllib.loads(path.read_text(encoding="utf-8"))
    except (FileNotFoundError, NotADirectoryError):
        return {}
    except (OSError, UnicodeDecodeError, tomllib.TOMLDecodeError) as error:
        raise BadSetting(name=path.name, value=str(error), allowed="a TOML file; correct or delete it") from error
    for name in values:
        if name not in _NAMES:
            raise BadSetting(name=path.name, value=name, allowed="one of " + ", ".join(sorted(_NAMES - {"home"})))
    return values


def _whole(name: str, value: object, least: int, most: int) -> int:
    try:
        number = int(str(value))
    except ValueError:
        number = least - 1
    if not least <= number <= most:
        raise BadSetting(name=name, value=value, allowed=f"it must be a whole number from {least} to {most}")
    return number
