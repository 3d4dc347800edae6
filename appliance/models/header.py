"""The header of a GGUF file, read by us before any loader sees it: no library, and nothing is loaded. What it means is in `gguf.py`.

The form is the GGUF specification's (versions 2 and 3, little-endian): magic, version, two counts; keys, each with type and value; the table of
tensors; their data. llama.cpp believes much of it, and aborts or reads outside the file where it lies. So every length is held against the
file's own size and a limit before it is used, and lists as long as a vocabulary are walked, not kept.
"""

from __future__ import annotations

import struct
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import BinaryIO

from appliance.models.ggml import KINDS

Value = int | float | bool | str
MOST_KEYS = 4096
MOST_TENSORS = 1 << 16
LARGEST_HEADER = 256 << 20
"""Bytes before the tensors: a vocabulary of 260,000 pieces takes 15 MB."""
_LONGEST_LIST = 1 << 23
"""Of texts or numbers: four times the longest list of merges that is known."""
_KEPT_LIST = 4096
"""A longer list is a vocabulary's and is only counted."""
_LONGEST_KEY = 255
_LONGEST_TEXT = 1 << 24
_LONGEST_NAME = 63
"""Bytes of a tensor's name: ggml keeps 64 with the last one 0."""
_MOST_NUMBERS = 1 << 45
"""In one tensor: a hundred times what the largest models have, and far from where sizes overflow."""
_LARGEST_ALIGNMENT = 1 << 16
_FORMS = {0: "B", 1: "b", 2: "H", 3: "h", 4: "I", 5: "i", 6: "f", 7: "?", 10: "Q", 11: "q", 12: "d"}
_BOOL, _TEXT, _ARRAY = 7, 8, 9


class NotAGguf(ValueError):
    """The file isn't right; the message is one reason, in plain words."""


@dataclass(frozen=True, slots=True)
class Many:
    """A list. `values` only where it is short and of numbers; `kind` is GGUF's number of its values' type, 8 for texts."""

    kind: int
    count: int
    values: tuple[Value, ...] = ()


@dataclass(frozen=True, slots=True)
class Tensor:
    name: str
    dimensions: tuple[int, ...]
    kind: int
    offset: int
    """Of its first byte, from the beginning of the data."""
    size: int
    """Bytes."""

    @property
    def numbers(self) -> int:
        return _product(self.dimensions)


@dataclass(frozen=True, slots=True)
class Header:
    """A file that holds together: every tensor lies inside it, one after the other."""

    version: int
    values: Mapping[str, Value | Many]
    tensors: tuple[Tensor, ...]
    data: int
    """Where in the file the tensors begin."""
    size: int
    """Bytes of the file."""

    def text(self, key: str) -> str:
        """Empty where nothing is said, or something else than a text."""
        value = self.values.get(key, "")
        return value if isinstance(value, str) else ""

    def whole(self, key: str, default: int | None = None, *, least: int = 1, most: int = (1 << 31) - 1) -> int:
        """Raises NotAGguf where it isn't a whole number in that range, or is missing and there is no default."""
        value = self.values.get(key, default)
        if value is None:
            raise NotAGguf(f"it doesn't say its {key}")
        if type(value) is not int or not least <= value <= most:
            raise NotAGguf(f"its {key} is {_shown(value)}, which can't be")
        return value


def read_header(path: Path) -> Header:
    """Raises NotAGguf, OSError."""
    with path.open("rb") as stream:
        size = stream.seek(0, 2)
        stream.seek(0)
        return _Reader(stream, size).header()


class _Reader:
    """Walks through the header; `_left` is what the file can still hold."""

    def __init__(self, stream: BinaryIO, size: int) -> None:
        self._stream = stream
        self._size = size
        self._left = min(size, LARGEST_HEADER)

    def header(self) -> Header:
        version, tensor_count, key_count = self._beginning()
        values: dict[str, Value | Many] = {}
        for _ in range(key_count):
            key = self._key()
            if key in values:
                raise NotAGguf(f"its header says {key} twice")
            values[key] = self._value(key, self._number("I"))
        alignment = values.get("general.alignment", 32)
        if type(alignment) is not int or not 1 <= alignment <= _LARGEST_ALIGNMENT or alignment & (alignment - 1):
            raise NotAGguf(f"its general.alignment is {_shown(alignment)}, which can't be")
        tensors: list[Tensor] = []
        names: set[str] = set()
        end = 0
        for _ in range(tensor_count):
            tensor = self._tensor(end)
            if tensor.name in names:
                raise NotAGguf(f"it has two tensors named {tensor.name}")
            names.add(tensor.name)
            tensors.append(tensor)
            end = _padded(tensor.offset + tensor.size, alignment)
        data = _padded(self._stream.tell(), alignment)
        for tensor in tensors:
            if data + tensor.offset + tensor.size > self._size:
                missing = data + tensors[-1].offset + tensors[-1].size - self._size
                raise NotAGguf(f"it is cut off: {_size_text(missing)} are missing, from the tensor {tensor.name} on")
        return Header(version, values, tuple(tensors), data, self._size)

    def _beginning(self) -> tuple[int, int, int]:
        if self._size == 0:
            raise NotAGguf("it is empty")
        if (magic := self._stream.read(4)) != b"GGUF":
            raise NotAGguf("it is in the old GGML form, which llama.cpp reads no more" if magic in _OLD else "it is no GGUF file")
        self._left -= 4
        version = self._number("I")
        if version in (0x02000000, 0x03000000):
            raise NotAGguf("it was written for processors of the other byte order")
        if version not in (2, 3):
            raise NotAGguf(f"it is GGUF version {version}, and llama.cpp reads 2 and 3")
        tensors, keys = self._number("Q"), self._number("Q")
        if keys > MOST_KEYS:
            raise NotAGguf(f"it promises {keys} values in its header, more than {MOST_KEYS}")
        if tensors > MOST_TENSORS:
            raise NotAGguf(f"it promises {tensors} tensors, more than {MOST_TENSORS}")
        return version, tensors, keys

    def _value(self, key: str, kind: int) -> Value | Many:
        if kind == _TEXT:
            return self._read(self._length(_LONGEST_TEXT, key)).decode("utf-8", "replace")
        if kind == _ARRAY:
            return self._list(key)
        if kind not in _FORMS:
            raise NotAGguf(f"its {key} is of type {kind}, which there is not")
        return self._truth(key) if kind == _BOOL else self._number(_FORMS[kind])

    def _truth(self, key: str) -> bool:
        if (byte := self._number("B")) > 1:
            raise NotAGguf(f"its {key} is {byte}, and it must be true or false")
        return bool(byte)

    def _list(self, key: str) -> Many:
        kind, count = self._number("I"), self._number("Q")
        if kind not in _FORMS and kind != _TEXT:
            raise NotAGguf(f"its {key} is a list of type {kind}, which there is not" if kind != _ARRAY else f"its {key} is a list of lists")
        if count > _LONGEST_LIST:
            raise NotAGguf(f"its {key} promises {count} values, more than {_LONGEST_LIST}")
        if kind == _TEXT:
            self._walk(key, count)
            return Many(kind, count)
        form = struct.Struct(f"<{count}{_FORMS[kind]}" if count <= _KEPT_LIST else f"<{_FORMS[kind]}")
        if count <= _KEPT_LIST:
            return Many(kind, count, form.unpack(self._read(form.size)))
        self._take(form.size * count)
        self._stream.seek(form.size * count, 1)
        return Many(kind, count)

    def _walk(self, key: str, count: int) -> None:
        """Over `count` texts: 0.1 s for a vocabulary of 150,000."""
        read, unpack = self._stream.read, struct.Struct("<Q").unpack
        left = self._left
        for _ in range(count):
            if left < 8:
                raise self._cut(key)
            (length,) = unpack(read(8))
            left -= 8 + length
            if left < 0:
                raise self._cut(key)
            read(length)
        self._left = left

    def _tensor(self, expected: int) -> Tensor:
        name = self._name()
        count = self._number("I")
        if not 1 <= count <= 4:
            raise NotAGguf(f"its tensor {name} has {count} dimensions, and there can be 1 to 4")
        dimensions = tuple(self._number("Q") for _ in range(count))
        if any(not 1 <= one <= _MOST_NUMBERS for one in dimensions) or _product(dimensions) > _MOST_NUMBERS:
            raise NotAGguf(f"its tensor {name} has {' × '.join(map(str, dimensions))} numbers, which can't be")
        kind, offset = self._number("I"), self._number("Q")
        if kind not in KINDS:
            raise NotAGguf(f"its tensor {name} is of type {kind}, which this llama.cpp doesn't know")
        if dimensions[0] % KINDS[kind].block:
            raise NotAGguf(f"its tensor {name} has rows of {dimensions[0]} numbers, which {KINDS[kind].name} can't pack")
        if offset != expected:  # llama.cpp demands it, too: none overlap, and none are apart
            raise NotAGguf(f"its tensor {name} should begin at byte {expected} of the data and begins at {offset}")
        return Tensor(name, dimensions, kind, offset, _product(dimensions) // KINDS[kind].block * KINDS[kind].bytes)

    def _key(self) -> str:
        key = self._read(self._length(_LONGEST_KEY, "header")).decode("utf-8", "replace")
        if not key.isascii() or not key.isprintable() or not key:
            raise NotAGguf(f"its header has a key {key[:40]!r}, which can't be")
        return key

    def _name(self) -> str:
        name = self._read(self._length(_LONGEST_NAME, "table of tensors")).decode("utf-8", "replace")
        if not name.isascii() or not name.isprintable() or not name:
            raise NotAGguf(f"it has a tensor named {name[:40]!r}, which can't be")
        return name

    def _length(self, most: int, where: str) -> int:
        length = self._number("Q")
        if length > most:
            raise NotAGguf(f"its {where} has a text of {length} bytes, more than {most}")
        return length

    def _number(self, form: str) -> int:
        what = struct.Struct("<" + form)
        found: int = what.unpack(self._read(what.size))[0]
        return found

    def _read(self, count: int) -> bytes:
        self._take(count)
        content = self._stream.read(count)
        if len(content) < count:
            raise self._cut("")
        return content

    def _take(self, count: int) -> None:
        if count > self._left:
            raise self._cut("")
        self._left -= count

    def _cut(self, key: str) -> NotAGguf:
        if self._size > LARGEST_HEADER:
            return NotAGguf(f"its header is larger than {_size_text(LARGEST_HEADER)}")
        return NotAGguf(f"it is cut off inside its header{f', in {key}' if key else ''}")


_OLD = (b"lmgg", b"fmgg", b"tjgg", b"algg", b"ggml", b"ggjt", b"ggla")


def _product(dimensions: tuple[int, ...]) -> int:
    found = 1
    for one in dimensions:
        found *= one
    return found


def _padded(offset: int, alignment: int) -> int:
    return -(-offset // alignment) * alignment


def _shown(value: object) -> str:
    return f"a list of {value.count}" if isinstance(value, Many) else repr(value)[:60]


def _size_text(count: int) -> str:
    return f"{count / 1e9:.1f} GB" if count >= 10**9 else f"{count / 1e6:.0f} MB" if count >= 10**6 else f"{count} bytes"
