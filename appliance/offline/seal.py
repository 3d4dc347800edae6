"""The seal: the network shut as tightly as this system can, what was tried in spite of it, and the proof.

`prepare` (the attendant starts, outside) → the page's socket listens → `close_network` → models load → `self_test`.
"""

from __future__ import annotations

import threading
import webbrowser
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from typing import Literal

from appliance.offline.calls import architecture
from appliance.offline.filter import FilterFailed, shut_network
from appliance.offline.helper import Helper, HelperFailed
from appliance.offline.hook import Watch
from appliance.offline.selftest import Attempt, native_socket_refused, run
from appliance.printable import counted

__all__ = ["Attempt", "Level", "Seal"]

Level = Literal["kernel", "app only", "not blocked"]


class Seal:
    """One for each process that holds documents. What it shuts stays shut until the process ends."""

    def __init__(self, helper: Helper | None) -> None:
        self._helper = helper
        self._watch = Watch()
        self._level: Level = "not blocked"
        self._counts = False
        self._shut = False
        self._tested: tuple[Attempt, ...] = ()
        self._testing = threading.Lock()

    @classmethod
    def prepare(cls) -> Seal:
        """Start the attendant, outside the seal, where the kernel can be asked. Before any thread or child that is to be sealed."""
        if architecture() is None:
            return cls(None)
        try:
            return cls(Helper())
        except HelperFailed:
            return cls(None)

    @classmethod
    def without_counting(cls) -> Seal:
        """For a short command: shut as tightly, with no attendant to count and no browser to open."""
        return cls(None)

    def close_network(self) -> None:
        """Shut it, for every thread and for all children from now on. Sockets that listen already go on accepting."""
        if self._shut:
            return
        self._shut = True
        self._watch.install()
        self._level = "app only"
        try:
            self._counts = self._shut_with_count() or self._shut_without()
        except FilterFailed:
            return
        with self._exempt(threading.get_native_id()):
            refused, _ = native_socket_refused()
        self._level = "kernel" if refused else "app only"

    @property
    def level(self) -> Level:
        """kernel: nothing gets out, native code and children included. app only: Python code of this process is refused, no more."""
        return self._level

    @property
    def attempts(self) -> int | None:
        """How often something was refused since, the self-test's own tries left out; None where that can't be known.

        A name look-up by native code is several refused calls. What the converter's process tries is refused by a filter of its own, first.
        """
        if self._level == "app only":
            return self._watch.attempts
        if self._level == "kernel" and self._counts and self._helper is not None and self._helper.alive:
            return self._helper.count + self._watch.attempts
        return None

    @property
    def sentence(self) -> str:
        count = self.attempts
        said = "attempts can't be counted here" if count is None else counted(count, "attempt")
        match self._level:
            case "kernel":
                return f"Sealed by the kernel: {said}"
            case "app only":
                return f"Refused by the app only: {said} seen"
            case "not blocked":
                return "The network is not blocked" if self._shut else "The network is not shut yet"

    @property
    def tested(self) -> tuple[Attempt, ...]:
        """What came of the last self-test; empty where none has ended yet."""
        return self._tested

    def self_test(self) -> tuple[Attempt, ...]:
        """Try to get out in five ways (0.1 s where the kernel refuses, up to some seconds where it doesn't).

        Where the kernel was to refuse and one way led out, the level falls to "not blocked": never more is claimed than holds.
        """
        with self._testing:
            kernel = self._level == "kernel"
            attempts, led_out = run(self._exempt, kernel=kernel)
            python = {attempt.name: attempt.refused for attempt in attempts}
            if (kernel and led_out) or not python["Python socket"]:
                self._level = "not blocked"
            self._tested = attempts
            return attempts

    def open_browser(self, url: str) -> bool:
        """Open the page, from outside the seal. False where that can't be done: no screen, or nobody outside to do it."""
        if self._helper is not None:
            try:
                return self._helper.open(url)
            except HelperFailed:
                return False
        # A browser that we start would be sealed as we are, and could not be used for anything else.
        return self._level != "kernel" and webbrowser.open(url)

    def close(self) -> None:
        """End the attendant. What is shut stays shut."""
        if self._helper is not None:
            self._helper.close()
            self._helper = None

    def _shut_with_count(self) -> bool:
        """False where this kernel gives no listener (before 5.0), or somebody who sealed us already has it."""
        if self._helper is None:
            return False
        try:
            listener = shut_network(listener=True)
        except FilterFailed:
            return False
        assert listener is not None
        try:
            self._helper.listen(listener)
        except HelperFailed:
            # The listener is closed with that: the kernel refuses with ENOSYS from now on.
            self._helper = None
        return True

    def _shut_without(self) -> bool:
        shut_network(listener=False)
        return False

    @contextmanager
    def _exempt(self, thread: int) -> Iterator[None]:
        """What that thread or process tries isn't counted. `thread` may be of this process or of a child."""
        helper = self._helper if self._counts else None
        with suppress(HelperFailed):  # the attendant is gone: nothing is counted any more
            if helper is not None:
                helper.overlook(thread)
        try:
            with self._watch.overlooked():
                yield
        finally:
            with suppress(HelperFailed):
                if helper is not None:
                    helper.heed(thread)
