"""This machine's own addresses on local networks, found without sending anything: the kernel is asked, nobody else."""

from __future__ import annotations

import contextlib
import ipaddress
import socket
import struct
import sys
from collections.abc import Iterator

_ADDRESS, _FLAGS = 0x8915, 0x8913
"""SIOCGIFADDR and SIOCGIFFLAGS of Linux."""
_UP, _LOOPBACK = 0x1, 0x8
_VIRTUAL = ("docker", "br-", "veth", "virbr", "vmnet", "vboxnet", "lxc", "lxd", "tun", "tap", "wg", "tailscale", "zt")
"""Interfaces that lead to containers and tunnels: shown last."""
_ELSEWHERE = ("192.0.2.1", "10.255.255.254", "172.31.255.254", "192.168.255.254", "169.254.255.254")


def is_local(address: str) -> bool:
    """Whether an address is of a local network (RFC 1918, link-local and their like), and not one of the internet or of this machine alone."""
    try:
        found = ipaddress.IPv4Address(address)
    except ValueError:
        return False
    return (found.is_private or found.is_link_local) and not (found.is_loopback or found.is_unspecified or found.is_multicast)


def own_addresses() -> tuple[str, ...]:
    """Those on which guests can reach this machine, the likeliest first; empty where there is no local network. IPv4 only."""
    found = list(_by_route())
    if sys.platform == "linux":
        there = list(_by_interface())
        # The one that the default route has is what others in the room see, unless it is a tunnel.
        found = sorted(there, key=lambda address: found.index(address) if address in found[:1] else 1)
    return tuple(dict.fromkeys(address for address in found if is_local(address)))


def _by_interface() -> Iterator[str]:
    import fcntl  # not there on Windows

    named = sorted((name for _, name in socket.if_nameindex()), key=lambda name: name.startswith(_VIRTUAL))
    with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as asking:
        for name in named:
            request = struct.pack("256s", name.encode()[:15])
            with contextlib.suppress(OSError):  # an interface without an address
                (flags,) = struct.unpack_from("=H", fcntl.ioctl(asking, _FLAGS, request), 16)
                if flags & _UP and not flags & _LOOPBACK:
                    yield socket.inet_ntoa(fcntl.ioctl(asking, _ADDRESS, request)[20:24])


def _by_route() -> Iterator[str]:
    """From which address packets to others would go. Connecting a datagram socket only looks the route up; nothing is sent."""
    for elsewhere in _ELSEWHERE:
        with contextlib.suppress(OSError), socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as asking:
            asking.connect((elsewhere, 9))
            yield str(asking.getsockname()[0])
