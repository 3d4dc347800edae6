"""What pypdf knows of a PDF besides its text: outline, printed page numbers, title. And its text, where pdfium fails."""

from __future__ import annotations

import logging
import re
import zlib
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import pypdf
import pypdf.errors

from appliance.documents import Heading
from appliance.errors import FileUnreadable, PasswordNeeded
from appliance.ingest.hygiene import line
from appliance.ingest.limits import HEADINGS, STREAM_BYTES

_UNTITLED = re.compile(r"(?i)untitled.*|unbenannt.*|document\d*|.*\.(docx?|odt|rtf|tex|dvi|indd|qxp|pptx?|pdf)")
_WORD_TITLE = re.compile(r"(?i)^microsoft (word|powerpoint|excel) - ")


@dataclass(frozen=True, slots=True)
class Particulars:
    """What is known of a PDF besides its text."""

    headings: tuple[Heading, ...] = ()
    labels: tuple[str | None, ...] = ()
    title: str = ""
    metadata: dict[str, str] = field(default_factory=dict)
    note: str = ""
    """What of it could not be read, and why."""


class PypdfFile:
    """One PDF, opened by pypdf under limits of our own."""

    def __init__(self, path: Path, password: str | None) -> None:
        """Raises PasswordNeeded, and FileUnreadable where pypdf can't make anything of it."""
        logging.getLogger("pypdf").setLevel(logging.CRITICAL)
        pypdf.overwrite_configuration(
            maximum_declared_stream_length=STREAM_BYTES,
            array_based_stream_maximum_output_length=STREAM_BYTES,
            jbig2_maximum_output_length=STREAM_BYTES,
            lzw_maximum_output_length=STREAM_BYTES,
            run_length_maximum_output_length=STREAM_BYTES,
            zlib_maximum_output_length=STREAM_BYTES,
            brotli_maximum_output_length=STREAM_BYTES,
            image_maximum_buffer_size=STREAM_BYTES,
            stream_decoding_work_maximum_length=4 * STREAM_BYTES,
            outline_maximum_entries=HEADINGS,
            jbig2dec_binary=None,  # pypdf would start that program on data from outside
            disable_legacy_handling=True,
        )
        try:
            self._reader = pypdf.PdfReader(path.open("rb"))
            if self._reader.is_encrypted and not self._reader.decrypt(password or ""):
                raise PasswordNeeded(detail="the password given does not open it" if password else "it opens only with a password")
            self.count = len(self._reader.pages)
        except (PasswordNeeded, MemoryError):
            raise
        except Exception as error:
            raise FileUnreadable(detail=f"This PDF can't be read ({why(error)}).") from error

    def text(self, index: int) -> str:
        """The raw text of page `index`, from 0. Raises whatever pypdf raises; `why` puts it in words."""
        return str(self._reader.pages[index].extract_text() or "")

    def damaged(self, count: int) -> tuple[int, ...]:
        """Positions of the pages, of the first `count`, whose packed content is broken: pdfium gives what stands before the break, silently."""
        return tuple(index for index in range(min(count, self.count)) if self._is_damaged(index))

    def _is_damaged(self, index: int) -> bool:
        try:
            contents = self._reader.pages[index].get("/Contents")
            contents = contents.get_object() if contents is not None else []
            streams = [part.get_object() for part in contents] if isinstance(contents, list) else [contents]
            return not all(_unpacks(stream) for stream in streams)
        except Exception:  # what pypdf can't find, pdfium has found: no word against its text
            return False

    def particulars(self, texts: Sequence[str]) -> Particulars:
        """Outline, labels and title; a part that fails is left out and named in `note`."""
        lacking: list[str] = []
        found: dict[str, Any] = {"outline": (), "labels": (), "metadata": {}}
        for name, read in (("outline", self._headings), ("labels", self._labels), ("metadata", self._metadata)):
            try:
                found[name] = read(texts)
            except Exception as error:  # hostile files make pypdf raise anything at all; the text still counts
                lacking.append(f"{name} not read: {why(error)}")
        metadata = found["metadata"]
        return Particulars(found["outline"], found["labels"], metadata.pop("title", ""), metadata, "; ".join(lacking))

    def _headings(self, texts: Sequence[str]) -> tuple[Heading, ...]:
        found: list[Heading] = []
        reached: dict[int, int] = {}
        for item, level in _flat(self._reader.outline, 1):
            position = self._reader.get_destination_page_number(item)
            title = line(str(item.title or ""))
            if title and position is not None and 0 <= position < len(texts):
                start = find_title(texts[position], title, reached.get(position, 0))
                reached[position] = start
                found.append(Heading(position, start, title, level))
            if len(found) >= HEADINGS:
                break
        return tuple(found)

    def _labels(self, texts: Sequence[str]) -> tuple[str | None, ...]:
        if "/PageLabels" not in self._reader.root_object:
            return ()
        labels = [line(label, 50) for label in self._reader.page_labels[: len(texts)]]
        return tuple(label if label and label != str(index + 1) else None for index, label in enumerate(labels))

    def _metadata(self, texts: Sequence[str]) -> dict[str, str]:
        untrusted: Mapping[str, object] = self._reader.metadata or {}
        names = {"title": "/Title", "author": "/Author", "subject": "/Subject", "keywords": "/Keywords", "created": "/CreationDate"}
        found = {name: line(str(untrusted.get(key) or ""), 300) for name, key in names.items()}
        title = _WORD_TITLE.sub("", found["title"])
        found["title"] = "" if _UNTITLED.fullmatch(title) else title
        found["created"] = re.sub(r"^D:(\d{4})(\d\d)(\d\d).*", r"\1-\2-\3", found["created"])
        return {name: value for name, value in found.items() if value}


def find_title(text: str, title: str, after: int = 0) -> int:
    """Where the heading `title` begins in a page's text: at a line's start if it can be, from `after` on; `after` where it isn't there."""
    words = title.split()[:20]
    # The outline says "2 Methods" where the page says "2  METHODS", or has the number on a line of its own.
    pattern = r"[\s.:–—-]*".join(re.escape(word) for word in words)
    for prefix in (r"(?m)^(?:(?:chapter|section|part)?[ \t]*[\divxlc]{1,4}(?:\.\d+)*[.)]?\s{1,3})?", r"\b"):
        found = re.compile(prefix + pattern, re.IGNORECASE).search(text, after)
        if found:
            return found.start()
    return after


def why(error: BaseException) -> str:
    """One line that says what went wrong with a part of a file."""
    if isinstance(error, MemoryError):
        return "it needs more memory than a file is given"
    if isinstance(error, RecursionError):
        return "it is nested too deeply"
    if isinstance(error, pypdf.errors.LimitReachedError):
        return f"a limit was reached, {line(str(error), 160)}"
    return line(f"{type(error).__name__}: {error}", 160)


def _unpacks(stream: Any) -> bool:
    """Whether a stream that is packed with Flate alone is whole."""
    if stream.get("/Filter") not in ("/FlateDecode", ["/FlateDecode"]):
        return True
    unpacker = zlib.decompressobj()
    rest, size = bytes(stream._data), 0
    try:
        while rest and not unpacker.eof and size < STREAM_BYTES:
            size += len(unpacker.decompress(rest, 1 << 20))
            rest = unpacker.unconsumed_tail
    except zlib.error:
        return False
    return unpacker.eof or size >= STREAM_BYTES


def _flat(items: Any, level: int) -> Iterator[tuple[Any, int]]:
    for item in items:
        if isinstance(item, list):
            yield from _flat(item, level + 1)
        else:
            yield item, level
