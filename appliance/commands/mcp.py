"""`haversack mcp`: the library as tools of another program, over standard input and output."""

from __future__ import annotations

import argparse
import os
import sys

from appliance import __version__
from appliance.config import Settings
from appliance.mcp.server import Server
from appliance.mcp.tools import LibraryTools
from appliance.mcp.wire import Wire
from appliance.offline.seal import Seal
from appliance.runtime import open_appliance


def mcp(settings: Settings, given: argparse.Namespace) -> int:
    """Network shut → library opened to be read → answering, until the other program closes its end."""
    wire = _take_pipes()
    seal = Seal.without_counting()
    seal.close_network()
    appliance = open_appliance(settings, write=False, purpose="mcp", seal=seal)
    try:
        for sentence in (*appliance.trust.notices, appliance.library.left_out):
            if sentence:
                print(sentence, file=sys.stderr)
        if given.collection:
            appliance.library.collection(given.collection)  # a name that isn't there is said now, not at the first call
        # No model is loaded before it is needed: desktop programs start all their servers when they start, and most are never called.
        Server(wire, LibraryTools(appliance.library, appliance.asker, given.collection or ""), __version__, debug=settings.debug).run()
    finally:
        appliance.close()
    return 0


def _take_pipes() -> Wire:
    """The two pipes, for the protocol alone: whatever else prints goes to stderr, and no child reads what is meant for us."""
    source, target = os.dup(0), os.dup(1)
    sys.stdout.flush()
    with open(os.devnull, "rb") as nothing:
        os.dup2(nothing.fileno(), 0)
    os.dup2(2, 1)
    return Wire(os.fdopen(source, "rb"), os.fdopen(target, "wb"))
