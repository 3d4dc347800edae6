"""Conversations: questions and answers as they were shown, kept until their reader deletes them.

Deleting a document empties the answers that quote it, deleting a collection deletes the conversations about it (`store`).
"""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import asdict, dataclass
from typing import Any

from appliance.documents import Answer, Citation, Energy, Evidence, Sentence, Timings, Turn
from appliance.errors import LibraryDamaged, NoSuchCollection, NoSuchConversation
from appliance.library.database import Connection
from appliance.library.reading import Row
from appliance.library.schema import seal
from appliance.library.store import Library
from appliance.library.writing import clean, now

_LONGEST_TITLE = 80
_CONVERSATION = "id, collection_id, title, created, updated"


@dataclass(frozen=True, slots=True)
class Conversation:
    """`created` and `updated`: UTC, ISO 8601, whole seconds."""

    id: int
    collection_id: int
    title: str
    created: str
    updated: str


class Conversations:
    """The conversations of a library. Safe from many threads. Raises NoSuchConversation where the id is none (any more)."""

    def __init__(self, library: Library) -> None:
        self._library = library

    def start(self, collection_id: int, title: str = "") -> Conversation:
        """A new one about a collection; without a title its first question becomes that. Raises NoSuchCollection."""
        moment = now()
        with self._library.database.writing() as connection:
            if not connection.execute("SELECT 1 FROM collections WHERE id = ?", (collection_id,)).fetchone():
                raise NoSuchCollection(name=collection_id)
            values = (collection_id, _shortened(title), moment, moment)
            made = connection.execute("INSERT INTO conversations (collection_id, title, created, updated) VALUES (?, ?, ?, ?)", values).lastrowid
        return Conversation(int(made or 0), *values)

    def all(self, query: str = "") -> tuple[Conversation, ...]:
        """The latest first. With a query: those in whose title, questions and answers all its words occur."""
        words = query.casefold().split()
        with self._library.database.reading() as connection:
            rows = connection.execute(f"SELECT {_CONVERSATION} FROM conversations ORDER BY updated DESC, id DESC").fetchall()
            found = [Conversation(*row) for row in rows]
            if not words:
                return tuple(found)
            # SQLite's LIKE folds the case of ASCII letters only.
            texts = {one.id: [one.title] for one in found}
            for conversation_id, question, answer in connection.execute("SELECT conversation_id, question, answer FROM turns"):
                texts[conversation_id] += (question, answer)
        whole = {one: "\n".join(parts).casefold() for one, parts in texts.items()}
        return tuple(one for one in found if all(word in whole[one.id] for word in words))

    def get(self, conversation_id: int) -> Conversation:
        with self._library.database.reading() as connection:
            return _get(connection, conversation_id)

    def append(self, conversation_id: int, answer: Answer) -> int:
        """Keep an answer, durably. Returns the turn's id."""
        row = (clean(answer.question), clean(answer.searched_for), clean(answer.answer), json.dumps(asdict(answer)))
        shown = {cited.document_id: clean(cited.document) for cited in answer.citations}
        shown.update({found.document_id: clean(found.document) for found in answer.evidence})
        with self._library.database.writing() as connection:
            conversation = _get(connection, conversation_id)
            columns = "conversation_id, question, searched_for, answer, data, seal"
            made = connection.execute(f"INSERT INTO turns ({columns}) VALUES (?, ?, ?, ?, ?, ?)", (conversation_id, *row, seal(*row))).lastrowid
            connection.executemany("INSERT INTO turn_documents VALUES (?, ?, ?)", [(made, *item) for item in shown.items()])
            title = conversation.title or _shortened(answer.question)
            connection.execute("UPDATE conversations SET title = ?, updated = ? WHERE id = ?", (title, now(), conversation_id))
        return int(made or 0)

    def turns(self, conversation_id: int) -> tuple[Turn, ...]:
        """What a follow-up question needs, in order."""
        return tuple(Turn(*row[:3]) for row in self._rows(conversation_id))

    def answers(self, conversation_id: int) -> tuple[Answer, ...]:
        """The answers as they were shown, in order. One whose document was deleted says so and holds nothing else."""
        return tuple(rebuilt(json.loads(row[3])) if row[3] else _forgotten(row) for row in self._rows(conversation_id))

    def rename(self, conversation_id: int, title: str) -> None:
        with self._library.database.writing() as connection:
            _get(connection, conversation_id)
            connection.execute("UPDATE conversations SET title = ? WHERE id = ?", (_shortened(title), conversation_id))

    def remove(self, conversation_id: int) -> None:
        """Delete it from the disk."""
        with self._library.database.writing() as connection:
            _get(connection, conversation_id)
            connection.execute("DELETE FROM conversations WHERE id = ?", (conversation_id,))

    def _rows(self, conversation_id: int) -> list[Row]:
        with self._library.database.reading() as connection:
            _get(connection, conversation_id)
            query = "SELECT question, searched_for, answer, data, seal FROM turns WHERE conversation_id = ? ORDER BY id"
            rows = connection.execute(query, (conversation_id,)).fetchall()
        for row in rows:
            if seal(*row[:-1]) != row[-1]:
                raise LibraryDamaged(path=self._library.database.path, detail="a kept answer was changed on the disk")
        return rows


def _get(connection: Connection, conversation_id: int) -> Conversation:
    row = connection.execute(f"SELECT {_CONVERSATION} FROM conversations WHERE id = ?", (conversation_id,)).fetchone()
    if row is None:
        raise NoSuchConversation()
    return Conversation(*row)


def _shortened(title: str) -> str:
    title = " ".join(clean(title).split())
    return title if len(title) <= _LONGEST_TITLE else title[: _LONGEST_TITLE - 1].rstrip() + "…"


def rebuilt(data: Mapping[str, Any]) -> Answer:
    """The answer whose `asdict` was kept as JSON."""
    nested = {
        "sentences": tuple(Sentence(**_tuples(item)) for item in data["sentences"]),
        "citations": tuple(Citation(**item) for item in data["citations"]),
        "evidence": tuple(Evidence(**_tuples(item)) for item in data["evidence"]),
        "timings": Timings(**data["timings"]),
        "energy": Energy(**data["energy"]) if data.get("energy") else None,
    }
    return Answer(**{**data, **nested})


def _tuples(item: Mapping[str, Any]) -> dict[str, Any]:
    return {name: tuple(value) if isinstance(value, list) else value for name, value in item.items()}


def _forgotten(row: Row) -> Answer:
    question, searched_for, answer = row[:3]
    return Answer(question, searched_for, answer, "", (), (), (), refused=False, model="", timings=Timings(0.0, None, 0.0))
