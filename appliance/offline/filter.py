"""A seccomp filter through ctypes: the kernel refuses the named system calls to this process and all it starts.

No package is needed for it (the `seccomp` binding wants libseccomp on the machine), no root, no user namespace: it works where
`unshare --net` doesn't (Ubuntu 24.04 restricts those to AppArmor profiles). It can't be taken off again.
"""

from __future__ import annotations

import ctypes
import errno
import platform
import struct
import sys
from collections.abc import Iterable

# name: (x86_64, aarch64); None where the architecture has no such call. From the kernel's unistd tables, stable for ever.
NUMBERS: dict[str, tuple[int | None, int | None]] = {
    "accept": (43, 202),
    "accept4": (288, 242),
    "add_key": (248, 217),
    "bind": (49, 200),
    "bpf": (321, 280),
    "chmod": (90, None),
    "connect": (42, 203),
    "execve": (59, 221),
    "execveat": (322, 281),
    "fchmodat": (268, 53),
    "fork": (57, None),
    "io_uring_enter": (426, 426),
    "io_uring_register": (427, 427),
    "io_uring_setup": (425, 425),
    "keyctl": (250, 219),
    "kill": (62, 129),
    "link": (86, None),
    "linkat": (265, 37),
    "listen": (50, 201),
    "mkdir": (83, None),
    "mkdirat": (258, 34),
    "mknod": (133, None),
    "mknodat": (259, 33),
    "mount": (165, 40),
    "perf_event_open": (298, 241),
    "pidfd_send_signal": (424, 424),
    "process_vm_readv": (310, 270),
    "process_vm_writev": (311, 271),
    "ptrace": (101, 117),
    "rename": (82, None),
    "renameat": (264, 38),
    "renameat2": (316, 276),
    "rmdir": (84, None),
    "sendmmsg": (307, 269),
    "sendmsg": (46, 211),
    "sendto": (44, 206),
    "setns": (308, 268),
    "socket": (41, 198),
    "socketpair": (53, 199),
    "symlink": (88, None),
    "symlinkat": (266, 36),
    "truncate": (76, 45),
    "unlink": (87, None),
    "unlinkat": (263, 35),
    "unshare": (272, 97),
    "userfaultfd": (323, 282),
    "vfork": (58, None),
}

_AUDIT = {"x86_64": 0xC000003E, "aarch64": 0xC00000B7}
_SECCOMP_CALL = {"x86_64": 317, "aarch64": 277}
_X32 = 0x40000000  # a second door to the same calls on x86_64
_PR_SET_NO_NEW_PRIVS, _PR_SET_SECCOMP = 38, 22
_MODE_FILTER, _SET_MODE_FILTER, _ALL_THREADS = 2, 1, 1
_ALLOW, _REFUSE, _KILL = 0x7FFF0000, 0x00050000 | errno.EACCES, 0x80000000
_LOAD, _IF_EQUAL, _IF_AT_LEAST, _RETURN = 0x20, 0x15, 0x35, 0x06


class _Program(ctypes.Structure):
    _fields_ = [("length", ctypes.c_ushort), ("filter", ctypes.c_char_p)]


def restrict(deny: Iterable[str]) -> bool:
    """Have the kernel refuse the calls named in `deny` (keys of NUMBERS) with EACCES from now on, in every thread and child.

    False where this platform can't: not Linux on x86_64 or aarch64, or a kernel without seccomp. Raises KeyError for an unknown name.
    """
    machine = platform.machine()
    names = sorted(set(deny))
    column = 0 if machine == "x86_64" else 1
    numbers = [number for name in names if (number := NUMBERS[name][column]) is not None]
    if sys.platform != "linux" or machine not in _AUDIT or sys.maxsize < 2**32:
        return False
    program = filter_program(machine, numbers)
    libc = ctypes.CDLL(None, use_errno=True)
    if libc.prctl(_PR_SET_NO_NEW_PRIVS, 1, 0, 0, 0) != 0:
        return False
    block = _Program(len(program) // 8, program)
    if libc.syscall(_SECCOMP_CALL[machine], _SET_MODE_FILTER, _ALL_THREADS, ctypes.byref(block)) == 0:
        return True
    # Kernels before 3.17: this thread and its children only, which is all there is where it is called first.
    return bool(libc.prctl(_PR_SET_SECCOMP, _MODE_FILTER, ctypes.byref(block)) == 0)


def filter_program(machine: str, numbers: Iterable[int]) -> bytes:
    """The classic BPF program: instructions of 8 bytes. A call of a foreign architecture kills the process."""
    numbers = list(numbers)
    steps = [(_LOAD, 0, 0, 4), (_IF_EQUAL, 1, 0, _AUDIT[machine]), (_RETURN, 0, 0, _KILL), (_LOAD, 0, 0, 0)]
    if machine == "x86_64":
        steps += [(_IF_AT_LEAST, 0, 1, _X32), (_RETURN, 0, 0, _REFUSE)]
    steps += [(_IF_EQUAL, len(numbers) - index, 0, number) for index, number in enumerate(numbers)]
    steps += [(_RETURN, 0, 0, _ALLOW), (_RETURN, 0, 0, _REFUSE)]
    return b"".join(struct.pack("=HBBI", *step) for step in steps)
