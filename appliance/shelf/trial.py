"""A model's trial: it is loaded once, in a process of its own, before it is kept."""

from __future__ import annotations

import re
import threading
from dataclasses import replace

from appliance.errors import GeneratorFailed, ModelError, NotAModel, PromptTooLong
from appliance.machine.look import memory_now
from appliance.machine.words import gigabytes
from appliance.models.generator import Generator
from appliance.shelf.entries import ShelfModel
from appliance.shelf.rendering import SHORT_TALK

_CONTEXT = 2048
_SECONDS = 60.0
_SLOWEST = 10e6
"""Bytes a second that a stick reads at least (USB 2.0): a trial may take as long as that."""
_FUNCTIONS = re.compile(r"\b(llama_\w+|gguf_\w+|\w+::\w+|error loading model|llama_model_load)(:| :) ")


def tried(model: ShelfModel, file_name: str, threads: int) -> tuple[str, ...]:
    """Load it and have it write one token, in a child process. Returns a sentence where it wasn't tried. Raises NotAModel."""
    needed, available = model.memory(_CONTEXT), memory_now().available
    if available is not None and needed > available:
        return (f"It was not tried: that takes {gigabytes(needed)} of memory, and {gigabytes(available)} are free now.",)
    generator = Generator(model.title, model.file, replace(model.settings, context=_CONTEXT), threads)
    refusal: list[str] = []

    def load() -> None:
        try:
            generator.start(SHORT_TALK)
        except PromptTooLong:
            pass  # a template with a long text of its own; who counts its tokens has loaded it
        except GeneratorFailed as error:
            refusal.append(_plain(str(error.details.get("detail", error))))
        except ModelError as error:
            refusal.append(str(error.details.get("detail", error)))

    seconds = _SECONDS + model.size / _SLOWEST
    thread = threading.Thread(target=load, name="trial", daemon=True)
    thread.start()
    thread.join(seconds)
    late = thread.is_alive()
    generator.close()  # a child that does anything else than answer is ended here
    if late or refusal:
        raise NotAModel(name=file_name, detail=f"it does nothing for {seconds:.0f} s" if late else refusal[0])
    return ()


def _plain(detail: str) -> str:
    """llama.cpp's reason in one line, without the names of its functions."""
    line = " ".join(detail.split())
    return f"llama.cpp refuses it ({_FUNCTIONS.sub('', line)[:300]})"
