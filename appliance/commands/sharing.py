"""`haversack serve --share`: the password is asked for, the guests' socket opened, the address shown."""

from __future__ import annotations

import getpass
import os
import socket
import sys

from appliance.access.addresses import own_addresses
from appliance.access.code import letters
from appliance.access.password import LEAST, Password
from appliance.access.sharing import Sharing
from appliance.config import Settings
from appliance.errors import PasswordRefused, UsageError
from appliance.web.server import listen_for_guests

VARIABLE = "HAVERSACK_SHARE_PASSWORD"


def ask_password(settings: Settings) -> Password | None:
    """The guests' password, None where nothing is shared. Before anything else is opened. Raises UsageError where there is none that will do."""
    # Not for the processes that this one starts, whether it is used or not.
    given = os.environ.pop(VARIABLE, "")
    if not settings.share:
        return None
    if not given and not sys.stdin.isatty():
        raise UsageError(detail=f"Sharing needs a password of at least {LEAST} characters. Start it in a terminal, or put one into {VARIABLE}.")
    try:
        return Password(given or getpass.getpass(f"Password for guests (at least {LEAST} characters): "))
    except PasswordRefused as error:
        raise UsageError(detail=str(error)) from error
    except EOFError as error:
        raise UsageError(detail="No password was given, so nothing is shared. Start again, or leave --share out.") from error


def open_door(settings: Settings, password: Password) -> tuple[Sharing, socket.socket]:
    """The guests' door, listening. Before the network is shut. Raises UsageError, PortTaken, BadSetting."""
    addresses = own_addresses()
    if not addresses:
        raise UsageError(detail="This machine is on no local network now, so nobody could come. Connect it to one first, or leave --share out.")
    return Sharing(password, addresses, settings.port + 1), listen_for_guests(settings)


def tell(sharing: Sharing) -> None:
    """The address, as letters and for a camera, and what sharing means, on the terminal."""
    first, *others = sharing.urls
    also = f" (or {', '.join(others)})" if others else ""
    print(f"Shared: guests on the local network ask and read at {first}{also}, with the password.", file=sys.stderr)
    print("Nothing is encrypted on the way there: share only on a network that you trust. docs/sharing.md says what guests can do.", file=sys.stderr)
    if sys.stderr.isatty():
        print(letters(first), file=sys.stderr)
