"""Collections: named sets of documents."""

from __future__ import annotations

from typing import Any

from flask import Blueprint

from appliance.documents import Collection
from appliance.errors import NameTaken, NoSuchCollection
from appliance.library.ledger import ledger
from appliance.runtime import Appliance
from appliance.web.requests import body, ids, number, text
from appliance.web.values import to_json


def find(appliance: Appliance, collection_id: int) -> Collection:
    """The collection of an id. Raises NoSuchCollection."""
    for collection in appliance.library.collections():
        if collection.id == collection_id:
            return collection
    raise NoSuchCollection(name=collection_id)


def routes(appliance: Appliance) -> Blueprint:
    blueprint = Blueprint("collections", __name__)
    library = appliance.library

    @blueprint.get("/collections")
    def every() -> dict[str, Any]:
        return {"collections": to_json(library.collections())}

    @blueprint.post("/collections")
    def create() -> tuple[dict[str, Any], int]:
        name = " ".join(text(body(), "name").split())
        if any(collection.name == name for collection in library.collections()):
            raise NameTaken(name=name)
        return to_json(library.ensure_collection(name)), 201

    @blueprint.patch("/collections/<id:collection_id>")
    def rename(collection_id: int) -> dict[str, Any]:
        library.rename_collection(find(appliance, collection_id).name, text(body(), "name"))
        renamed: dict[str, Any] = to_json(find(appliance, collection_id))
        return renamed

    @blueprint.delete("/collections/<id:collection_id>")
    def remove(collection_id: int) -> tuple[str, int]:
        library.remove_collection(find(appliance, collection_id).name)
        return "", 204

    @blueprint.get("/collections/<id:collection_id>/documents")
    def documents(collection_id: int) -> dict[str, Any]:
        find(appliance, collection_id)
        return {"documents": to_json(library.documents(collection_id))}

    @blueprint.get("/collections/<id:collection_id>/ledger")
    def read_ledger(collection_id: int) -> dict[str, Any]:
        find(appliance, collection_id)
        return {"entries": to_json(ledger(library, collection_id))}

    @blueprint.post("/collections/<id:collection_id>/search")
    def search(collection_id: int) -> dict[str, Any]:
        data = body()
        find(appliance, collection_id)
        limit = number(data, "limit", least=1, most=100, default=10)
        result = appliance.asker.search(text(data, "query"), collection_id, limit=limit, documents=ids(data, "documents"))
        return {"evidence": to_json(result.evidence), "milliseconds": result.milliseconds}

    return blueprint
