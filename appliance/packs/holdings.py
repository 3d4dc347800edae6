"""The library with the packs that are open beside it: one set of collections for whoever reads.

Ids tell where a thing is. A pack is an empty collection of the library (`library.mounts`); its documents and chunks are numbered from that
collection's id times 2^32, so every question about one finds its reader by a shift, and what is kept about packs is kept in the library.
"""

from __future__ import annotations

from collections.abc import Collection as Group
from collections.abc import Iterable
from pathlib import Path
from typing import TypeVar

from appliance.documents import Chunk, Collection, Document, Heading, Page, UnreadPage
from appliance.errors import HaversackError, NoSuchCollection, NoSuchDocument, NoSuchPack, PackOfAnotherEmbedder, PackReadOnly
from appliance.library import mounts
from appliance.library.database import Database
from appliance.library.files import clear
from appliance.library.lock import WriterLock
from appliance.library.reading import Ids, Reader, Vectors
from appliance.library.store import Library, collection_name
from appliance.packs.creating import FOLDER, sweep
from appliance.packs.file import PackFile
from appliance.packs.finding import Carried, Listed, look, open_pack
from appliance.packs.mount import SHIFT, SHOWN, Mount, check

Value = TypeVar("Value")


class Holdings(Library):
    """A library, and the packs that were opened in it or lie on the bundle. `look` finds them; before it, there are none."""

    def __init__(self, home: Path, database: Database, lock: WriterLock | None) -> None:
        super().__init__(home, database, lock)
        self.shown = home / FOLDER / "shown"
        self.packs: tuple[Listed, ...] = ()
        self._mounts: dict[int, Mount] = {}
        self._errors: dict[int, HaversackError] = {}
        self._looked: tuple[Carried | None, str] = (None, "")
        self.left_out = ""
        """Why the bundle's packs aren't among them, "" where they are."""
        if self.writable:
            clear(self.shown, SHOWN)  # what a killed one left
            if self.holder(home / FOLDER) is None:
                sweep(home)

    def look(self, carried: Carried | None, embedder: str) -> None:
        """Find the packs: those that were opened here, and the bundle's. Those that `embedder` made, or any where it is "", are opened."""
        self._looked = carried, embedder
        found = look(self, carried, embedder)
        former = self._mounts
        self._mounts = {one.collection_id: self._mounted(one, one.pack) for one in found if one.pack and one.state == "open"}
        self._errors = {one.collection_id: one.error for one in found if one.error and one.collection_id}
        self.packs = found
        for number, mount in former.items():
            if self._mounts.get(number) is not mount:
                mount.close()

    def open_pack(self, pack: PackFile) -> Listed:
        """Read a pack from now on, once its database is as it was signed. Raises PackOfAnotherEmbedder, PackGone, PackAltered, NotAPack."""
        carried, embedder = self._looked
        wanted = embedder or pack.embedder
        if pack.embedder != wanted:
            raise PackOfAnotherEmbedder(path=pack.path, found=pack.embedder, wanted=wanted, estimate=pack.counts)
        check(pack)
        kept = open_pack(self, pack)
        self.look(carried, embedder)
        return next(one for one in self.packs if one.collection_id == kept.collection_id)

    def close_pack(self, name: str) -> None:
        """Don't read the pack of that name any more. Raises NoSuchPack."""
        kept = next((one for one in mounts.remembered(self) if one.name == name and one.is_open), None)
        if kept is None:
            raise NoSuchPack(name=name)
        mounts.set_open(self.database, kept.collection_id, is_open=False)
        self.look(*self._looked)

    def close(self) -> None:
        for mount in self._mounts.values():
            mount.close()
        if self.writable:
            clear(self.shown, SHOWN)
        super().close()

    def check_packs(self) -> None:
        """Compare the databases of the open packs with their signatures now, so that the first question need not wait."""
        for mount in tuple(self._mounts.values()):
            try:
                _ = mount.database
            except HaversackError:
                continue  # whoever asks it is told

    # By collection

    def holding(self, collection_id: int) -> Reader:
        return self._mounts.get(collection_id, self)

    def collections(self) -> tuple[Collection, ...]:
        own = [one for one in super().collections() if one.id not in self._mounts and one.id not in self._errors]
        packs = [one for mount in self._mounts.values() for one in mount.collections()]
        return tuple(sorted(own + packs, key=lambda one: one.name))

    def collection(self, name: str) -> Collection:
        try:
            return super().collection(name)
        except NoSuchCollection:
            for one in self.packs:
                if one.error and one.collection == name:
                    raise one.error from None
            raise

    def revision(self, collection_id: int) -> int:
        mount = self._mounts.get(collection_id)
        return mount.revision(collection_id) if mount else super().revision(collection_id)

    def documents(self, collection_id: int) -> tuple[Document, ...]:
        mount = self._mounts.get(collection_id)
        return mount.documents(collection_id) if mount else super().documents(collection_id)

    def find_document(self, collection_id: int, *, name: str | None = None, sha256: str | None = None) -> Document | None:
        mount = self._mounts.get(collection_id)
        find = mount.find_document if mount else super().find_document
        return find(collection_id, name=name, sha256=sha256)

    def failures(self, collection_id: int) -> dict[str, tuple[str, str]]:
        mount = self._mounts.get(collection_id)
        return mount.failures(collection_id) if mount else super().failures(collection_id)

    def chunk_ranges(self, collection_id: int, documents: Group[int] | None = None) -> Ids:
        mount = self._mounts.get(collection_id)
        return mount.chunk_ranges(collection_id, documents) if mount else super().chunk_ranges(collection_id, documents)

    def vectors_of(self, collection_id: int, newer_than: int = 0, documents: Group[int] | None = None) -> tuple[Ids, Vectors]:
        mount = self._mounts.get(collection_id)
        read = mount.vectors_of if mount else super().vectors_of
        return read(collection_id, newer_than, documents)

    # By document or chunk

    def document(self, document_id: int) -> Document:
        mount = self._owner(document_id)
        return mount.document(document_id) if mount else super().document(document_id)

    def page(self, document_id: int, position: int) -> Page:
        mount = self._owner(document_id)
        return mount.page(document_id, position) if mount else super().page(document_id, position)

    def pages(self, document_id: int) -> tuple[Page, ...]:
        mount = self._owner(document_id)
        return mount.pages(document_id) if mount else super().pages(document_id)

    def unread(self, document_id: int) -> tuple[UnreadPage, ...]:
        mount = self._owner(document_id)
        return mount.unread(document_id) if mount else super().unread(document_id)

    def headings(self, document_id: int) -> tuple[Heading, ...]:
        mount = self._owner(document_id)
        return mount.headings(document_id) if mount else super().headings(document_id)

    def metadata(self, document_id: int) -> dict[str, str]:
        mount = self._owner(document_id)
        return mount.metadata(document_id) if mount else super().metadata(document_id)

    def original_name(self, document_id: int) -> str | None:
        mount = self._owner(document_id)
        return mount.original_name(document_id) if mount else super().original_name(document_id)

    def has_original(self, document_id: int) -> bool:
        mount = self._owner(document_id)
        return mount.has_original(document_id) if mount else super().has_original(document_id)

    def original(self, document_id: int) -> Path | None:
        mount = self._owner(document_id)
        return mount.original(document_id) if mount else super().original(document_id)

    def chunks_of(self, document_id: int) -> tuple[Chunk, ...]:
        mount = self._owner(document_id)
        return mount.chunks_of(document_id) if mount else super().chunks_of(document_id)

    def chunks(self, ids: Iterable[int]) -> dict[int, Chunk]:
        wanted = list(dict.fromkeys(int(one) for one in ids))
        found: dict[int, Chunk] = {}
        for slot in {one >> SHIFT for one in wanted}:
            mount = self._mounts.get(slot)
            if slot == 0:
                found |= super().chunks(one for one in wanted if one >> SHIFT == 0)
            elif mount:
                found |= mount.chunks(one for one in wanted if one >> SHIFT == slot)
        return {one: found[one] for one in wanted if one in found}

    # What changes a pack is refused; what it is called here is the library's

    def rename_collection(self, name: str, new: str) -> None:
        renamed = self.collection(name).id
        super().rename_collection(name, new)
        if renamed in self._mounts:
            self._mounts[renamed].name = collection_name(new)

    def remove_document(self, document_id: int) -> None:
        self._changes(document_id >> SHIFT)
        super().remove_document(document_id)

    def rename_document(self, document_id: int, name: str) -> Document:
        self._changes(document_id >> SHIFT)
        return super().rename_document(document_id, name)

    def _mounted(self, one: Listed, pack: PackFile) -> Mount:
        """As it is open already, so that it isn't compared again; else anew."""
        former = self._mounts.get(one.collection_id)
        if former and (former.pack, former.name) == (pack, one.collection):
            return former
        return Mount(pack, one.collection_id, one.collection, self.shown)

    def _changes(self, collection_id: int) -> None:
        mount = self._mounts.get(collection_id)
        if mount:
            raise PackReadOnly(name=mount.name)
        if collection_id in self._errors:
            raise self._errors[collection_id]

    def _owner(self, document_id: int) -> Mount | None:
        """The pack that holds a document, None where it is the library's own. Raises why it can't be read, or NoSuchDocument."""
        slot = document_id >> SHIFT
        if slot == 0:
            return None
        if slot in self._mounts:
            return self._mounts[slot]
        if slot in self._errors:
            raise self._errors[slot]
        raise NoSuchDocument(name=document_id)
