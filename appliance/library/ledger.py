"""The ledger: what was read of each file, page by page, and what was not, and why."""

from __future__ import annotations

from dataclasses import dataclass

from appliance.documents import Status, UnreadPage
from appliance.library.reading import Reader


@dataclass(frozen=True, slots=True)
class LedgerEntry:
    """One file. `document_id` is None where nothing of it is in the library.

    `reason`: why it failed, or why its newer version did while the older one stays; None where all went well.
    """

    document: str
    status: Status
    pages: int
    unread: tuple[UnreadPage, ...]
    chunks: int
    reader: str
    when: str
    reason: str | None = None
    document_id: int | None = None


def ledger(library: Reader, collection_id: int) -> tuple[LedgerEntry, ...]:
    """Every file that was put into the collection, by name."""
    failures = library.failures(collection_id)
    entries = {}
    for document in library.documents(collection_id):
        unread = library.unread(document.id) if document.status == "partial" else ()
        failed = failures.get(document.name)
        reason = f"The newer version was not read, the older one is kept: {failed[0]}" if failed else None
        shared = (document.status, document.pages, unread, document.chunks, document.reader)
        entries[document.name] = LedgerEntry(document.name, *shared, failed[1] if failed else document.added, reason, document.id)
    for name, (reason, added) in failures.items():
        if name not in entries:
            entries[name] = LedgerEntry(name, "failed", 0, (), 0, "", added, reason)
    return tuple(entries[name] for name in sorted(entries))
