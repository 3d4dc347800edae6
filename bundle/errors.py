"""Every error that only a build can meet, each in one sentence that says what to do next; see appliance/errors.py for the others.

HaversackError
└── BuildError                 exit 1: the bundle was not built; the one that was there is as it was
    ├── BuildBusy
    ├── LicenceRefused
    ├── LicenceTextMissing
    ├── LockMissing
    ├── LockUnreadable
    ├── LockDisagrees
    ├── SourceMissing
    ├── SourceRefused
    ├── TokenRefused
    ├── SourceUnreachable
    ├── SourceAltered
    ├── SourceUnsafe
    ├── NoSpace
    ├── OutputRefused
    ├── FileTooLarge
    ├── SoftwareRefused
    ├── KeyUnusable
    ├── RuntimeIncomplete
    ├── PackFailed
    ├── CannotPrepare
    └── ParityFailed
"""

from __future__ import annotations

from appliance.errors import HaversackError


class BuildError(HaversackError):
    """The bundle was not built: {detail}"""


class BuildBusy(BuildError):
    """Another build is making {path}. Wait for it, or choose another place with --output."""


class LicenceRefused(BuildError):
    """{title} may not be carried: its licence is {licence}, and {why}. Choose another model, or read the terms and say --accept-licence {id}."""


class LicenceTextMissing(BuildError):
    """The text of {licence} can't travel with {title}: neither its source nor this tool has it. Put it into bundle/licences, named by its id."""


class LockMissing(BuildError):
    """There is no lock at {path}. Build once without --locked, or put the lock of that build there."""


class LockUnreadable(BuildError):
    """The lock {path} can't be used ({detail}). Take it again from where it came, or build once without --locked."""


class LockDisagrees(BuildError):
    """The lock {path} was made for something else: {detail}. Build once without --locked, or go back to what the lock was made for."""


class SourceMissing(BuildError):
    """{what} is not to be had from {source} ({detail}). Check its name in the catalogue or the profile."""


class SourceRefused(BuildError):
    """{source} gives {what} only to those it knows. Accept its terms at {page}, set HF_TOKEN to your token, and build again."""


class TokenRefused(BuildError):
    """{source} refused the token in HF_TOKEN when asked for {what}. Make a new one that may read it, or unset HF_TOKEN for what is open to all."""


class SourceUnreachable(BuildError):
    """{what} did not come from {source} ({detail}). Check the connection and run the same command again; what is complete is kept."""


class SourceAltered(BuildError):
    """{what} from {source} is not what was promised ({detail}). It was thrown away; build again, and if it stays so, don't trust that source."""


class SourceUnsafe(BuildError):
    """{what} was refused: {detail}. A bundle takes only safetensors, GGUF and ONNX weights, tokenizers and settings."""


class NoSpace(BuildError):
    """The disk that holds {path} has {free} free, and the build needs {needed} there. Free some space, or choose another place."""


class OutputRefused(BuildError):
    """{path} can't be built there: {detail}. Choose another place with --output."""


class FileTooLarge(BuildError):
    """{name} has {size}, a FAT32 stick takes files of up to {limit}, and {detail}. Build for a stick with exFAT, or choose a smaller model."""


class SoftwareRefused(BuildError):
    """{name} can't be carried in the runtime: {detail}. Leave it out of the lock, or say what it is under in bundle/software.toml."""


class KeyUnusable(BuildError):
    """The signing key {path} can't be used ({detail}). Put the right one there, or name another with HAVERSACK_SIGNING_KEY."""


class RuntimeIncomplete(BuildError):
    """No runtime for {platform} can be made: {detail}."""


class PackFailed(BuildError):
    """No pack could be made of the folder {path}: {detail} Mend that, or build without it."""


class CannotPrepare(BuildError):
    """{title} can't be made to run without PyTorch: {detail}. Choose another embedding model in the profile."""


class ParityFailed(BuildError):
    """{title} was refused: prepared, it agrees with its original at {mean} on average, and {wanted} is needed. Choose another model."""
