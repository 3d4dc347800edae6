"""A comparison as a request or a command line asks for it, put together from the appliance's parts."""

from __future__ import annotations

from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

from appliance.answer.compare import Contest, contender
from appliance.answer.preferred import asked, effective
from appliance.library.comparisons import Contender
from appliance.runtime import Appliance
from appliance.shelf.handle import check_context


@dataclass(frozen=True, slots=True)
class Wanted:
    """A contender as it was asked for, nothing of it checked. An empty model is the one that answers unless told."""

    model: str = ""
    preset: str = ""
    parameters: Mapping[str, Any] = field(default_factory=dict)


def contest(appliance: Appliance, collection_id: int, wanted: Sequence[Wanted], *, together: bool = False, client: str = "page") -> Contest:
    """What the contenders don't tell is the collection's, then the model's own. Raises NoSuchModel, BadParameter, BadRequest."""

    def prepared(one: Wanted) -> tuple[Contender, int]:
        """The contender, and how many passages it takes."""
        model = appliance.shelf.find(one.model) if one.model else appliance.answering
        told = asked(one.preset, one.parameters)
        check_context(model, told.context)
        _, parameters = effective(appliance.preferences, collection_id, asked=(model.name, told))
        passages = parameters.over(model.parameters).evidence or model.settings.evidence_passages
        return contender(model.name, model.title, parameters, one.preset), passages

    def fits(names: Collection[str]) -> bool:
        return appliance.loaded.fit_together([appliance.shelf.find(name) for name in names])

    contenders = [prepared(one) for one in wanted]
    return Contest(
        appliance.asker,
        appliance.loaded.generator,
        [one for one, _ in contenders],
        together=together,
        fits=fits,
        passages=max((passages for _, passages in contenders), default=0),
        client=client,
    )
