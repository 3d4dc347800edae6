"""What is kept: libraries, packs, and files on their way in. The tree is drawn in `appliance/errors/__init__.py`."""

from __future__ import annotations

from appliance.errors.base import HaversackError


class LibraryError(HaversackError):
    """The library can't do that: {detail}"""

    status = 409


class LibraryBusy(LibraryError):
    """Another Haversack (process {pid}{where}) is writing to this library. Use that one, or stop it and try again."""


class LibraryDamaged(LibraryError):
    """The library at {path} is damaged ({detail}). It was left as it is; bring back a backup with `haversack restore FILE`."""

    status = 500


class LibraryTooNew(LibraryError):
    """The library at {path} was made by a newer Haversack (format {found}, this one knows {known}). Use the newer one."""


class LibraryReadOnly(LibraryError):
    """The library at {path} can't be written to ({detail}). Remove the write protection, or name another place with --home."""


class NoPlace(LibraryError):
    """There is no place for a library: {detail}, and neither can the bundle at {bundle}. Name a folder with --home, or unlock the stick and say
    --portable."""


class NotALibrary(LibraryError):
    """{path} can't hold a library: {detail}. Name an empty folder, or one that isn't there yet, with --home."""


class EmbedderChanged(LibraryError):
    """This library was indexed with {found}, and the bundle holds {wanted}. Use the bundle it was made with, or a new --home."""


class NameTaken(LibraryError):
    """There is already a collection named {name!r}. Choose another name."""


class NotABackup(LibraryError):
    """{path} is not a whole Haversack backup ({detail}). Nothing was changed."""

    status = 400


class DiskFull(LibraryError):
    """The disk that holds {path} is full. Nothing was lost; free some space and try again."""

    status = 507


class PackError(HaversackError):
    """The pack can't be used: {detail}"""

    status = 409


class NotAPack(PackError):
    """{path} is not a whole Haversack pack ({detail}). Copy it again from where it came."""

    status = 400


class PackTooNew(PackError):
    """The pack {path} was made by a newer Haversack (format {found}, this one knows {known}). Use the newer one."""


class PackAltered(PackError):
    """The pack {path} is not as it was signed ({detail}). Nothing of it is shown; copy it again from where it came."""


class PackGone(PackError):
    """The pack {name!r} is not at {path} any more. Put its stick back in, or open the pack where it is now with `haversack pack open FILE`."""


class PackReadOnly(PackError):
    """{name!r} is a pack, and packs are not changed. Copy it into a collection with `haversack pack merge`, or close it with `haversack pack
    close`."""


class PackOfAnotherEmbedder(PackError):
    """{path} was made with {found}, and the bundle holds {wanted}: it has to be embedded again ({estimate}). Add --re-embed to do that."""


class PackTooLarge(PackError):
    """The pack would have {size}, and the disk of {path} takes no file above 4 GB. Use a stick formatted exFAT, or add --without-originals."""


class PackRefused(PackError):
    """The pack was not made: {detail}"""


class PackKeyUnusable(PackError):
    """The key in {path} can't sign ({detail}). Name another with --key, or move that file away: a new one is made."""


class IngestError(HaversackError):
    """{detail}"""

    status = 422


class FileUnreadable(IngestError):
    """{detail}"""


class PasswordNeeded(IngestError):
    """This file is encrypted: {detail}. Give its password with --password."""


class KindUnknown(IngestError):
    """This kind of file is not read ({detail})."""
