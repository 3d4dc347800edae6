"""The models that are loaded: as many as fit, the one that was used longest ago goes first, a busy one stays.

What `Loaded.generator` gives is a handle (`handle.py`): it can be kept, and its model is loaded, unloaded and loaded again behind it. Only
while one of its calls runs is the model held. Who needs room that busy models take waits in one line, so that nobody is passed over for good.
"""

from __future__ import annotations

import itertools
import os
import threading
from collections.abc import Callable, Iterable
from dataclasses import replace

from appliance.documents import Energy
from appliance.errors import GeneratorFailed, ModelAltered, ModelTooLarge, NoSuchModel
from appliance.machine.facts import Memory
from appliance.machine.look import memory_now
from appliance.machine.words import gigabytes
from appliance.models.generator import Generator
from appliance.models.parameters import NOTHING_TOLD, Parameters
from appliance.shelf.entries import ShelfModel, with_context
from appliance.shelf.fitting import free_for_models, misfit
from appliance.shelf.handle import Handle, own_parameters, taken_off, unmeasured
from appliance.shelf.shelf import ModelShelf
from appliance.shelf.slots import Slot, State, Ticket

Measure = Callable[[], Callable[[float], Energy | None]]
"""Begins; what it returns ends it, and is told the processor seconds that were used."""


class Loaded:
    """See the module. Safe to use from several threads."""

    def __init__(
        self,
        shelf: ModelShelf,
        threads: int,
        verify: Callable[[ShelfModel], None] | None = None,
        *,
        memory: Callable[[], Memory] = memory_now,
        measure: Measure = unmeasured,
        saving: Callable[[], int | None] = lambda: None,
    ) -> None:
        """Nothing is loaded yet. `threads` are used where nobody tells how many, or those that `saving` says while it says some.

        `measure` begins to measure an answer; `verify` compares a model's files before a loader opens them, the shelf's own way unless told.
        """
        self.shelf = shelf
        self._threads = threads
        self._saving = saving
        self._verify = verify or shelf.verify
        self._memory = memory
        self.measure = measure
        self._changed = threading.Condition(threading.RLock())
        self._slots: dict[str, Slot] = {}
        self._line: list[Ticket] = []
        self._failed: dict[str, str] = {}
        self._leaving: set[str] = set()
        self._clock = itertools.count(1)
        self._closed = False

    @property
    def threads(self) -> int:
        """What a model is loaded with where nobody tells otherwise."""
        return self._saving() or self._threads

    def generator(self, name: str = "", *, purpose: str = "answering", parameters: Parameters = NOTHING_TOLD) -> Handle:
        """A model by its name, or the one that is chosen for a purpose. It is loaded with its first question.

        `context` (at most what it was made for) and `threads` of the parameters are those that it is loaded with. Raises NoSuchModel,
        ModelTooLarge.
        """
        model = self.shelf.find(name) if name else self.shelf.chosen(purpose) or self.shelf.chosen("answering")
        if model is None:
            raise NoSuchModel(name=name or purpose)
        told = parameters.over(model.parameters)
        # Bounded, not refused: it may be a conversation's or a collection's, made for another model. `check_context` is for what is asked for.
        context = min(told.context, model.trained_context or told.context) if told.context else None
        settings = with_context(model.settings, context)
        # More threads than processors make everybody slower.
        threads = min(told.threads, max(self._threads, os.cpu_count() or 1)) if told.threads else None
        handle = Handle(self, model, settings, context=context, threads=threads)
        with self._changed:
            self._refuse_too_large(model, settings.context)
        return handle

    def states(self) -> dict[str, State]:
        """Name → how far it is, for every model of the shelf."""
        with self._changed:
            return {model.name: self._state(model.name) for model in self.shelf.all()}

    def queue(self) -> tuple[tuple[str, int], ...]:
        """Who waits for an answer, as (client, how many are before it): of all the models that are loaded, and for room."""
        with self._changed:
            generators = [slot.generator for slot in self._slots.values() if slot.generator is not None]
            line = [(ticket.client, self.ahead(ticket)) for ticket in self._line]
        return tuple([place for generator in generators for place in generator.waiters] + line)

    def misfit(self, model: ShelfModel) -> str:
        """Why the model can't be loaded with the memory there is here; "" where it can, others being unloaded for it."""
        with self._changed:
            slot = self._slots.get(model.name)
            return "" if slot else misfit(model, self._memory(), self._free())

    def fit_together(self, models: Iterable[ShelfModel]) -> bool:
        """Whether all of these can be loaded at the same time."""
        wanted = {model.name: model for model in models}
        with self._changed:
            free = self._free()
        return free is None or sum(model.memory() for model in wanted.values()) <= free

    def slot(self, handle: Handle) -> Slot | None:
        """What is loaded of the handle's model now."""
        with self._changed:
            return self._slots.get(handle.model.name)

    def remove(self, name: str) -> None:
        """Take an added model off the shelf, also while it answers: that answer ends with a sentence. Raises as `ModelShelf.remove`."""
        wanted = name.removesuffix(":latest")
        self.shelf.removable(wanted)
        with self._changed:
            self._leaving.add(wanted)
            slot = self._slots.pop(wanted, None)
            if slot:
                slot.removed = True
                slot.close()
            self._failed.pop(wanted, None)
            self._changed.notify_all()
        try:
            self.shelf.remove(wanted)
        finally:
            with self._changed:
                self._leaving.discard(wanted)

    def unload(self, name: str) -> None:
        """Let a model's memory go, unless it is busy. It is loaded again with its next question."""
        with self._changed:
            slot = self._slots.get(name.removesuffix(":latest"))
            if slot and not slot.busy:
                self._evict(slot)
                self._changed.notify_all()

    def close(self) -> None:
        """End every child, whatever it does. Questions fail."""
        with self._changed:
            self._closed = True
            slots, self._slots = list(self._slots.values()), {}
            self._changed.notify_all()
        for slot in slots:
            slot.close()

    # What handles do

    def join(self, client: str) -> Ticket:
        """A place at the end of the line. `leave` gives it up, and so does `take` that gives a model."""
        ticket = Ticket(client)
        with self._changed:
            self._line.append(ticket)
        return ticket

    def leave(self, ticket: Ticket) -> None:
        with self._changed:
            if ticket in self._line:
                self._line.remove(ticket)
                self._changed.notify_all()

    def ahead(self, ticket: Ticket) -> int:
        """How many are before it: in the line, and those that the models that hold the memory are to answer first."""
        with self._changed:
            return (self._line.index(ticket) if ticket in self._line else 0) + max(1, sum(slot.leases for slot in self._slots.values()))

    def take(self, handle: Handle, ticket: Ticket, seconds: float) -> Slot | None:
        """The handle's model, held until `give_back`; None where others are in the way for so many seconds.

        Raises GeneratorFailed, also where the model has gone since, ModelTooLarge, and what `verify` raises.
        """
        with self._changed:
            slot = self._try(handle, ticket)
            if slot is None:
                self._changed.wait(seconds)
                slot = self._try(handle, ticket)
            if slot is None:
                return None
            self.leave(ticket)
            if slot.generator is not None:
                return slot
        return self._load(slot)

    def give_back(self, slot: Slot, failure: str = "") -> None:
        """`failure`: the sentence with which the call failed, "" where it didn't."""
        with self._changed:
            slot.leases -= 1
            slot.used = next(self._clock)
            self._failed.pop(slot.model.name, None)
            if failure:
                self._failed[slot.model.name] = failure
            self._changed.notify_all()

    def _lease(self, handle: Handle) -> Slot | None:
        slot = self._slots.get(handle.model.name)
        if slot is None or slot.generator is None or not self._suits(slot, handle):
            return None
        slot.leases += 1
        slot.used = next(self._clock)
        return slot

    def _try(self, handle: Handle, ticket: Ticket) -> Slot | None:
        name = handle.model.name
        if self._closed:
            raise GeneratorFailed(detail="Haversack is closing")
        if name in self._leaving:
            raise taken_off(handle.name)
        if self._line.index(ticket):
            return None
        if leased := self._lease(handle):
            return leased
        slot = self._slots.get(name)
        if slot and slot.busy:
            return None
        if all(model.name != name for model in self.shelf.all()):
            raise taken_off(handle.name)
        if slot:
            self._evict(slot)
        if not self._make_room(handle.model, handle.settings.context):
            return None
        told = handle.threads is not None
        self._slots[name] = Slot(handle.model, handle.settings.context, handle.threads or self.threads, told, used=next(self._clock))
        return self._slots[name]

    def _suits(self, slot: Slot, handle: Handle) -> bool:
        """What nobody told may be otherwise: a larger context costs nothing more, and fewer threads that somebody else asked for are no
        reason to load a model again, and again when he comes back."""
        context = slot.context == handle.context if handle.context else slot.context >= handle.settings.context
        usual = handle.threads or self.threads
        threads = slot.threads == usual or (handle.threads is None and slot.threads_told and slot.threads < usual)
        return context and threads and slot.model.sha256 == handle.model.sha256

    def _make_room(self, model: ShelfModel, context: int) -> bool:
        """Whether the model may be loaded now; unloads others for it, those that were used longest ago first. Raises ModelTooLarge."""
        self._refuse_too_large(model, context)
        free = self._free()
        if free is None:
            return True
        needed = model.memory(context)
        while self._slots and sum(slot.needs for slot in self._slots.values()) + needed > free:
            idle = [slot for slot in self._slots.values() if not slot.busy]
            if not idle:
                return False
            self._evict(min(idle, key=lambda slot: slot.used))
        return True

    def _refuse_too_large(self, model: ShelfModel, context: int) -> None:
        """A model that can't fit even alone, unless it is the only one there is: then it is tried, swapping as it will."""
        slot = self._slots.get(model.name)
        free = self._free()
        needed = model.memory(context)
        if free is None or needed <= free or (slot and context <= slot.context) or (len(self.shelf.all()) == 1 and context <= model.settings.context):
            return
        raise ModelTooLarge(name=model.title, needed=gigabytes(needed), context=context, available=gigabytes(free))

    def _free(self) -> int | None:
        return free_for_models(self._memory(), [slot.held for slot in self._slots.values()])

    def _load(self, slot: Slot) -> Slot:
        """Outside the lock: reading gigabytes to compare them takes a while."""
        model = slot.model
        try:
            self._verify(model)
            settings = replace(model.settings, context=slot.context)
            generator = Generator(
                model.title, model.file, settings, slot.threads, lambda: self.shelf.verify(model, again=True), own_parameters(model)
            )
        except BaseException as error:  # a stick that is pulled out meanwhile raises what it will: nobody may wait for this model for ever
            with self._changed:
                if self._slots.get(model.name) is slot:
                    del self._slots[model.name]
            self.give_back(slot, str(error))
            if isinstance(error, OSError):
                raise ModelAltered(name=model.name, detail=f"its files can't be read ({error.strerror or error})") from error
            raise
        with self._changed:
            slot.generator = generator
            if self._closed or slot.removed:
                generator.close()
            self._changed.notify_all()
        return slot

    def _evict(self, slot: Slot) -> None:
        del self._slots[slot.model.name]
        slot.close()

    def _state(self, name: str) -> State:
        slot = self._slots.get(name)
        return (slot.state if slot else None) or State(f"failed: {self._failed[name]}" if name in self._failed else "idle")
