"""What the bundle's manifest says of its language model, as typed values."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import PurePosixPath
from typing import Any

from appliance.errors import BundleUnreadable
from appliance.manifest import Model


@dataclass(frozen=True, slots=True)
class GeneratorSettings:
    """The `settings` of the manifest's generator.

    ```json
    {"file": "model.gguf", "family": "smollm2", "parameters": "135M", "quantisation": "Q4_1", "context": 2048,
     "evidence": {"passages": 1, "tokens": 400}, "temperature": 0.0, "max_tokens": 160, "advice": "…"}
    ```
    """

    file: str
    """The GGUF's path inside the model's folder."""
    family: str
    parameters: str
    """As people write it: "135M", "4B"."""
    quantisation: str
    context: int
    """Tokens that prompt and answer may have together."""
    evidence_passages: int
    """At most so many passages go into the prompt: a small model answers worse the more it is given."""
    evidence_tokens: int
    temperature: float
    """0 always takes the likeliest token, and so the same question gets the same answer."""
    max_tokens: int
    """The longest answer, in tokens."""
    advice: str
    """One sentence that tells the user how far this model can be trusted."""


def generator_settings(model: Model) -> GeneratorSettings:
    """The settings of a generator of the manifest. Raises BundleUnreadable naming the value that is wrong."""
    try:
        settings = model.settings
        evidence = settings["evidence"]
        file = str(settings["file"])
        if not file or PurePosixPath(file).is_absolute() or ".." in PurePosixPath(file).parts:
            raise ValueError(f"file {file!r} is not a name inside the model's folder")
        context = _whole(settings, "context", 128, 1 << 20)
        return GeneratorSettings(
            file=file,
            family=str(settings["family"]),
            parameters=str(settings["parameters"]),
            quantisation=str(settings["quantisation"]),
            context=context,
            evidence_passages=_whole(evidence, "passages", 1, 100),
            evidence_tokens=_whole(evidence, "tokens", 1, context),
            temperature=_temperature(settings["temperature"]),
            max_tokens=_whole(settings, "max_tokens", 1, context),
            advice=str(settings.get("advice", "")),
        )
    except (KeyError, TypeError, ValueError, AttributeError, OverflowError) as error:
        detail = f"nothing is said about {error}" if isinstance(error, KeyError) else error
        raise BundleUnreadable(path=model.folder, detail=f"settings of {model.id}: {detail}") from error


def _whole(settings: Mapping[str, Any], name: str, least: int, most: int) -> int:
    number = settings[name]
    if type(number) is not int or not least <= number <= most:  # true, 2.0 and 1e999 are JSON too
        raise ValueError(f"{name} is {number}, it must be from {least} to {most}")
    return number


def _temperature(value: Any) -> float:
    number = float(value)
    if not 0.0 <= number <= 2.0:
        raise ValueError(f"temperature is {number}, it must be from 0 to 2")
    return number
