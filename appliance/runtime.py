"""The composition root: the only place where the real parts are built and handed to each other.

Models are loaded on first use and verified against the manifest before a loader opens them; `warm_up` does it in the background, so
that the page answers at once.
"""

from __future__ import annotations

import os
import shutil
import threading
from collections.abc import Callable, Iterable
from contextlib import ExitStack
from dataclasses import asdict
from pathlib import Path, PurePosixPath
from typing import Any, Generic, TypeVar

from appliance import __version__
from appliance.access.entry import Access
from appliance.answer.pipeline import Asker
from appliance.answer.preferred import effective
from appliance.answer.rewriting import Rewriter
from appliance.basecamp.camp import Camp
from appliance.basecamp.link import Link
from appliance.config import Settings
from appliance.energy.account import Account
from appliance.energy.meter import Meter
from appliance.energy.saver import Candidate, Saver
from appliance.errors import BundleError, HaversackError, ModelError
from appliance.ingest.jobs import Jobs
from appliance.ingest.pipeline import Ingest
from appliance.ingest.sandbox import Sandbox
from appliance.integrity import verify_model
from appliance.library.consumption import Consumption
from appliance.library.conversations import Conversations
from appliance.library.preferences import Preferences
from appliance.library.store import Library
from appliance.library.vectors import ExactVectors, Vectors
from appliance.library.vectors_remote import RemoteVectors
from appliance.machine.judge import Report, examine
from appliance.manifest import Manifest, Model, read_manifest
from appliance.models.choice import Choice
from appliance.models.embeds import Embeds
from appliance.models.parameters import NOTHING_TOLD, Parameters
from appliance.models.writes import Writes
from appliance.offline.seal import Seal
from appliance.packs.finding import Carried
from appliance.packs.holdings import Holdings
from appliance.shelf.entries import ShelfModel
from appliance.shelf.handle import check_context
from appliance.shelf.loaded import Loaded
from appliance.shelf.shelf import ModelShelf
from appliance.shelf.speed import measure_when_idle
from appliance.trust import Trust, check_software, check_trust, remember

GUIDE = Path(__file__).resolve().parent / "guide"
GUIDE_COLLECTION = "guide"
PACKS = "packs"
"""The folder of the bundle whose packs are opened by themselves."""
_PATIENCE = 5.0
"""Seconds that closing waits for a model that is being loaded: all-MiniLM took 0.5 s, a multilingual one 2 s."""

Part = TypeVar("Part")


class Lazy(Generic[Part]):
    """A part that is built on first use, once, and that can say how far it is. A failure is told to every caller."""

    def __init__(self, build: Callable[[], Part]) -> None:
        self._build = build
        self._lock = threading.Lock()
        self._part: Part | None = None
        self._state = "waiting"

    def __call__(self) -> Part:
        with self._lock:
            if self._part is None:
                self._state = "loading"
                try:
                    self._part = self._build()
                except HaversackError as error:
                    self._state = f"failed: {error}"
                    raise
                self._state = "ready"
            return self._part

    @property
    def state(self) -> str:
        """waiting, loading, ready, or "failed: " and the sentence."""
        return self._state

    @property
    def built(self) -> Part | None:
        return self._part


class Appliance:
    """The parts of one run, put together. Close it when done."""

    def __init__(
        self, settings: Settings, manifest: Manifest, library: Holdings, seal: Seal, trusted: Trust, *, serving: bool, link: Link | None = None
    ) -> None:
        self.settings = settings
        self.manifest = manifest
        self.library = library
        self.seal = seal
        self.trust = trusted
        self.access = Access(settings.home, settings.api)
        self.sandbox = Sandbox()
        self.embedder: Lazy[Embeds] = Lazy(self._load_embedder)
        self.shelf = ModelShelf(settings.home, manifest)
        self.account = Account(Meter(), Consumption(library) if library.writable else None)
        self.saver = Saver(settings.home, settings.usable_threads)
        self.loaded = Loaded(self.shelf, settings.usable_threads, measure=self.account.answering, saving=self.saver.saving)
        self.vectors = _vectors(settings, library, link, serving)
        self.link = link
        self.camp = Camp(link, self.loaded.generator) if link and link.llm else None
        """The base camp's language model, before those that are here; None where none was named."""
        model = self.camp.generator if self.camp else self.loaded.generator
        self.asker = Asker(library, self.vectors, self.embedder, model, Rewriter(self._rewriter), self._passages)
        self.ingest = Ingest(library, self.embedder, self.sandbox)
        self.conversations = Conversations(library)
        self.preferences = Preferences(library)
        self.machine: Report | None = None
        """What will be slow or go wrong on this machine; None until `warm_up` has looked."""
        self.jobs: Jobs | None = Jobs(self.ingest, settings.inbox, self._index, self.account.reading) if serving else None
        self._closing = threading.Event()
        self._warming = threading.Thread(target=self._warm_up, name="warm-up", daemon=True)

    def warm_up(self) -> None:
        """Load the models in the background, the small one first; failures show in `readiness`."""
        self._warming.start()

    def add_guide(self) -> None:
        """Put the guide into a new library as its first collection; a guide that was removed stays removed."""
        if not self.manifest.guide or self.jobs is None or self.library.documents_ever() or self.jobs.all():
            return
        files = [(path.name, path.open("rb")) for path in sorted(GUIDE.glob("*.md"))]
        try:
            self.jobs.submit(GUIDE_COLLECTION, files)
        finally:
            for _, stream in files:
                stream.close()

    @property
    def answering(self) -> ShelfModel:
        """The model that answers. Raises NoSuchModel where the shelf is empty."""
        model = self.shelf.chosen()
        assert model is not None, "only rewriting is done without a model"
        return model

    def choose(self, collection_id: int, conversation_id: int | None = None, model: str = "", parameters: Parameters = NOTHING_TOLD) -> Choice:
        """What a question is answered with: what it asks for, the conversation's and the collection's preferences, the saver's.

        Raises NoSuchModel where the question asks for one that is not there, BadParameter where it asks for more context than the model
        was made for.
        """
        if model:
            self.shelf.find(model)
        models = self.shelf.all()
        there = {one.name: one for one in models}
        chosen, told = effective(self.preferences, collection_id, conversation_id, (model, parameters), is_there=there.__contains__)
        answers = there.get(chosen.removesuffix(":latest")) or (None if self.camp else self.shelf.chosen())
        if answers is not None:
            check_context(answers, parameters.context)
        return self.saver.plan(chosen, told, model, [Candidate(one.name, one.title, one.size) for one in models])

    @property
    def processor(self) -> str:
        """The kind of processor whose instructions that model uses; empty before it is loaded, or where there is only one."""
        try:
            return self.loaded.generator().variant
        except ModelError:
            return ""

    def readiness(self) -> dict[str, str]:
        """Of the embedder and of the model that answers: waiting, loading, ready, or "failed: " and the sentence."""
        state = self.loaded.states()[self.answering.name].state
        # One that gave its memory to another is loaded again with the next question: that is as ready as it gets.
        idle = "waiting" if self._warming.is_alive() else "ready"
        return {"embedder": self.embedder.state, "generator": {"idle": idle, "busy": "ready"}.get(state, state)}

    def status(self) -> dict[str, Any]:
        return library_status(self.settings, self.library, self.manifest)

    def close(self) -> None:
        self._closing.set()
        if self.jobs is not None:
            self.jobs.close()
        self.loaded.close()
        if self.link is not None:
            self.link.close()
        self.sandbox.close()
        self.access.close()
        # Python that ends while onnxruntime still loads a model is aborted by it ("terminate called without an active exception").
        if self._warming.is_alive():
            self._warming.join(_PATIENCE)
        if not isinstance(self.vectors, ExactVectors):
            self.vectors.close()
        self.library.close()

    def _warm_up(self) -> None:
        # What is known at once is said at once: a model that doesn't fit into the memory may never be there.
        self.machine = examine(self.settings, self.manifest, measure=False)
        for load in (self.asker.prepare_search, self.library.check_packs, self.asker.prepare_answers):
            if self._closing.is_set():
                return
            try:
                load()
            except HaversackError:
                continue  # the state holds the sentence, and the page shows it
        if not self._closing.is_set():  # the disks are measured last: the models need them more
            self.machine = examine(self.settings, self.manifest, before=self.machine.machine.memory)
            threading.Thread(target=measure_when_idle, args=(self.loaded, self._closing, self._reads), name="speed", daemon=True).start()

    def _reads(self) -> bool:
        """Documents are being read, or wait to be."""
        return self.jobs is not None and any(job.status in ("waiting", "running") for job in self.jobs.all())

    def _index(self, collection_id: int) -> None:
        if not isinstance(self.vectors, ExactVectors) and not self._closing.is_set():
            self.vectors.refresh(collection_id)

    def _passages(self, name: str) -> int:
        """How many passages the model takes, by its own entry. Raises NoSuchModel."""
        model = self.shelf.find(name) if name else self.answering
        return model.parameters.evidence or model.settings.evidence_passages

    def _rewriter(self) -> Writes | None:
        """The model that was chosen for completing questions, None where none was: then it is done by rules."""
        model = self.shelf.chosen("rewriting")
        return self.loaded.generator(model.name) if model else None

    def _load_embedder(self) -> Embeds:
        return load_embedder(self.settings, self.manifest)


def _vectors(settings: Settings, library: Holdings, link: Link | None, serving: bool) -> ExactVectors | Vectors | RemoteVectors:
    """Where vectors are searched. Only the process that serves has an index: two on one of Chroma's folders lose each other's vectors."""
    if not serving:
        return ExactVectors(library)
    if link is not None and link.vectors is not None:
        return RemoteVectors(library, link.vector_call, link.vectors.shown)
    return Vectors(library, settings.index)


def open_link(settings: Settings) -> Link | None:
    """The one process that talks to a base camp, where one is named. Before the network is shut: later none can be started."""
    return Link(settings.llm, settings.vectors) if settings.llm or settings.vectors else None


def open_appliance(settings: Settings, *, write: bool, purpose: str, seal: Seal, serving: bool = False, link: Link | None = None) -> Appliance:
    """Read the manifest, open the library, put the parts together; no model is loaded yet. The appliance closes `link`.

    Raises the bundle's and the library's errors.
    """
    with ExitStack() as undo:
        if link is not None:
            undo.callback(link.close)
        manifest = read_manifest(settings.bundle)
        check_software(manifest, os.environ)
        trusted = check_trust(manifest, settings.home, settings.trust)
        library = open_library(settings, write=write, purpose=purpose, embedder=fingerprint(manifest.model("embedder")), manifest=manifest)
        undo.callback(library.close)
        if write:
            remember(manifest, settings.home)
        appliance = Appliance(settings, manifest, library, seal, trusted, serving=serving, link=link)
        undo.pop_all()
    return appliance


def open_library(settings: Settings, *, write: bool, purpose: str = "", embedder: str | None = None, manifest: Manifest | None = None) -> Holdings:
    """The library, and the packs beside it. `embedder`: the bundle's fingerprint; without, packs are measured by the library's own.

    `manifest`: the bundle's, if it was found to be trusted. Else it is looked for here; where there is none that can be trusted, the packs of
    the bundle are left out, and `Holdings.left_out` says why.
    """
    left_out = ""
    if manifest is None:
        try:
            manifest = trusted_manifest(settings)
        except BundleError as error:
            left_out = f"The packs of the bundle were left out: {error}" if (settings.bundle / PACKS).is_dir() else ""
    library = Holdings.open(settings.home, write=write, purpose=purpose, fingerprint=embedder)
    try:
        library.look(carried_packs(manifest) if manifest else None, embedder or library.embedder())
        library.left_out = left_out
    except BaseException:
        library.close()
        raise
    return library


def trusted_manifest(settings: Settings) -> Manifest:
    """The bundle's manifest, its signature and its key compared. Raises the bundle's errors."""
    manifest = read_manifest(settings.bundle)
    check_trust(manifest, settings.home, settings.trust)
    return manifest


def carried_packs(manifest: Manifest) -> Carried:
    files = {PurePosixPath(file.path): (file.size, file.sha256) for file in manifest.files if file.role == "pack"}
    return Carried(manifest.root / PACKS, {path.name: told for path, told in files.items() if path.parts[:-1] == (PACKS,)}, manifest.signer)


def load_embedder(settings: Settings, manifest: Manifest) -> Embeds:
    """Raises ModelMissing, BundleAltered, EmbedderFailed."""
    from appliance.models.embedder import Embedder  # onnxruntime takes 0.3 s to import: not before the page answers

    model = manifest.model("embedder")
    verify_model(manifest, model)
    return Embedder(manifest.folder(model), model, settings.usable_threads)


def fingerprint(embedder: Model) -> str:
    return f"{embedder.title} ({str(embedder.settings['fingerprint'])[:12]})"


def library_status(settings: Settings, library: Library, manifest: Manifest | None) -> dict[str, Any]:
    """What `haversack status` and the page show: where things are, how much there is, who serves."""
    holder = Library.holder(settings.home)
    home = settings.home if settings.home.is_dir() else next(folder for folder in settings.home.parents if folder.is_dir())
    return {
        "version": __version__,
        "home": str(settings.home),
        "free_bytes": shutil.disk_usage(home).free,
        "bundle": str(settings.bundle),
        "profile": manifest.profile if manifest else None,
        "models": [{"role": m.role, "id": m.id, "title": m.title, "licence": m.licence} for m in _models(manifest)],
        "collections": [asdict(collection) for collection in library.collections()],
        "writer": asdict(holder) if holder else None,
    }


def _models(manifest: Manifest | None) -> Iterable[Model]:
    return manifest.models if manifest else ()
