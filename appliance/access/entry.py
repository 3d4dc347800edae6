"""Who may use this appliance besides the page: programs with keys, and guests once it is shared."""

from __future__ import annotations

import threading
import time
from pathlib import Path

from appliance.access.keys import Keys
from appliance.access.sharing import Sharing
from appliance.access.tries import Tries
from appliance.errors import KeyRefused, KeysDamaged

ANY = "any program"
"""What the queue calls a program without a key, where all are let in."""
_PROGRAMS = "programs"
_LINGERING = 4
"""Wrong keys that are kept waiting at the same time: they hold threads that others need."""
_LONGEST = 2.0


class Access:
    """The doors of one run. `api` is who of the programs is let in: "keys", "open" or "off"; `sharing` is None unless it is on."""

    def __init__(self, home: Path, api: str = "keys") -> None:
        self.api = api
        self.keys = Keys(home)
        self.sharing: Sharing | None = None
        self._tries = Tries(free=3, longest=_LONGEST)
        self._lingering = threading.BoundedSemaphore(_LINGERING)

    @property
    def sentence(self) -> str:
        """Which programs are let in."""
        match self.api:
            case "open":
                return "Any program on this machine may use Haversack, without a key (--api open)."
            case "off":
                return "The server for programs is off (--api off)."
            case _:
                return "Programs need a key: `haversack keys add NAME` prints one."

    def program(self, given: str | None) -> str:
        """The name of the program whose key this is. Raises KeyRefused, KeysDamaged.

        A wrong key is answered later and later, up to 2 s; a right one always at once, however many wrong ones came before.
        """
        name = self._owner(given) if given else None
        if name is not None or self.api == "open":
            return name or ANY
        if not given:
            raise KeyRefused(detail="This program gave no key.")
        wait = self._tries.wait(_PROGRAMS)
        self._tries.wrong(_PROGRAMS)
        if wait and self._lingering.acquire(blocking=False):
            try:
                time.sleep(wait)
            finally:
                self._lingering.release()
        raise KeyRefused(detail="This key is not known here.")

    def _owner(self, given: str) -> str | None:
        try:
            return self.keys.owner(given)
        except KeysDamaged:
            if self.api == "open":  # where all are let in, a key only names who asks
                return None
            raise

    def close(self) -> None:
        self.keys.close()
