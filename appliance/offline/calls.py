"""Numbers of the system calls that a filter may name, and what else of the kernel's interface differs between processors.

From the kernel's own tables (x86_64: arch/x86/entry/syscalls/syscall_64.tbl, aarch64: include/uapi/asm-generic/unistd.h); they never change.
"""

from __future__ import annotations

import platform
import sys
from dataclasses import dataclass


@dataclass(frozen=True, slots=True)
class Architecture:
    """What a filter must know of the processor it runs on."""

    name: str
    audit: int
    """AUDIT_ARCH_*: how the kernel names the interface by which a call came in."""
    seccomp: int
    """Number of seccomp(2) itself."""
    foreign_from: int | None
    """Numbers from here on belong to another interface (x32) behind the same audit value."""


ARCHITECTURES = (
    Architecture("x86_64", 0xC000003E, 317, 0x40000000),
    Architecture("aarch64", 0xC00000B7, 277, None),
)


def architecture() -> Architecture | None:
    """This machine's, or None where no filter can be made: another system, another processor, 32-bit Python."""
    if not sys.platform.startswith("linux") or sys.maxsize < 2**32:
        return None
    return next((known for known in ARCHITECTURES if known.name == platform.machine()), None)


def numbers(name: str, on: Architecture) -> tuple[int, ...]:
    """The number of a call on that processor; none where it has no such call. Raises KeyError for a name that isn't listed."""
    number = NUMBERS[name][0 if on.name == "x86_64" else 1]
    return () if number is None else (number,)


NUMBERS: dict[str, tuple[int | None, int | None]] = {
    # name: (x86_64, aarch64)
    "accept": (43, 202),
    "accept4": (288, 242),
    "add_key": (248, 217),
    "bind": (49, 200),
    "bpf": (321, 280),
    "chmod": (90, None),
    "chown": (92, None),
    "chroot": (161, 51),
    "clone": (56, 220),
    "clone3": (435, 435),
    "connect": (42, 203),
    "execve": (59, 221),
    "execveat": (322, 281),
    "fchmodat": (268, 53),
    "fchownat": (260, 54),
    "finit_module": (313, 273),
    "fork": (57, None),
    "init_module": (175, 105),
    "io_uring_enter": (426, 426),
    "io_uring_register": (427, 427),
    "io_uring_setup": (425, 425),
    "kexec_load": (246, 104),
    "keyctl": (250, 219),
    "kill": (62, 129),
    "link": (86, None),
    "linkat": (265, 37),
    "listen": (50, 201),
    "memfd_create": (319, 279),
    "mkdir": (83, None),
    "mkdirat": (258, 34),
    "mknod": (133, None),
    "mknodat": (259, 33),
    "mount": (165, 40),
    "name_to_handle_at": (303, 264),
    "open_by_handle_at": (304, 265),
    "perf_event_open": (298, 241),
    "pidfd_getfd": (438, 438),
    "pidfd_open": (434, 434),
    "pidfd_send_signal": (424, 424),
    "pivot_root": (155, 41),
    "process_vm_readv": (310, 270),
    "process_vm_writev": (311, 271),
    "ptrace": (101, 117),
    "rename": (82, None),
    "renameat": (264, 38),
    "renameat2": (316, 276),
    "request_key": (249, 218),
    "rmdir": (84, None),
    "seccomp": (317, 277),
    "sendmmsg": (307, 269),
    "sendmsg": (46, 211),
    "sendto": (44, 206),
    "setns": (308, 268),
    "socket": (41, 198),
    "socketpair": (53, 199),
    "symlink": (88, None),
    "symlinkat": (266, 36),
    "tgkill": (234, 131),
    "tkill": (200, 130),
    "truncate": (76, 45),
    "umount2": (166, 39),
    "unlink": (87, None),
    "unlinkat": (263, 35),
    "unshare": (272, 97),
    "userfaultfd": (323, 282),
    "vfork": (58, None),
}
