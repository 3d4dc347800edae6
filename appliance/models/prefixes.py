"""The states of prompts that were read earlier, kept in memory: asking again about other evidence costs no second reading."""

from __future__ import annotations

from collections.abc import Callable, Sequence


def common_prefix(first: Sequence[int], second: Sequence[int]) -> int:
    """How many leading tokens both have in common."""
    length = min(len(first), len(second))
    if list(first[:length]) == list(second[:length]):
        return length
    return next(index for index in range(length) if first[index] != second[index])


class Prefixes:
    """At most `limit` bytes of states; those not used for longest go first.

    States come from our own memory only. One that was read from a file would be as dangerous as code (CVE-2026-43629).
    """

    def __init__(self, limit: int) -> None:
        self._limit = limit
        self._entries: dict[tuple[int, ...], bytearray] = {}

    def keep(self, tokens: Sequence[int], state: Callable[[], bytearray]) -> None:
        """Keep the state of these tokens, unless a longer one that begins with them is kept already."""
        if any(common_prefix(known, tokens) == len(tokens) for known in self._entries):
            return
        content = state()
        if not content or len(content) > self._limit:
            return
        for known in [known for known in self._entries if common_prefix(known, tokens) == len(known)]:
            del self._entries[known]
        self._entries[tuple(tokens)] = content
        while sum(map(len, self._entries.values())) > self._limit:
            del self._entries[next(iter(self._entries))]

    def find(self, prompt: Sequence[int]) -> tuple[tuple[int, ...], bytearray | None]:
        """The tokens and the state that share the longest prefix with `prompt`; empty and None where none shares any."""
        best = max(self._entries, key=lambda tokens: common_prefix(tokens, prompt), default=())
        if not best or not common_prefix(best, prompt):
            return (), None
        self._entries[best] = self._entries.pop(best)
        return best, self._entries[best]
