"""Whether the packs are whole: every byte of every one that is open, its originals too, against what was signed."""

from __future__ import annotations

from collections.abc import Iterable, Iterator

from appliance.errors import HaversackError, PackAltered, PackGone
from appliance.library.health import Finding
from appliance.packs.file import PackFile, check_original
from appliance.packs.finding import Listed
from appliance.packs.mount import check

_COPY = "Copy it again from where it came, and close this one with `haversack pack close`."


def check_packs(packs: Iterable[Listed]) -> tuple[Finding, ...]:
    """What is wrong with the packs that `Holdings.look` found, nothing where all is well. Reads all of them."""
    return tuple(finding for one in packs for finding in _findings(one))


def _findings(one: Listed) -> Iterator[Finding]:
    if one.note:
        yield Finding("warning", f"{one.collection}: {one.note}", "Compare the fingerprint with what its maker tells you.")
    if one.state == "open" and one.pack:
        try:
            check(one.pack)
            _check_originals(one.pack)
        except HaversackError as error:
            yield Finding("error", str(error), _COPY)
    elif one.state in ("altered", "unreadable"):
        yield Finding("error", one.sentence, _COPY)
    elif one.state in ("gone", "other embedder", "newer format"):
        yield Finding("warning", str(one.error), "Until then it isn't read.")


def _check_originals(pack: PackFile) -> None:
    try:
        for name in pack.originals:
            if not check_original(pack, name):
                raise PackAltered(path=pack.path, detail="one of its originals was changed")
    except OSError as error:
        raise PackGone(name=pack.title, path=pack.path) from error
