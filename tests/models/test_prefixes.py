from __future__ import annotations

from collections.abc import Callable

from appliance.models.prefixes import Prefixes, common_prefix


def state(size: int) -> Callable[[], bytearray]:
    return lambda: bytearray(size)


def test_common_prefix_counts_leading_tokens() -> None:
    assert common_prefix([1, 2, 3], [1, 2, 4, 5]) == 2
    assert common_prefix([1, 2], [1, 2, 3]) == 2
    assert common_prefix([], [1]) == 0


def test_the_longest_shared_prefix_is_found() -> None:
    prefixes = Prefixes(100)
    prefixes.keep([1, 2, 3], state(10))
    prefixes.keep([1, 5, 6, 7], state(20))
    tokens, found = prefixes.find([1, 5, 6, 9])
    assert tokens == (1, 5, 6, 7)
    assert found is not None
    assert len(found) == 20
    assert prefixes.find([9]) == ((), None)


def test_those_not_used_for_longest_go_first() -> None:
    prefixes = Prefixes(100)
    prefixes.keep([1], state(40))
    prefixes.keep([2], state(40))
    prefixes.find([1])
    prefixes.keep([3], state(40))
    assert [prefixes.find([token])[0] for token in (1, 2, 3)] == [(1,), (), (3,)]


def test_a_longer_state_takes_the_place_of_its_own_beginning() -> None:
    prefixes = Prefixes(100)
    prefixes.keep([1, 2], state(10))
    prefixes.keep([1, 2, 3], state(95))
    prefixes.keep([1, 2], state(10))
    assert prefixes.find([1, 2])[0] == (1, 2, 3)


def test_a_state_that_is_empty_or_too_large_is_not_kept() -> None:
    prefixes = Prefixes(100)
    prefixes.keep([1], state(0))
    prefixes.keep([2], state(101))
    assert prefixes.find([1]) == prefixes.find([2]) == ((), None)
