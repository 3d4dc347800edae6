"""collection → database, put together with the originals → contents → signature → one file under its final name.

The database is built on the library's own disk, which is faster than a stick, and thrown away after it was copied.
"""

from __future__ import annotations

import errno
import hashlib
from dataclasses import dataclass
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import BinaryIO

from appliance import __version__, minisign
from appliance.carrying.filesystem import filesystem_of
from appliance.documents import Collection
from appliance.durable import storage_error, writing_durably
from appliance.errors import DiskFull, PackKeyUnusable, PackRefused, PackTooLarge
from appliance.library.files import PIECE, clear
from appliance.library.pack_database import Built, build
from appliance.library.place import check_place
from appliance.library.reading import Reader
from appliance.library.store import take_lock
from appliance.library.writing import now
from appliance.minisign import BadSignature, SecretKey
from appliance.packs.file import BLOCK, END, FOOT, FORMAT, LONGEST_CONTENTS, PackFile, is_pack, read_pack, write_contents

KEY = "pack-key.pem"
"""In the home, for its owner alone: what packs made here are signed with."""
FOLDER = "packs"
"""In the home: packs that were embedded again, and what is taken out of packs while it is shown."""
_MAKING = "making-"
_ROOM_FOR_CONTENTS = 1 << 20


@dataclass(frozen=True, slots=True)
class Created:
    pack: PackFile
    left_out: tuple[str, ...]
    """Documents whose original is missing in the library, or was changed on the disk; their text is in the pack."""


def pack_key(home: Path, file: Path | None = None) -> SecretKey:
    """The key that packs are signed with: `file`, else the home's own, made on first use. Raises PackKeyUnusable."""
    path = file or home / KEY
    try:
        if file is not None and not file.is_file():
            raise PackKeyUnusable(path=path, detail="there is no such file")
        if file is not None and not file.stat().st_size:  # the home's own would be made anew
            raise PackKeyUnusable(path=path, detail="it holds no Ed25519 key")
        return minisign.load_key(path)
    except BadSignature as error:
        raise PackKeyUnusable(path=path, detail="it holds no Ed25519 key") from error
    except OSError as error:
        raise PackKeyUnusable(path=path, detail=error.strerror or error) from error


def create(library: Reader, collection: Collection, target: Path, key: SecretKey, *, originals: bool = True, moment: str | None = None) -> Created:
    """Write a collection to `target`, whole or not at all. `moment`: a time to put in the place of all others, for the same bytes each time.

    Raises PackRefused, PackTooLarge, DiskFull, LibraryReadOnly, LibraryDamaged, NotALibrary, LibraryBusy (one is being made already).
    """
    if target.exists() and not is_pack(target):
        raise PackRefused(detail=f"{target} is there, and is no pack. Choose another name, or move it away.")
    check_place(library.home)
    scratch = library.home / FOLDER
    lock = take_lock(scratch, "making a pack")
    try:
        sweep(library.home)
        with TemporaryDirectory(prefix=_MAKING, dir=scratch, ignore_cleanup_errors=True) as folder:
            database = Path(folder) / "database"
            with library.holding(collection.id).database.errors():
                built = build(database, library, collection.id, originals=originals, moment=moment)
            if not built.documents:
                raise PackRefused(detail=f"there is no document in {collection.name!r}.")
            _check_room(target, database.stat().st_size + sum(file.stat().st_size for file in built.originals.values()) + _ROOM_FOR_CONTENTS)
            _write(target, database, built, collection.name, library.holding(collection.id).embedder(), key, moment or now())
    except OSError as error:
        if error.errno == errno.EFBIG:
            raise PackTooLarge(size="more than 4 GB", path=target.parent) from error
        raise storage_error(error, target.parent) from error
    finally:
        lock.release()
    return Created(read_pack(target), built.left_out)


def sweep(home: Path) -> None:
    """Remove what a killed one was making: texts that may have been deleted from the library since."""
    for left in (home / FOLDER).glob(f"{_MAKING}*"):
        clear(left, r"database(-journal)?")


def _write(target: Path, database: Path, built: Built, title: str, embedder: str, key: SecretKey, moment: str) -> None:
    with writing_durably(target) as file:
        size, blocks = _copy_database(database, file)
        sizes = [[name, _copy_original(source, file, name)] for name, source in built.originals.items()]
        contents = write_contents(
            {
                "format": FORMAT,
                "title": title,
                "created": moment,
                "software": f"haversack {__version__}",
                "embedder": embedder,
                "dimensions": built.dimensions,
                "documents": built.documents,
                "pages": built.pages,
                "chunks": built.chunks,
                "database": {"size": size, "blocks": blocks},
                "originals": sizes,
            }
        )
        if len(contents) > LONGEST_CONTENTS:
            raise PackRefused(detail="it would list more originals than a pack may. Divide the collection, or add --without-originals.")
        signature = minisign.sign(hashlib.blake2b(contents).digest(), key, f"haversack pack {moment}").encode()
        file.write(contents + signature + FOOT.pack(len(contents), len(signature), key.public.raw, END))


def _copy_database(source: Path, target: BinaryIO) -> tuple[int, list[str]]:
    blocks = []
    size = 0
    with open(source, "rb") as incoming:
        while block := incoming.read(BLOCK):
            blocks.append(hashlib.sha256(block).hexdigest())
            size += target.write(block)
    return size, blocks


def _copy_original(source: Path, target: BinaryIO, name: str) -> int:
    digest, size = hashlib.sha256(), 0
    with open(source, "rb") as incoming:
        while piece := incoming.read(PIECE):
            digest.update(piece)
            size += target.write(piece)
    if digest.hexdigest() not in name:
        raise PackRefused(detail="an original was changed while it was copied. Run the same command again.")
    return size


def _check_room(target: Path, needed: int) -> None:
    """Before a byte is written. Raises PackRefused, PackTooLarge, DiskFull, OSError."""
    folder = target.absolute().parent
    if not folder.is_dir():
        raise PackRefused(detail=f"there is no folder {folder}. Make it, or choose another place.")
    disk = filesystem_of(folder)
    if disk.largest_file is not None and needed > disk.largest_file:
        raise PackTooLarge(size=f"{needed / 1e9:.1f} GB", path=folder)
    if needed > disk.free:
        raise DiskFull(path=folder)
