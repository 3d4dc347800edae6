"""The file of a pack: database, originals, contents, signature, one after the other, and nothing else.

```
database                  SQLite, from the first byte: it is read in place
originals                 the documents as they were put in, one after another
contents                  JSON: what the pack is, the sha256 of each 16 MiB of the database, name, place and sha256 of each original
signature                 minisign's, over the contents
foot                      60 bytes: lengths of the contents and of the signature, the public key, and "HAVERSACK-PACK-2"
```

Every byte is covered: the signature by its key, the contents by the signature, the rest by the contents. The key stands outside of the
contents, so that nothing is parsed before its signature was found to fit. What is not used is not hashed:
opening a pack reads its end and its database, an original is compared with its sha256 when it is wanted.
"""

from __future__ import annotations

import hashlib
import json
import os
import struct
from collections.abc import Callable, Mapping
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from pathlib import Path
from typing import Any, BinaryIO

from appliance import minisign
from appliance.durable import writing_durably
from appliance.errors import BadRequest, HaversackError, NotAPack, PackAltered, PackTooNew
from appliance.library.files import ORIGINAL, PIECE
from appliance.library.store import collection_name
from appliance.minisign import BadSignature, PublicKey
from appliance.printable import counted

FORMAT = 2
SUFFIX = ".haversack"
BLOCK = 16 << 20
"""Bytes that are hashed at a time: on two cores, two of them side by side."""
FOOT = struct.Struct(">QI32s16s")
MAGIC = b"HAVERSACK-PACK-"
END = MAGIC + b"%d" % FORMAT
LONGEST_CONTENTS = 8 << 20
"""Bytes. An original takes 85 of them and 16 MiB of the database 67: this is enough for 90,000 documents and 4 GB."""
_UNSIGNED = "untrusted comment: signature made by haversack\n"
"""The one line of a signature that it doesn't cover: nothing else may stand there."""
_LONGEST_SIGNATURE = 4096


@dataclass(frozen=True, slots=True)
class Stored:
    """Where an original lies in the file: bytes from its beginning."""

    start: int
    size: int


@dataclass(frozen=True, slots=True)
class PackFile:
    """A pack whose signature fits its contents. What else is in the file is compared when it is used: `check_database`, `extract`."""

    path: Path
    title: str
    """The collection's name where it was made."""
    created: str
    """UTC, ISO 8601, whole seconds."""
    embedder: str
    dimensions: int
    documents: int
    pages: int
    chunks: int
    software: str
    database: int
    """Bytes."""
    blocks: tuple[str, ...]
    """The sha256 of each BLOCK of the database."""
    originals: Mapping[str, Stored]
    """By the name under which they are kept, which holds their sha256."""
    signer: PublicKey
    identity: str
    """The sha256 of key and contents: two packs that have the same are the same."""
    size: int

    @property
    def counts(self) -> str:
        """ "3 documents, 41 passages"."""
        return f"{counted(self.documents, 'document')}, {counted(self.chunks, 'passage')}"


def write_contents(values: Mapping[str, Any]) -> bytes:
    """The contents as they are signed: the same values give the same bytes."""
    return json.dumps(values, ensure_ascii=False, separators=(",", ":"), sort_keys=True).encode()


def read_pack(path: Path) -> PackFile:
    """What a pack says of itself, its signature checked. Raises NotAPack, PackTooNew, PackAltered."""
    try:
        with open(path, "rb") as file:
            size = os.fstat(file.fileno()).st_size
            content, signature, signer = _end(path, file, size)
    except OSError as error:
        raise NotAPack(path=path, detail=error.strerror or error) from error
    try:
        text = signature.decode("utf-8")
        minisign.verify(hashlib.blake2b(content).digest(), text, signer)
        if not text.startswith(_UNSIGNED):
            raise BadSignature("the signature is not as it was written")
        data = json.loads(content)
    except BadSignature as error:
        raise PackAltered(path=path, detail=error) from error
    except (ValueError, RecursionError) as error:
        raise PackAltered(path=path, detail="its contents can't be read") from error
    identity = hashlib.sha256(signer.raw + content).hexdigest()
    return _parsed(path, data, signer, identity, size, len(content) + len(signature) + FOOT.size)


def is_pack(path: Path) -> bool:
    """Whether a file looks like one of ours, whole or not, of this format or another."""
    try:
        with open(path, "rb") as file:
            file.seek(-len(MAGIC) - 1, os.SEEK_END)
            return file.read().startswith(MAGIC)
    except OSError:
        return False


def check_database(pack: PackFile) -> None:
    """Compare the whole database with what was signed, before SQLite opens it. Raises PackAltered, OSError where it can't be read."""

    def fits(index: int) -> bool:
        digest = hashlib.sha256()
        left = min(BLOCK, pack.database - index * BLOCK)
        with open(pack.path, "rb") as file:
            file.seek(index * BLOCK)
            while left and (piece := file.read(min(PIECE, left))):
                digest.update(piece)
                left -= len(piece)
        return not left and digest.hexdigest() == pack.blocks[index]

    with ThreadPoolExecutor(min(4, os.cpu_count() or 1), thread_name_prefix="pack") as threads:
        for index, good in enumerate(threads.map(fits, range(len(pack.blocks)))):
            if not good:
                threads.shutdown(wait=False, cancel_futures=True)
                raise PackAltered(path=pack.path, detail=f"its database was changed after the first {index * BLOCK >> 20} MiB")


def extract(pack: PackFile, name: str, target: Path) -> None:
    """Write an original to `target`, whole and as it was signed, or not at all. Raises PackAltered, KeyError (there is none), OSError."""
    with writing_durably(target) as copy:
        if not _reads_as_signed(pack, name, copy.write):
            raise PackAltered(path=pack.path, detail="one of its originals was changed")


def check_original(pack: PackFile, name: str) -> bool:
    """Whether an original is what was signed. Raises KeyError (there is none), OSError."""
    return _reads_as_signed(pack, name, len)


def _reads_as_signed(pack: PackFile, name: str, take: Callable[[bytes], int]) -> bool:
    place = pack.originals[name]
    digest, left = hashlib.sha256(), place.size
    with open(pack.path, "rb") as file:
        file.seek(place.start)
        while left and (piece := file.read(min(PIECE, left))):
            digest.update(piece)
            take(piece)
            left -= len(piece)
    return not left and digest.hexdigest() == _sha256(name)


def _sha256(name: str) -> str:
    match = ORIGINAL.fullmatch(name)
    if match is None:
        raise ValueError(f"no original is called {name!r}")
    return match[1]


def _end(path: Path, file: BinaryIO, size: int) -> tuple[bytes, bytes, PublicKey]:
    """Contents, signature and key as they stand in the file. Raises NotAPack, PackTooNew, PackAltered, OSError."""
    file.seek(max(0, size - FOOT.size))
    foot = file.read(FOOT.size)
    if len(foot) < FOOT.size or not foot.startswith(MAGIC, FOOT.size - 16):
        file.seek(0)
        detail = "its end is missing" if file.read(16) == b"SQLite format 3\0" else "it is another kind of file" if size else "it is empty"
        raise NotAPack(path=path, detail=detail)
    content, signature, key, magic = FOOT.unpack(foot)
    if magic == MAGIC + b"1":
        raise NotAPack(path=path, detail="it was made before the first release")
    if magic != END:
        raise PackTooNew(path=path, found=magic[len(MAGIC) :].decode("ascii", "replace"), known=FORMAT)
    if content > min(LONGEST_CONTENTS, size) or signature > _LONGEST_SIGNATURE or content + signature + FOOT.size > size:
        raise PackAltered(path=path, detail="its foot doesn't fit")
    file.seek(size - FOOT.size - signature - content)
    return file.read(content), file.read(signature), PublicKey(key)


def _parsed(path: Path, data: Mapping[str, Any], signer: PublicKey, identity: str, size: int, end: int) -> PackFile:
    """Signed, but by anyone: everything has to make sense all the same. Raises PackAltered, PackTooNew."""
    try:
        if _whole(data["format"]) != FORMAT:
            raise PackTooNew(path=path, found=data["format"], known=FORMAT)
        database = _whole(data["database"]["size"])
        blocks = tuple(str(one) for one in data["database"]["blocks"])
        place = database
        originals: dict[str, Stored] = {}
        for name, length in data["originals"]:
            _sha256(name)
            if name in originals:
                raise ValueError("an original is listed wrongly")
            originals[name] = Stored(place, _whole(length))
            place += length
        if place + end != size or database < 1 or len(blocks) != -(-database // BLOCK):
            raise ValueError("its parts don't make up the file")
        counts = [_whole(data[name]) for name in ("dimensions", "documents", "pages", "chunks")]
        words = {name: str(data[name]) for name in ("created", "embedder", "software")}
        if not all(word.isprintable() and len(word) <= 300 for word in words.values()):
            raise ValueError("its words can't be shown")
        title = str(data["title"])
        if collection_name(title) != title:
            raise ValueError("its name can't be shown")
    except HaversackError as error:
        if isinstance(error, BadRequest):
            raise PackAltered(path=path, detail="its name can't be shown") from error
        raise
    except (ValueError, KeyError, TypeError, AttributeError) as error:
        raise PackAltered(path=path, detail=f"its contents make no sense: {error}") from error
    dimensions, documents, pages, chunks = counts
    return PackFile(
        path=path,
        title=title,
        **words,
        dimensions=dimensions,
        documents=documents,
        pages=pages,
        chunks=chunks,
        database=database,
        blocks=blocks,
        originals=originals,
        signer=signer,
        identity=identity,
        size=size,
    )


def _whole(value: object) -> int:
    """A number as JSON's own parser gives whole ones: not 1e999, which is infinite, and not true. Raises ValueError."""
    if type(value) is not int or not 0 <= value < 1 << 63:
        raise ValueError("a number in it is none that counts")
    return value
