"""ZIP containers from outside: what is unpacked is counted while it is unpacked, because the sizes that they declare may lie."""

from __future__ import annotations

import io
import re
import zipfile
from collections.abc import Callable, Mapping
from pathlib import Path

from appliance.errors import FileUnreadable
from appliance.ingest.limits import ARCHIVE_BYTES, ENTRIES, ENTRY_BYTES, RATIO, RATIO_FROM

_PIECE = 1 << 20
_XML = re.compile(r"(?i)\.(xml|rels|opf|ncx|vml)$")
_DECLARATIONS = tuple(word.encode(encoding) for word in ("<!DOCTYPE", "<!ENTITY") for encoding in ("ascii", "utf-16-le", "utf-16-be"))


class Archive:
    """A ZIP file, checked as a whole before any of it is unpacked. Raises FileUnreadable for what is no honest document."""

    def __init__(self, path: Path) -> None:
        try:
            self._zip = zipfile.ZipFile(path)
        # zipfile raises NotImplementedError for a compression that it doesn't know.
        except (zipfile.BadZipFile, NotImplementedError, ValueError, OSError) as error:
            raise FileUnreadable(detail=f"This file is damaged: its ZIP container can't be read ({error}).") from error
        self.names: set[str] = set()
        self._taken = 0
        entries = self._zip.infolist()
        if len(entries) > ENTRIES:
            raise _refused(f"it holds {len(entries):,} entries, and {ENTRIES:,} are taken")
        for entry in entries:
            name = entry.filename
            if entry.flag_bits & 1:
                raise FileUnreadable(detail="This file is locked with a password, which is only opened in PDFs. Save it without one and add that.")
            if name in self.names:
                raise _refused("two entries have the same name")
            if name.startswith(("/", "\\")) or ".." in re.split(r"[/\\]", name):
                raise _refused("an entry's name leads out of it")
            self.names.add(name)

    def read(self, name: str) -> bytes:
        """The content of one entry. Raises FileUnreadable where it isn't there, is too large, or is packed like a bomb."""
        try:
            entry = self._zip.getinfo(name)
            pieces: list[bytes] = []
            size = 0
            with self._zip.open(entry) as stream:
                while piece := stream.read(_PIECE):
                    size += len(piece)
                    self._taken += len(piece)
                    pieces.append(piece)
                    if size > ENTRY_BYTES:
                        raise _refused(f"a part of it is larger than {ENTRY_BYTES >> 20} MB")
                    if self._taken > ARCHIVE_BYTES:
                        raise _refused(f"it unpacks to more than {ARCHIVE_BYTES >> 20} MB")
                    if size > RATIO_FROM and size > RATIO * max(entry.compress_size, 1):
                        raise _refused(f"a part of it unpacks to more than {RATIO} times its size")
        except (FileUnreadable, MemoryError):
            raise
        except KeyError as error:
            raise FileUnreadable(detail="This file is damaged: a part of it is missing.") from error
        # zipfile raises NotImplementedError for a compression that it doesn't know.
        except (zipfile.BadZipFile, NotImplementedError, EOFError, OSError, ValueError) as error:
            raise FileUnreadable(detail=f"This file is damaged: a part of it can't be unpacked ({error}).") from error
        except Exception as error:  # zlib.error, lzma.LZMAError, and what else a codec raises
            raise FileUnreadable(detail=f"This file is damaged: a part of it can't be unpacked ({type(error).__name__}).") from error
        return b"".join(pieces)

    def xml(self, name: str) -> bytes:
        """An entry that is XML without a DTD: no entities, nothing from elsewhere."""
        data = self.read(name)
        head = data[:4096]  # a DTD stands before the root element
        if any(word in head for word in _DECLARATIONS) or any(word in data for word in _DECLARATIONS[3:]):
            raise _refused("its XML declares entities")
        return data

    def checked(self, wanted: Callable[[str], bool], types: Mapping[bytes, bytes] | None = None) -> io.BytesIO:
        """A copy for a library to open: the entries `wanted`, checked; the others are there, but empty (pictures, fonts, macros).

        `types` says which content types are to be called by another name: of templates and of files with macros.
        """
        copy = io.BytesIO()
        with zipfile.ZipFile(copy, "w", zipfile.ZIP_STORED) as target:
            for name in sorted(self.names):
                if name.endswith("/"):
                    continue
                content = b""
                if wanted(name):
                    content = self.xml(name) if _XML.search(name) else self.read(name)
                for found, meant in (types or {}).items() if name == "[Content_Types].xml" else ():
                    content = content.replace(found, meant)
                target.writestr(zipfile.ZipInfo(name), content)
        copy.seek(0)
        return copy


def is_xml(name: str) -> bool:
    return bool(_XML.search(name))


def _refused(reason: str) -> FileUnreadable:
    return FileUnreadable(detail=f"This file was refused: {reason}.")
