"""A model that lies in several files: `NAME-00001-of-00003.gguf` and so on.

They are kept as they are: llama.cpp is given the first and reads the others beside it by their names, so nothing has to be joined on the disk,
and a stick with FAT32 takes them. Here they are found, and it is checked that they are all there and belong together.
"""

from __future__ import annotations

import re
from dataclasses import dataclass
from pathlib import Path

from appliance.models.gguf import Gguf, NotAGguf, gguf_of, split_of
from appliance.models.header import read_header

_PART = re.compile(r"(?P<stem>.+)-(?P<number>\d{5})-of-(?P<count>\d{5})\.gguf")


@dataclass(frozen=True, slots=True)
class Found:
    """A model's files, all of them, in their order."""

    files: tuple[Path, ...]
    gguf: Gguf
    stem: str
    """What their names have in common."""


def find_parts(path: Path) -> Found:
    """The whole model of which `path` is the file or one part. Raises NotAGguf, OSError."""
    named = _PART.fullmatch(path.name)
    if not named:
        header = read_header(path)
        if split := split_of(header):
            raise NotAGguf(f"it is part {split.number + 1} of {split.count}, and its name must end in {part_name('', split.number + 1, split.count)}")
        return Found((path,), gguf_of([header]), path.name.removesuffix(".gguf"))
    stem, count = named["stem"], int(named["count"])
    if not 1 <= int(named["number"]) <= count <= 1000:
        raise NotAGguf(f"its name says that it is part {int(named['number'])} of {count}, which can't be")
    files = tuple(path.with_name(part_name(stem, number, count)) for number in range(1, count + 1))
    headers = []
    names: set[str] = set()
    for number, file in enumerate(files):
        if not file.is_file():
            raise NotAGguf(f"it is in {count} parts, and {file.name} is not beside it")
        try:
            header = read_header(file)
        except NotAGguf as error:
            raise NotAGguf(f"in {file.name}, {error}" if file != path else str(error)) from error
        split = split_of(header)
        if (split.number, split.count) != (number, count) if split else count > 1:
            raise NotAGguf(f"{file.name} says that it is {f'part {split.number + 1} of {split.count}' if split else 'whole'}: it was renamed")
        for tensor in header.tensors:
            if tensor.name in names:
                raise NotAGguf(f"{file.name} has the tensor {tensor.name}, which another part has too: they don't belong together")
            names.add(tensor.name)
        headers.append(header)
    gguf = gguf_of(headers)
    if gguf.split and gguf.split.tensors != len(names):
        raise NotAGguf(f"its parts have {len(names)} tensors together, and it should have {gguf.split.tensors}: they don't belong together")
    return Found(files, gguf, stem)


def part_name(stem: str, number: int, count: int) -> str:
    """As llama.cpp wants it; `number` from 1."""
    return f"{stem}-{number:05}-of-{count:05}.gguf"
