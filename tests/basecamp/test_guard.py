"""The broker's guard, in a process of its own, since it can't be taken off again; and what it leaves of the seal."""

from __future__ import annotations

import socket
import subprocess
import sys
from collections.abc import Callable

import pytest

from appliance.basecamp.link import Link
from appliance.basecamp.place import Place
from appliance.basecamp.writer import RemoteWriter
from appliance.errors import BaseCampFailed
from tests.basecamp.misbehaving import Misbehaving

BEGIN = """
import os, socket, subprocess
from appliance.basecamp import guard
guard.install([(socket.AF_INET, ("127.0.0.1", {port}))])
"""


def tried(port: int, code: str) -> str:
    """The last line that the code prints, or the name of the error that stops it."""
    done = subprocess.run([sys.executable, "-c", BEGIN.format(port=port) + code], capture_output=True, text=True)
    return (done.stdout or done.stderr.strip()).splitlines()[-1]


def test_the_named_address_is_connected_to() -> None:
    with socket.create_server(("127.0.0.1", 0)) as server:
        port = server.getsockname()[1]
        assert tried(port, f"socket.socket().connect(('127.0.0.1', {port})); print('connected')") == "connected"


@pytest.mark.parametrize(
    "code",
    [
        "socket.socket().connect(('127.0.0.1', {port} + 1))",
        "socket.socket().connect(('127.0.0.2', {port}))",
        "socket.socket(socket.AF_INET6).connect(('::1', {port}))",
        "socket.socket(socket.AF_UNIX).connect('/run/systemd/resolve/io.systemd.Resolve')",
        "socket.getaddrinfo('example.org', 80)",
        "socket.gethostbyname('example.org')",
        "socket.socket(socket.AF_INET, socket.SOCK_DGRAM).sendto(b'x', ('127.0.0.1', {port}))",
        "socket.socket().bind(('127.0.0.1', 0))",
        "subprocess.run(['true'])",
        "os.system('true')",
        "os.fork()",
        "os.execv('/bin/true', ['true'])",
    ],
)
def test_everything_else_is_refused(code: str) -> None:
    with socket.create_server(("127.0.0.1", 0)) as server:
        said = tried(server.getsockname()[1], code.format(port=server.getsockname()[1]))
    assert said.startswith("appliance.errors.base.NetworkRefused: "), said


@pytest.mark.skipif(not sys.platform.startswith("linux"), reason="only Linux' kernel is asked")
def test_the_kernel_refuses_to_start_programs_from_native_code() -> None:
    code = "import ctypes; libc = ctypes.CDLL(None, use_errno=True); print(libc.fork(), ctypes.get_errno())"
    assert tried(1, code) == "-1 13"


def test_the_hosts_that_are_named_are_told(link: Callable[..., Link]) -> None:
    made = link("http://127.0.0.1:8080/v1", "http://127.0.0.1:8000")
    assert made.hosts == ("127.0.0.1:8080", "127.0.0.1:8000")
    both = "Questions and passages go to 127.0.0.1:8080; the vectors of passages and questions go to 127.0.0.1:8000; nothing else leaves."
    assert made.sentence == both
    assert link("http://127.0.0.1/v1").sentence == "Questions and passages go to 127.0.0.1:80; nothing else leaves."


def test_a_broker_that_was_killed_is_said_and_nobody_waits_for_it(rogue: Misbehaving, link: Callable[..., Link]) -> None:
    made = link(rogue.as_engine(lambda _connection, _request: None).url)
    assert made._child is not None
    made._child.kill()
    made._child.wait()
    with pytest.raises(BaseCampFailed, match="the process that talked to it has ended; start Haversack again"):
        RemoteWriter(made).start()


def test_the_broker_ends_with_whoever_started_it(link: Callable[..., Link]) -> None:
    made = link("http://127.0.0.1:9/v1")
    assert made._child is not None
    assert made._child.stdin is not None
    made._child.stdin.close()
    assert made._child.wait(10) == 0


@pytest.mark.parametrize(
    ("url", "place", "root"),
    [
        ("http://basecamp:8080/v1", Place("basecamp", 8080, "/v1", False), ""),
        ("https://camp.example/llm/v1/", Place("camp.example", 443, "/llm/v1", True), "/llm"),
        ("http://[fe80::1]:8000", Place("fe80::1", 8000, "", False), ""),
    ],
)
def test_addresses_are_taken_apart(url: str, place: Place, root: str) -> None:
    assert Place.of(url) == place
    assert place.root == root
    assert Place.of("http://[fe80::1]:8000").shown == "[fe80::1]:8000"
