"""Language and search models, here and at a base camp. The tree is drawn in `appliance/errors/__init__.py`."""

from __future__ import annotations

from appliance.errors.base import HaversackError


class ModelError(HaversackError):
    """A model failed: {detail}"""

    status = 503


class GeneratorFailed(ModelError):
    """The language model stopped ({detail}). The evidence is kept; ask again and it starts anew."""


class PromptTooLong(ModelError):
    """The question and its evidence make {tokens} tokens, and this model reads at most {limit}. Ask a shorter question."""

    status = 413


class EmbedderFailed(ModelError):
    """The embedding model can't be used ({detail}). Build the bundle anew with `make bundle`."""


class NotAModel(ModelError):
    """{name} can't be added: {detail}. Get the file again, or take another one."""

    status = 422


class ModelAltered(ModelError):
    """{name} is not as it was added ({detail}). Remove it with `haversack models remove {name}`, then add it again."""


class ModelTaken(ModelError):
    """There is already a model named {name!r}. Choose another name with --name."""

    status = 409


class ModelBusy(ModelError):
    """{name} can't be {what}: {detail}."""

    status = 409


class ModelTooLarge(ModelError):
    """{name} needs {needed} of memory with {context} tokens of context, and {available} are free here. Close other programs, lower the context, or
    take a smaller model."""

    status = 507


class ModelUnable(ModelError):
    """{name} can't do that: {detail}."""

    status = 400


class BaseCampFailed(ModelError):
    """The base camp at {address} {detail}."""
