"""The steps that one file goes through: identify → convert → embed → finish. `pipeline.py` runs them side by side."""

from __future__ import annotations

import hashlib
import threading
from collections.abc import Callable, Sequence
from concurrent.futures import CancelledError, Future
from dataclasses import dataclass
from pathlib import Path
from typing import Protocol

import numpy
from numpy.typing import NDArray

from appliance.documents import Conversion, Document, IngestLine, Page, Passage, UnreadPage
from appliance.errors import FileUnreadable, HaversackError, IngestError, KindUnknown
from appliance.ingest.progress import Meter
from appliance.ingest.sources import Source
from appliance.ingest.splitter import embedded_texts, split
from appliance.library.store import Library
from appliance.models.embeds import Embeds

LARGEST_FILE = 1 << 30
"""Bytes. A larger one would take more memory and time to convert than the limits of the sandbox allow."""
_BATCH = 32
"""Passages embedded before the next look at progress and cancel: about a second's work on two cores."""
_PIECE = 1 << 20


class Converts(Protocol):
    """What the pipeline needs of the sandbox; tests bring their own to provoke a fault."""

    @property
    def processor_seconds(self) -> float: ...

    def convert(self, path: Path, *, name: str, password: str | None = None, cancel: threading.Event | None = None) -> Conversion: ...


@dataclass(frozen=True, slots=True)
class Identified:
    sha256: str
    size: int
    known: bool
    """The library has this content, or it is on its way there."""


@dataclass(frozen=True, slots=True)
class Embedded:
    conversion: Conversion
    passages: tuple[Passage, ...]
    vectors: NDArray[numpy.float32]


class _Cancelled(Exception):
    """The run was stopped; what is stored stays."""


class Stop(threading.Event):
    """Set when the caller cancels, or when nobody takes the lines any more. To be polled, not waited for."""

    def __init__(self, outer: threading.Event) -> None:
        super().__init__()
        self._outer = outer

    def is_set(self) -> bool:
        return super().is_set() or self._outer.is_set()


class Steps:
    """The steps of one run. Each takes the last step's result; an error goes through to `finish`, which makes the line."""

    def __init__(
        self,
        library: Library,
        embedder: Callable[[], Embeds],
        sandbox: Converts,
        collection_id: int,
        password: str | None,
        stop: Stop,
        sources: Sequence[Source],
        meter: Meter,
    ) -> None:
        self._library = library
        self._embedder = embedder
        self._sandbox = sandbox
        self._collection_id = collection_id
        self._password = password
        self.stop = stop
        self._sources = sources
        self._names = {source.name for source in sources}
        self._meter = meter
        self._begun: set[str] = set()

    def identify(self, index: int) -> Identified:
        """Read the file once for its hash, and see whether its content is known."""
        self._go_on()
        source = self._sources[index]
        if source.problem:
            raise source.problem
        sha256, size = _hash(source.path, self._go_on)
        known = sha256 in self._begun or self._kept(source, sha256) is not None
        self._begun.add(sha256)
        return Identified(sha256, size, known)

    def convert(self, index: int, identified: Future[Identified]) -> Conversion | None:
        """None where the content is known."""
        return None if identified.result().known else self._convert(index)

    def embed(self, index: int, converted: Future[Conversion | None]) -> Embedded | None:
        conversion = converted.result()
        return None if conversion is None else self._embed(index, conversion)

    def finish(self, index: int, identified: Future[Identified], embedded: Future[Embedded | None]) -> IngestLine | None:
        """Store the document and tell what became of it; None where the run was stopped."""
        source = self._sources[index]
        try:
            self._go_on()
            result, identity = embedded.result(), identified.result()
            if identity.known:
                kept = self._kept(source, identity.sha256)
                if kept is not None:
                    return self._unchanged(source, kept)
                # Its twin earlier in this run could not be read; under this name it may be.
                result = self._embed(index, self._convert(index))
            if result is None or not result.passages:
                return self._failed(source, identified, "", result.conversion if result else None)
            return self._stored(source, identity, result)
        except (_Cancelled, CancelledError):
            return None
        except IngestError as error:
            if self.stop.is_set():
                return None
            if isinstance(error, KindUnknown) and source.optional:
                return IngestLine(source.name, "skipped", 0, (), 0, str(error))
            return self._failed(source, identified, str(error))
        except HaversackError:
            raise
        except Exception as error:  # a fault of ours with one file must not cost the others
            if self.stop.is_set():
                return None
            return self._failed(source, identified, f"Something unforeseen happened with this file ({type(error).__name__}: {error}).")

    def _convert(self, index: int) -> Conversion:
        self._go_on()
        source = self._sources[index]
        self._meter.working(index, source.name, 0, 0.0)
        return self._sandbox.convert(source.path, name=source.name, password=self._password, cancel=self.stop)

    def _embed(self, index: int, conversion: Conversion) -> Embedded:
        name, embedder = self._sources[index].name, self._embedder()
        passages = split(conversion, embedder.token_starts, embedder.max_tokens)
        texts = embedded_texts(passages, embedder.token_starts, embedder.max_tokens)
        vectors = numpy.zeros((len(texts), embedder.dimensions), dtype=numpy.float32)
        for start in range(0, len(texts), _BATCH):
            self._go_on()
            vectors[start : start + _BATCH] = embedder.embed_documents(texts[start : start + _BATCH])
            done = min(start + _BATCH, len(texts))
            self._meter.working(index, name, passages[done - 1].position + 1, done / len(texts))
        return Embedded(conversion, passages, vectors)

    def _stored(self, source: Source, identity: Identified, result: Embedded) -> IngestLine:
        document = self._library.add_document(
            self._collection_id,
            name=source.name,
            sha256=identity.sha256,
            size=identity.size,
            original=source.path,
            conversion=result.conversion,
            passages=result.passages,
            vectors=result.vectors,
        )
        unread = _unread(result.conversion.pages)
        reason = f"{len(unread)} of {document.pages} pages were not read whole." if unread else None
        return IngestLine(source.name, document.status, document.pages, unread, document.chunks, reason, document.id)

    def _failed(self, source: Source, identified: Future[Identified], reason: str, conversion: Conversion | None = None) -> IngestLine:
        """`conversion` where the file was read and holds no text: what its pages lack is the reason then."""
        pages = conversion.pages if conversion else ()
        unread = _unread(pages)
        if not reason:
            reasons = dict.fromkeys(page.reason for page in unread)
            reason = "; ".join(reasons) if reasons else "There is no text in this file."
        known = identified.result() if identified.done() and not identified.cancelled() and identified.exception() is None else None
        sha256, size = (known.sha256, known.size) if known else ("", size_of(source.path))
        self._library.record_failure(self._collection_id, name=source.name, sha256=sha256, size=size, reason=reason)
        return IngestLine(source.name, "failed", len(pages), unread, 0, reason)

    def _kept(self, source: Source, sha256: str) -> Document | None:
        """The document of this content: under this name, else under another."""
        find = self._library.find_document
        return find(self._collection_id, name=source.name, sha256=sha256) or find(self._collection_id, sha256=sha256)

    def _unchanged(self, source: Source, kept: Document) -> IngestLine:
        reason = None
        if kept.name != source.name:
            # A file that changed into the copy of another: its old content is out of date.
            older = self._library.find_document(self._collection_id, name=source.name)
            if older is not None:
                self._library.remove_document(older.id)
            if source.folder is not None and kept.name not in self._names and not (source.folder / kept.name).exists():
                reason = f"Moved: it was {kept.name}."
                kept = self._library.rename_document(kept.id, source.name)
            else:
                reason = f"Same content as {kept.name}."
        return IngestLine(source.name, "unchanged", kept.pages, self._library.unread(kept.id), kept.chunks, reason, kept.id)

    def _go_on(self) -> None:
        if self.stop.is_set():
            raise _Cancelled


def _hash(path: Path, go_on: Callable[[], None]) -> tuple[str, int]:
    """SHA-256 and size in bytes. Raises FileUnreadable where there is nothing to read, or more than is taken."""
    digest, size = hashlib.sha256(), 0
    try:
        with path.open("rb") as stream:
            while piece := stream.read(_PIECE):
                go_on()
                digest.update(piece)
                size += len(piece)
                if size > LARGEST_FILE:
                    raise FileUnreadable(detail=f"This file is larger than {LARGEST_FILE >> 30} GiB. Split it into parts and add those.")
    except OSError as error:
        raise FileUnreadable(detail=f"This file can't be opened ({error.strerror}).") from error
    if not size:
        raise FileUnreadable(detail="This file is empty.")
    return digest.hexdigest(), size


def size_of(path: Path) -> int:
    try:
        return path.stat().st_size
    except OSError:
        return 0


def _unread(pages: Sequence[Page]) -> tuple[UnreadPage, ...]:
    return tuple(UnreadPage(page.number, page.reason) for page in pages if page.reason is not None)
