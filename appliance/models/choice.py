"""Who answers a question, and how: chosen once, passed on whole."""

from __future__ import annotations

from dataclasses import dataclass

from appliance.models.parameters import NOTHING_TOLD, Parameters


@dataclass(frozen=True, slots=True)
class Choice:
    """`model` is one of the shelf, empty for the one chosen for the purpose; without `write`, only the quotes are shown.

    `client` is whose turn it takes in the queue (`turns.py`).
    """

    model: str = ""
    parameters: Parameters = NOTHING_TOLD
    write: bool = True
    client: str = "page"


UNLESS_TOLD = Choice()
