from __future__ import annotations

from collections.abc import Callable
from typing import Any

import pytest

from appliance.offline.hook import is_local_address, is_loopback


@pytest.mark.parametrize("host", ["127.0.0.1", "127.8.9.1", "::1", "::1%lo", "localhost", b"127.0.0.1", None])
def test_this_machine_is_loopback(host: object) -> None:
    assert is_loopback(host)


@pytest.mark.parametrize(
    "host",
    [
        "",
        "0.0.0.0",
        "::",
        "192.0.2.1",
        "10.0.0.1",
        "2001:db8::1",
        "::ffff:192.0.2.1",
        "example.com",
        "localhost.example.com",
        "127.0.0.1.nip.io",
        b"\xff",
        7,
    ],
)
def test_all_else_is_not(host: object) -> None:
    assert not is_loopback(host)


def test_addresses_of_sockets_are_judged_by_their_host() -> None:
    assert is_local_address(("127.0.0.1", 80))
    assert is_local_address(("::1", 80, 0, 0))
    assert is_local_address("/run/some.sock")
    assert not is_local_address(("192.0.2.1", 80))
    assert not is_local_address(())
    assert not is_local_address((0, 0))


_WITHOUT_KERNEL = """
from appliance.offline.hook import Watch
watch = Watch()
watch.install()
"""


def test_everything_that_python_reaches_for_is_refused_and_counted(run_alone: Callable[..., Any]) -> None:
    said, count = run_alone(
        _WITHOUT_KERNEL
        + """
stream, datagram = socket.socket(), socket.socket(type=socket.SOCK_DGRAM)
outside = ("192.0.2.1", 9)
said = [tried(stream.connect, outside), tried(stream.connect_ex, outside), tried(datagram.sendto, b"x", outside),
        tried(datagram.sendmsg, [b"x"], [], 0, outside), tried(stream.bind, ("", 0)), tried(stream.bind, ("0.0.0.0", 0)),
        tried(socket.getaddrinfo, "example.com", 80), tried(socket.gethostbyname, "example.com"),
        tried(socket.gethostbyaddr, "192.0.2.1"), tried(socket.getnameinfo, outside, 0), tried(socket.gethostbyname, "haversack.invalid")]
stream.close(); datagram.close()
tell([said, watch.attempts])
"""
    )
    assert said == ["NetworkRefused"] * 11
    assert count == 11


def test_loopback_and_unix_sockets_go_on(run_alone: Callable[..., Any]) -> None:
    assert run_alone(
        _WITHOUT_KERNEL
        + """
server = socket.create_server(("127.0.0.1", 0))
client = socket.create_connection(server.getsockname())
peer, _ = server.accept()
client.sendall(b"hello")
said = peer.recv(5).decode()
for each in (server, client, peer, *socket.socketpair()):
    each.close()
tell([said, watch.attempts, len(socket.getaddrinfo("localhost", 80)) > 0, len(socket.getaddrinfo("0.0.0.0", 80)) > 0])
"""
    ) == ["hello", 0, True, True]


def test_the_sentence_names_what_was_tried(run_alone: Callable[..., Any]) -> None:
    assert (
        run_alone(
            _WITHOUT_KERNEL
            + """
try:
    socket.create_connection(("192.0.2.1", 443))
except NetworkRefused as error:
    tell(str(error))
"""
        )
        == "Haversack opens no connection to 192.0.2.1:443. It works without a network; this attempt was refused and counted."
    )
