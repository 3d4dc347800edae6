"""What the licence of a model allows: whether it may be passed on, on a stick, and what that asks of whoever does.

Ids are SPDX's; models whose terms SPDX doesn't know have a LicenseRef- of the table below, and the Hub's short names are understood, too.
A file's word about its licence is a claim, and nobody here is a lawyer.
"""

from __future__ import annotations

import re
from dataclasses import dataclass

FREE = ("0BSD", "Apache-2.0", "BSD-2-Clause", "BSD-3-Clause", "CC-BY-4.0", "CC-BY-SA-4.0", "CC0-1.0", "ISC", "MIT", "MIT-0", "Unlicense", "Zlib")
"""Whoever has one of these may pass it on, changed or not, sold or not, with the text and the names of the authors beside it."""


@dataclass(frozen=True, slots=True)
class Terms:
    """A licence of models that may be passed on under conditions; what it asks is one sentence."""

    id: str
    hub: str
    """The Hub's name for it."""
    obliges: str


def _llama(version: str) -> Terms:
    return Terms(
        f"LicenseRef-Llama-{version}",
        f"llama{version}",
        "The agreement and its acceptable use policy go with the stick, and 'Built with Llama' is shown; above 700 million users Meta must be asked.",
    )


CONDITIONS = (
    Terms("LicenseRef-Gemma", "gemma", "The terms and their prohibited uses go with the stick and bind whoever gets it; changed files say so."),
    *(_llama(version) for version in ("2", "3", "3.1", "3.2", "3.3")),
    Terms(
        "LicenseRef-LFM-1.0",
        "lfm1.0",
        "Free of charge only for those who earn less than 10 million US dollars a year; the licence and its notices go with the stick.",
    ),
)
_NO_SALE = re.compile(r"-(NC|ND)\b|non-?commercial|research", re.IGNORECASE)


def may_be_passed_on(licence: str) -> bool | None:
    """True where every licence of the SPDX expression is known to allow it, conditions or not; None where that isn't known."""
    names = _ids(licence)
    if not names or not all(name.lower() in _KNOWN for name in names):
        return None
    return True


def licence_sentence(licence: str) -> str:
    """What the licence allows, for people."""
    if not licence:
        return "Nobody says what its licence is: don't pass it on before you know."
    if may_be_passed_on(licence) is None:
        limits = " It seems to set limits to its use." if _NO_SALE.search(licence) else ""
        return f"{licence} is not known here to allow passing it on: read it before you do.{limits}"
    conditions = [_KNOWN[name.lower()] for name in _ids(licence) if _KNOWN[name.lower()]]
    if conditions:
        return "It may be passed on under conditions. " + " ".join(dict.fromkeys(conditions))
    return "It may be passed on, changed or not, with its licence's text beside it."


def _ids(expression: str) -> tuple[str, ...]:
    """Every id of an SPDX expression; what stands after WITH is an exception, not a licence."""
    words = re.findall(r"[\w.+-]+", expression)
    return tuple(
        dict.fromkeys(word for before, word in zip(["", *words], words, strict=False) if word not in ("AND", "OR", "WITH") and before != "WITH")
    )


_KNOWN = {name.lower(): "" for name in FREE} | {name.lower(): terms.obliges for terms in CONDITIONS for name in (terms.id, terms.hub)}
