"""The gate: which licences let a model travel on a stick, what each asks of whoever passes it on, and the texts that travel with it.

Ids are SPDX's, checked against the list that `packaging` carries; models whose terms SPDX doesn't know have a LicenseRef- of the table below.
What a source says of itself is a claim (a model's card, a wheel's metadata); nobody here is a lawyer, and the builder answers for what he accepts.
"""

from __future__ import annotations

import re
from collections.abc import Iterable
from dataclasses import dataclass, replace
from pathlib import Path

from packaging.licenses import InvalidLicenseExpression, canonicalize_license_expression

from appliance.errors import BadRequest
from appliance.licences import CONDITIONS, FREE, Terms
from bundle.errors import LicenceRefused, LicenceTextMissing
from bundle.sources import Fetched, Resolved
from bundle.spec import Item

TEXTS = Path(__file__).parent / "licences"
NOTICES = {
    "LicenseRef-Gemma": "Gemma is provided under and subject to the Gemma Terms of Use found at ai.google.dev/gemma/terms",
    "LicenseRef-LFM-1.0": "Licensed under the LFM Open License v1.0, Copyright © Liquid AI, Inc.",
    **{
        f"LicenseRef-Llama-{version}": f"Built with Llama. Llama {version} is licensed under the Llama {version} Community License, "
        "Copyright © Meta Platforms, Inc. All Rights Reserved."
        for version in ("2", "3", "3.1", "3.2", "3.3")
    },
}
"""The line that each wants in a notice file; research/packaging.md §5 names the sources."""


@dataclass(frozen=True, slots=True)
class Licence:
    """What was found out about the licence of one item."""

    id: str
    """An SPDX expression; LicenseRef-<the model's id> where nobody says what it is."""
    redistributable: str
    """`yes`; `conditions`; `no`, also where it isn't known to be allowed; `unknown`, where there is no licence to be judged."""
    why: str
    """Half a sentence for what is not a plain yes."""
    obliges: str
    accepted: bool
    """Whether --accept-licence names it."""

    @property
    def refused(self) -> bool:
        return self.redistributable != "yes" and not self.accepted


def spdx(name: str) -> str:
    """The SPDX expression that `name` means ("apache-2.0", "gemma", "MIT OR Apache-2.0"); empty where it means none ("other", "")."""
    for terms in CONDITIONS:
        if name.lower() in (terms.hub, terms.id.lower()):
            return terms.id
    try:
        return str(canonicalize_license_expression(name))
    except InvalidLicenseExpression:
        return ""


def accepted_ids(given: Iterable[str]) -> tuple[str, ...]:
    """What --accept-licence was given, as SPDX writes it. Raises BadRequest for what can't be an id."""
    ids = []
    for name in given:
        if not spdx(name):
            raise BadRequest(detail=f"--accept-licence takes an SPDX id or a LicenseRef- that `plan` shows, not {name!r}.")
        ids.append(spdx(name))
    return tuple(ids)


def judge(resolved: Resolved, accepted: Iterable[str]) -> Licence:
    """What is known of the item's licence, the catalogue's word and its source's taken together."""
    mine, theirs = spdx(resolved.licence), spdx(resolved.terms)
    found, why = mine or theirs, ""
    if not found or (resolved.terms and not theirs and not mine.startswith("LicenseRef-")):
        said = resolved.terms or resolved.licence
        found, redistributable = _own_reference(resolved.item), "unknown"
        why = f"its source calls it {said!r}, which says nothing" if said else "neither the catalogue nor its source says what it is"
    elif mine and theirs and mine != theirs:
        found, redistributable, why = theirs, "no", f"the catalogue says {mine}, but its source says {theirs}"
    elif all(name in FREE for name in _ids(found)):
        redistributable = "yes"
    elif any(_conditions(found)):
        redistributable, why = "conditions", "it may be passed on under conditions that bind you and whoever gets the stick"
    else:
        redistributable, why = "no", "it is not known to allow passing the model on"
    obliges = " ".join(terms.obliges for terms in _conditions(found))
    return Licence(found, redistributable, why, obliges, found in set(accepted))


def allow(resolved: Iterable[Resolved], accepted: Iterable[str]) -> tuple[Resolved, ...]:
    """The items, each with its licence as SPDX writes it. Raises LicenceRefused for the first that may not be carried."""
    allowed, accepted = [], tuple(accepted)
    for one in resolved:
        licence = judge(one, accepted)
        if licence.refused:
            raise refusal(one, licence)
        allowed.append(replace(one, licence=licence.id))
    return tuple(allowed)


def refusal(resolved: Resolved, licence: Licence) -> LicenceRefused:
    shown = "unknown" if licence.redistributable == "unknown" else licence.id
    return LicenceRefused(title=resolved.item.title, licence=shown, why=licence.why, id=licence.id)


def texts(licence: str) -> tuple[Path, ...]:
    """The texts that come with the tool for an SPDX expression; fewer than it has ids where some are not here."""
    return tuple(path for path in (TEXTS / f"{name}.txt" for name in _ids(licence)) if path.is_file())


def check_text(fetched: Fetched) -> None:
    """That a text of its licence travels with the model: ours, or the source's own. Raises LicenceTextMissing."""
    own = any(re.match(r"(\d+-)?(LICEN[SC]E|COPYING)", notice.name.upper()) for notice in fetched.notices)  # a wheel's second LICENSE is "1-LICENSE"
    wanted = fetched.resolved.licence
    if not own and len(texts(wanted)) < len(_ids(wanted)):
        raise LicenceTextMissing(title=fetched.resolved.item.title, licence=wanted)


def notice(resolved: Iterable[Resolved]) -> str:
    """The notice file: each model, its licence, its source, and the lines that some licences want to be shown."""
    lines = ["Models in this bundle", ""]
    for one in resolved:
        pin = one.record.get("version") or one.record.get("revision", "")
        lines.append(f"{one.item.title} ({one.item.role}): {one.licence}, from {one.record['name']} {pin}".rstrip())
        lines += [f"  {NOTICES[terms.id]}" for terms in _conditions(one.licence)]
    return "\n".join(lines) + "\n"


def _ids(expression: str) -> tuple[str, ...]:
    """Every id of an expression. Of two licences to choose from both are wanted: whoever gets the stick chooses, not the builder."""
    words = re.findall(r"[\w.+-]+", expression)
    return tuple(
        dict.fromkeys(word for before, word in zip(["", *words], words, strict=False) if word not in ("AND", "OR", "WITH") and before != "WITH")
    )


def _conditions(expression: str) -> tuple[Terms, ...]:
    return tuple(terms for terms in CONDITIONS if terms.id in _ids(expression))


def _own_reference(item: Item) -> str:
    """SPDX's way to name what it doesn't know: letters, digits, dots and dashes."""
    return "LicenseRef-" + re.sub(r"[^A-Za-z0-9.-]", "-", item.id)
