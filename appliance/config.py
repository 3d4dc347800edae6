"""Settings: frozen values, read once, passed in. Defaults < haversack.toml < HAVERSACK_* < flags.

Every path hangs off one home. The settings of the same name: `--home`, `HAVERSACK_HOME`, and so on. Where nobody names the home, it is
the user's data folder, or the bundle's own where that can't be written to; nothing is made there before something is to be kept.
"""

from __future__ import annotations

import os
import sys
import tempfile
import tomllib
from collections.abc import Mapping
from dataclasses import dataclass, field, fields
from pathlib import Path, PurePath, PurePosixPath, PureWindowsPath
from urllib.parse import urlsplit

from appliance.errors import BadSetting, NoPlace
from appliance.manifest import DATA, MANIFEST

SETTINGS_FILE = "haversack.toml"
DATABASE = "library.sqlite3"


@dataclass(frozen=True, slots=True)
class Settings:
    """What a run of the appliance is told. See `haversack --help` for the same in one line each."""

    home: Path
    """The library and everything derived from it live here."""
    bundle: Path
    port: int = 8765
    threads: int = 0
    """CPU threads for the models; 0 takes all the cores that this process may use."""
    portable: bool = False
    """Everything stays with the bundle: the library is in its folder `data`."""
    trust: str = ""
    """The fingerprint of another key whose bundles are to be opened from now on."""
    api: str = "keys"
    """Which programs may use the local server: those with keys, all on this machine ("open"), or none ("off")."""
    share: bool = False
    """Guests on the local network are let in, with a password."""
    llm: str = ""
    """Address of an OpenAI-compatible engine at a base camp ("http://basecamp:8080/v1"); empty: the bundle's models write."""
    vectors: str = ""
    """Address of a Chroma server at a base camp; empty: vectors are searched here."""
    debug: bool = False
    home_reason: str = field(default="it was named so", metadata={"told": False})
    """Why the library is where it is, the end of a sentence. Nobody sets it."""

    @property
    def place(self) -> str:
        """Where the library is and why, as a sentence."""
        return f"The library is in {self.home}: {self.home_reason}."

    @property
    def host(self) -> str:
        """Loopback, always: guests come by a socket of their own (`web/server.py`)."""
        return "127.0.0.1"

    @property
    def database(self) -> Path:
        return self.home / DATABASE

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


def data_folder(system: str, environment: Mapping[str, str]) -> PurePath | None:
    """The user's data folder as that system (`sys.platform`) wants it, None where the environment names no user."""
    if system == "win32":
        local, profile = environment.get("LOCALAPPDATA"), environment.get("USERPROFILE")
        if local:
            return PureWindowsPath(local)
        return PureWindowsPath(profile, "AppData", "Local") if profile else None
    user = environment.get("HOME")
    if system == "darwin":
        return PurePosixPath(user, "Library", "Application Support") if user else None
    data = environment.get("XDG_DATA_HOME", "")
    if data.startswith("/"):  # the specification says that a relative one is to be ignored
        return PurePosixPath(data)
    return PurePosixPath(user, ".local", "share") if user else None


def choose_home(flags: Mapping[str, object | None], environment: Mapping[str, str], bundle: Path) -> tuple[Path, str]:
    """Where the library is, and why: what is named, else the user's data folder, else the bundle's. Nothing is made there.

    Raises BadSetting, and NoPlace where nothing is named and neither can be written to.
    """
    if flags.get("home") and flags.get("portable"):
        raise BadSetting(name="--portable", value="given with --home", allowed="each names a place for the library, so take one of them")
    for home, portable, names in (
        (flags.get("home"), flags.get("portable"), ("--home", "--portable")),
        (environment.get("HAVERSACK_HOME"), _is_on(environment.get("HAVERSACK_PORTABLE")), ("HAVERSACK_HOME", "HAVERSACK_PORTABLE")),
    ):
        if portable:
            return bundle / DATA, f"{names[1]} keeps it with the bundle"
        if home:
            return _folder(names[0], home), f"{names[0]} names that folder"
    user = os.path.expanduser("~")
    data = data_folder(sys.platform, environment if user == "~" else {"HOME": user, **environment})
    own = Path(data) / "haversack" if data else None
    if own and can_be_written(own):
        left = (bundle / DATA / DATABASE).is_file()  # from a laptop where nothing else could be written to
        return own, "that is this user's data folder" + (" (the bundle has a library too, and --portable opens that one)" if left else "")
    why = f"the user's data folder {own} can't be written to" if own else "this user has no data folder"
    if bundle.is_dir() and can_be_written(bundle / DATA):
        return bundle / DATA, f"{why}, so it is kept with the bundle"
    raise NoPlace(detail=why, bundle=bundle)


def can_be_written(folder: Path) -> bool:
    """Whether something could be put into `folder`, which need not exist yet. Nothing is left behind."""
    there = next((one for one in (folder, *folder.parents) if os.path.exists(one)), None)
    if there is None or not there.is_dir():
        return False
    if os.name == "nt":  # Windows' own access() looks at the read-only mark and not at rights
        try:
            tempfile.TemporaryFile(dir=there).close()
        except OSError:
            return False
        return True
    return os.access(there, os.W_OK | os.X_OK, effective_ids=os.access in os.supports_effective_ids)


def default_bundle() -> Path:
    """The bundle that this code was carried in, else the starter bundle of the checkout."""
    here = Path(__file__).resolve().parent.parent
    carried = next((folder for folder in (here, here.parent) if (folder / MANIFEST).is_file()), None)
    return carried or here / "dist" / "starter"


def load_settings(flags: Mapping[str, object | None], environment: Mapping[str, str]) -> Settings:
    """The settings of this run. A None flag was not given. Raises BadSetting with the range that is allowed, NoPlace."""
    told: dict[str, object] = {
        name.removeprefix("HAVERSACK_").lower(): value
        for name, value in environment.items()
        if name.startswith("HAVERSACK_") and value and name.removeprefix("HAVERSACK_").lower() in NAMES
    }
    told |= {name: value for name, value in flags.items() if value is not None and name in NAMES}
    # The file is in the home, which may be in the bundle: so a bundle that the file names can't move the home.
    home, reason = choose_home(flags, environment, _bundle(told))
    layers = _from_file(home / SETTINGS_FILE) | told
    return Settings(
        home=home,
        bundle=_bundle(layers),
        port=_whole("port", layers.get("port", 8765), 1, 65535),
        threads=_whole("threads", layers.get("threads", 0), 0, 512),
        portable=home == _bundle(told) / DATA and _is_on(layers.get("portable")),
        trust=str(layers.get("trust") or ""),
        api=_one_of("api", layers.get("api", "keys"), API),
        share=_is_on(layers.get("share")),
        llm=_address("llm", layers.get("llm")),
        vectors=_address("vectors", layers.get("vectors")),
        debug=_is_on(layers.get("debug")),
        home_reason=reason,
    )


NAMES = frozenset(one.name for one in fields(Settings) if one.metadata.get("told", True))
"""What can be told: each by a flag, by a variable, and, but for where the file itself is, by the file."""
_IN_FILE = NAMES - {"home", "portable", "trust", "api", "share", "llm", "vectors"}
"""On a stick, whoever can write the file could let himself be trusted, or send what is asked somewhere else."""
API = ("keys", "open", "off")


def _bundle(layers: Mapping[str, object]) -> Path:
    return _folder("bundle", layers.get("bundle") or default_bundle())


def _folder(name: str, value: object) -> Path:
    try:
        return Path(str(value)).expanduser().absolute()
    except RuntimeError as error:  # "~" of a user whom this system doesn't know
        raise BadSetting(name=name, value=str(value), allowed="there is no such user here; write the whole path") from error


def _one_of(name: str, value: object, known: tuple[str, ...]) -> str:
    if value not in known:
        raise BadSetting(name=name, value=value, allowed="it must be one of " + ", ".join(known))
    return str(value)


def _address(name: str, value: object) -> str:
    """The address of a base camp, without a slash at its end."""
    if not value:
        return ""
    try:
        parts = urlsplit(str(value))
        usable = parts.scheme in ("http", "https") and parts.hostname and not (parts.username or parts.query or parts.fragment or parts.port == 0)
    except ValueError:
        usable = False
    if not usable:
        raise BadSetting(name=name, value=value, allowed="it must be an address like http://basecamp:8000")
    return str(value).rstrip("/")


def _is_on(value: object) -> bool:
    return str(value or "").lower() in {"1", "true", "yes", "on"}


def _from_file(path: Path) -> dict[str, object]:
    try:
        values = tomllib.loads(path.read_text(encoding="utf-8"))
    except (FileNotFoundError, NotADirectoryError):
        return {}
    except (OSError, UnicodeDecodeError, tomllib.TOMLDecodeError) as error:
        raise BadSetting(name=path.name, value=str(error), allowed="a TOML file; correct or delete it") from error
    for name in values:
        if name not in _IN_FILE:
            raise BadSetting(name=path.name, value=name, allowed="one of " + ", ".join(sorted(_IN_FILE)))
    return values


def _whole(name: str, value: object, least: int, most: int) -> int:
    try:
        number = int(str(value))
    except ValueError:
        number = least - 1
    if not least <= number <= most:
        raise BadSetting(name=name, value=value, allowed=f"it must be a whole number from {least} to {most}")
    return number
