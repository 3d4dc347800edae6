"""Files that are too large for one file of a FAT32 stick: a GGUF is split at its tensors, as llama.cpp's own splitter does.

llama.cpp is given the first part and reads the others itself, so nothing is ever joined again. Every other kind needs exFAT.
"""

from __future__ import annotations

import os
import shutil
from contextlib import closing
from pathlib import Path

import gguf

from bundle.errors import FileTooLarge
from bundle.progress import size_text

FAT32_LIMIT = (4 << 30) - 1
"""The largest file of FAT32, in bytes."""
_HEADER_ROOM = 1 << 12
"""More than the keys that make a file a part of several take in its header."""


def split_gguf(file: Path, folder: Path, limit_bytes: int = FAT32_LIMIT) -> tuple[Path, ...]:
    """The parts of `file` in `folder`, each of at most `limit_bytes`, the one to load first; `(file,)` itself where it is small enough.

    Named `NAME-00001-of-0000N.gguf`. Tensors are copied from the mapped file one by one, and none is held in memory.
    The parts get their names when all are written. Raises FileTooLarge.
    """
    size = file.stat().st_size
    if size <= limit_bytes:
        return (file,)
    if file.suffix != ".gguf":
        raise _refused(file, limit_bytes, "only a GGUF can be split")
    try:
        reader = gguf.GGUFReader(file)
    except (ValueError, KeyError, IndexError, OSError) as error:
        raise _refused(file, limit_bytes, f"it can't be read ({error})") from error
    # The first part's header holds nearly all of the whole file's (with the vocabulary: some MB), and every tensor is padded.
    room = limit_bytes - reader.data_offset - _HEADER_ROOM - len(reader.tensors) * reader.alignment
    if any(int(tensor.n_bytes) > room for tensor in reader.tensors):
        raise _refused(file, limit_bytes, "one of its tensors alone is larger")
    scratch = folder / f".{file.stem}.splitting"
    shutil.rmtree(scratch, ignore_errors=True)
    scratch.mkdir(parents=True)
    try:
        _write(reader, scratch / file.name, room, file, limit_bytes)
        parts = sorted(scratch.iterdir())
        for part in parts:
            os.replace(part, folder / part.name)
    finally:
        shutil.rmtree(scratch, ignore_errors=True)
    return tuple(folder / part.name for part in parts)


def _write(reader: gguf.GGUFReader, target: Path, room: int, file: Path, limit_bytes: int) -> None:
    """`target`'s stem is that of the parts."""
    fields = {name: field for name, field in reader.fields.items() if not name.startswith(("GGUF.", "split."))}
    architecture = fields.pop(gguf.Keys.General.ARCHITECTURE, None)
    if architecture is None or any(len(field.types) > 2 for field in fields.values()):
        raise _refused(file, limit_bytes, "its header has what the gguf package can't copy")
    with closing(gguf.GGUFWriter(target, architecture.contents(), endianess=reader.endianess, split_max_size=room)) as writer:
        writer.data_alignment = reader.alignment
        for name, field in fields.items():
            inner = field.types[-1] if field.types[0] == gguf.GGUFValueType.ARRAY else None
            if inner is None or len(field.data):  # the writer has no empty lists, and llama.cpp takes a missing one for empty
                writer.add_key_value(name, field.contents(), field.types[0], inner)
        for tensor in reader.tensors:
            writer.add_tensor_info(tensor.name, tensor.data.shape, tensor.data.dtype, tensor.data.nbytes, tensor.tensor_type)
        writer.write_header_to_file()
        writer.write_kv_data_to_file()
        writer.write_ti_data_to_file()
        for tensor in reader.tensors:
            writer.write_tensor_data(tensor.data, reader.endianess)


def _refused(file: Path, limit: int, detail: str) -> FileTooLarge:
    return FileTooLarge(name=file.name, size=size_text(file.stat().st_size), limit=size_text(limit), detail=detail)
