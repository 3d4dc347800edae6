from __future__ import annotations

from collections.abc import Callable
from typing import Any

import pytest

from appliance.offline import selftest

Run = Callable[..., Any]
NAMES = ["Python socket", "C library", "Name look-up", "Child process", "IPv6"]


def test_a_sealed_process_is_refused_in_all_five_ways_and_none_is_counted(run_alone: Run) -> None:
    attempts, count, level, kept = run_alone("""
seal = Seal.prepare()
seal.close_network()
attempts = [(each.name, each.refused, each.detail) for each in seal.self_test()]
tell([attempts, seal.attempts, seal.level, len(seal.tested)])
""")
    assert attempts == [[name, True, "refused by the kernel"] for name in NAMES]
    assert (count, level, kept) == (0, "kernel", 5)


def test_what_others_try_meanwhile_is_counted(run_alone: Run) -> None:
    assert run_alone("""
seal = Seal.prepare()
seal.close_network()
stop, tries = threading.Event(), []
def others():
    while not stop.is_set():
        tries.append(native())
thread = threading.Thread(target=others)
thread.start()
for _ in range(3):
    seal.self_test()
stop.set()
thread.join()
tell([seal.attempts == len(tries) > 0, seal.attempts - len(tries)])
""") == [True, 0]


def test_it_holds_without_counting_too(run_alone: Run) -> None:
    assert run_alone("""
seal = Seal.without_counting()
seal.close_network()
tell([all(each.refused for each in seal.self_test()), seal.level])
""") == [True, "kernel"]


def test_where_only_the_app_refuses_the_native_ways_are_said_to_be_open(run_alone: Run) -> None:
    attempts, level = run_alone("""
assert restrict(["seccomp"])
seal = Seal.prepare()
seal.close_network()
tell([{each.name: each.refused for each in seal.self_test()}, seal.level])
""")
    assert attempts == {"Python socket": True, "C library": False, "Name look-up": True, "Child process": False, "IPv6": True}
    assert level == "app only"


def test_where_nothing_refuses_it_claims_nothing(run_alone: Run) -> None:
    level, sentence, attempts = run_alone("""
assert restrict(["seccomp"])
seal = Seal.prepare()
seal._watch.install = lambda: None  # the fault: the hook is not there
seal.close_network()
refused = [each.refused for each in seal.self_test()]
tell([seal.level, seal.sentence, refused])
""")
    assert (level, sentence) == ("not blocked", "The network is not blocked")
    assert attempts == [False] * 5


def test_a_claim_that_the_test_disproves_is_taken_back(run_alone: Run) -> None:
    assert (
        run_alone("""
assert restrict(["seccomp"])
seal = Seal.prepare()
seal.close_network()
seal._level = "kernel"  # the fault: a kernel that took the filter and does nothing
seal.self_test()
tell(seal.level)
""")
        == "not blocked"
    )


@pytest.mark.parametrize("target", [selftest._TARGET[0], selftest._TARGET_IPV6[0]])
def test_the_targets_are_addresses_that_nobody_has(target: str) -> None:
    assert target.startswith(("192.0.2.", "2001:db8:"))
    assert selftest._NAME.endswith(".invalid")
