"""How an answer is written: each parameter with its range, one plain sentence, and what it costs.

A parameter that is None is not told: then the next layer holds, in the end the model's own entry (`catalogue.py`). Layers, the strongest
first: what one question asks for, the conversation's, the collection's, the model's.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, fields
from typing import Any

from appliance.errors import BadParameter
from appliance.models.catalogue import GeneratorSettings

LONGEST_SYSTEM = 4000
"""Characters of a system prompt, about 1,000 tokens."""
MOST_SEED = 2**32 - 1


@dataclass(frozen=True, slots=True)
class Parameters:
    """See `RANGES` for what each one is and what it may be."""

    temperature: float | None = None
    top_p: float | None = None
    top_k: int | None = None
    min_p: float | None = None
    repeat_penalty: float | None = None
    presence_penalty: float | None = None
    frequency_penalty: float | None = None
    seed: int | None = None
    max_tokens: int | None = None
    context: int | None = None
    threads: int | None = None
    evidence: int | None = None
    system: str | None = None

    def over(self, other: Parameters) -> Parameters:
        """These, and where they say nothing, `other`'s."""
        return Parameters(**{one.name: getattr(other if getattr(self, one.name) is None else self, one.name) for one in fields(self)})

    def told(self) -> dict[str, float | int | str]:
        """Those that are told, by name."""
        return {one.name: value for one in fields(self) if (value := getattr(self, one.name)) is not None}


NOTHING_TOLD = Parameters()


@dataclass(frozen=True, slots=True)
class Range:
    """One parameter, as the panel shows it. `least` and `most` are None for a text."""

    name: str
    title: str
    kind: type[int] | type[float] | type[str]
    least: float | None
    most: float | None
    sentence: str
    cost: str
    panel: bool = True
    """False: taken from programs, not shown in the page's panel."""


RANGES: tuple[Range, ...] = (
    Range(
        "temperature",
        "Temperature",
        float,
        0,
        2,
        "How freely words are chosen: 0 always takes the likeliest, so the same question gets the same answer.",
        "No time. Above 0.7 small models begin to invent.",
    ),
    Range(
        "top_p",
        "Top-p",
        float,
        0.01,
        1,
        "Only the likeliest words that together reach this share are drawn from.",
        "No time. It matters only above temperature 0.",
    ),
    Range("top_k", "Top-k", int, 0, 1000, "At most so many words are drawn from; 0 leaves it open.", "No time.", panel=False),
    Range(
        "min_p",
        "Min-p",
        float,
        0,
        1,
        "Words less likely than this share of the likeliest are left out.",
        "No time. It matters only above temperature 0.",
    ),
    Range(
        "repeat_penalty",
        "Repeat penalty",
        float,
        0.5,
        2,
        "Above 1, words that were just used become less likely; 1 is off.",
        "No time, but a name that the answer must say again is avoided.",
    ),
    Range("presence_penalty", "Presence penalty", float, -2, 2, "Above 0, words that occurred become less likely.", "No time.", panel=False),
    Range(
        "frequency_penalty",
        "Frequency penalty",
        float,
        -2,
        2,
        "Above 0, words become less likely the more often they occurred.",
        "No time.",
        panel=False,
    ),
    Range(
        "seed",
        "Seed",
        int,
        0,
        MOST_SEED,
        "Where the drawing of words begins: the same seed draws the same words again.",
        "No time. It matters only above temperature 0.",
    ),
    Range(
        "max_tokens",
        "Longest answer",
        int,
        1,
        1 << 20,
        "The most tokens that an answer may have; four are about three words.",
        "Time: every token takes as long as the last.",
        panel=False,
    ),
    Range(
        "context",
        "Context",
        int,
        256,
        1 << 20,
        "How many tokens the model holds in mind: question, evidence and answer together.",
        "Memory for each token, and the model is loaded again.",
    ),
    Range(
        "threads",
        "Threads",
        int,
        1,
        512,
        "How many processor cores the model may use.",
        "More is faster until the cores are used up, and takes more power. The model is loaded again.",
    ),
    Range(
        "evidence",
        "Passages",
        int,
        1,
        20,
        "The most passages that are given to the model to answer from.",
        "Time: every passage has to be read. Small models answer worse the more they are given.",
    ),
    Range(
        "system",
        "System prompt",
        str,
        None,
        None,
        "What the model is told before everything else, in your own words.",
        "Time to read it, once. It can't make the model see more than the passages.",
    ),
)
BY_NAME = {one.name: one for one in RANGES}

PRESETS: Mapping[str, Parameters] = {
    "exact": Parameters(temperature=0.0, top_p=1.0, min_p=0.0, repeat_penalty=1.0),
    "balanced": Parameters(temperature=0.4, top_p=0.9, min_p=0.05, repeat_penalty=1.0),
    "free": Parameters(temperature=0.9, top_p=0.95, min_p=0.02, repeat_penalty=1.05),
}
"""Exact: the likeliest words, the same each time. Balanced: a little variety. Free: for drafts and ideas, not for facts."""


def checked(values: Mapping[str, Any]) -> Parameters:
    """Parameters of untrusted values; None and what is left out are not told. Raises BadParameter with the range."""
    found: dict[str, Any] = {}
    for name, value in values.items():
        if name not in BY_NAME:
            raise BadParameter(name="A parameter", value=repr(name)[:60], allowed="known are " + ", ".join(BY_NAME))
        if value is not None:
            found[name] = _checked(BY_NAME[name], value)
    return Parameters(**found)


def _checked(known: Range, value: Any) -> float | int | str:
    if known.kind is str:
        if not isinstance(value, str) or len(value) > LONGEST_SYSTEM:
            raise BadParameter(name=known.name, value="that", allowed=f"it must be a text of at most {LONGEST_SYSTEM} characters")
        return value.encode("utf-8", "replace").decode()
    assert known.least is not None
    assert known.most is not None
    right = isinstance(value, int) or (known.kind is float and isinstance(value, float))
    # Not a number is outside every range, and so is infinity.
    if not right or isinstance(value, bool) or not known.least <= value <= known.most:
        what = "a whole number" if known.kind is int else "a number"
        raise BadParameter(name=known.name, value=repr(value)[:40], allowed=f"it must be {what} from {_shown(known.least)} to {_shown(known.most)}")
    return known.kind(value)


def _shown(number: float) -> str:
    """1048576, not 1.04858e+06."""
    return str(int(number)) if number == int(number) else f"{number:g}"


@dataclass(frozen=True, slots=True)
class Sampling:
    """How the next token is chosen, everything told: what the engine needs."""

    temperature: float = 0.0
    top_k: int = 40
    top_p: float = 0.95
    min_p: float = 0.05
    repeat_penalty: float = 1.0
    presence_penalty: float = 0.0
    frequency_penalty: float = 0.0
    seed: int = 0


def sampling(parameters: Parameters, settings: GeneratorSettings) -> Sampling:
    """The parameters that are told over the model's own entry."""
    told = parameters.over(Parameters(temperature=settings.temperature)).told()
    drawing: dict[str, Any] = {one.name: told[one.name] for one in fields(Sampling) if one.name in told}
    return Sampling(**drawing)
