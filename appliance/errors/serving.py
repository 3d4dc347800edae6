"""The page, and the server for programs. The tree is drawn in `appliance/errors/__init__.py`."""

from __future__ import annotations

from appliance.errors.base import HaversackError


class PortTaken(HaversackError):
    """Port {port}, {whose}, is in use by another program. Choose another with --port or HAVERSACK_PORT."""

    status = 409


class NotOurPage(HaversackError):
    """This request does not come from the page at http://127.0.0.1:{port}. Open that address in your browser."""

    status = 403


class PageOutdated(HaversackError):
    """Haversack was started anew since this page was opened. Reload the page."""

    status = 401


class KeyRefused(HaversackError):
    """{detail} `haversack keys add NAME` prints one, to be sent as "Authorization: Bearer KEY"."""

    status = 401


class KeyTaken(HaversackError):
    """There is already a key named {name!r}. Choose another name, or remove that one first."""

    status = 409


class KeysDamaged(HaversackError):
    """{path} holds the keys of programs, and can't be read ({detail}). Delete it, and make new ones with `haversack keys add NAME`."""

    status = 503


class ProgramsShut(HaversackError):
    """The server for programs is off. Start Haversack without --api off to let them in."""

    status = 403


class PasswordRefused(HaversackError):
    """{detail}"""

    status = 401


class NotForGuests(HaversackError):
    """Guests can ask and read. This is for whoever sits at the machine that shares its library."""

    status = 403


class QueueFull(HaversackError):
    """{ahead} requests are waiting already. Try again when some of them are done."""

    status = 429
