"""`haversack serve`: the order in which things are opened and shut is the point of this module."""

from __future__ import annotations

import argparse
import sys
import threading
from contextlib import suppress

from appliance.access.password import Password
from appliance.commands import sharing
from appliance.config import Settings
from appliance.errors import BundleError, HaversackError, LibraryError, PortTaken
from appliance.machine.judge import examine
from appliance.offline.seal import Seal
from appliance.runtime import Appliance, open_appliance, open_link
from appliance.web.app import create_app
from appliance.web.notice import create_notice
from appliance.web.server import listen, prepare


def serve(settings: Settings, given: argparse.Namespace) -> int:
    """Library locked → sockets listening → network shut → page answering → models loading."""
    password = sharing.ask_password(settings)
    link = open_link(settings)
    seal = Seal.prepare()
    try:
        appliance = open_appliance(settings, write=True, purpose="serve", seal=seal, serving=True, link=link)
    except (BundleError, LibraryError) as error:
        if not given.open:
            raise
        return _explain(settings, seal, error)
    try:
        with suppress(KeyboardInterrupt):
            _run(settings, given, appliance, seal, password)
    finally:
        appliance.close()
        seal.close()
    print("Stopped. Everything is saved.", file=sys.stderr)
    return 0


def _run(settings: Settings, given: argparse.Namespace, appliance: Appliance, seal: Seal, password: Password | None) -> None:
    socket, guests = listen(settings), None
    if password is not None:
        appliance.access.sharing, guests = sharing.open_door(settings, password)
    url = f"http://{settings.host}:{settings.port}"
    appliance.library.announce(url)
    serve_until_stopped = prepare(create_app(appliance), socket, guests)
    seal.close_network()
    print(f"Haversack is at {url}. Stop it with Ctrl+C.", file=sys.stderr)
    print(settings.place, file=sys.stderr)
    print(appliance.trust.sentence, file=sys.stderr)
    if appliance.trust.warning:
        print(appliance.trust.warning, file=sys.stderr)
    print(f"{seal.sentence}.{_promise(appliance, seal)}", file=sys.stderr)
    print(
        f"{appliance.access.sentence} They find it at {url}, as OpenAI's server (with /v1) and as Ollama's."
        if settings.api != "off"
        else appliance.access.sentence,
        file=sys.stderr,
    )
    if appliance.access.sharing is not None:
        sharing.tell(appliance.access.sharing)
    if given.open:
        seal.open_browser(url)
    appliance.warm_up()
    appliance.add_guide()
    threading.Thread(target=seal.self_test, name="self-test", daemon=True).start()
    serve_until_stopped()


def _promise(appliance: Appliance, seal: Seal) -> str:
    """Never more than holds: only the kernel's refusal covers native code and children too, and guests take with them what they read."""
    if appliance.link is not None:
        return f" {appliance.link.sentence}"
    if seal.level != "kernel":
        return ""
    if appliance.access.sharing is not None:
        return " Nothing that you put in leaves this machine but what guests read."
    return " Nothing that you put in leaves this machine."


def _explain(settings: Settings, seal: Seal, error: HaversackError) -> int:
    """Whoever opens the page by a double click never sees what a terminal says: show it there, until stopped."""
    try:
        try:
            socket = listen(settings)
        except PortTaken:
            raise error from None  # by the Haversack that is busy with this library, as a rule: its page is the better one
        serve_until_stopped = prepare(create_notice(settings, error, examine(settings, None, measure=False)), socket)
        seal.close_network()
        url = f"http://{settings.host}:{settings.port}"
        print(error, file=sys.stderr)
        print(f"{url} says so too, until Ctrl+C.", file=sys.stderr)
        seal.open_browser(url)
        with suppress(KeyboardInterrupt):
            serve_until_stopped()
    finally:
        seal.close()
    return error.exit_code
