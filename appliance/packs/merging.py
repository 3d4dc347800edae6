"""pack → library: document by document, each in one transaction, those whose content is there already left as they are.

Nothing is embedded again where the pack was made with the library's embedder. Where it wasn't, and the user says so, its pages are split
and embedded anew: another embedder's window may be smaller than the pack's passages are.
"""

from __future__ import annotations

import os
import shutil
import time
from collections.abc import Iterator
from pathlib import Path

import numpy
from numpy.typing import NDArray

from appliance.documents import Conversion, Document, IngestLine, Passage
from appliance.errors import LibraryError
from appliance.ingest.splitter import embedded_texts, split
from appliance.library.files import clear
from appliance.library.store import Library
from appliance.minisign import SecretKey
from appliance.models.embeds import Embeds
from appliance.packs.creating import FOLDER, create
from appliance.packs.file import SUFFIX, PackFile
from appliance.packs.mount import SHOWN, Mount

_SAMPLE = 24
"""Passages that are embedded to know how fast this machine is: half a second's work on two cores."""
_BATCH = 32


def merge(library: Library, pack: PackFile, collection: str, embedder: Embeds | None = None) -> Iterator[IngestLine]:
    """Copy a pack's documents into a collection of the library; a line each, once it is durable.

    `embedder`: to embed again with. A document of the same name and other content stays; the pack's is added under another name.
    Raises PackGone, PackAltered, PackReadOnly, and what storing raises.
    """
    shown = library.home / FOLDER / "merging"
    source = Mount(pack, 0, pack.title, shown)
    try:
        documents = source.documents(0)
        target = library.ensure_collection(collection)
        for document in documents:
            kept = library.find_document(target.id, sha256=document.sha256)
            if kept is None:
                yield _copied(library, target.id, source, document, embedder)
            else:
                reason = None if kept.name == document.name else f"Same content as {kept.name}."
                yield IngestLine(document.name, "unchanged", kept.pages, library.unread(kept.id), kept.chunks, reason, kept.id)
        for name, (reason, _) in source.failures(0).items():
            if library.find_document(target.id, name=name) is None and name not in library.failures(target.id):
                library.record_failure(target.id, name=name, sha256="", size=0, reason=reason)
    finally:
        source.close()
        clear(shown, SHOWN)


def embed_again(home: Path, pack: PackFile, embedder: Embeds, fingerprint: str, key: SecretKey) -> Iterator[IngestLine | PackFile]:
    """A pack of the same documents for another embedder, in the home; a line for each document, and at last the pack.

    Stopped at any moment, it goes on where it was: what is embedded waits in a library of its own.
    """
    folder = home / FOLDER
    waiting = folder / f"embedding-{pack.identity[:16]}"
    with Library.open(waiting, write=True, purpose="embedding a pack again", fingerprint=fingerprint) as library:
        yield from merge(library, pack, pack.title, embedder)
        target = folder / f"{pack.path.stem}-{pack.identity[:8]}{SUFFIX}"
        made = create(library, library.collection(pack.title), target, key)
    shutil.rmtree(waiting, ignore_errors=True)
    yield made.pack


def estimate(pack: PackFile, shown: Path, embedder: Embeds) -> str:
    """How much would have to be embedded again, and how long that takes here, in words: a few of its passages are embedded to know."""
    source = Mount(pack, 0, pack.title, shown)
    texts: list[str] = []
    before = 0
    try:
        for document in source.documents(0):
            passages = split(source.conversion(document.id), embedder.token_starts, embedder.max_tokens)
            texts += embedded_texts(passages, embedder.token_starts, embedder.max_tokens)
            before += document.chunks
            if len(texts) >= _SAMPLE:
                break
    finally:
        source.close()
    sample = texts[:_SAMPLE]
    embedder.embed_documents(sample[:1])  # the first run sets things up
    started = time.perf_counter()
    embedder.embed_documents(sample)
    # Split for another window, there are more passages than there were, or fewer.
    seconds = (time.perf_counter() - started) / max(1, len(sample)) * pack.chunks * len(texts) / max(1, before)
    long = f"{seconds:.0f} seconds" if seconds < 90 else f"{seconds / 60:.0f} minutes" if seconds < 7200 else f"{seconds / 3600:.1f} hours"
    return f"{pack.counts}, about {long} on this machine"


def _copied(library: Library, collection_id: int, source: Mount, document: Document, embedder: Embeds | None) -> IngestLine:
    conversion = source.conversion(document.id)
    name = _free_name(library, collection_id, document.name, source.name)
    if embedder:
        passages, vectors = _embedded(conversion, embedder)
    else:
        passages = source.passages(document.id)
        _, vectors = source.vectors_of(0, documents=[document.id])
    if not passages or len(passages) != len(vectors):
        raise LibraryError(detail=f"{document.name} of the pack has no passages.")
    stored = library.add_document(
        collection_id,
        name=name,
        sha256=document.sha256,
        size=document.size,
        original=source.original(document.id),
        conversion=conversion,
        passages=passages,
        vectors=vectors,
    )
    reason = None if name == document.name else f"Another document is called {document.name}: this one is now {name}."
    return IngestLine(document.name, stored.status, stored.pages, library.unread(stored.id), stored.chunks, reason, stored.id)


def _embedded(conversion: Conversion, embedder: Embeds) -> tuple[tuple[Passage, ...], NDArray[numpy.float32]]:
    passages = split(conversion, embedder.token_starts, embedder.max_tokens)
    texts = embedded_texts(passages, embedder.token_starts, embedder.max_tokens)
    vectors = numpy.zeros((len(texts), embedder.dimensions), dtype=numpy.float32)
    for start in range(0, len(texts), _BATCH):
        vectors[start : start + _BATCH] = embedder.embed_documents(texts[start : start + _BATCH])
    return passages, vectors


def _free_name(library: Library, collection_id: int, name: str, title: str) -> str:
    """`name`, or where another document has it, the pack's title after it: no document gives way to one of a pack."""
    stem, suffix = os.path.splitext(name)
    choices = (name, *(f"{stem} ({title}{number}){suffix}" for number in ("", *(f" {count}" for count in range(2, 10000)))))
    return next(one for one in choices if library.find_document(collection_id, name=one) is None)
