"""The tools: passages, answers and pages of the library, each with document, page and quote. Nothing here changes anything."""

from __future__ import annotations

import json
import threading
from collections.abc import Callable, Iterator, Mapping, Sequence
from typing import Any

from appliance.answer.pipeline import Asker
from appliance.documents import Answer, Collection, Document, Evidence, Finished, Progress, Queued
from appliance.errors import BadRequest, NoSuchDocument
from appliance.library.reading import Reader
from appliance.mcp.server import Report

MOST_RESULTS = 20
LONGEST_PART = 20_000
"""Characters of a page that are given at a time, about 5,000 tokens: a book in a format without pages is one page."""
_CHECKS: Mapping[str, tuple[Callable[[Any], bool], str]] = {
    "string": (lambda value: isinstance(value, str) and bool(value.strip()), "text"),
    "integer": (lambda value: isinstance(value, int) and not isinstance(value, bool), "a whole number"),
    "array": (lambda value: isinstance(value, list) and all(isinstance(one, str) for one in value), "a list of texts"),
}


class LibraryTools:
    """`only`: the one collection that may be seen, or "" for all. Safe from many threads."""

    def __init__(self, library: Reader, asker: Asker, only: str = "") -> None:
        self._library = library
        self._asker = asker
        self._only = only
        self._tools: dict[str, Callable[[Mapping[str, Any], threading.Event, Report], dict[str, Any]]] = {
            "list_collections": self._list,
            "search": self._search,
            "ask": self._ask,
            "read_page": self._read_page,
        }

    def knows(self, name: str) -> bool:
        return name in self._tools

    def described(self) -> list[dict[str, Any]]:
        """As `tools/list` shows them."""
        return [self._described(name) for name in self._tools]

    def call(self, name: str, arguments: Mapping[str, Any], cancel: threading.Event, report: Report) -> dict[str, Any]:
        """The result as MCP has it: the same twice, as data and as the text that older clients read. Raises HaversackError."""
        _check(name, arguments, self._described(name)["inputSchema"])
        result = self._tools[name](arguments, cancel, report)
        return {"content": [{"type": "text", "text": json.dumps(result, ensure_ascii=False)}], "structuredContent": result, "isError": False}

    def _described(self, name: str) -> dict[str, Any]:
        title, description, needed, offered, output = _TOOLS[name]
        taken = {key: value for key, value in offered.items() if key != "collection" or not self._only}
        return {
            "name": name,
            "title": title,
            "description": description,
            "inputSchema": {"type": "object", "properties": taken, "required": list(needed), "additionalProperties": False},
            "outputSchema": {"type": "object", "properties": output, "required": list(output)},
            "annotations": {"title": title, "readOnlyHint": True, "destructiveHint": False, "idempotentHint": True, "openWorldHint": False},
        }

    def _collections(self) -> Sequence[Collection]:
        return (self._library.collection(self._only),) if self._only else self._library.collections()

    def _collection(self, arguments: Mapping[str, Any]) -> Collection:
        """The one that was named, or the only one there is. Raises NoSuchCollection, BadRequest."""
        if "collection" in arguments:
            return self._library.collection(arguments["collection"])
        found = self._collections()
        if len(found) == 1:
            return found[0]
        names = ", ".join(one.name for one in found)
        raise BadRequest(detail=f"Say which collection: {names}." if found else "This library has no collection yet.")

    def _document(self, collection: Collection, name: str) -> Document:
        document = self._library.find_document(collection.id, name=name)
        if document is None:
            raise NoSuchDocument(name=name)
        return document

    def _documents(self, collection: Collection, arguments: Mapping[str, Any]) -> tuple[int, ...] | None:
        return tuple(self._document(collection, name).id for name in arguments["documents"]) if arguments.get("documents") else None

    def _list(self, _arguments: Mapping[str, Any], _cancel: threading.Event, _report: Report) -> dict[str, Any]:
        return {
            "collections": [
                {"name": one.name, "passages": one.chunks, "documents": [document.name for document in self._library.documents(one.id)]}
                for one in self._collections()
            ]
        }

    def _search(self, arguments: Mapping[str, Any], _cancel: threading.Event, _report: Report) -> dict[str, Any]:
        collection = self._collection(arguments)
        documents = self._documents(collection, arguments)
        found = self._asker.search(arguments["query"], collection.id, limit=arguments.get("limit", 5), documents=documents)
        return {
            "collection": collection.name,
            "results": [{**_passage(one), "score": round(one.score, 4)} for one in found.evidence],
        }

    def _ask(self, arguments: Mapping[str, Any], cancel: threading.Event, report: Report) -> dict[str, Any]:
        collection = self._collection(arguments)
        documents = self._documents(collection, arguments)
        for event in self._asker.ask(arguments["question"], collection.id, documents=documents, cancel=cancel):
            match event:
                case Queued(ahead=ahead):
                    report(f"{ahead} before this one")
                case Progress(phase=phase, done=done, total=total):
                    report(f"{phase} {done} of {total}")
                case Finished(answer=answer):
                    return _answered(collection.name, answer)
        raise AssertionError("the ask pipeline ends with Finished")

    def _read_page(self, arguments: Mapping[str, Any], _cancel: threading.Event, _report: Report) -> dict[str, Any]:
        collection = self._collection(arguments)
        document = self._document(collection, arguments["document"])
        pages = self._library.pages(document.id)
        wanted = arguments.get("page")
        page = next((one for one in pages if one.number == wanted), None)
        if page is None and wanted is None:
            page = pages[0] if pages else None
        if page is None and wanted == 1 and len(pages) == 1:
            page = pages[0]  # a letter or a web page: its one page has no number
        if page is None:
            numbers = [one.number for one in pages if one.number is not None]
            there = f"pages {numbers[0]} to {numbers[-1]}" if numbers else "no numbered pages: leave `page` out"
            raise BadRequest(detail=f"{document.name} has no page {wanted}; it has {there}.")
        start, total = arguments.get("start", 0), len(page.text)
        end = start + arguments.get("length", LONGEST_PART)
        if start > total:
            raise BadRequest(detail=f"That page has {total:,} characters: `start` must be at most that.")
        return {
            "collection": collection.name,
            "document": document.name,
            "page": page.number,
            "pages": len(pages),
            "text": page.text[start:end],
            "start": start,
            "total": total,
            "next": end if end < total else None,
            "unread": page.reason or "",
        }


def _passage(evidence: Evidence) -> dict[str, Any]:
    return {"document": evidence.document, "page": evidence.page, "start": evidence.start, "quote": evidence.text}


def _answered(collection: str, answer: Answer) -> dict[str, Any]:
    fields = ("marker", "document", "page", "start", "quote", "supported")
    return {
        "collection": collection,
        "answer": answer.answer,
        "refused": answer.refused,
        "citations": [{key: getattr(one, key) for key in fields} for one in answer.citations],
        "nearest": [_passage(one) for one in answer.evidence[:3]] if answer.refused else [],
        "model": answer.model,
        "note": answer.note,
    }


def _check(tool: str, arguments: Mapping[str, Any], schema: Mapping[str, Any]) -> None:
    """Raises BadRequest with what is wrong with the first argument that is."""
    for sentence in _wrong(tool, arguments, schema):
        raise BadRequest(detail=sentence)


def _wrong(tool: str, arguments: Mapping[str, Any], schema: Mapping[str, Any]) -> Iterator[str]:
    known = schema["properties"]
    for name in schema["required"]:
        if name not in arguments:
            yield f"`{tool}` needs `{name}`."
    for name, value in arguments.items():
        if name not in known:
            yield f"`{tool}` takes no `{name[:60]}`; it takes {', '.join(known) or 'nothing'}."
            continue
        fits, what = _CHECKS[known[name]["type"]]
        least, most = known[name].get("minimum"), known[name].get("maximum")
        if not fits(value):
            yield f"`{name}` must be {what}."
        elif least is not None and value < least:
            yield f"`{name}` must be at least {least}."
        elif most is not None and value > most:
            yield f"`{name}` must be at most {most}."


_COLLECTION = {"collection": {"type": "string", "description": "Its name; can be left out where there is only one."}}
_DOCUMENTS = {"documents": {"type": "array", "items": {"type": "string"}, "description": "Only in these documents, by name."}}
_PAGE = {"type": ["integer", "null"], "description": "null where the format has no pages."}
_TEXT = {"type": "string"}
_START = {"type": "integer", "description": "The character of the page at which the quote begins."}
_CITED = {"document": _TEXT, "page": _PAGE, "start": _START, "quote": {"type": "string", "description": "Verbatim."}}


def _list_of(properties: Mapping[str, Any]) -> dict[str, Any]:
    return {"type": "array", "items": {"type": "object", "properties": properties, "required": list(properties)}}


_TOOLS: dict[str, tuple[str, str, Sequence[str], dict[str, Any], dict[str, Any]]] = {
    "list_collections": (
        "List collections",
        "The user's collections, with the names of the documents in each.",
        (),
        {},
        {"collections": _list_of({"name": _TEXT, "passages": {"type": "integer"}, "documents": {"type": "array", "items": _TEXT}})},
    ),
    "search": (
        "Search documents",
        "The passages of the user's documents that fit a query best, by words and by meaning, each with document and page. Takes milliseconds.",
        ("query",),
        {
            "query": {"type": "string"},
            **_COLLECTION,
            **_DOCUMENTS,
            "limit": {"type": "integer", "minimum": 1, "maximum": MOST_RESULTS, "description": "How many passages; 5 unless told."},
        },
        {"collection": _TEXT, "results": _list_of({**_CITED, "score": {"type": "number"}})},
    ),
    "ask": (
        "Ask documents",
        "An answer from the user's documents, written by a small model on this machine, with verbatim quotes and their pages. Takes seconds. It says"
        " `refused` where the documents don't hold an answer.",
        ("question",),
        {"question": {"type": "string"}, **_COLLECTION, **_DOCUMENTS},
        {
            "collection": _TEXT,
            "answer": {"type": "string", "description": "[n] stands for the citation with that marker."},
            "refused": {"type": "boolean"},
            "citations": _list_of({"marker": {"type": "integer"}, **_CITED, "supported": {"type": "boolean"}}),
            "nearest": _list_of(_CITED),
            "model": _TEXT,
            "note": _TEXT,
        },
    ),
    "read_page": (
        "Read a page",
        "The text of one page of a document. A long one comes in parts: go on at `next`. To read around a passage, begin before its `start`.",
        ("document",),
        {
            "document": {"type": "string"},
            "page": {"type": "integer", "minimum": 1, "description": "The first unless told."},
            "start": {"type": "integer", "minimum": 0, "description": "The character to begin at; the first unless told."},
            "length": {"type": "integer", "minimum": 1, "maximum": LONGEST_PART, "description": f"Characters; {LONGEST_PART:,} unless told."},
            **_COLLECTION,
        },
        {
            "collection": _TEXT,
            "document": _TEXT,
            "page": _PAGE,
            "pages": {"type": "integer"},
            "text": _TEXT,
            "start": {"type": "integer"},
            "total": {"type": "integer", "description": "Characters of the whole page."},
            "next": {"type": ["integer", "null"], "description": "The `start` of what follows; null at the page's end."},
            "unread": {"type": "string", "description": "Why the page, or some of it, could not be read; empty where it was read whole."},
        },
    ),
}
