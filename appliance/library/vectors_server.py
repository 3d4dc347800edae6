"""A Chroma server, as the broker talks to it: Chroma's own client, whose requests go out by a way that the broker gives.

Ids and vectors only: no text, no metadata but who writes, no embedding function. An id is "<chunk id>-<checksum of its vector>", so that a
vector which belongs to another text of that number is never taken for this one.
"""

from __future__ import annotations

import base64
import threading
from collections.abc import Callable, Mapping
from typing import TYPE_CHECKING, Any
from urllib.parse import urlsplit

import numpy

if TYPE_CHECKING:
    from chromadb.api.fastapi import FastAPI
    from chromadb.api.models.Collection import Collection
    from chromadb.types import Collection as Entry

Send = Callable[[Any, str, str, Mapping[str, str], bytes], tuple[int, dict[str, str], bytes]]
"""(exchange, method, path with query, headers, body) → (status, headers, body)"""
_PAGE = 5000


class Server:
    """Safe from many threads. Raises what Chroma and `send` raise."""

    def __init__(self, address: str, send: Send) -> None:
        """Nothing is sent before the first call, and Chroma not imported before that or `prepare`."""
        self._address = address
        self._send = send
        self._guard = threading.Lock()
        self._thread = threading.local()
        self._client: FastAPI | None = None
        self._known: dict[str, Collection] = {}

    def prepare(self) -> None:
        """Import Chroma, so that no call has to wait for that. Nothing is sent."""
        self._chroma()

    def call(self, request: Mapping[str, Any], exchange: Any) -> Any:
        """What `request["call"]` asks for, over the connection of `exchange`. Results are JSON."""
        self._thread.exchange = exchange
        match request["call"]:
            case "names":
                return sorted(one.name for one in self._chroma().list_collections(limit=1000) if one.name.startswith(request["prefix"]))
            case "make":
                return self._make(request["name"])
            case "claim":
                self._collection(request["name"]).modify(metadata={"writer": request["writer"]})
            case "look":
                fresh = self._opened(self._chroma().get_collection(request["name"]))
                return {"writer": str((fresh.metadata or {}).get("writer", "")), "count": int(fresh.count())}
            case "remove":
                self._known.pop(request["name"], None)
                self._chroma().delete_collection(request["name"])
            case "ids":
                found = self._collection(request["name"]).get(include=[], limit=_PAGE, offset=request["offset"])
                return [str(one) for one in found["ids"]]
            case "add":
                self._collection(request["name"]).add(ids=request["ids"], embeddings=_rows(request))
            case "delete":
                self._collection(request["name"]).delete(ids=request["ids"])
            case "query":
                return self._query(request)
        return None

    def _make(self, name: str) -> None:
        from chromadb.api.collection_configuration import CreateCollectionConfiguration, CreateHNSWConfiguration

        # As in vectors_chroma.py, which says why.
        hnsw = CreateHNSWConfiguration(space="cosine", max_neighbors=32, ef_construction=200, ef_search=200)
        configuration = CreateCollectionConfiguration(hnsw=hnsw)
        self._known[name] = self._opened(self._chroma().create_collection(name, configuration=configuration))

    def _query(self, request: Mapping[str, Any]) -> list[list[tuple[str, float]]]:
        """For each of the vectors, ids and cosines, best first."""
        found = self._collection(request["name"]).query(query_embeddings=_rows(request), n_results=request["limit"], include=["distances"])
        distances = found["distances"] or []
        return [
            [(str(one), 1.0 - float(distance)) for one, distance in zip(ids, row, strict=True)]
            for ids, row in zip(found["ids"], distances, strict=True)
        ]

    def _collection(self, name: str) -> Collection:
        known = self._known.get(name)
        if known is None:
            known = self._known[name] = self._opened(self._chroma().get_collection(name))
        return known

    def _opened(self, entry: Entry) -> Collection:
        from chromadb.api.models.Collection import Collection

        return Collection(client=self._chroma(), model=entry, embedding_function=None)

    def _chroma(self) -> FastAPI:
        with self._guard:
            if self._client is None:
                self._client = self._connected()
            return self._client

    def _connected(self) -> FastAPI:
        """The inner half of `chromadb.HttpClient`, with another way out put into it. The outer half sends requests while it is being made."""
        import httpx
        from chromadb.api.fastapi import FastAPI
        from chromadb.config import Settings, System

        server, thread = self, self._thread

        class Way(httpx.BaseTransport):
            def handle_request(self, request: httpx.Request) -> httpx.Response:
                path = request.url.raw_path.decode("ascii")
                plain = {**request.headers, "accept-encoding": "identity"}
                status, headers, body = server._send(thread.exchange, request.method, path, plain, request.read())
                return httpx.Response(status, headers=headers, content=body)

        parts = urlsplit(self._address)
        settings = Settings(
            chroma_api_impl="chromadb.api.fastapi.FastAPI",
            chroma_server_host=parts.hostname or "",
            chroma_server_http_port=parts.port or (443 if parts.scheme == "https" else 80),
            anonymized_telemetry=False,
        )
        system = System(settings)
        client = system.instance(FastAPI)
        client._session.close()
        client._session = httpx.Client(transport=Way(), trust_env=False, headers=client._session.headers)
        system.start()
        return client


def _rows(request: Mapping[str, Any]) -> Any:
    """Vectors, float32 of shape (n, dimensions)."""
    flat = numpy.frombuffer(base64.b64decode(request["vectors"]), dtype="<f4")
    return flat.reshape(request["rows"], -1)
