from __future__ import annotations

import struct
from collections.abc import Callable
from typing import Any

import pytest

from appliance.offline.calls import ARCHITECTURES, NUMBERS, Architecture, numbers
from appliance.offline.filter import ALLOW, ASK, REFUSE, Rule, filter_program, restrict

I386, ARM, UNIX, INET, INET6 = 0x40000003, 0x40000028, 1, 2, 10


def verdict(program: bytes, number: int, interface: int, first: int = 0) -> int:
    """What the kernel would do: an interpreter of the few instructions that our programs are made of."""
    data = struct.pack("=IIQ6Q", number, interface, 0, first, 0, 0, 0, 0, 0)
    steps = list(struct.iter_unpack("=HBBI", program))
    at, value = 0, 0
    while True:
        code, if_true, if_false, operand = steps[at]
        at += 1
        match code:
            case 0x20:
                (value,) = struct.unpack_from("=I", data, operand)
            case 0x15 | 0x35 | 0x45:
                holds = {0x15: value == operand, 0x35: value >= operand, 0x45: bool(value & operand)}[code]
                at += if_true if holds else if_false
            case 0x06:
                return operand
            case _:
                raise AssertionError(f"unknown instruction {code:#x}")


@pytest.fixture(params=ARCHITECTURES, ids=lambda architecture: architecture.name)
def machine(request: pytest.FixtureRequest) -> Architecture:
    found: Architecture = request.param
    return found


def test_named_calls_are_refused_and_all_others_go_through(machine: Architecture) -> None:
    denied = {number for name in ("socket", "connect", "ptrace") for number in numbers(name, machine)}
    program = filter_program([Rule(name, REFUSE) for name in ("socket", "connect", "ptrace")], machine)
    for number in range(460):
        assert verdict(program, number, machine.audit) == (REFUSE if number in denied else ALLOW)


def test_sockets_are_told_apart_by_their_family_in_32_bits_as_the_kernel_does(machine: Architecture) -> None:
    program = filter_program([Rule("socket", ASK, unless_first=UNIX), Rule("connect", REFUSE)], machine)
    (socket,), (connect,) = numbers("socket", machine), numbers("connect", machine)
    assert verdict(program, socket, machine.audit, UNIX) == ALLOW
    assert verdict(program, socket, machine.audit, INET) == ASK
    assert verdict(program, socket, machine.audit, INET6) == ASK
    assert verdict(program, socket, machine.audit, (7 << 32) | UNIX) == ALLOW
    assert verdict(program, socket, machine.audit, (UNIX << 32) | INET) == ASK
    assert verdict(program, connect, machine.audit, UNIX) == REFUSE


def test_calls_by_a_foreign_interface_are_refused_whatever_they_are(machine: Architecture) -> None:
    program = filter_program([Rule("socket", REFUSE)], machine)
    for number in (0, 1, 41, 198, 359):
        assert verdict(program, number, I386) == REFUSE
        assert verdict(program, number, ARM) == REFUSE
    if machine.name == "x86_64":
        assert verdict(program, 0x40000000 | 41, machine.audit) == REFUSE


def test_threads_can_be_started_where_processes_can_not(machine: Architecture) -> None:
    program = filter_program([Rule("clone", REFUSE), Rule("clone3", REFUSE)], machine)
    (clone,) = numbers("clone", machine)
    assert verdict(program, clone, machine.audit, 0x00010000 | 0x100) == ALLOW
    assert verdict(program, clone, machine.audit, 0x11) == REFUSE
    assert verdict(program, 435, machine.audit) == 0x00050000 | 38  # "not there": the C library falls back to clone


def test_a_long_list_stays_within_the_reach_of_its_jumps(machine: Architecture) -> None:
    program = filter_program([Rule(name, REFUSE) for name in NUMBERS], machine)
    for name in NUMBERS:
        for number in numbers(name, machine):
            assert verdict(program, number, machine.audit) != ALLOW
    assert verdict(program, 0, machine.audit) == ALLOW


def test_a_name_that_is_not_known_is_an_error_and_restricts_nothing() -> None:
    with pytest.raises(KeyError):
        restrict(["socket", "no_such_call"])


def test_restricting_holds_in_threads_that_run_already_and_in_children(run_alone: Callable[..., Any]) -> None:
    assert run_alone("""
begin, said = threading.Event(), []
thread = threading.Thread(target=lambda: (begin.wait(), said.append(native())))
thread.start()
assert restrict(["socket"])
begin.set()
thread.join()
child = subprocess.run([sys.executable, "-c", "import socket; socket.socket()"], capture_output=True, text=True)
tell([said[0], native(), "PermissionError" in child.stderr])
""") == ["EACCES", "EACCES", True]


def test_a_worker_without_processes_keeps_its_threads_and_starts_nothing(run_alone: Callable[..., Any]) -> None:
    assert (
        run_alone("""
assert restrict(["clone", "fork", "vfork", "execve", "execveat"])
thread = threading.Thread(target=lambda: None)
thread.start()
thread.join()
tell([tried(os.fork), tried(subprocess.run, ["true"]), tried(os.execv, "/bin/true", ["true"])])
""")
        == ["PermissionError EACCES"] * 3
    )


def test_where_the_kernel_takes_no_filter_it_says_so(run_alone: Callable[..., Any]) -> None:
    assert run_alone('assert restrict(["seccomp"])\ntell([restrict(["socket"]), native()])') == [False, 0]
