"""What a model's name in a request stands for: a language model, one with a collection to answer from, or the embedder.

`smollm2-135m-instruct`, `smollm2-135m-instruct@field-notes`, `all-minilm-l6-v2`, each also with Ollama's ":latest".
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace

from appliance.documents import Collection
from appliance.errors import BadRequest, NoSuchCollection
from appliance.manifest import Model
from appliance.runtime import Appliance
from appliance.shelf.entries import ShelfModel, name_of

LATEST = ":latest"
_SHOWN = 100
"""Characters of an unknown name that an error repeats."""


@dataclass(frozen=True, slots=True)
class Named:
    """What a name stands for. One of `model` and `embedder` is there; `collection` only beside a model."""

    name: str
    """As it is listed."""
    model: ShelfModel | None = None
    collection: Collection | None = None
    embedder: Model | None = None


def served_context(model: ShelfModel) -> int:
    """The tokens that the model reads and writes at most, where a request doesn't ask for more."""
    told = model.parameters.context or model.settings.context
    return min(told, model.trained_context or told)


def listed(appliance: Appliance) -> list[Named]:
    """Everything that can be named: the language models, then each with each collection, then the embedder."""
    models = [Named(model.name, model) for model in appliance.shelf.all()]
    collections = appliance.library.collections()
    handles = _handles(collections)
    pairs = [replace(one, name=f"{one.name}@{handles[each.id]}", collection=each) for one in models for each in collections]
    return [*models, *pairs, embedder(appliance)]


def embedder(appliance: Appliance) -> Named:
    """The bundle's embedder."""
    model = appliance.manifest.model("embedder")
    return Named(name_of(model.id), embedder=model)


def find(appliance: Appliance, name: str) -> Named:
    """What that name stands for. Raises NoSuchModel, NoSuchCollection."""
    plain = name.removesuffix(LATEST)
    model, at, collection = plain.partition("@")
    if not at:
        found = embedder(appliance)
        if plain == found.name:
            return found
    shown = appliance.shelf.find(model[:_SHOWN])
    return Named(shown.name, shown) if not at else _paired(appliance, shown, collection)


def writer(appliance: Appliance, name: str, collection: str = "") -> Named:
    """A language model, and the collection that it answers from: named behind its "@", or in the request's field `collection`.

    Raises NoSuchModel, NoSuchCollection, BadRequest for an embedder and for two collections.
    """
    if not name:
        raise BadRequest(detail='"model" must name a model. GET /v1/models lists those there are.', param="model")
    found = find(appliance, name)
    if found.model is None:
        raise BadRequest(detail=f"{found.name} turns text into vectors; it can't write. Name a language model.", param="model")
    if not collection:
        return found
    paired = _paired(appliance, found.model, collection)
    if found.collection and paired.collection != found.collection:
        raise BadRequest(detail=f'The model\'s name asks for another collection than "collection" ({collection[:_SHOWN]!r}).', param="collection")
    return paired


def embeds(appliance: Appliance, name: str) -> Named:
    """The embedder: by its own name, or by any other that is listed. Raises NoSuchModel, NoSuchCollection, BadRequest."""
    if not name:
        raise BadRequest(detail='"model" must name a model. GET /v1/models lists those there are.', param="model")
    find(appliance, name)
    return embedder(appliance)


def _paired(appliance: Appliance, model: ShelfModel, name: str) -> Named:
    """`name`: the collection's own, or the handle that is listed."""
    collections = appliance.library.collections()
    handles = _handles(collections)
    for known in ({one.id: one.name for one in collections}, handles):
        for one in collections:
            if known[one.id] == name:
                return Named(f"{model.name}@{handles[one.id]}", model, one)
    raise NoSuchCollection(name=name[:_SHOWN])


def _handles(collections: Sequence[Collection]) -> dict[int, str]:
    """Id → name without capitals and blanks ("Field notes" → "field-notes"), the full name where two would be the same."""
    plain = {one.id: "-".join(one.name.lower().split()) for one in collections}
    names = [*plain.values(), *(one.name for one in collections if one.name != plain[one.id])]
    return {one.id: plain[one.id] if names.count(plain[one.id]) == 1 else one.name for one in collections}
